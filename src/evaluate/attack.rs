//! `evaluate attack`: one attack on one model.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use undetected_onnx::suite::{
    AttackSettings, DataEntry, Method, ModelEntry, StartKind, Suite, Suites, Task, Weight,
};

use super::{
    engine_args::{ContractArgs, EngineArgs},
    measure::{Answers, Batches, measure},
    progress::ProgressMode,
    suite_args::ThresholdArgs,
};

/// Attack a model's classifier, and if asked its detector too (section 4.3, table 2).
///
/// Scores the data, fits the detector on half of it, and attacks images of the other half that are
/// classified correctly and accepted. Prints which images could be attacked, and how many were turned
/// into something that fools the classifier within each epsilon, undetected and (in brackets) at all;
/// writes every image's outcome (attacks.csv), the adversarial images (attacks/MODEL/NAME.npz) and
/// figures with a contact sheet. Every outcome is kept as soon as it is found: stop it whenever you
/// like, type the same command again, and it goes on. A suite runs any number of attacks on any
/// number of models: see [[attack]] in onnx/suites/demo.toml.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The checkpoint.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Labelled images: IDX (plain or gzip), NPZ, CIFAR-10 binary or its folder.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The IDX label file, where it is not beside the images under its usual name.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Take only the first so many images of the data.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Where the files go [default: out/attack-MODEL].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed of dequantisation, padding noise, the calibration split, the choice of images and targets,
    /// and the attack itself.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = ProgressMode::Bar)]
    progress: ProgressMode,
    #[command(flatten)]
    attack: AttackArgs,
    #[command(flatten)]
    threshold: ThresholdArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    contract: ContractArgs,
}

