//! The default of the command: every condition of Proposition 1 for one choice of parameters.

use super::render;
use super::report::Report;
use crate::output::{Format, number, number_from_ln};
use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use std::fmt::Write;
use undetected_theory::{
    CounterExample, Error, Goal, Lambda2, MAX_DIM, MonteCarlo, Proposition, Sampler, Weight,
    feasible_lambda1, simulate,
};

const DEFAULT_SHELL: f64 = 0.1;
const DEFAULT_KL_EPSILON: f64 = 0.01;
const DEFAULT_DELTA: f64 = 0.01;

/// Parameters of the counter-example.
#[derive(Debug, clap::Args)]
pub struct Parameters {
    /// Dimension of the data, 1 to 1000000
    #[arg(long = "d", value_name = "DIM")]
    d: u64,
    /// Width of the shell and length of the attack (capital Delta), between 0 and 1
    #[arg(long, allow_hyphen_values = true, value_name = "WIDTH", default_value_t = DEFAULT_SHELL)]
    shell: f64,
    /// Limit of both divergences KL(q, p) and KL(p, q), in nats (epsilon), above 0
    #[arg(long, allow_hyphen_values = true, value_name = "NATS", default_value_t = DEFAULT_KL_EPSILON)]
    kl_epsilon: f64,
    /// How far from certainty labels may be, as a probability (small delta), between 0 and 1
    #[arg(long, allow_hyphen_values = true, value_name = "PROBABILITY", default_value_t = DEFAULT_DELTA)]
    delta: f64,
    /// Probability of the unit ball in class 0 [default: well inside the window that works]
    #[arg(long, allow_hyphen_values = true, value_name = "WEIGHT")]
    lambda1: Option<f64>,
    /// Probability of the unit ball in class 1 [default: delta / (1 - delta) lambda1]
    #[arg(long, allow_hyphen_values = true, value_name = "WEIGHT")]
    lambda2: Option<f64>,
}

// clap leaves flattened arguments out of the group that tells whether this command was meant.
/// Parameters of the counter-example and of its simulation.
#[derive(Debug, clap::Args)]
#[group(args = ["d"])]
pub struct Args {
    #[command(flatten)]
    parameters: Parameters,
    /// Points to draw from the data and to attack
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    samples: u64,
    /// What is drawn for each point
    #[arg(long, value_name = "WHAT", default_value = "radial")]
    sampler: SamplerName,
    /// Seed of the random streams; the same seed gives the same answer on any number of threads
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads to simulate on [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Form of the result on standard output
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: Format,
}

/// The samplers by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SamplerName {
    /// The norm alone, exactly; everything here depends on it alone
    Radial,
    /// All d coordinates
    Vector,
}

impl From<SamplerName> for Sampler {
    fn from(name: SamplerName) -> Self {
        match name {
            SamplerName::Radial => Sampler::Radial,
            SamplerName::Vector => Sampler::Vector,
        }
    }
}

