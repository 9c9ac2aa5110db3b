//! `evaluate run`: likelihood, accuracy and detection of models on data.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use indicatif::ProgressBar;
use undetected_onnx::{
    checkpoint::Checkpoint,
    engine::EngineOptions,
    model::ConditionalModel,
    suite::{DataEntry, Event, ModelEntry, Outcome, Subject, Suite, Threshold, run_model},
};

use super::{
    engine_args::{ContractArgs, EngineArgs},
    result_files::ResultFiles,
    tables::tables,
};
use crate::output;

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
    suite.check()?;
    suite.check_models()?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(&suite.name));
    let mut files = ResultFiles::create(&out)?;
    let options = args.engine.options();
    for model in &suite.models {
        let outcome = evaluate(&suite, model, &options, args.batch_size as usize, &mut files)?;
        output::print(&tables(&outcome))?;
        files.publish(&outcome)?;
    }
    output::print(&files.summary())?;
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
        if let Some(threshold) = self.threshold.chosen() {
            suite.threshold = threshold;
        }
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
        let name = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let models = vec![ModelEntry { path: model.to_owned(), contract }];
        Suite {
            out_of_distribution: self.ood.iter().map(|images| entry(images, None)).collect(),
            ..Suite::new(name, models, entry(data, self.labels.as_ref()))
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
    files: &mut ResultFiles,
) -> anyhow::Result<Outcome> {
    let mut checkpoint = Checkpoint::open(&model.path, &model.overrides()?, options)?;
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
    let subject = Subject::of(&mut checkpoint);
    let outcome = run_model(suite, subject, batch_size, &mut |event| {
        match event {
            Event::Started { dataset, images } => {
                bar.finish_and_clear();
                bar = output::progress_bar(dataset, images);
            }
            Event::Seen(images) => bar.inc(images as u64),
            _ => (),
        }
        files.record(event)
    });
    bar.finish_and_clear();
    Ok(outcome?)
}
