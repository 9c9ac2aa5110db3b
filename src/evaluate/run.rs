//! `evaluate run`: the paper's measurements of models on data.

use std::path::{Path, PathBuf};

use undetected_onnx::suite::Shard;

use super::{
    measure::{Answers, measure, work},
    progress::ProgressMode,
    scheduler,
    suite_args::SuiteArgs,
};

/// Measure a suite's models, or one model on one data set, as the paper does: likelihood, accuracy,
/// detection, separation from other data, class gap, interpolation, and the objective's two terms.
///
/// Half of the data, chosen by the seed, fits the detectors' thresholds; the other half measures
/// them. Prints a table per task and writes, into the output folder, every number with its 99 %
/// interval (results.csv), every image with its scores and decisions (samples.csv), every class gap
/// and path, the curves of all figures, and the fitted detectors. A unit stands in the name of each
/// column. Its folder figures/MODEL gets, as SVG and PNG, likelihoods, ROC curves, class gap,
/// interpolations with examples, reliability, and attacks. How images are cut into batches changes no
/// number; on ONNX Runtime, whose kernels depend on it, the last digits of float32 (2e-7 relative were
/// seen).
///
/// Interrupted at any moment, the same command goes on where it was and ends with the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where the files go [default: out/NAME].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Do one part of the work only, I of N; `evaluate merge` puts the parts together. Every shard
    /// scores the data; the rest, attacks above all, is shared. `slurm` takes I and N from a Slurm job
    /// array, `kubernetes/N` takes I from an indexed job of N completions.
    #[arg(long, value_name = "I/N", value_parser = scheduler::shard)]
    shard: Option<Shard>,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = ProgressMode::Bar)]
    progress: ProgressMode,
    #[command(flatten)]
    suite: SuiteArgs,
}

const EXAMPLES: &str = "\
Examples:
  evaluate run onnx/suites/demo.toml
  evaluate run --model MODEL.onnx --data t10k-images-idx3-ubyte.gz --threshold-bits-per-dim 1.4
  evaluate run --model MODEL.onnx --data cifar-10-batches-bin --ood svhn.npz --engine ort
  evaluate run --model MODEL.onnx --data t10k-images-idx3-ubyte --task interpolate --pairs 1000
  evaluate run onnx/suites/demo.toml --gradient-norm --engine ort
  evaluate run onnx/suites/demo.toml --detectors out/demo/detectors";

pub fn run(args: &Args) -> anyhow::Result<()> {
    let suites = args.suite.suites()?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(&suites.first().name));
    let (engine, batches) = (args.suite.engine.options(), args.suite.batches());
    match args.shard {
        Some(shard) => work(&suites, &out, (engine, batches), shard, args.progress),
        None => measure(&suites, &out, &Answers::Engines(engine, batches), args.progress),
    }
}
