//! Certificates: writing one, and checking one.

use super::Outcome;
use crate::output::{self, section, write_text};
use anyhow::{Context, Result, bail};
use comfy_table::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use undetected_theory::certificate::{Certificate, CertificateError, Question};
use undetected_theory::{Exact, ExactGoal, Verdict};

/// Shell, limit of the divergences and confidence, without rounding.
#[derive(Debug, clap::Args)]
pub struct GoalArgs {
    /// Width of the shell and length of the attack (capital Delta), between 0 and 1
    #[arg(long, allow_hyphen_values = true, value_name = "WIDTH", default_value = "0.1")]
    pub shell: Exact,
    /// Limit of both divergences KL(q, p) and KL(p, q), in nats (epsilon), above 0
    #[arg(long, allow_hyphen_values = true, value_name = "NATS", default_value = "0.01")]
    pub kl_epsilon: Exact,
    /// How far from certainty labels may be, as a probability (small delta), between 0 and 1
    #[arg(long, allow_hyphen_values = true, value_name = "PROBABILITY", default_value = "0.01")]
    pub delta: Exact,
}

impl GoalArgs {
    pub fn goal(&self) -> Result<ExactGoal, undetected_theory::Error> {
        ExactGoal::new(self.kl_epsilon.clone(), self.delta.clone())
    }
}

/// What to certify, and where to write it.
#[derive(Debug, clap::Args)]
#[command(after_help = CERTIFY_EXAMPLES)]
pub struct Args {
    /// Dimension of the data, 1 to 1000000
    #[arg(long = "d", value_name = "DIM")]
    d: u64,
    #[command(flatten)]
    goal: GoalArgs,
    /// Probability of the unit ball in class 0 [default: a short decimal inside the window]
    #[arg(long, allow_hyphen_values = true, value_name = "WEIGHT")]
    lambda1: Option<Exact>,
    /// Probability of the unit ball in class 1 [default: delta / (1 - delta) lambda1]
    #[arg(long, allow_hyphen_values = true, value_name = "WEIGHT")]
    lambda2: Option<Exact>,
    /// Where to write the certificate [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const CERTIFY_EXAMPLES: &str = "\
Parameters are exact: 0.1 is one tenth, and 1/3 is one third.
Exit status: 0 every statement is proved, 1 one is refuted, 2 the question is wrong.

Examples:
  counterexample certify --d 500 -o certificate.json
  counterexample certify --d 500 --lambda1 1/50        a certificate that two statements fail";

/// Certifies.
pub fn run(args: &Args) -> Result<Outcome> {
    let (goal, shell) = (args.goal.goal()?, args.goal.shell.clone());
    let weights = (args.lambda1.clone(), args.lambda2.clone());
    let question = Question::new(args.d, shell, goal, weights.0, weights.1);
    let certificate = Certificate::new(&question.map_err(explain)?)?;
    let proved = certificate.verdict() == Verdict::Proved;
    let Some(path) = &args.output else {
        return Ok((json(&certificate)?, proved));
    };
    write(&certificate, path)?;
    Ok((table(&certificate) + &written(path), proved))
}

/// Says what to do about parameters that do not work.
pub fn explain(error: impl Into<CertificateError>) -> anyhow::Error {
    match error.into() {
        CertificateError::Parameters(undetected_theory::Error::EmptyWindow {
            dim,
            min_dim: Some(least),
            ..
        }) => anyhow::anyhow!(
            "no lambda1 meets every condition at --d {dim}\n  The smallest dimension that works is \
             {least}: give --d {least}, or --lambda1 to certify which conditions fail."
        ),
        error => error.into(),
    }
}

fn json(certificate: &Certificate) -> Result<String> {
    Ok(serde_json::to_string_pretty(certificate)? + "\n")
}

/// Writes a certificate, in one step.
pub fn write(certificate: &Certificate, path: &Path) -> Result<()> {
    write_text(path, &json(certificate)?)
}

/// Where it is, and how to check it.
pub fn written(path: &Path) -> String {
    let path = path.display();
    format!("Written to {path}. Check it with: counterexample verify {path}\n")
}

/// For people.
pub fn table(certificate: &Certificate) -> String {
    let mut table = output::table(&["id", "claim", "verdict"]);
    for statement in certificate.statements() {
        table.add_row([
            Cell::new(statement.id()),
            Cell::new(statement.claim()),
            super::render::verdict(statement.verdict()),
        ]);
    }
    let title = format!(
        "{} statements, both sides of each exact or to {} digits\n\n{}",
        certificate.statements().len(),
        certificate.digits(),
        certificate.parameters(),
    );
    section(&title, &table)
}

/// The certificate to check.
#[derive(Debug, clap::Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub struct VerifyArgs {
    /// A certificate that `certify` or `solve --certify` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

const VERIFY_EXAMPLES: &str = "\
Every field is computed again, in other arithmetic than made it (intervals on integers, with series
of their own), and must be the same to the last digit.
Exit status: 0 the certificate is right and all it states is proved, 1 it is wrong or states a
refutation, 2 it cannot be read.

Example:
  counterexample certify --d 500 -o certificate.json && counterexample verify certificate.json";

/// Verifies.
pub fn verify(args: &VerifyArgs) -> Result<Outcome> {
    let name = args.file.display();
    let text = fs::read_to_string(&args.file).with_context(|| format!("cannot read {name}"))?;
    let certificate: Certificate = match serde_json::from_str(&text) {
        Ok(certificate) => certificate,
        Err(error) => bail!("{name} is not a certificate of this version: {error}"),
    };
    if let Err(rejection) = certificate.verify() {
        return Ok((format!("{name} is rejected.\n  {rejection}\n"), false));
    }
    let proved = certificate.verdict() == Verdict::Proved;
    let last = format!(
        "{name} is right: every field is what other arithmetic gives. Verdict: {}.\n",
        certificate.verdict()
    );
    Ok((table(&certificate) + &last, proved))
}
