//! The `evaluate` command: exported models, measured.

mod attack;
mod dataset;
mod engine_args;
mod engines;
mod figures;
mod inputs;
mod inspect;
mod measure;
mod merge;
mod opened;
mod overall;
mod plan;
mod progress;
mod provenance;
mod report;
mod result_files;
mod run;
mod scheduler;
mod setup;
mod shard_record;
mod suite_args;
mod tables;
mod timed;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use undetected_onnx::{Error, engine};

use crate::output;

/// Exit status when an expectation failed: the engine does not reproduce the checkpoint's values, or
/// a plan has a model that cannot be run.
const EXPECTATION_FAILED: u8 = 1;
/// Exit status of a usage or runtime error.
const FAILED: u8 = 2;

/// Ask exported class-conditional generative models whether they notice that they are being fooled.
///
/// A model is one ONNX file that returns log p(x given y) for every class; onnx/CONTRACT.md says
/// what it declares and how to give what it lacks.
#[derive(Debug, Parser)]
#[command(name = "evaluate", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Plan(Box<plan::Args>),
    Attack(Box<attack::Args>),
    Merge(merge::Args),
    Inspect(inspect::Args),
    Report(report::Args),
    Dataset(dataset::Args),
    Engines(engines::Args),
    Setup(setup::Args),
    /// Run one model for another process of this program, within limits.
    #[cfg(unix)]
    #[command(name = engine::ARGUMENT, hide = true)]
    IsolatedEngine,
}

const EXAMPLES: &str = "\
Exit status: 0 done, 1 an engine does not reproduce the checkpoint's own values or a plan has a model
that cannot be run, 2 anything else that went wrong.

Examples:
  evaluate plan onnx/suites/demo.toml    what a run will cost, before it is begun
  evaluate run onnx/suites/demo.toml     the shipped checkpoint on the shipped images
  evaluate report out/demo               one page of it, beside the paper's numbers
  evaluate inspect MODEL.onnx            what a file declares, and whether it can be run
  evaluate setup                         fetch ONNX Runtime, several times faster than the built-in";

/// From now on a file beyond the limit that `ulimit -f` or a scheduler sets is an error of writing, which
/// names the file, and no longer the end of the process without a word.
#[cfg(unix)]
fn mind_the_limit_of_files() {
    use signal_hook::{consts::SIGXFSZ, flag};
    use std::sync::atomic::AtomicBool;
    // Nobody reads it: what counts is that the signal is caught.
    static PASSED: AtomicBool = AtomicBool::new(false);
    if let Err(error) = flag::register(SIGXFSZ, &PASSED) {
        output::warn(&format!("warning: a file beyond the limit ends this process: {error}"));
    }
}

/// Runs the command on the arguments of this process.
pub fn main() -> ExitCode {
    #[cfg(unix)]
    mind_the_limit_of_files();
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Attack(args) => attack::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Dataset(args) => dataset::run(&args),
        Command::Engines(args) => engines::run(&args),
        Command::Setup(args) => setup::run(&args),
        #[cfg(unix)]
        Command::IsolatedEngine => engine::isolated::serve().map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::warn(&format!("error: {error:#}"));
            ExitCode::from(match error.downcast_ref() {
                Some(Error::Parity { .. }) => EXPECTATION_FAILED,
                Some(Error::Interrupted) => progress::INTERRUPTED as u8,
                _ if error.is::<plan::CannotRun>() => EXPECTATION_FAILED,
                _ => FAILED,
            })
        }
    }
}
