//! `evaluate run`: likelihood, accuracy and detection of models on data.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use indicatif::ProgressBar;
use undetected_onnx::{
    checkpoint::Checkpoint,
    contract::Overrides,
    engine::EngineOptions,
    model::ConditionalModel,
    record::{Row, Sample},
    suite::{DataEntry, Event, ModelEntry, Outcome, Suite, Threshold, run_model},
};

use super::engine_args::{ContractArgs, EngineArgs};
use crate::output::{self, number};

/// Measure likelihood, accuracy and detection of a suite's models, or of one model on one data set.
///
/// Prints a table per model and writes results.csv (every number, long form) and samples.csv (every
/// image) into the output folder. Uniform noise is always among the inputs to be rejected.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The suite file (TOML): models, data and threshold.
    #[arg(conflicts_with_all = ["model", "data", "labels", "ood", "set"])]
    suite: Option<PathBuf>,
    /// The checkpoint, in place of a suite.
    #[arg(long, value_name = "FILE", required_unless_present = "suite", requires = "data")]
    model: Option<PathBuf>,
    /// Labelled images: IDX (plain or gzip), NPZ, CIFAR-10 binary or its folder.
    #[arg(long, value_name = "FILE", required_unless_present = "suite")]
    data: Option<PathBuf>,
    /// The IDX label file, where it is not beside the images under its usual name.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Images that should be rejected; may be given again.
    #[arg(long, value_name = "FILE")]
    ood: Vec<PathBuf>,
    /// Take only the first so many images of every data set.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Where results.csv and samples.csv go [default: out/NAME].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed of dequantisation, padding noise, synthetic images and the calibration split
    /// [default: the suite's, or 0].
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Images per call of the engine; changes speed only.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    #[command(flatten)]
    threshold: ThresholdArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    contract: ContractArgs,
}

/// When an input counts as real.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
#[command(next_help_heading = "Threshold on log p(x)")]
struct ThresholdArgs {
    /// Fit it on half of the data so that at most this share of real images is rejected; measured
    /// on the other half [default: the suite's, or 0.05].
    #[arg(long, value_name = "RATE")]
    false_alarm_rate: Option<f64>,
    /// Fix it, in bits/dim (the paper's 1.4 for MNIST, 4.0 for CIFAR-10).
    #[arg(long, value_name = "BITS")]
    threshold_bits_per_dim: Option<f64>,
    /// Fix it, in nats of log p(x).
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    threshold_nats: Option<f64>,
}

const EXAMPLES: &str = "\
Examples:
  evaluate run onnx/suites/demo.toml
  evaluate run --model MODEL.onnx --data t10k-images-idx3-ubyte.gz --threshold-bits-per-dim 1.4
  evaluate run --model MODEL.onnx --data cifar-10-batches-bin --ood svhn.npz --engine ort";

pub fn run(args: &Args) -> anyhow::Result<()> {
    let suite = args.suite()?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(&suite.name));
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let options = args.engine.options();
    let (mut rows, mut samples): (Vec<Row>, Vec<Sample>) = (vec![], vec![]);
    for model in &suite.models {
        let outcome = evaluate(&suite, model, &options, args.batch_size as usize)?;
        output::print(&tables(&outcome))?;
        rows.extend(outcome.rows);
        samples.extend(outcome.samples);
        // After each model: a later one's failure loses nothing.
        output::write_csv(&out.join("results.csv"), &rows)?;
        output::write_csv(&out.join("samples.csv"), &samples)?;
    }
    output::print(&format!(
        "{} numbers in {}, {} images in {}\n",
        rows.len(),
        out.join("results.csv").display(),
        samples.len(),
        out.join("samples.csv").display()
    ))?;
    Ok(())
}

impl Args {
    /// The suite that the arguments name or describe.
    fn suite(&self) -> anyhow::Result<Suite> {
        let mut suite = match (&self.suite, &self.model, &self.data) {
            (Some(path), ..) => Suite::read(path)?,
            (None, Some(model), Some(data)) => self.described(model, data),
            _ => unreachable!("clap requires a suite, or a model with data"),
        };
        suite.seed = self.seed.unwrap_or(suite.seed);
        suite.threshold = self.threshold.chosen().unwrap_or(suite.threshold);
        if let Some(limit) = self.limit {
            let data = std::iter::once(&mut suite.data).chain(&mut suite.out_of_distribution);
            data.for_each(|entry| entry.limit = Some(limit as usize));
        }
        Ok(suite)
    }

    fn described(&self, model: &Path, data: &Path) -> Suite {
        let entry = |images: &Path, labels: Option<&PathBuf>| DataEntry {
            name: None,
            images: images.to_owned(),
            labels: labels.cloned(),
            limit: None,
        };
        let contract: BTreeMap<_, _> = self.contract.set.iter().cloned().collect();
        Suite {
            name: model.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            seed: 0,
            models: vec![ModelEntry { path: model.to_owned(), contract }],
            data: entry(data, self.labels.as_ref()),
            out_of_distribution: self.ood.iter().map(|images| entry(images, None)).collect(),
            threshold: Threshold::default(),
        }
    }
}

impl ThresholdArgs {
    fn chosen(&self) -> Option<Threshold> {
        let fitted = self.false_alarm_rate.map(Threshold::FalseAlarmRate);
        let bits = self.threshold_bits_per_dim.map(Threshold::BitsPerDim);
        fitted.or(bits).or(self.threshold_nats.map(Threshold::Nats))
    }
}