/// Checks and simulates; returns the result as text and whether every condition is proved.
pub fn run(args: &Args) -> Result<(String, bool)> {
    let (goal, example) = args.parameters.build()?;
    let proposition = Proposition::new(&example, goal);
    let monte_carlo = on_threads(args.threads, || {
        simulate(&proposition, args.sampler.into(), args.samples, args.seed)
    })?
    .map_err(|error| explain(&args.parameters, error))?;
    let report = report(args, &proposition, goal, &monte_carlo)?;
    let text = match args.format {
        Format::Table => render::table(&report),
        Format::Csv => render::csv(&report)?,
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    Ok((text, report.all_proved()))
}

fn report(
    args: &Args,
    proposition: &Proposition,
    goal: Goal,
    monte_carlo: &MonteCarlo,
) -> Result<Report> {
    let sampler = match args.sampler {
        SamplerName::Radial => "radial",
        SamplerName::Vector => "vector",
    };
    Report::new(proposition, goal, monte_carlo, sampler, args.seed).context("cannot sum up")
}

impl Parameters {
    /// The counter-example and what is asked of it.
    pub fn build(&self) -> Result<(Goal, CounterExample)> {
        let build = || {
            let goal = Goal::new(self.kl_epsilon, self.delta)?;
            Ok((goal, example(self, &goal)?))
        };
        build().map_err(|error| explain(self, error))
    }
}

fn example(args: &Parameters, goal: &Goal) -> Result<CounterExample, Error> {
    let lambda1 = match args.lambda1 {
        Some(value) => Weight::Value(value),
        None => feasible_lambda1(args.d, args.shell, goal)?,
    };
    let lambda2 = match args.lambda2 {
        Some(value) => Lambda2::Given(Weight::Value(value)),
        None => Lambda2::Matched { delta: goal.delta() },
    };
    CounterExample::new(args.d, args.shell, lambda1, lambda2)
}

/// Runs on this many threads, one per core by default.
pub fn on_threads<T: Send>(threads: Option<u16>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let threads = threads.map_or(0, usize::from); // 0: one per core
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Ok(pool.context("cannot start the threads")?.install(work))
}

/// Says which flag is wrong and what to type instead.
pub fn explain(args: &Parameters, error: Error) -> anyhow::Error {
    match error {
        Error::Dim(dim) => anyhow!("--d {dim} violates 1 <= d <= {MAX_DIM}"),
        Error::NoSamples => anyhow!("--samples 0 violates samples >= 1"),
        Error::OutOfRange { name: "lambda2", value, requirement } if args.lambda2.is_none() => {
            anyhow!(
                "lambda2 = delta / (1 - delta) lambda1 = {} violates {requirement}\n  \
                 Give --lambda2, or a --delta below 1/2.",
                number(value)
            )
        }
        Error::OutOfRange { name, value, requirement } => {
            anyhow!("--{} {value:?} violates {requirement}", name.replace('_', "-"))
        }
        Error::UnresolvedShell { .. } => {
            anyhow!("{error}\n  Use --sampler radial, which resolves any shell.")
        }
        Error::EmptyWindow { ln_lambda1_min, ln_lambda1_max, min_dim, .. } => {
            anyhow!(infeasible(args, ln_lambda1_min, ln_lambda1_max, min_dim))
        }
    }
}

fn infeasible(args: &Parameters, ln_min: f64, ln_max: f64, min_dim: Option<u64>) -> String {
    let mut text = format!(
        "no lambda1 meets every condition at --d {}\n  \
         it must be above {} (ln lambda1 > {}) for q to be sure of the wrong label\n  \
         and below {} (ln lambda1 < {}) for both divergences to stay under --kl-epsilon\n",
        args.d,
        number_from_ln(ln_min),
        number(ln_min),
        number_from_ln(ln_max),
        number(ln_max),
    );
    // Writing to a string cannot fail.
    let _ = match min_dim {
        Some(dim) if dim <= MAX_DIM => {
            write!(
                text,
                "  The smallest dimension that works is {dim}:\n    {}",
                command(args, dim)
            )
        }
        Some(dim) => write!(
            text,
            "  The smallest dimension that works is {dim}, above the limit {MAX_DIM}: \
             widen --shell, or relax --kl-epsilon or --delta."
        ),
        None => write!(text, "  No dimension works: widen --shell."),
    };
    text + "\n  Or give --lambda1 to see which conditions fail."
}

/// The command in another dimension, with the flags that matter for the window.
fn command(args: &Parameters, dim: u64) -> String {
    let flags = [
        ("--shell", args.shell, DEFAULT_SHELL),
        ("--kl-epsilon", args.kl_epsilon, DEFAULT_KL_EPSILON),
        ("--delta", args.delta, DEFAULT_DELTA),
    ];
    let changed = flags.iter().filter(|(_, value, default)| value != default);
    let flags: String = changed.map(|(flag, value, _)| format!(" {flag} {value:?}")).collect();
    format!("counterexample --d {dim}{flags}")
}
