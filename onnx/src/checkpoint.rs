//! An exported model, opened on an engine and held to its contract.

use std::path::Path;

use nalgebra::DMatrix;

use crate::{
    autodiff,
    contract::{Contract, Overrides},
    engine::{self, Engine, EngineInfo, EngineOptions, Signature},
    error::{Error, Result},
    graph::ModelFile,
    model::{Batch, ConditionalModel, ModelSpec},
};

/// How well an engine reproduced the parity vectors.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ParityResult {
    /// Values compared: images times classes.
    pub values: usize,
    /// Largest |found - expected| / max(1, |expected|).
    pub largest_difference: f64,
    /// The largest that the file allows.
    pub tolerance: f64,
}

/// A checkpoint ready to be asked.
pub struct Checkpoint {
    /// What the file declares.
    pub contract: Contract,
    /// SHA-256 of the file.
    pub sha256: String,
    /// How well the engine reproduces the file's parity vectors; `None` where it has none.
    pub parity: Option<ParityResult>,
    /// What the user should know of the engine's choice.
    pub notice: Option<String>,
    engine: Box<dyn Engine>,
}

impl Checkpoint {
    /// Reads `path`, checks its contract, opens it and checks its parity vectors.
    ///
    /// # Errors
    /// Those of [`ModelFile::read`], [`Contract::read`] and [`engine::open`], and
    /// [`Error::Parity`] where the engine's values are not those of the training framework.
    pub fn open(path: &Path, overrides: &Overrides, options: &EngineOptions) -> Result<Self> {
        let file = ModelFile::read(path)?;
        let contract = Contract::read(&file, overrides)?;
        Self::of(&file, contract, options)
    }

    /// Opens a file whose contract is read already.
    ///
    /// # Errors
    /// Those of [`engine::open`], and [`Error::Parity`].
    pub fn of(file: &ModelFile, contract: Contract, options: &EngineOptions) -> Result<Self> {
        let signature = signature(&contract);
        let opened = match &contract.ports.gradient {
            // Its own gradient would ask for a cotangent at every run.
            Some(_) => {
                let outputs: Vec<&str> = signature.outputs.iter().map(String::as_str).collect();
                let forward = file.with_model(autodiff::prune(&file.model, &outputs))?;
                engine::open(&forward, &signature, options)?
            }
            None => engine::open(file, &signature, options)?,
        };
        let mut checkpoint = Self {
            contract,
            sha256: file.sha256.clone(),
            parity: None,
            notice: opened.notice,
            engine: opened.engine,
        };
        checkpoint.parity = checkpoint.check_parity(&file.path)?;
        Ok(checkpoint)
    }

    /// What computes, and where.
    pub fn engine(&self) -> &EngineInfo {
        self.engine.info()
    }

    /// The most memory that the engine has had in use ([`Engine::peak_memory`]).
    pub(crate) fn peak_memory(&mut self) -> Result<Option<u64>> {
        self.engine.peak_memory()
    }

    fn check_parity(&mut self, path: &Path) -> Result<Option<ParityResult>> {
        let Some(parity) = self.contract.parity.clone() else { return Ok(None) };
        let (spec, classes) = (&self.contract.spec, self.contract.spec.classes.len());
        let batch = Batch {
            x: DMatrix::from_vec(spec.image.len(), parity.count, parity.x),
            noise: DMatrix::from_vec(spec.noise_len, parity.count, parity.noise),
        };
        let found = self.log_prob(&batch)?;
        let mut largest_difference: f64 = 0.0;
        for (place, (&expected, &found)) in parity.log_prob.iter().zip(found.iter()).enumerate() {
            let scale = expected.abs().max(1.0);
            let difference = (found - expected).abs() / scale;
            if difference.is_nan() || difference > parity.relative_tolerance {
                return Err(Error::Parity {
                    path: path.to_owned(),
                    engine: self.engine.info().to_string(),
                    image: place / classes,
                    class: place % classes,
                    expected,
                    found,
                    tolerance: parity.relative_tolerance * scale,
                });
            }
            largest_difference = largest_difference.max(difference);
        }
        let values = parity.log_prob.len();
        Ok(Some(ParityResult { values, largest_difference, tolerance: parity.relative_tolerance }))
    }
}

/// The ports of the forward pass.
pub(crate) fn signature(contract: &Contract) -> Signature {
    let image = contract.spec.image;
    let x = (contract.ports.x.clone(), vec![image.channels, image.height, image.width]);
    let outputs = match contract.ports.split {
        true => vec!["log_prob_shared".to_owned(), "log_prob_class".to_owned()],
        false => vec![contract.ports.log_prob.clone()],
    };
    Signature { inputs: std::iter::once(x).chain(contract.ports.noise.clone()).collect(), outputs }
}

impl ConditionalModel for Checkpoint {
    fn spec(&self) -> &ModelSpec {
        &self.contract.spec
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        let n = batch.len();
        let inputs = [batch.x.as_slice(), batch.noise.as_slice()];
        let used = 1 + usize::from(self.contract.ports.noise.is_some());
        let outputs = self.engine.run(n, &inputs[..used])?;
        log_prob_of(&self.contract, self.engine.info(), n, &outputs)
    }
}

/// log p(x given y), classes x N, from the outputs of [`signature`].
pub(crate) fn log_prob_of(
    contract: &Contract,
    engine: &EngineInfo,
    n: usize,
    outputs: &[Vec<f64>],
) -> Result<DMatrix<f64>> {
    let class = class_part_of(contract, engine, n, outputs)?;
    if !contract.ports.split {
        return Ok(class);
    }
    let shared = &outputs[0];
    if shared.len() != n {
        return Err(wrong_size(contract, engine, "log_prob_shared", shared.len(), n));
    }
    // Summed in f64, the classes' differences stay those of the file.
    Ok(DMatrix::from_fn(class.nrows(), n, |y, image| shared[image] + class[(y, image)]))
}

/// The last of `outputs`, which has a number for every class, as classes x N.
pub(crate) fn class_part_of(
    contract: &Contract,
    engine: &EngineInfo,
    n: usize,
    outputs: &[Vec<f64>],
) -> Result<DMatrix<f64>> {
    let (classes, class) = (contract.spec.classes.len(), outputs.last());
    let class = class.expect("the signature has outputs");
    match class.len() == n * classes {
        true => Ok(DMatrix::from_column_slice(classes, n, class)),
        false => Err(wrong_size(contract, engine, "log_prob", class.len(), n)),
    }
}

fn wrong_size(
    contract: &Contract,
    engine: &EngineInfo,
    name: &str,
    found: usize,
    n: usize,
) -> Error {
    let classes = contract.spec.classes.len();
    Error::Engine {
        engine: engine.to_string(),
        action: "return the declared output",
        message: format!("{name} holds {found} numbers for {n} images and {classes} classes"),
    }
}