/// The attack.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Attack")]
struct AttackArgs {
    /// The method.
    #[arg(long, value_enum, default_value_t = MethodName::CarliniWagner)]
    method: MethodName,
    /// Look for images that the detector accepts as well.
    #[arg(long)]
    evade_detector: bool,
    /// Turn each image into one class that is drawn for it; any other will do without. The default
    /// where the Boundary attack evades the detector.
    #[arg(long)]
    targeted: bool,
    /// Images at most, drawn from those that can be attacked.
    #[arg(long, value_name = "N", default_value = "100")]
    images: NonZeroUsize,
    /// A distance to report, L2 on pixels scaled to [0, 1]; may be given again [default: the paper's,
    /// 33/255 and 1.5].
    #[arg(long = "epsilon", value_name = "L2")]
    epsilons: Vec<f64>,
    /// Images evaluated together; on ONNX Runtime the last digits depend on it.
    #[arg(long, value_name = "N", default_value = "16")]
    batch_size: NonZeroUsize,
    /// Most steps, for each constant or start where there are several [default: 10,000
    /// Carlini-Wagner, 25,000 Boundary, 50 projected gradient].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Carlini-Wagner: steps of the search over the constant [default: 9].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    binary_search_steps: Option<u64>,
    /// Carlini-Wagner: Adam's step size [default: 0.01].
    #[arg(long, value_name = "SIZE")]
    stepsize: Option<f64>,
    /// Carlini-Wagner: the first constant [default: 0.001].
    #[arg(long, value_name = "C")]
    initial_const: Option<f64>,
    /// Carlini-Wagner, projected gradient: nats by which the classifier is to be fooled [default: 0].
    #[arg(long, value_name = "NATS")]
    confidence: Option<f64>,
    /// With gradients and --evade-detector: a fixed weight of the detector's term; for Carlini-Wagner
    /// it shares the constant without.
    #[arg(long, value_name = "WEIGHT")]
    detector_weight: Option<f64>,
    /// Projected gradient: starts from random points of the ball [default: 0].
    #[arg(long, value_name = "N")]
    restarts: Option<u64>,
    /// Boundary: the first step on the sphere, as a share of the distance [default: 0.01, guided 0.03].
    #[arg(long, value_name = "SHARE")]
    spherical_step: Option<f64>,
    /// Boundary: the first step towards the original, as a share of the distance [default: 0.01, guided 0.03].
    #[arg(long, value_name = "SHARE")]
    source_step: Option<f64>,
    /// Boundary: learn directions from earlier steps; fewer queries for the same distance.
    #[arg(long)]
    guided: bool,
    /// Boundary: where it starts [default: real with --evade-detector, else blended].
    #[arg(long, value_enum)]
    start: Option<StartName>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum MethodName {
    /// Carlini and Wagner's L2 attack, by gradients.
    CarliniWagner,
    /// The Boundary attack, by decisions alone.
    Boundary,
    /// Projected gradient descent in the ball of the one --epsilon.
    ProjectedGradient,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum StartName {
    /// Uniform noise.
    Noise,
    /// Uniform noise, then the closest point of the line to the original.
    Blended,
    /// A real, accepted image of a class that is asked for, then the same line.
    Real,
}

const EXAMPLES: &str = "\
Examples:
  evaluate attack --model MODEL.onnx --data t10k-images-idx3-ubyte.gz --steps 1000
  evaluate attack --model MODEL.onnx --data t10k-images-idx3-ubyte --method boundary --evade-detector
  evaluate attack --model MODEL.onnx --data cifar-10-batches-bin --epsilon 0.12941 --engine ort
  evaluate attack --model MODEL.onnx --data images.npz --method projected_gradient --epsilon 0.5";

pub fn run(args: &Args) -> anyhow::Result<()> {
    let suites = Suites::of(&args.suite())?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(&suites.first().name));
    let answers = Answers::Engines(args.engine.options(), Batches::Of(SCORED_AT_ONCE));
    measure(&suites, &out, &answers, args.progress)
}

/// Images per call of the engine while the data is scored: small enough for any model, and beside an
/// attack's time it does not matter.
const SCORED_AT_ONCE: usize = 32;

impl Args {
    fn suite(&self) -> Suite {
        let model = ModelEntry {
            path: self.model.clone(),
            contract: self.contract.set.iter().cloned().collect(),
        };
        let data = DataEntry {
            name: None,
            images: self.data.clone(),
            labels: self.labels.clone(),
            limit: self.limit.map(|limit| limit as usize),
        };
        let stem = self.model.file_stem().unwrap_or_default().to_string_lossy();
        let mut suite = Suite::new(format!("attack-{stem}"), vec![model], data);
        suite.seed = self.seed;
        suite.tasks = vec![Task::Attack];
        suite.detect.statistics = vec![undetected_onnx::detect::StatisticKind::Marginal];
        if let Some(threshold) = self.threshold.chosen() {
            suite.threshold = threshold;
        }
        suite.detect.per_class |= self.threshold.per_class;
        suite.attacks = vec![self.attack.settings()];
        suite
    }
}

impl AttackArgs {
    fn settings(&self) -> AttackSettings {
        let method = match self.method {
            MethodName::CarliniWagner => Method::CarliniWagner,
            MethodName::Boundary => Method::Boundary,
            MethodName::ProjectedGradient => Method::ProjectedGradient,
        };
        let usual = AttackSettings::new(method);
        AttackSettings {
            evade_detector: self.evade_detector,
            targeted: self.targeted.then_some(true),
            images: self.images,
            epsilons: match self.epsilons.is_empty() {
                true => usual.epsilons.clone(),
                false => self.epsilons.clone(),
            },
            batch_size: self.batch_size,
            steps: self.steps,
            binary_search_steps: self.binary_search_steps,
            stepsize: self.stepsize,
            initial_const: self.initial_const,
            confidence: self.confidence,
            detector_weight: self.detector_weight.map(Weight::Fixed),
            restarts: self.restarts,
            spherical_step: self.spherical_step,
            source_step: self.source_step,
            guided: self.guided.then_some(true),
            start: self.start.map(|start| match start {
                StartName::Noise => StartKind::Noise,
                StartName::Blended => StartKind::Blended,
                StartName::Real => StartKind::Real,
            }),
            ..usual
        }
    }
}
