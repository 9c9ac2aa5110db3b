//! What to run: the models, the data, the tasks and the threshold of an evaluation, and running it.
//!
//! [`run_model`] goes through each data set once and hands what it sees of every image to the tasks; each
//! task's numbers are made in the file of its name.

mod attack;
mod attack_file;
mod attack_settings;
mod class_gap;
mod classify;
mod curves;
mod data_sets;
mod detect;
mod file;
mod interpolate;
mod likelihood;
mod model_paths;
mod objective;
mod out_of_distribution;
mod refusal;
mod remembered;
mod replay;
mod run;
mod scored;
mod settings;
mod shard;
mod source;
mod suites;
mod table;
mod units;
mod workload;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

pub use attack::Attacked;
pub use attack_settings::{AttackSettings, Evaluations, Method, StartKind, Weight};
pub use curves::{HistogramRow, PathCurveRow, ReliabilityRow, RocRow};
pub use detect::file_name as detector_file;
pub use interpolate::{Example, Interpolation};
pub use out_of_distribution::{Likelihoods, Separation};
pub use replay::Replay;
pub use run::{Event, Kept, Model, Outcome, Subject, run_model};
pub use settings::{
    ClassGapSettings, Detect, Interpolate, ObjectiveSettings, PAIRS, Synthetic, Task, Threshold,
};
pub use shard::Shard;
pub use suites::{Declared, Suites};
pub use units::Units;
pub use workload::{AttackWork, Part, Workload};

use crate::{contract::Overrides, error::Result};

/// An evaluation: models on one data set, with one threshold. [`Suites::read`] reads those of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Shown in tables and used as the results' folder.
    pub name: String,
    /// Seed of dequantisation, padding noise, synthetic images and the calibration split.
    pub seed: u64,
    /// What to measure.
    pub tasks: Vec<Task>,
    /// The checkpoints.
    pub models: Vec<ModelEntry>,
    /// Labelled images of the distribution that the models were trained on.
    pub data: DataEntry,
    /// Images that the models should reject.
    pub out_of_distribution: Vec<DataEntry>,
    /// Others that they should reject, made here.
    pub synthetic: Synthetic,
    /// When an input counts as real.
    pub threshold: Threshold,
    /// Which detectors decide.
    pub detect: Detect,
    /// Of the task of this name.
    pub class_gap: ClassGapSettings,
    /// Of the task of this name.
    pub interpolate: Interpolate,
    /// Of the task of this name.
    pub objective: ObjectiveSettings,
    /// Of the task of this name: any number of attacks.
    pub attacks: Vec<AttackSettings>,
}

fn all_tasks() -> Vec<Task> {
    Task::ALL.to_vec()
}

/// A checkpoint of a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    /// The ONNX file.
    pub path: PathBuf,
    /// Contract fields that the file lacks or has wrong, by key without prefix.
    pub contract: BTreeMap<String, String>,
}

impl ModelEntry {
    /// The contract fields, checked.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) where a field is unknown.
    pub fn overrides(&self) -> Result<Overrides> {
        Overrides::new(self.contract.clone())
    }
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

impl Suite {
    /// All tasks, with their usual settings.
    pub fn new(name: String, models: Vec<ModelEntry>, data: DataEntry) -> Self {
        Self {
            name,
            seed: 0,
            tasks: all_tasks(),
            models,
            data,
            out_of_distribution: vec![],
            synthetic: Synthetic::default(),
            threshold: Threshold::default(),
            detect: Detect::default(),
            class_gap: ClassGapSettings::default(),
            interpolate: Interpolate::default(),
            objective: ObjectiveSettings::default(),
            attacks: vec![],
        }
    }
}

impl DataEntry {
    /// With relative paths that start at `folder`.
    fn within(self, folder: &Path) -> Self {
        Self {
            images: folder.join(self.images),
            labels: self.labels.map(|labels| folder.join(labels)),
            ..self
        }
    }
}
