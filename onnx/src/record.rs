//! Rows of every table: one number a row, with its interval, its sample and what computed it.

use serde::Serialize;

use crate::{
    attack::{self, Goal},
    class_gap::GapSample,
    detect::{Detector, Statistic, StatisticKind, ThresholdDetector},
    interpolate::{Path, Point},
    likelihood::Score,
    model::ModelSpec,
};

/// One number of a result. Long form: a table of any shape is a pivot of these.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// The task's name ([`crate::suite::Task::name`]).
    pub task: &'static str,
    /// The statistic that it is of ([`crate::detect::StatisticKind::name`]), empty where of none.
    pub statistic: Option<&'static str>,
    /// The attack that it is of ([`crate::suite::AttackSettings::name`]), empty where of none.
    pub attack: Option<String>,
    /// The distance within which an attack counts, L2 on pixels scaled to \[0, 1\].
    pub epsilon: Option<f64>,
    /// What was measured.
    pub metric: String,
    /// The estimate.
    pub value: f64,
    /// Lower end of its 99 % interval, empty where there is none.
    pub low: Option<f64>,
    /// Upper end of its 99 % interval, empty where there is none.
    pub high: Option<f64>,
    /// Images, pairs or paths behind it.
    pub n: u64,
    /// Unit of the three.
    pub unit: &'static str,
    /// What computed it, with its version.
    pub engine: String,
    /// Where it was computed.
    pub device: String,
    /// Seed of dequantisation, padding noise and splits.
    pub seed: u64,
}

/// What was seen of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Index of the image in its data set.
    pub index: usize,
    /// `calibration` or `test`.
    pub split: &'static str,
    /// The image's class, empty without labels.
    pub label: Option<usize>,
    /// The predicted class, empty where no class has a finite density.
    pub predicted: Option<usize>,
    /// p(predicted given x).
    pub confidence: Option<f64>,
    /// log p(x), nats.
    pub log_px_nats: f64,
    /// log p(x given label), nats.
    pub log_px_given_label_nats: Option<f64>,
    /// log p(x) in bits/dim.
    pub bits_per_dim: f64,
    /// log p(x, predicted), nats; this and the other scores are higher = likelier real, and empty
    /// where the input has none: it is then rejected.
    pub joint_nats: Option<f64>,
    /// log p(x given predicted), nats.
    pub given_predicted_nats: Option<f64>,
    /// -|log p(x) - centre|, nats; empty without a fitted centre too.
    pub typicality_nats: Option<f64>,
    /// log p(x) + length of the image's code, nats.
    pub complexity_corrected_nats: Option<f64>,
    /// -|d log p(x) / dx| on pixels scaled to \[0, 1\]; empty where no detector asks for it too.
    pub gradient_norm_nats_per_range: Option<f64>,
    /// Whether the detector on log p(x) accepts it; this and the others are empty where there is no
    /// such detector.
    pub accepted_marginal: Option<bool>,
    /// Whether the detector on `joint_nats` accepts it.
    pub accepted_joint: Option<bool>,
    /// Whether the detector on `given_predicted_nats` accepts it.
    pub accepted_given_predicted: Option<bool>,
    /// Whether the detector on `typicality_nats` accepts it.
    pub accepted_typicality: Option<bool>,
    /// Whether the detector on `complexity_corrected_nats` accepts it.
    pub accepted_complexity_corrected: Option<bool>,
    /// Whether the detector on `gradient_norm_nats_per_range` accepts it.
    pub accepted_gradient_norm: Option<bool>,
}

impl Sample {
    /// What `detectors` say of a scored image of data set `dataset`.
    pub fn new(
        spec: &ModelSpec,
        dataset: &str,
        split: &'static str,
        score: &Score,
        detectors: &[ThresholdDetector],
    ) -> Self {
        let of = |kind| detectors.iter().find(|detector| detector.statistic().kind() == kind);
        let accepted = |kind| of(kind).map(|detector| detector.accepts(score));
        let typicality = of(StatisticKind::Typicality).map(ThresholdDetector::statistic);
        Self {
            model: spec.name.clone(),
            dataset: dataset.to_owned(),
            index: score.index,
            split,
            label: score.label,
            predicted: score.predicted,
            confidence: score.confidence,
            log_px_nats: score.log_px,
            log_px_given_label_nats: score.log_px_given_label,
            bits_per_dim: spec.bits_per_dim(score.log_px),
            joint_nats: Statistic::Joint.of(score),
            given_predicted_nats: Statistic::GivenPredicted.of(score),
            typicality_nats: typicality.and_then(|statistic| statistic.of(score)),
            complexity_corrected_nats: Statistic::ComplexityCorrected.of(score),
            gradient_norm_nats_per_range: Statistic::GradientNorm.of(score),
            accepted_marginal: accepted(StatisticKind::Marginal),
            accepted_joint: accepted(StatisticKind::Joint),
            accepted_given_predicted: accepted(StatisticKind::GivenPredicted),
            accepted_typicality: accepted(StatisticKind::Typicality),
            accepted_complexity_corrected: accepted(StatisticKind::ComplexityCorrected),
            accepted_gradient_norm: accepted(StatisticKind::GradientNorm),
        }
    }
}

