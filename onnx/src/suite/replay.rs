//! A model that is not asked any more: everything that a run wants to know of it is kept.

use std::path::Path;

use nalgebra::DMatrix;

use crate::{
    contract::{Contract, Overrides},
    error::{Error, Result},
    graph::ModelFile,
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
};

/// Stands for a checkpoint where shards have done its work. Whatever a run still asks it, a shard has
/// not done.
pub struct Replay {
    pub(super) contract: Contract,
    pub(super) sha256: String,
}

impl Replay {
    /// Reads what the file declares, not its graph.
    ///
    /// # Errors
    /// Those of [`ModelFile::read`] and [`Contract::read`], and [`Error::Setting`] where it is not the
    /// file of this SHA-256.
    pub fn open(path: &Path, overrides: &Overrides, sha256: &str) -> Result<Self> {
        let file = ModelFile::read(path)?;
        if file.sha256 != sha256 {
            let problem = format!(
                "is not the file that the shards have measured: its SHA-256 is {}, theirs {sha256}",
                file.sha256
            );
            return Err(Error::setting(path.display().to_string(), problem));
        }
        let contract = Contract::read(&file, overrides)?;
        Ok(Self { contract, sha256: file.sha256 })
    }
}

impl ConditionalModel for Replay {
    fn spec(&self) -> &ModelSpec {
        &self.contract.spec
    }

    fn log_prob(&mut self, _batch: &Batch) -> Result<DMatrix<f64>> {
        let problem = "lack work of this model that the suite needs; run them again, all with the same data \
                       and settings: what is done is not done twice";
        Err(Error::setting("the shards", problem))
    }
}

impl Differentiable for Replay {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        _cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.log_prob(batch).map(|log_prob| (log_prob, DMatrix::zeros(0, 0)))
    }
}