fn evaluate(
    suite: &Suite,
    model: &ModelEntry,
    options: &EngineOptions,
    batch_size: usize,
) -> anyhow::Result<Outcome> {
    let mut checkpoint =
        Checkpoint::open(&model.path, &Overrides::new(model.contract.clone())?, options)?;
    if let Some(notice) = &checkpoint.notice {
        output::warn(notice);
    }
    if checkpoint.parity.is_none() {
        let name = &checkpoint.spec().name;
        output::warn(&format!(
            "warning: {name} has no parity vectors; nothing shows that its values are right"
        ));
    }
    let mut bar = ProgressBar::hidden();
    let outcome = run_model(suite, &mut checkpoint, batch_size, &mut |event| match event {
        Event::Started { dataset, images } => {
            bar.finish_and_clear();
            bar = output::progress_bar(&dataset, images);
        }
        Event::Scored(images) => bar.inc(images as u64),
    });
    bar.finish_and_clear();
    Ok(outcome?)
}

/// The rows of one data set.
struct DatasetRows<'a> {
    name: &'a str,
    rows: Vec<&'a Row>,
}

impl DatasetRows<'_> {
    fn get(&self, task: &str, metric: &str, unit: &str) -> Option<&Row> {
        let wanted = |row: &&&Row| row.task == task && row.metric == metric && row.unit == unit;
        self.rows.iter().find(wanted).copied()
    }

    /// The value with its interval, and a dash where there is none.
    fn cell(&self, task: &str, metric: &str, unit: &str) -> String {
        self.get(task, metric, unit).map_or("-".to_owned(), interval)
    }
}

/// Shares in per cent with two digits, the rest with three.
fn interval(row: &Row) -> String {
    let (scale, digits) = if row.unit == "share" { (100.0, 2) } else { (1.0, 3) };
    let shown = |value: f64| format!("{:.digits$}", scale * value);
    match (row.low, row.high) {
        (Some(low), Some(high)) => {
            format!("{} [{}, {}]", shown(row.value), shown(low), shown(high))
        }
        _ => shown(row.value),
    }
}

fn by_dataset(rows: &[Row]) -> Vec<DatasetRows<'_>> {
    let mut datasets: Vec<DatasetRows<'_>> = Vec::new();
    for row in rows {
        match datasets.iter_mut().find(|dataset| dataset.name == row.dataset) {
            Some(dataset) => dataset.rows.push(row),
            None => datasets.push(DatasetRows { name: &row.dataset, rows: vec![row] }),
        }
    }
    datasets
}

fn tables(outcome: &Outcome) -> String {
    let datasets = by_dataset(&outcome.rows);
    let real = &datasets[0];
    let title = format!(
        "{} on {} ({})\nIntervals at 99 %. bits/dim: lower = likelier.\n\n",
        outcome.spec.name, outcome.engine, outcome.engine.device
    );
    title + &accuracy_table(real) + &likelihood_table(&datasets) + &detection_table(real, &datasets)
}

fn accuracy_table(real: &DatasetRows<'_>) -> String {
    let mut table = output::table(&["data", ">images", ">accuracy, %"]);
    let images = real.get("classify", "accuracy", "share").map_or(0, |row| row.n);
    let accuracy = real.cell("classify", "accuracy", "share");
    table.add_row([real.name.to_owned(), images.to_string(), accuracy]);
    output::section("Classification by argmax p(x, y)", &table)
}

fn likelihood_table(datasets: &[DatasetRows<'_>]) -> String {
    let header = ["data", ">images", ">mean", ">decile 1", ">median", ">decile 9", ">not finite"];
    let mut table = output::table(&header);
    for dataset in datasets {
        let bits = |metric: &str| {
            let row = dataset.get("likelihood", metric, "bits/dim");
            row.map_or("-".to_owned(), |row| format!("{:.3}", row.value))
        };
        let not_finite = dataset.get("likelihood", "not_finite", "share");
        let images = not_finite.map_or(0, |row| row.n);
        let lost = not_finite.map_or(0.0, |row| row.value * row.n as f64);
        table.add_row([
            dataset.name.to_owned(),
            images.to_string(),
            dataset.cell("likelihood", "mean", "bits/dim"),
            bits("decile_1"),
            bits("decile_5"),
            bits("decile_9"),
            format!("{lost:.0}"),
        ]);
    }
    output::section("Negative log-likelihood -log p(x), bits/dim", &table)
}

fn detection_table(real: &DatasetRows<'_>, datasets: &[DatasetRows<'_>]) -> String {
    let bits = real.get("detect", "threshold", "bits/dim");
    let nats = real.get("detect", "threshold", "nats");
    let threshold = |row: Option<&Row>| row.map_or("-".to_owned(), |row| number(row.value));
    let origin = match bits.map_or(0, |row| row.n) {
        0 => "fixed".to_owned(),
        n => format!("fitted on {n} other images of {}", real.name),
    };
    let mut table = output::table(&["data", ">images", ">accepted, %", ">rejected, %"]);
    for dataset in datasets {
        let images = dataset.get("detect", "accepted", "share").map_or(0, |row| row.n);
        table.add_row([
            dataset.name.to_owned(),
            images.to_string(),
            dataset.cell("detect", "accepted", "share"),
            dataset.cell("detect", "rejected", "share"),
        ]);
    }
    let title = format!(
        "Detection: accepted where -log p(x) <= {} bits/dim, log p(x) >= {} nats ({origin})",
        threshold(bits),
        threshold(nats)
    );
    output::section(&title, &table)
}
