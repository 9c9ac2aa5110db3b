//! Which detectors notice the attack, at what cost: exact, and on samples.

use super::Outcome;
use super::check::{Parameters, explain, on_threads};
use super::report::Rate;
use crate::output::{self, Format, csv_of, number, number_from_ln, section};
use anyhow::Result;
use comfy_table::{Cell, Color, Table};
use serde::Serialize;
use undetected_theory::{
    CounterExample, Decomposition, Detector, DetectorTally, OperatingPoint, Region, SCORES,
    SUPPORT, Score, ln_least_false_alarm, simulate_detectors,
};

/// The usual limit on false alarms.
const USUAL_FALSE_ALARM: f64 = 0.05;

/// Parameters of the counter-example and of the samples that confirm the error probabilities.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    parameters: Parameters,
    /// Points to draw from the data, and to attack where they lie in the shell
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    samples: u64,
    /// Seed of the random streams; the same seed gives the same answer on any number of threads
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads to simulate on [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Form of the result on standard output; csv has one row per detector and threshold
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: Format,
}

const EXAMPLES: &str = "\
Exit status: 0 the attack evades every one-sided threshold on a density, 1 it does not, 2 the
question is wrong.

Examples:
  counterexample detectors --d 500
  counterexample detectors --d 500 --format csv   every threshold of every detector
  counterexample detectors --d 100000 --shell 0.0001 --kl-epsilon 0.5 --delta 0.3
                                                  a thin shell, where the typical set is evaded";

/// Judges every detector; the claim is that no one-sided threshold on a density notices.
pub fn run(args: &Args) -> Result<Outcome> {
    let (_, example) = args.parameters.build()?;
    let tally = on_threads(args.threads, || simulate_detectors(&example, args.samples, args.seed))?
        .map_err(|error| explain(&args.parameters, error))?;
    let report = Report::new(&example, &tally, args.seed);
    let text = match args.format {
        Format::Table => table(&report),
        Format::Csv => csv_of(&rows(&report))?,
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    Ok((text, report.one_sided_are_evaded()))
}

/// Everything the command found. Probabilities, and nats where a name says so.
#[derive(Debug, Serialize)]
struct Report {
    dim: u64,
    shell: f64,
    ln_lambda1: f64,
    ln_lambda2: f64,
    regions: Vec<RegionReport>,
    model_entropy_nats: f64,
    detectors: Vec<DetectorReport>,
    ln_least_false_alarm: f64,
    samples: u64,
    moved: u64,
    seed: u64,
}

#[derive(Debug, Serialize)]
struct RegionReport {
    region: &'static str,
    probability: f64,
    ln_density_nats: f64,
    distance_from_entropy_nats: f64,
    ln_odds_class0_nats: Option<f64>,
}

#[derive(Debug, Serialize)]
struct DetectorReport {
    detector: &'static str,
    score: &'static str,
    one_sided: bool,
    verdict: &'static str,
    cost: f64,
    ln_cost: f64,
    detection_within_5_percent: f64,
    auroc: f64,
    auroc_sampled: Option<f64>,
    thresholds: Vec<Threshold>,
}

/// One threshold of one detector, exact and on samples.
#[derive(Debug, Serialize)]
struct Threshold {
    rejected: String,
    false_alarm: f64,
    ln_false_alarm: Option<f64>,
    accepted: f64,
    detection: f64,
    false_alarm_sampled: Rate,
    detection_sampled: Option<Rate>,
}

impl Report {
    fn new(example: &CounterExample, tally: &DetectorTally, seed: u64) -> Self {
        let entropy = Decomposition::new(example.model(), example.model()).image.nats;
        Report {
            dim: example.dim(),
            shell: example.shell(),
            ln_lambda1: example.ln_lambda1(),
            ln_lambda2: example.ln_lambda2(),
            regions: SUPPORT.map(|region| RegionReport::new(example, region, entropy)).into(),
            model_entropy_nats: entropy,
            detectors: SCORES.map(|score| DetectorReport::new(example, score, tally)).into(),
            ln_least_false_alarm: ln_least_false_alarm(example),
            samples: tally.samples,
            moved: tally.moved,
            seed,
        }
    }

    fn one_sided_are_evaded(&self) -> bool {
        self.detectors.iter().filter(|d| d.one_sided).all(|d| d.verdict == EVADED)
    }
}

impl RegionReport {
    fn new(example: &CounterExample, region: Region, entropy: f64) -> Self {
        let ln_density = example.model().ln_density(region);
        let ln_odds = example.model().posterior(region).map(|posterior| posterior.ln_odds);
        RegionReport {
            region: name(region),
            probability: example.data().mass(region),
            ln_density_nats: ln_density,
            distance_from_entropy_nats: (ln_density + entropy).abs(),
            ln_odds_class0_nats: ln_odds.filter(|odds| odds.is_finite()),
        }
    }
}

const EVADED: &str = "evaded";
const DETECTED: &str = "detected";

impl DetectorReport {
    fn new(example: &CounterExample, score: Score, tally: &DetectorTally) -> Self {
        let detector = Detector::new(example, score);
        let cheapest = detector.cheapest_detection();
        let (id, symbol, one_sided) = describe(score);
        DetectorReport {
            detector: id,
            score: symbol,
            one_sided,
            verdict: if detector.evaded() { EVADED } else { DETECTED },
            cost: cheapest.false_alarm(),
            ln_cost: cheapest.ln_false_alarm,
            detection_within_5_percent: share(detector.within(USUAL_FALSE_ALARM).detects()),
            auroc: detector.auroc(),
            auroc_sampled: tally.auroc(&detector),
            thresholds: detector
                .operating_points()
                .iter()
                .map(|p| Threshold::new(p, tally))
                .collect(),
        }
    }

    /// The threshold that detects the attack with the fewest false alarms.
    fn cheapest(&self) -> Option<&Threshold> {
        self.thresholds.iter().find(|threshold| threshold.detection == 1.0)
    }
}

impl Threshold {
    fn new(point: &OperatingPoint, tally: &DetectorTally) -> Self {
        let rejected = SUPPORT.into_iter().filter(|&region| point.rejects(region)).map(name);
        Threshold {
            rejected: match point.rejected {
                [true, true, true] => "everything".to_string(),
                [false, false, false] => "nothing".to_string(),
                _ => rejected.collect::<Vec<_>>().join(" + "),
            },
            false_alarm: point.false_alarm(),
            ln_false_alarm: Some(point.ln_false_alarm).filter(|ln| ln.is_finite()),
            accepted: point.ln_accepted.exp(),
            detection: share(point.detects()),
            false_alarm_sampled: tally.false_alarm(point).into(),
            detection_sampled: tally.detection(point).map(Rate::from),
        }
    }
}

fn share(always: bool) -> f64 {
    if always { 1.0 } else { 0.0 }
}

fn name(region: Region) -> &'static str {
    match region {
        Region::Ball => "ball",
        Region::Shell => "shell",
        Region::Outer => "outer",
        Region::Outside => "outside",
    }
}