/// One image's class gap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GapRow {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Index of the image in its data set.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// The wrong class of the largest log p(x, y), empty where there is none.
    pub best_wrong: Option<usize>,
    /// A wrong class drawn at random.
    pub random_wrong: usize,
    /// log p(x given label), nats.
    pub log_px_given_label_nats: f64,
    /// log p(x given `best_wrong`), nats.
    pub log_px_given_best_wrong_nats: Option<f64>,
    /// log p(x given `random_wrong`), nats.
    pub log_px_given_random_wrong_nats: f64,
    /// The first less the second, empty unless both are finite; above 0 where the label leads.
    pub gap_nats: Option<f64>,
}

impl GapRow {
    /// The row of a sample.
    pub fn new(model: &str, dataset: &str, sample: &GapSample) -> Self {
        Self {
            model: model.to_owned(),
            dataset: dataset.to_owned(),
            index: sample.index,
            label: sample.label,
            best_wrong: sample.best_wrong,
            random_wrong: sample.random_wrong,
            log_px_given_label_nats: sample.log_px_given_label,
            log_px_given_best_wrong_nats: sample.log_px_given_best_wrong,
            log_px_given_random_wrong_nats: sample.log_px_given_random_wrong,
            gap_nats: sample.gap(),
        }
    }
}

/// One path between two images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathRow {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Number of the pair, from 0.
    pub path: usize,
    /// Index of x_0.
    pub image_0: usize,
    /// Index of x_1.
    pub image_1: usize,
    /// Class of x_0.
    pub class_0: usize,
    /// Class of x_1.
    pub class_1: usize,
    /// -log p(x_0) in bits/dim; this and the next two are empty where it is not finite.
    pub bits_per_dim_0: Option<f64>,
    /// -log p(x) of the midpoint in bits/dim.
    pub bits_per_dim_midpoint: Option<f64>,
    /// -log p(x_1) in bits/dim.
    pub bits_per_dim_1: Option<f64>,
    /// Whether every point of the path is accepted.
    pub accepted: bool,
    /// Whether its midpoint is.
    pub midpoint_accepted: bool,
    /// Whether its midpoint is likelier than both ends.
    pub midpoint_likelier: bool,
}

impl PathRow {
    /// The row of a path.
    pub fn new(model: &str, dataset: &str, path: &Path) -> Self {
        let [first, last] = path.ends();
        Self {
            model: model.to_owned(),
            dataset: dataset.to_owned(),
            path: path.index,
            image_0: path.pair.images[0],
            image_1: path.pair.images[1],
            class_0: path.pair.classes[0],
            class_1: path.pair.classes[1],
            bits_per_dim_0: first.bits_per_dim,
            bits_per_dim_midpoint: path.midpoint.bits_per_dim,
            bits_per_dim_1: last.bits_per_dim,
            accepted: path.is_accepted(),
            midpoint_accepted: path.midpoint.accepted,
            midpoint_likelier: path.midpoint_is_likelier(),
        }
    }
}

/// One point of a path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointRow {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Number of the pair, from 0.
    pub path: usize,
    /// Weight of x_1.
    pub alpha: f64,
    /// log p(x), nats.
    pub log_px_nats: f64,
    /// -log p(x) in bits/dim, empty where it is not finite.
    pub bits_per_dim: Option<f64>,
    /// p(y_0 given x), empty where log p(x) is not finite.
    pub p_class_0: Option<f64>,
    /// p(y_1 given x).
    pub p_class_1: Option<f64>,
    /// The predicted class.
    pub predicted: Option<usize>,
    /// Whether the detector on log p(x) accepts it.
    pub accepted: bool,
}

