//! Rows of every table: one number a row, with its interval, its sample and what computed it.

use serde::Serialize;

/// One number of a result. Long form: a table of any shape is a pivot of these.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// `likelihood`, `classify` or `detect`.
    pub task: &'static str,
    /// What was measured.
    pub metric: String,
    /// The estimate.
    pub value: f64,
    /// Lower end of its 99 % interval, empty where there is none.
    pub low: Option<f64>,
    /// Upper end of its 99 % interval, empty where there is none.
    pub high: Option<f64>,
    /// Images behind it.
    pub n: usize,
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
    /// Whether the detector accepts it.
    pub accepted: bool,
}
