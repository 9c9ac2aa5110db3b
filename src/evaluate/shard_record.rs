//! What a shard leaves beside its work: enough to tell whether shards belong together.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use undetected_onnx::{
    engine::EngineInfo,
    suite::{Shard, Suites},
};

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
    pub data: Vec<(String, String)>,
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

    /// What all shards have in common, if they are all parts of one run of `suites`, each once.
    ///
    /// # Errors
    /// Naming the folder and what is different there, or the shard that is missing.
    pub fn agree(suites: &Suites, shards: &[(PathBuf, Self)]) -> anyhow::Result<Self> {
        let (_, first) = shards.first().context("there is no shard to merge")?;
        let here = Self { models: first.models.clone(), ..Self::new(suites, first.shard)? };
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
                other.models == first.models,
                "{folder} has other models, engines or batches than {}: {:?}, {:?}. Run the shards with the \
                 same checkpoints, --engine, --device and --batch-size",
                shards[0].0.display(),
                other.models,
                first.models
            );
            ensure!(
                other.shard.count == first.shard.count,
                "{folder} is shard {}, {} is shard {}",
                other.shard,
                shards[0].0.display(),
                first.shard
            );
        }
        for index in 0..first.shard.count {
            let shard = Shard { index, ..first.shard };
            let found = shards.iter().filter(|(_, other)| other.shard == shard).count();
            ensure!(found > 0, "shard {shard} is missing; give its folder as well");
            ensure!(found == 1, "shard {shard} is there {found} times; give each folder once");
        }
        Ok(here)
    }
}
