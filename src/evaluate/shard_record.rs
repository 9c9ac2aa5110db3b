//! What a shard leaves beside its work: enough to tell whether shards belong together.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use undetected_onnx::{
    engine::EngineInfo,
    suite::{Shard, Suites},
};

use super::inputs::Hashed;
use crate::output;

/// The file in a shard's folder.
pub const FILE: &str = "shard.json";

/// A finished shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardRecord {
    /// This program's version.
    pub version: String,
    /// SHA-256 of the suite's settings, whatever its folders are called.
    pub suite: String,
    /// The suite's seed.
    pub seed: u64,
    /// Name and SHA-256 of each file of data.
    pub data: Vec<Hashed>,
    /// Which part it is.
    pub shard: Shard,
    /// The models, in the suite's order.
    pub models: Vec<ShardModel>,
}

/// One model of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardModel {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// What computed.
    pub engine: EngineInfo,
    /// Images at once: cut otherwise, work is not found again.
    pub batch_size: usize,
}

impl ShardRecord {
    /// Without a model yet.
    ///
    /// # Errors
    /// Where a file of data cannot be read.
    pub fn new(suites: &Suites, shard: Shard) -> anyhow::Result<Self> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            suite: suites.fingerprint(),
            seed: suites.first().seed,
            data: suites.data_hashes()?,
            shard,
            models: vec![],
        })
    }

    /// Writes it, as the last thing that a shard does.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        output::write_text(&folder.join(FILE), &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// Reads that of a folder.
    ///
    /// # Errors
    /// Where the shard is not finished, or its record damaged.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "{} is no finished shard: it has no {FILE}; run it again, it goes on where it stopped",
                folder.display()
            )
        })?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged; run the shard again", path.display()))
    }

    /// What all shards have in common, if they are all parts of one run of `suites`, each once. With
    /// `mixed` their engines and devices may differ.
    ///
    /// # Errors
    /// Naming the folder and what is different there, or the shard that is missing.
    pub fn agree(
        suites: &Suites,
        shards: &[(PathBuf, Self)],
        mixed: bool,
    ) -> anyhow::Result<Vec<MergedModel>> {
        let (first_folder, first) = shards.first().context("there is no shard to merge")?;
        let first_folder = first_folder.display();
        let here = Self::new(suites, first.shard)?;
        for (folder, other) in shards {
            let folder = folder.display();
            for (what, here, there) in [
                ("another version of this program", &here.version, &other.version),
                ("another suite", &here.suite, &other.suite),
                ("another seed", &here.seed.to_string(), &other.seed.to_string()),
                ("other data", &format!("{:?}", here.data), &format!("{:?}", other.data)),
            ] {
                ensure!(here == there, "{folder} is a shard of {what}: {there}, here {here}");
            }
            ensure!(
                other.models.len() == first.models.len()
                    && other.models.iter().zip(&first.models).all(|(one, other)| one.fits(other)),
                "{folder} has other models or batches than {first_folder}: {:?}, {:?}. Run the shards with \
                 the same checkpoints and --batch-size (without it, an engine's batches follow --memory)",
                other.models,
                first.models
            );
            let same_engines = other
                .models
                .iter()
                .zip(&first.models)
                .all(|(one, other)| one.engine == other.engine);
            ensure!(
                mixed || same_engines,
                "{folder} was computed by {}, {first_folder} by {}. Run the shards with the same --engine and \
                 --device, or merge them with --mixed-engines: their numbers differ in the last digits",
                other.engines(),
                first.engines()
            );
            ensure!(
                other.shard.count == first.shard.count,
                "{folder} is shard {}, {first_folder} is shard {}",
                other.shard,
                first.shard
            );
        }
        Self::in_order(shards, first.shard.count)
    }

    /// The models with the engines of the shards in order, if each shard is there once.
    fn in_order(shards: &[(PathBuf, Self)], count: usize) -> anyhow::Result<Vec<MergedModel>> {
        let mut merged: Vec<MergedModel> = vec![];
        for index in 0..count {
            let shard = Shard { index, count };
            let found: Vec<&Self> = shards
                .iter()
                .map(|(_, other)| other)
                .filter(|other| other.shard == shard)
                .collect();
            let [one] = found[..] else {
                ensure!(!found.is_empty(), "shard {shard} is missing; give its folder as well");
                bail!("shard {shard} is there {} times; give each folder once", found.len());
            };
            if index == 0 {
                merged = one.models.iter().map(MergedModel::new).collect();
            }
            for (model, by) in merged.iter_mut().zip(&one.models) {
                model.engines.push(by.engine.clone());
            }
        }
        Ok(merged)
    }

    /// What computed its models, each engine once.
    fn engines(&self) -> String {
        let engines: Vec<EngineInfo> =
            self.models.iter().map(|model| model.engine.clone()).collect();
        let (names, devices) = EngineInfo::names(&engines);
        format!("{names} ({devices})")
    }
}

impl ShardModel {
    /// Whether it is the same model in the same batches, whatever computed.
    fn fits(&self, other: &Self) -> bool {
        let key = |model: &Self| (model.name.clone(), model.sha256.clone(), model.batch_size);
        key(self) == key(other)
    }
}

/// One model of shards that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedModel {
    /// SHA-256 of its file.
    pub sha256: String,
    /// What each shard computed with, in order.
    pub engines: Vec<EngineInfo>,
    /// Images at once.
    pub batch_size: usize,
}

impl MergedModel {
    fn new(model: &ShardModel) -> Self {
        Self { sha256: model.sha256.clone(), engines: vec![], batch_size: model.batch_size }
    }

    /// Whether its shards computed with different engines.
    pub fn is_mixed(&self) -> bool {
        self.engines.windows(2).any(|pair| pair[0] != pair[1])
    }
}