impl PointRow {
    /// The rows of a path's grid, and of its midpoint where that is not on it, by alpha.
    pub fn of(model: &str, dataset: &str, path: &Path) -> Vec<Self> {
        let mut points: Vec<&Point> = path.points.iter().collect();
        if points.iter().all(|point| point.alpha != path.midpoint.alpha) {
            points.push(&path.midpoint);
        }
        points.sort_by(|one, other| one.alpha.total_cmp(&other.alpha));
        let row = |point: &Point| Self {
            model: model.to_owned(),
            dataset: dataset.to_owned(),
            path: path.index,
            alpha: point.alpha,
            log_px_nats: point.log_px,
            bits_per_dim: point.bits_per_dim,
            p_class_0: point.posterior.map(|[first, _]| first),
            p_class_1: point.posterior.map(|[_, second]| second),
            predicted: point.predicted,
            accepted: point.accepted,
        };
        points.into_iter().map(row).collect()
    }
}

/// What came of attacking one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttackRow {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// The attack's name.
    pub attack: String,
    /// Index of the image in its data set.
    pub index: u64,
    /// Its class.
    pub label: usize,
    /// The class that it was to become, empty where any other would do.
    pub target: Option<usize>,
    /// Whether a candidate fooled the classifier, detected or not.
    pub fooled: bool,
    /// Whether one fooled it and was accepted; empty without a detector.
    pub undetected: Option<bool>,
    /// Distance of the closest that fooled, L2 on pixels scaled to \[0, 1\].
    pub fooled_l2: Option<f64>,
    /// Distance of the closest that fooled and was accepted.
    pub undetected_l2: Option<f64>,
    /// The class that the answer is taken for; this and what follows is of the attack's answer, and
    /// empty without one.
    pub predicted: Option<usize>,
    /// The answer's margin in nats, below 0 where it fools.
    pub margin_nats: Option<f64>,
    /// Whether that margin is at the level of float32's rounding.
    pub at_rounding_level: Option<bool>,
    /// log p(x) of the original, nats.
    pub original_log_px_nats: f64,
    /// log p(x) of the answer, nats.
    pub log_px_nats: Option<f64>,
    /// log p(x) of the original in bits/dim.
    pub original_bits_per_dim: f64,
    /// log p(x) of the answer in bits/dim.
    pub bits_per_dim: Option<f64>,
    /// The detector's threshold for the answer's class, nats.
    pub threshold_nats: Option<f64>,
    /// Whether the answer still fools after rounding to the 8-bit grid.
    pub fooled_8bit: Option<bool>,
    /// Whether it then fools and is accepted.
    pub undetected_8bit: Option<bool>,
    /// Its distance then.
    pub l2_8bit: Option<f64>,
    /// Evaluations of the densities alone.
    pub forward_queries: u64,
    /// Evaluations of the densities with a gradient.
    pub gradient_queries: u64,
    /// Steps of the innermost loop.
    pub steps: u64,
    /// Why it ended.
    pub stop: &'static str,
    /// Signs that it says less than it seems to, separated by blanks.
    pub flags: String,
}

impl AttackRow {
    /// The row of an outcome.
    pub fn new(
        spec: &ModelSpec,
        dataset: &str,
        attack: &str,
        label: usize,
        outcome: &attack::Outcome,
    ) -> Self {
        let (answer, rounded) = (outcome.adversarial.as_ref(), outcome.rounded.as_ref());
        let original = outcome.original.log_px;
        let flags = outcome.health.flags().into_iter().filter(|(_, raised)| *raised);
        Self {
            model: spec.name.clone(),
            dataset: dataset.to_owned(),
            attack: attack.to_owned(),
            index: outcome.index,
            label,
            target: match outcome.goal {
                Goal::Misclassified { .. } => None,
                Goal::Targeted { class } => Some(class),
            },
            fooled: outcome.fooled_l2().is_some(),
            undetected: outcome.original.accepted.map(|_| outcome.undetected_l2().is_some()),
            fooled_l2: outcome.fooled_l2(),
            undetected_l2: outcome.undetected_l2(),
            predicted: answer.and_then(|answer| answer.predicted),
            margin_nats: answer.and_then(|answer| answer.margin),
            at_rounding_level: answer.map(|answer| answer.at_rounding_level),
            original_log_px_nats: original,
            log_px_nats: answer.map(|answer| answer.log_px),
            original_bits_per_dim: spec.bits_per_dim(original),
            bits_per_dim: answer.map(|answer| spec.bits_per_dim(answer.log_px)),
            threshold_nats: outcome.threshold,
            fooled_8bit: rounded.map(|rounded| rounded.fooled),
            undetected_8bit: rounded.map(attack::Judgement::is_undetected),
            l2_8bit: rounded.map(|rounded| rounded.l2),
            forward_queries: outcome.queries.forward,
            gradient_queries: outcome.queries.gradient,
            steps: outcome.steps,
            stop: outcome.stop.name(),
            flags: flags.map(|(name, _)| name).collect::<Vec<_>>().join(" "),
        }
    }
}
