//! Rows of every table: one number a row, with its interval, its sample and what computed it.

use serde::Serialize;

use crate::{
    detect::{Detector, Statistic, StatisticKind, ThresholdDetector},
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
            accepted_marginal: accepted(StatisticKind::Marginal),
            accepted_joint: accepted(StatisticKind::Joint),
            accepted_given_predicted: accepted(StatisticKind::GivenPredicted),
            accepted_typicality: accepted(StatisticKind::Typicality),
            accepted_complexity_corrected: accepted(StatisticKind::ComplexityCorrected),
        }
    }
}
