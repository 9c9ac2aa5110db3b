//! The arguments that name or describe a suite, the same for every subcommand that takes one.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use undetected_onnx::{
    detect::StatisticKind,
    suite::{DataEntry, ModelEntry, Suite, Suites, Task, Threshold},
};

use super::{
    engine_args::{ContractArgs, EngineArgs},
    measure::Batches,
};

/// A suite, or a model with data; and what to change in it.
#[derive(Debug, clap::Args)]
pub struct SuiteArgs {
    /// The suite file (TOML): models, data, tasks and their settings. onnx/suites/demo.toml shows
    /// every one of them.
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
    /// Measure this only; may be given again [default: the suite's, or everything].
    #[arg(long = "task", value_name = "TASK", value_enum)]
    tasks: Vec<TaskName>,
    /// Take only the first so many images of every data set.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Seed of dequantisation, padding noise, synthetic images and the calibration split
    /// [default: the suite's, or 0].
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Memory that one batch of images may take in the engine, for example 512MiB or 2GiB: the
    /// engine is asked what an image takes, and batches are made as large as fits, up to 256 images.
    /// The model's weights come on top, and 170 bytes an image of the data (420 while ranking them): its
    /// pixels are read as they are scored. Changes speed only.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    memory: u64,
    /// Images per call of the engine, in place of --memory; changes speed only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "memory")]
    batch_size: Option<u32>,
    /// Add the detector on minus the L2 norm of d log p(x)/dx, in nats per pixel range: the model is
    /// opened with gradients, which are checked, and each image costs about 4 times as much. In a suite:
    /// "gradient_norm" among detect.statistics.
    #[arg(long)]
    gradient_norm: bool,
    #[command(flatten)]
    threshold: ThresholdArgs,
    #[command(flatten)]
    paths: PathArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    contract: ContractArgs,
}

/// The tasks, as they are called in suites and in results.csv.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum TaskName {
    /// -log p(x) in bits/dim of every data set.
    Likelihood,
    /// Accuracy of argmax p(x, y).
    Classify,
    /// False alarms of every detector, and how much of other data it accepts.
    Detect,
    /// AUROC, AUPR and FPR at 95 % TPR of every statistic against other data.
    OutOfDistribution,
    /// log p(x | label) against wrong labels; detection of mislabelled inputs.
    ClassGap,
    /// Paths between accepted images of different classes.
    Interpolate,
    /// E[-log p(x)], E[-log p(y | x)] and calibration.
    Objective,
    /// The suite's attacks on classifier and detector.
    Attack,
}

impl TaskName {
    fn task(self) -> Task {
        match self {
            Self::Likelihood => Task::Likelihood,
            Self::Classify => Task::Classify,
            Self::Detect => Task::Detect,
            Self::OutOfDistribution => Task::OutOfDistribution,
            Self::ClassGap => Task::ClassGap,
            Self::Interpolate => Task::Interpolate,
            Self::Objective => Task::Objective,
            Self::Attack => Task::Attack,
        }
    }
}

/// When an input counts as real.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Detectors: what scores at or above its threshold is accepted")]
pub struct ThresholdArgs {
    /// Fit every detector on half of the data so that at most this share of real images is rejected;
    /// measured on the other half [default: the suite's, or 0.05].
    #[arg(long, value_name = "RATE", group = "threshold", value_parser = rate)]
    false_alarm_rate: Option<f64>,
    /// Fix the threshold on log p(x), in bits/dim (the paper's 1.4 for MNIST, 4.0 for CIFAR-10); the
    /// other detectors are left out.
    #[arg(long, value_name = "BITS", group = "threshold")]
    threshold_bits_per_dim: Option<f64>,
    /// Fix the threshold on log p(x), in nats; the other detectors are left out.
    #[arg(long, value_name = "NATS", group = "threshold", allow_negative_numbers = true)]
    threshold_nats: Option<f64>,
    /// Take the detectors that an earlier run saved: the folder 'detectors' of its output. Images that
    /// they were fitted on measure nothing.
    #[arg(long, value_name = "DIR", group = "threshold")]
    detectors: Option<PathBuf>,
    /// Fit a threshold for each predicted class.
    #[arg(long)]
    pub per_class: bool,
}

/// A number of bytes, with or without a binary unit.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("B", 0)];
    let unit = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (number, shift) = unit.unwrap_or((text, 0));
    let number = number.trim().parse::<u64>().ok().filter(|number| *number > 0);
    let bytes = number.and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or("write a whole number above 0 with KiB, MiB or GiB".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && *rate < 1.0);
    rate.ok_or("must lie strictly between 0 and 1".to_owned())
}

/// Interpolation.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Interpolation")]
struct PathArgs {
    /// Pairs of images to walk between [default: the suite's, or 200, or as many as can be formed].
    #[arg(long, value_name = "N")]
    pairs: Option<NonZeroUsize>,
    /// Points of a path, both ends among them [default: the suite's, or 100].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    alphas: Option<u32>,
}

impl SuiteArgs {
    /// The suite that the arguments name or describe.
    ///
    /// # Errors
    /// Where its file is not a suite, or a setting is refused.
    pub fn suites(&self) -> anyhow::Result<Suites> {
        let mut suites = match (&self.suite, &self.model, &self.data) {
            (Some(path), ..) => Suites::read(path)?,
            (None, Some(model), Some(data)) => Suites::of(&self.described(model, data))?,
            _ => unreachable!("clap requires a suite, or a model with data"),
        };
        suites.iter_mut().for_each(|suite| self.change(suite));
        Ok(suites)
    }

    /// How many images go to the engine at once.
    pub fn batches(&self) -> Batches {
        match self.batch_size {
            Some(images) => Batches::Of(images as usize),
            None => Batches::Within(self.memory),
        }
    }

    /// Puts what is given on the command line in place of what the suite says.
    fn change(&self, suite: &mut Suite) {
        suite.seed = self.seed.unwrap_or(suite.seed);
        if let Some(threshold) = self.threshold.chosen() {
            suite.threshold = threshold;
        }
        suite.detect.per_class |= self.threshold.per_class;
        let gradient_norm = StatisticKind::GradientNorm;
        if self.gradient_norm && !suite.detect.statistics.contains(&gradient_norm) {
            suite.detect.statistics.push(gradient_norm);
        }
        if !self.tasks.is_empty() {
            suite.tasks = self.tasks.iter().map(|name| name.task()).collect();
        }
        suite.interpolate.pairs = self.paths.pairs.or(suite.interpolate.pairs);
        if let Some(alphas) = self.paths.alphas {
            suite.interpolate.alphas = alphas as usize;
        }
        if let Some(limit) = self.limit {
            suite.data_entries_mut().for_each(|entry| entry.limit = Some(limit as usize));
        }
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
    /// The suite's threshold, where one is given.
    pub fn chosen(&self) -> Option<Threshold> {
        let fitted = self.false_alarm_rate.map(Threshold::FalseAlarmRate);
        let bits = self.threshold_bits_per_dim.map(Threshold::BitsPerDim);
        let nats = self.threshold_nats.map(Threshold::Nats);
        fitted.or(bits).or(nats).or_else(|| self.detectors.clone().map(Threshold::Detectors))
    }
}
