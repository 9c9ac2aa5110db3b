//! `counterexample sweep`: the counter-example over a range of dimensions.

mod dims;
mod figure;
mod row;
mod table;

use super::{Outcome, check};
use crate::output::{self, Format, Journal, csv_of};
use anyhow::{Context, Result, anyhow, ensure};
use dims::{Dims, Parameter, Vary};
use rayon::prelude::*;
use row::Row;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use undetected_theory::{CounterExample, Error, Goal, Lambda2, MAX_DIM, Weight, Window};

/// What a sweep runs over, and where its results go.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
pub struct Args {
    /// Dimensions: a range LOW..HIGH, both ends included, or a list like 10,100,1000
    #[arg(long, value_name = "DIMS")]
    dims: Dims,
    /// How many dimensions to take from a range, evenly spaced in the logarithm
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    points: u32,
    /// Repeat the sweep for values of shell, kl-epsilon or delta, as in shell=0.05,0.1,0.2
    #[arg(long, value_name = "NAME=VALUES")]
    vary: Option<Vary>,
    /// Width of the shell and length of the attack (capital Delta), between 0 and 1 [default: 0.1]
    #[arg(long, allow_hyphen_values = true, value_name = "WIDTH")]
    shell: Option<f64>,
    /// Limit of both divergences, in nats (epsilon), above 0 [default: 0.01]
    #[arg(long, allow_hyphen_values = true, value_name = "NATS")]
    kl_epsilon: Option<f64>,
    /// How far from certainty labels may be (small delta), between 0 and 1 [default: 0.01]
    #[arg(long, allow_hyphen_values = true, value_name = "PROBABILITY")]
    delta: Option<f64>,
    /// Probability of the unit ball in class 0 in every dimension [default: inside each window;
    /// where that is empty, columns that depend on it are empty too]
    #[arg(long, allow_hyphen_values = true, value_name = "WEIGHT")]
    lambda1: Option<f64>,
    /// Points to draw from the data and to attack, in each dimension
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    samples: u64,
    /// Seed of the random streams; the same seed gives the same answer on any number of threads
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads to run on [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write each dimension to this file as soon as it is done; the same command continues it
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw the sweep as a figure (SVG)
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Form of the result on standard output
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: Format,
}

const EXAMPLES: &str = "\
The file of --csv has one row for each dimension, in full precision; ln_ marks natural logarithms,
_nats divergences, _per_length total variations; mean_l2 and max_l2 are lengths. Stop a sweep when
you like: the same command continues where it stopped and ends with the same bytes.

Exit status: 0 every condition is proved wherever there is a lambda1, 1 one is not, 2 the question
is wrong.

Examples:
  counterexample sweep --dims 10..100000 --plot sweep.svg
  counterexample sweep --dims 10,100,1000 --lambda1 0.001
  counterexample sweep --dims 10..1000000 --vary shell=0.05,0.1,0.2 --csv shells.csv --plot shells.svg";

/// What stays the same over the dimensions.
#[derive(Debug, Clone, Copy)]
struct Setting {
    shell: f64,
    kl_epsilon: f64,
    delta: f64,
}

impl Setting {
    fn title(&self) -> String {
        self.part(|_| true)
    }

