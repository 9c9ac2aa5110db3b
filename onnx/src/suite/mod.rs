//! What to run: the models, the data and the threshold of an evaluation, and running it.

mod run;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

pub use run::{Event, Outcome, run_model};

use crate::error::{Error, Result};

/// An evaluation: every model on the same data.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Shown in tables and used as the results' folder.
    pub name: String,
    /// Seed of dequantisation, padding noise, synthetic images and the calibration split.
    #[serde(default)]
    pub seed: u64,
    /// The checkpoints.
    #[serde(rename = "model")]
    pub models: Vec<ModelEntry>,
    /// Labelled images of the distribution that the models were trained on.
    pub data: DataEntry,
    /// Images that the models should reject, beside uniform noise.
    #[serde(default)]
    pub out_of_distribution: Vec<DataEntry>,
    /// When an input counts as real.
    #[serde(default)]
    pub threshold: Threshold,
}

/// A checkpoint of a suite.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// The ONNX file.
    pub path: PathBuf,
    /// Contract fields that the file lacks or has wrong, by key without prefix.
    #[serde(default)]
    pub contract: BTreeMap<String, String>,
}

/// A data set of a suite.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataEntry {
    /// Shown in tables; the file's name without it.
    pub name: Option<String>,
    /// The images: IDX, NPZ or CIFAR-10 binary.
    pub images: PathBuf,
    /// The IDX labels, where they are not beside the images under their usual name.
    pub labels: Option<PathBuf>,
    /// Take only the first so many.
    pub limit: Option<usize>,
}

/// When an input counts as real: log p(x) at or above a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Threshold {
    /// Fitted on half of the data so that at most this share of real images is rejected in
    /// expectation; measured on the other half.
    FalseAlarmRate(f64),
    /// Fixed, in bits/dim of log p(x).
    BitsPerDim(f64),
    /// Fixed, in nats of log p(x).
    Nats(f64),
}

impl Default for Threshold {
    fn default() -> Self {
        Self::FalseAlarmRate(0.05)
    }
}

impl Suite {
    /// Reads a suite; its relative paths start at the suite's own folder.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Setting`] with the line at fault where
    /// it is not a suite.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        let mut suite: Self = toml::from_str(&text)
            .map_err(|error| Error::setting(path.display().to_string(), error.to_string()))?;
        if suite.models.is_empty() {
            let problem = "is empty: a suite needs at least one [[model]]";
            return Err(Error::setting(format!("{}: model", path.display()), problem));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        suite.models.iter_mut().for_each(|model| model.path = folder.join(&model.path));
        for data in std::iter::once(&mut suite.data).chain(&mut suite.out_of_distribution) {
            data.images = folder.join(&data.images);
            data.labels = data.labels.as_ref().map(|labels| folder.join(labels));
        }
        Ok(suite)
    }
}
