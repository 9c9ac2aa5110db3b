//! The smallest dimension in which the counter-example works.

use super::Outcome;
use super::certify::{self, GoalArgs};
use crate::output::{self, Format, csv_of, number_from_ln, section};
use anyhow::Result;
use serde::Serialize;
use std::path::PathBuf;
use undetected_theory::Verdict;
use undetected_theory::certificate::{Certificate, Question};

/// What is asked, and where to write the certificate.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    goal: GoalArgs,
    /// Also write a certificate that this dimension works and the one before does not
    #[arg(long, value_name = "FILE")]
    certify: Option<PathBuf>,
    /// Form of the result on standard output
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: Format,
}

const EXAMPLES: &str = "\
Parameters are exact: 0.1 is one tenth, and 1/3 is one third.
Exit status: 0 solved and proved, 2 no dimension up to 1000000 works, or the question is wrong.

Examples:
  counterexample solve
  counterexample solve --shell 0.001 --kl-epsilon 1e-6 --delta 1e-6 --certify least.json";

/// The answer, with the window in this dimension and in the one before.
#[derive(Debug, Serialize)]
struct Solution {
    d: u64,
    lambda1: String,
    lambda2: String,
    d_without_bounds: Option<u64>,
    windows: Vec<Row>,
}

/// The window of lambda1 in one dimension, as natural logarithms of its ends.
#[derive(Debug, Serialize)]
struct Row {
    d: u64,
    ln_lambda1_min: f64,
    ln_lambda1_max: f64,
    is_open: bool,
}

/// Solves, and certifies when asked to.
pub fn run(args: &Args) -> Result<Outcome> {
    let (shell, goal) = (args.goal.shell.clone(), args.goal.goal()?);
    let question = Question::smallest_dimension(shell, goal).map_err(certify::explain)?;
    let certificate = Certificate::new(&question)?;
    let solution = Solution::new(&question, &certificate);
    let text = match args.format {
        Format::Table => table(&solution),
        Format::Json => serde_json::to_string_pretty(&solution)? + "\n",
        Format::Csv => csv_of(&solution.windows)?,
    };
    if let Some(path) = &args.certify {
        certify::write(&certificate, path)?;
        output::warn(certify::written(path).trim_end());
    }
    Ok((text, certificate.verdict() == Verdict::Proved))
}

impl Solution {
    fn new(question: &Question, certificate: &Certificate) -> Self {
        let d = question.dim();
        let row = |d| {
            let window = question.window(d);
            let [min, max] =
                [&window.ln_lambda1_min, &window.ln_lambda1_max].map(|end| end.value());
            Row { d, ln_lambda1_min: min, ln_lambda1_max: max, is_open: min < max }
        };
        let (lambda1, lambda2) = certificate.parameters().weights();
        Solution {
            d,
            lambda1: lambda1.to_owned(),
            lambda2: lambda2.to_owned(),
            d_without_bounds: question.min_dim_without_bounds(),
            windows: (d.saturating_sub(1).max(1)..=d).map(row).collect(),
        }
    }
}

fn table(solution: &Solution) -> String {
    let mut table = output::table(&[">d", ">lambda1 above", ">lambda1 below", "weights that work"]);
    for row in &solution.windows {
        table.add_row([
            row.d.to_string(),
            number_from_ln(row.ln_lambda1_min),
            number_from_ln(row.ln_lambda1_max),
            if row.is_open {
                format!("all between, such as {}", solution.lambda1)
            } else {
                "none".to_owned()
            },
        ]);
    }
    let without = match solution.d_without_bounds {
        Some(d) => format!(
            "The window rests on the bounds of Lemmas 2 and 3 for class 0. The divergences \
             themselves allow d = {d}.\n"
        ),
        None => String::new(),
    };
    let title = format!("Smallest dimension that works: {}", solution.d);
    section(&title, &table) + &without
}