    /// Names and values of some of the parameters.
    fn part(&self, which: impl Fn(Parameter) -> bool) -> String {
        [
            (Parameter::Shell, self.shell),
            (Parameter::KlEpsilon, self.kl_epsilon),
            (Parameter::Delta, self.delta),
        ]
        .into_iter()
        .filter(|&(parameter, _)| which(parameter))
        .map(|(parameter, value)| format!("{} = {value:?}", parameter.name()))
        .collect::<Vec<_>>()
        .join(", ")
    }
}

/// Sweeps; returns the result as text and whether every condition that was tested is proved.
pub fn run(args: &Args) -> Result<Outcome> {
    let settings = settings(args)?;
    let dims = dims(args)?;
    for setting in &settings {
        check_setting(args, setting).map_err(|error| explain(args, error))?;
    }
    if let Some(path) = &args.plot {
        require_svg(path)?;
        ensure!(dims.len() > 1, "--plot needs two dimensions or more in --dims");
    }
    let plan: Vec<Row> = settings
        .iter()
        .flat_map(|setting| dims.iter().map(|&dim| question(args, *setting, dim)))
        .collect();
    let rows = check::on_threads(args.threads, || answers(args, &plan))??;
    let each: Vec<&[Row]> = rows.chunks(dims.len()).collect();
    if let Some(path) = &args.plot {
        output::write_text(path, &draw(args, &settings, &each)?)?;
    }
    let text = match args.format {
        Format::Table => {
            let table =
                |(setting, rows): (&Setting, &&[Row])| table::tables(&setting.title(), rows);
            settings.iter().zip(&each).map(table).collect()
        }
        Format::Csv => csv_of(&rows)?,
        Format::Json => serde_json::to_string_pretty(&rows)? + "\n",
    };
    Ok((text, rows.iter().all(|row| row.all_proved() != Some(false))))
}

fn settings(args: &Args) -> Result<Vec<Setting>> {
    let given = |parameter| match parameter {
        Parameter::Shell => args.shell,
        Parameter::KlEpsilon => args.kl_epsilon,
        Parameter::Delta => args.delta,
    };
    let base = Setting {
        shell: args.shell.unwrap_or(check::DEFAULT_SHELL),
        kl_epsilon: args.kl_epsilon.unwrap_or(check::DEFAULT_KL_EPSILON),
        delta: args.delta.unwrap_or(check::DEFAULT_DELTA),
    };
    let Some(Vary { parameter, values }) = &args.vary else { return Ok(vec![base]) };
    let name = parameter.name();
    ensure!(
        given(*parameter).is_none(),
        "--{name} and --vary {name} exclude each other: name all values in --vary"
    );
    let with = |&value| match parameter {
        Parameter::Shell => Setting { shell: value, ..base },
        Parameter::KlEpsilon => Setting { kl_epsilon: value, ..base },
        Parameter::Delta => Setting { delta: value, ..base },
    };
    Ok(values.iter().map(with).collect())
}

fn dims(args: &Args) -> Result<Vec<u64>> {
    let dims = args.dims.values(args.points);
    let ends = dims.first().into_iter().chain(dims.last());
    for dim in ends {
        ensure!((1..=MAX_DIM).contains(dim), "--dims {dim} violates 1 <= d <= {MAX_DIM}");
    }
    Ok(dims)
}

/// Finds what is wrong with a setting before anything is computed or written.
fn check_setting(args: &Args, setting: &Setting) -> Result<(), Error> {
    let goal = Goal::new(setting.kl_epsilon, setting.delta)?;
    Window::new(1, setting.shell, &goal)?;
    if let Some(lambda1) = args.lambda1 {
        let lambda2 = Lambda2::Matched { delta: setting.delta };
        CounterExample::new(1, setting.shell, Weight::Value(lambda1), lambda2)?;
    }
    if args.samples == 0 { Err(Error::NoSamples) } else { Ok(()) }
}

fn require_svg(path: &Path) -> Result<()> {
    ensure!(
        path.extension().is_some_and(|extension| extension == "svg"),
        "--plot {} does not end in .svg, the only form it writes\n  \
         Any browser shows it; rsvg-convert or Inkscape turn it into PNG or PDF.",
        path.display()
    );
    Ok(())
}

fn question(args: &Args, setting: Setting, dim: u64) -> Row {
    Row {
        version: env!("CARGO_PKG_VERSION").to_string(),
        dim,
        shell: setting.shell,
        kl_epsilon_nats: setting.kl_epsilon,
        delta: setting.delta,
        lambda1_given: args.lambda1,
        samples: args.samples,
        seed: args.seed,
        ..Row::default()
    }
}

/// Answers the plan, taking over what the file of an earlier run holds. The dimensions are begun
/// in order, so that few wait for their turn to be written.
fn answers(args: &Args, plan: &[Row]) -> Result<Vec<Row>> {
    let (journal, mut rows) = match &args.csv {
        Some(path) => {
            let (journal, rows) = Journal::resume(path, plan, row::QUESTION)?;
            (Some(Mutex::new(journal)), rows)
        }
        None => (None, Vec::new()),
    };
    let bar = output::dimension_bar("sweep", plan.len());
    bar.inc(rows.len() as u64);
    let answer = |index: usize| -> Result<(usize, Row)> {
        let row = plan[index].clone().answer().map_err(|error| explain(args, error));
        let row = row.with_context(|| format!("at d = {}", plan[index].dim))?;
        if let Some(journal) = &journal {
            journal.lock().expect("a writer does not panic").push(index, &row)?;
        }
        bar.inc(1);
        Ok((index, row))
    };
    let missing = (rows.len()..plan.len()).par_bridge();
    let mut answered = missing.map(answer).collect::<Result<Vec<_>>>()?;
    bar.finish_and_clear();
    if let Some(journal) = journal {
        journal.into_inner().expect("a writer does not panic").finish()?;
    }
    answered.sort_unstable_by_key(|&(index, _)| index);
    rows.extend(answered.into_iter().map(|(_, row)| row));
    Ok(rows)
}

/// The figure as SVG, with a member for each value of the parameter that varies.
fn draw(args: &Args, settings: &[Setting], each: &[&[Row]]) -> Result<String> {
    let varies = args.vary.as_ref().filter(|_| settings.len() > 1).map(|vary| vary.parameter);
    let labels = settings.iter().map(|setting| setting.part(|name| Some(name) == varies));
    let member = |(label, &rows)| figure::Member { label, rows };
    let members: Vec<_> = labels.zip(each).map(member).collect();
    let title = settings[0].part(|name| Some(name) != varies);
    figure::figure(&title, &members)?.svg()
}

/// Says which flag is wrong and what to type instead.
fn explain(args: &Args, error: Error) -> anyhow::Error {
    match error {
        Error::NoSamples => anyhow!("--samples 0 violates samples >= 1"),
        Error::OutOfRange { name: "lambda2", value, requirement } => anyhow!(
            "lambda2 = delta / (1 - delta) lambda1 = {} violates {requirement}\n  \
             Choose a smaller lambda1 or delta.",
            output::number(value)
        ),
        Error::OutOfRange { name, value, requirement } => {
            let flag = name.replace('_', "-");
            match &args.vary {
                Some(vary) if vary.parameter.name() == flag => {
                    anyhow!("--vary {flag}={value:?} violates {requirement}")
                }
                _ => anyhow!("--{flag} {value:?} violates {requirement}"),
            }
        }
        error => error.into(),
    }
}
