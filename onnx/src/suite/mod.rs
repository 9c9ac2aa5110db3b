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
mod detect;
mod interpolate;
mod likelihood;
mod objective;
mod out_of_distribution;
mod remembered;
mod replay;
mod run;
mod scored;
mod settings;
mod shard;
mod table;
mod units;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use attack::Attacked;
pub use attack_settings::{AttackSettings, Method, StartKind, Weight};
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
pub use units::Units;

use crate::{
    contract::Overrides,
    dataset,
    error::{Error, Result},
    sha256,
};

/// An evaluation: every model on the same data.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Shown in tables and used as the results' folder.
    pub name: String,
    /// Seed of dequantisation, padding noise, synthetic images and the calibration split.
    #[serde(default)]
    pub seed: u64,
    /// What to measure; everything without it.
    #[serde(default = "all_tasks")]
    pub tasks: Vec<Task>,
    /// The checkpoints.
    #[serde(rename = "model")]
    pub models: Vec<ModelEntry>,
    /// Labelled images of the distribution that the models were trained on.
    pub data: DataEntry,
    /// Images that the models should reject.
    #[serde(default)]
    pub out_of_distribution: Vec<DataEntry>,
    /// Others that they should reject, made here.
    #[serde(default)]
    pub synthetic: Synthetic,
    /// When an input counts as real.
    #[serde(default)]
    pub threshold: Threshold,
    /// Which detectors decide.
    #[serde(default)]
    pub detect: Detect,
    /// Of the task of this name.
    #[serde(default)]
    pub class_gap: ClassGapSettings,
    /// Of the task of this name.
    #[serde(default)]
    pub interpolate: Interpolate,
    /// Of the task of this name.
    #[serde(default)]
    pub objective: ObjectiveSettings,
    /// Of the task of this name: any number of attacks.
    #[serde(default, rename = "attack")]
    pub attacks: Vec<AttackSettings>,
}

fn all_tasks() -> Vec<Task> {
    Task::ALL.to_vec()
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

impl ModelEntry {
    /// The contract fields, checked.
    ///
    /// # Errors
    /// [`Error::Setting`] where a field is unknown.
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

impl DataEntry {
    /// Name and SHA-256 of each of its files, labels among them.
    ///
    /// # Errors
    /// Those of [`Suite::data_hashes`].
    pub fn hashes(&self) -> Result<Vec<(String, String)>> {
        let files = dataset::files(&self.images, self.labels.as_deref())?;
        let hash = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, sha256::of_file(path)?))
        };
        files.iter().map(hash).collect()
    }
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

    /// SHA-256 of everything that decides what is measured, but for the folders that files are in.
    pub fn fingerprint(&self) -> String {
        let name = |path: &Path| path.file_name().map(PathBuf::from).unwrap_or_default();
        let mut bare = self.clone();
        bare.models.iter_mut().for_each(|model| model.path = name(&model.path));
        for data in std::iter::once(&mut bare.data).chain(&mut bare.out_of_distribution) {
            data.images = name(&data.images);
            data.labels = data.labels.as_deref().map(name);
        }
        sha256::hex(Sha256::new_with_prefix(format!("{bare:?}")))
    }

    /// Name and SHA-256 of each file of data, labels among them.
    ///
    /// # Errors
    /// [`Error::Io`] where one cannot be read, [`Error::Dataset`] where it is of no known kind.
    pub fn data_hashes(&self) -> Result<Vec<(String, String)>> {
        let entries = std::iter::once(&self.data).chain(&self.out_of_distribution);
        Ok(entries.map(DataEntry::hashes).collect::<Result<Vec<_>>>()?.concat())
    }

    /// Reads a suite; its relative paths start at the suite's own folder.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Setting`] with the line at fault where
    /// it is not a suite, or with the key where [`check`](Self::check) refuses it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        let mut suite: Self = toml::from_str(&text)
            .map_err(|error| Error::setting(path.display().to_string(), error.to_string()))?;
        suite.check().map_err(|error| error.within(path))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        suite.models.iter_mut().for_each(|model| model.path = folder.join(&model.path));
        for data in std::iter::once(&mut suite.data).chain(&mut suite.out_of_distribution) {
            data.images = folder.join(&data.images);
            data.labels = data.labels.as_ref().map(|labels| folder.join(labels));
        }
        if let Threshold::Detectors(saved) = &mut suite.threshold {
            *saved = folder.join(&*saved);
        }
        Ok(suite)
    }
}