/// Identifier, symbol, and whether it is a one-sided threshold on a density.
fn describe(score: Score) -> (&'static str, &'static str, bool) {
    match score {
        Score::Density => ("density", "q(x)", true),
        Score::Joint => ("joint", "q(x, y), y predicted", true),
        Score::Conditional => ("conditional", "q(x|y), y predicted", true),
        Score::BackgroundRatio => ("background_ratio", "q(x) / U(0, 3)", true),
        Score::TwoSided => ("two_sided", "q(x), two-sided", false),
        Score::TypicalSet => ("typical_set", "|ln q(x) + H(q)|", false),
        Score::ClassRatio => ("class_ratio", "q(x|y) / q(x|other)", false),
    }
}

fn table(report: &Report) -> String {
    let title = format!(
        "Counter-example in dimension {}: which detectors notice the attack?\n\n",
        report.dim
    );
    let samples = format!(
        "The same on samples ({} from p, {} moved; 99 % intervals)",
        report.samples, report.moved
    );
    let regions = format!(
        "Regions (H(q) = {} nats; the attack goes from the shell into the ball)",
        number(report.model_entropy_nats)
    );
    [
        title,
        section(&regions, &region_table(report)),
        section(
            "To detect the attack, a detector that thresholds ... must reject ...",
            &detector_table(report),
        ),
        section(&samples, &sample_table(report)),
        format!(
            "No test of x alone detects x' = x / (1 + shell) with fewer false alarms than {}.\n",
            number_from_ln(report.ln_least_false_alarm)
        ),
        last(report),
    ]
    .concat()
}

