//! The `counterexample` command: the paper's counter-example, checked for chosen parameters.

mod audit;
mod certify;
mod check;
mod detectors;
mod export_onnx;
mod objective;
mod render;
mod report;
mod solve;
mod sweep;

use crate::output;
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit status when every condition is proved.
const ALL_PROVED: u8 = 0;
/// Exit status when one is not.
const NOT_PROVED: u8 = 1;
/// Exit status when the question itself is wrong.
const USAGE: u8 = 2;

/// Check the counter-example of "Understanding the Limitations of Conditional Generative Models"
/// (Fetaya et al., ICLR 2020, section 2 and appendix D) in the dimension of your choice.
///
/// Two classes live in R^d. Class 0 fills the unit ball with probability lambda1 and a thin shell
/// around it with the rest; class 1 fills the ball with probability lambda2 and a distant annulus
/// with the rest. The model q knows class 1 perfectly and takes class 0 to be uniform. Both
/// Kullback-Leibler divergences are tiny, and yet almost half of all points can be moved by less
/// than the shell's width to where q is certain of the wrong label, finds the point likelier than
/// before, and p has not changed its mind.
#[derive(Debug, Parser)]
#[command(
    name = "counterexample",
    version,
    allow_negative_numbers = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = EXAMPLES
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    check: Option<check::Args>,
}

/// Everything beside the check of one choice of parameters.
#[derive(Debug, Subcommand)]
enum Command {
    /// Hold the paper against the numbers, statement by statement
    ///
    /// One row per equation, lemma, item and numerical statement of sections 2, 3.1, 3.2 and 4.2,
    /// the figure captions and appendices A and D: where it stands, what it claims, a verdict, the
    /// numbers that the verdict is computed from, and what holds instead. theory/CLAIMS.md is this
    /// ledger as Markdown. A statement that does not hold is a result: the exit status is 0.
    Audit(audit::Args),
    /// Which detectors notice the attack, with exact error probabilities
    ///
    /// The attack moves every point of the shell into the unit ball. A detector thresholds a score
    /// of x. Each score takes one value per region, so a detector rejects a region wholly or not at
    /// all (thresholds are not randomised) and detects the attack always or never. What detection
    /// costs is the clean data that are rejected along with the ball: of all data the ball holds
    /// (lambda1 + lambda2) / 2, the shell (1 - lambda1) / 2 and the outer annulus (1 - lambda2) / 2.
    /// The attack evades a detector that would have to reject at least half of the data, which is
    /// what item 5 of Proposition 1 says of thresholds on the density. It is not true of detectors
    /// that also reject what is too dense, or what q is less than certain of.
    Detectors(detectors::Args),
    /// What the likelihood objective pays for the label, beside what it pays for the image
    ///
    /// Equation 4 splits the objective: -ln P(x, y) is -ln P(x) for the image and -ln P(y|x) for
    /// the label. A model that ignores the label pays ln C nats for it, whatever the image costs.
    /// Section 4.2 asks by how much the correct label must lead to have probability 1 - delta. The
    /// defaults are the paper's CIFAR10 (table 1, split prior).
    Objective(objective::Args),
    /// Write the model q as an ONNX checkpoint
    ///
    /// The file keeps the contract of onnx/CONTRACT.md: `evaluate` can attack it. x is one row of d
    /// pixels from -3 to 3. The density is piecewise constant in the radius, so gradients are zero;
    /// points within rounding of a sphere may fall on either side of it.
    ExportOnnx(export_onnx::Args),
    /// Check it over a range of dimensions: tables, CSV that can be continued, and a figure
    Sweep(sweep::Args),
    /// Find the smallest dimension in which it works
    ///
    /// Some weight lambda1 meets every condition exactly if the window of lambda1 is open, and from
    /// the first dimension on in which it is, it stays open. Both are decided by enclosures.
    Solve(solve::Args),
    /// Write a certificate of every condition, for others to check
    ///
    /// A certificate states exact parameters, both sides of every condition of Proposition 1 and of
    /// Lemmas 2 and 3 between decimals that are certain, and the verdicts.
    Certify(certify::Args),
    /// Check a certificate in other arithmetic than made it
    Verify(certify::VerifyArgs),
}

/// What a command printed and whether every claim it tested holds.
type Outcome = (String, bool);

const EXAMPLES: &str = "\
Exit status: 0 every condition is proved, 1 one is not, 2 the question is wrong.

Examples:
  counterexample --d 500                     the defaults, in dimension 500
  counterexample --d 1000000 --format json   the same in a million dimensions, for a program
  counterexample --d 500 --lambda1 0.02      a weight of your own; conditions it breaks are refuted
  counterexample --d 500 --sampler vector    the attack on actual coordinates (slower)
  counterexample solve                       the smallest dimension that works
  counterexample sweep --dims 10..100000     from dimension to dimension; see sweep --help
  counterexample audit                       the paper, statement by statement";

/// Runs the command on the arguments of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok((text, all_proved)) => match output::print(&text) {
            Ok(()) => ExitCode::from(if all_proved { ALL_PROVED } else { NOT_PROVED }),
            Err(error) => usage_error(&error.into()),
        },
        Err(error) => usage_error(&error),
    }
}

fn run(cli: &Cli) -> Result<Outcome> {
    match (&cli.command, &cli.check) {
        (Some(Command::Audit(args)), _) => audit::run(args),
        (Some(Command::Detectors(args)), _) => detectors::run(args),
        (Some(Command::ExportOnnx(args)), _) => export_onnx::run(args),
        (Some(Command::Objective(args)), _) => objective::run(args),
        (Some(Command::Sweep(args)), _) => sweep::run(args),
        (Some(Command::Solve(args)), _) => solve::run(args),
        (Some(Command::Certify(args)), _) => certify::run(args),
        (Some(Command::Verify(args)), _) => certify::verify(args),
        (None, Some(check)) => check::run(check),
        // clap requires --d where there is no subcommand.
        (None, None) => unreachable!("--d is required"),
    }
}

fn usage_error(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(USAGE)
}
