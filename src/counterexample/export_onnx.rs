//! The model q as an ONNX checkpoint, for an attack that knows nothing of its geometry.

use super::Outcome;
use super::check::Parameters;
use crate::onnx::annulus;
use crate::output::write_bytes;
use anyhow::Result;
use std::path::PathBuf;
use undetected_theory::CounterExample;

/// Parameters of the counter-example and where the file goes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    parameters: Parameters,
    /// File to write; an existing one is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  counterexample export-onnx --d 500 --out annulus.onnx
  counterexample export-onnx --d 60 --lambda1 0.1 --lambda2 0.05 --out small.onnx
  evaluate inspect annulus.onnx                              what the file declares";

/// Writes the file; nothing is claimed that could fail to hold.
pub fn run(args: &Args) -> Result<Outcome> {
    let (_, example) = args.parameters.build()?;
    write_bytes(&args.out, &annulus::to_onnx(&example))?;
    Ok((text(args, &example), true))
}

fn text(args: &Args, example: &CounterExample) -> String {
    format!(
        "{}: q in dimension {}, shell {}, ln lambda2 {}\n",
        args.out.display(),
        example.dim(),
        example.shell(),
        example.ln_lambda2()
    )
}