fn last(report: &Report) -> String {
    let detecting = report.detectors.iter().filter(|d| d.verdict == DETECTED);
    let detecting: Vec<_> = detecting.map(|d| d.detector).collect();
    let evaded = match report.one_sided_are_evaded() {
        true => "The attack evades every one-sided threshold on a density",
        false => "A one-sided threshold on a density detects the attack",
    };
    format!("{evaded}.\nDetected by: {}.\n", detecting.join(", "))
}

fn region_table(report: &Report) -> Table {
    let mut table = output::table(&[
        "region",
        ">P(x in it)",
        ">ln q(x)",
        ">distance from -H(q)",
        ">ln q(0|x) / q(1|x)",
    ]);
    for region in &report.regions {
        let certain = if region.region == "outer" { "-inf" } else { "inf" };
        table.add_row([
            region.region,
            &number(region.probability),
            &number(region.ln_density_nats),
            &number(region.distance_from_entropy_nats),
            &region.ln_odds_class0_nats.map_or(certain.to_string(), number),
        ]);
    }
    table
}

fn detector_table(report: &Report) -> Table {
    let mut table = output::table(&[
        "score",
        "must reject",
        ">false alarms",
        ">detects within 5 %",
        ">AUROC",
        "attack is",
    ]);
    for detector in &report.detectors {
        table.add_row([
            Cell::new(detector.score),
            Cell::new(detector.cheapest().map_or("", |threshold| &threshold.rejected)),
            Cell::new(number_from_ln(detector.ln_cost)),
            Cell::new(number(detector.detection_within_5_percent)),
            Cell::new(number(detector.auroc)),
            verdict(detector.verdict),
        ]);
    }
    table
}

fn verdict(verdict: &'static str) -> Cell {
    Cell::new(verdict).fg(if verdict == EVADED { Color::Red } else { Color::Green })
}

fn sample_table(report: &Report) -> Table {
    let mut table =
        output::table(&["score", ">false alarms", "interval", ">detected", "interval", ">AUROC"]);
    let interval = |rate: &Rate| format!("{} to {}", number(rate.low), number(rate.high));
    let none = || "none moved".to_string();
    for detector in &report.detectors {
        let Some(threshold) = detector.cheapest() else { continue };
        let (clean, attacked) = (&threshold.false_alarm_sampled, &threshold.detection_sampled);
        table.add_row([
            detector.score,
            &number(clean.estimate),
            &interval(clean),
            &attacked.as_ref().map_or_else(none, |rate| number(rate.estimate)),
            &attacked.as_ref().map_or_else(none, interval),
            &detector.auroc_sampled.map_or_else(none, number),
        ]);
    }
    table
}

/// One threshold of one detector, flat.
#[derive(Debug, Serialize)]
struct Row<'a> {
    dim: u64,
    detector: &'a str,
    rejected: &'a str,
    false_alarm: f64,
    ln_false_alarm: Option<f64>,
    accepted: f64,
    detection: f64,
    auroc: f64,
    verdict: &'a str,
    false_alarm_sampled: f64,
    false_alarm_low: f64,
    false_alarm_high: f64,
    detection_sampled: Option<f64>,
    detection_low: Option<f64>,
    detection_high: Option<f64>,
    auroc_sampled: Option<f64>,
}

fn rows(report: &Report) -> Vec<Row<'_>> {
    let of = |detector| move |threshold| Row::new(report.dim, detector, threshold);
    let detectors = report.detectors.iter();
    detectors.flat_map(|detector| detector.thresholds.iter().map(of(detector))).collect()
}

impl<'a> Row<'a> {
    fn new(dim: u64, detector: &'a DetectorReport, threshold: &'a Threshold) -> Self {
        let detection = threshold.detection_sampled.as_ref();
        Row {
            dim,
            detector: detector.detector,
            rejected: &threshold.rejected,
            false_alarm: threshold.false_alarm,
            ln_false_alarm: threshold.ln_false_alarm,
            accepted: threshold.accepted,
            detection: threshold.detection,
            auroc: detector.auroc,
            verdict: detector.verdict,
            false_alarm_sampled: threshold.false_alarm_sampled.estimate,
            false_alarm_low: threshold.false_alarm_sampled.low,
            false_alarm_high: threshold.false_alarm_sampled.high,
            detection_sampled: detection.map(|rate| rate.estimate),
            detection_low: detection.map(|rate| rate.low),
            detection_high: detection.map(|rate| rate.high),
            auroc_sampled: detector.auroc_sampled,
        }
    }
}
