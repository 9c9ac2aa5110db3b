//! A checkpoint that returns gradients: its own, or those of its differentiated graph.

use std::path::Path;

use nalgebra::DMatrix;

use crate::{
    autodiff::{self, COTANGENT, GRADIENT},
    checkpoint::{self, Checkpoint},
    contract::{Contract, Overrides},
    engine::{self, Engine, EngineOptions, Signature},
    error::{Error, Result},
    gradient_check::{self, Flag, GradientHealth},
    graph::ModelFile,
    margins::Margins,
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
};

/// How to differentiate a checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GradientOptions {
    /// Take the identity for the derivative of Floor, Ceil and Round: an estimate for models that
    /// round their input, whose gradient is zero.
    pub straight_through: bool,
    /// Take the gradient although its check failed. The flag stays in
    /// [`DifferentiableCheckpoint::health`].
    pub accept_unsound: bool,
}

/// A checkpoint with a second session that returns values and gradient in one run.
pub struct DifferentiableCheckpoint {
    /// The checkpoint for values alone.
    pub checkpoint: Checkpoint,
    /// What the check at load found.
    pub health: GradientHealth,
    engine: Box<dyn Engine>,
    margins: Margins,
}

impl DifferentiableCheckpoint {
    /// Reads, differentiates, opens and checks `path`.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`]; [`Error::Gradient`] naming the node that has no gradient;
    /// [`Error::GradientHealth`] where the gradient is not that of the values.
    pub fn open(
        path: &Path,
        overrides: &Overrides,
        options: &EngineOptions,
        gradient: GradientOptions,
    ) -> Result<Self> {
        let file = ModelFile::read(path)?;
        let contract = Contract::read(&file, overrides)?;
        Self::of(&file, contract, options, gradient)
    }

    /// The same for a file whose contract is read already.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn of(
        file: &ModelFile,
        contract: Contract,
        options: &EngineOptions,
        gradient: GradientOptions,
    ) -> Result<Self> {
        let checkpoint = Checkpoint::of(file, contract, options)?;
        let differentiation = autodiff::Options { straight_through: gradient.straight_through };
        let engine = open_engine(file, &checkpoint.contract, options, &differentiation)?;
        let margins = Margins::of(file, &checkpoint.contract, options, &differentiation);
        let health = GradientHealth::estimate();
        let mut opened = Self { checkpoint, health, engine, margins };
        if !gradient.straight_through {
            let batch = opened.sample();
            opened.health = gradient_check::check(&mut opened, &batch)?;
        }
        if opened.health.is_sound() || gradient.accept_unsound {
            return Ok(opened);
        }
        Err(opened.refusal(&file.path))
    }

    /// The most memory that the sessions for gradients have had in use ([`Engine::peak_memory`]).
    pub(crate) fn peak_memory(&mut self) -> Result<Option<u64>> {
        let Some(whole) = self.engine.peak_memory()? else { return Ok(None) };
        let margins = match self.margins.engine()? {
            Some(engine) => engine.peak_memory()?.unwrap_or(0),
            None => 0,
        };
        Ok(Some(whole + margins))
    }

    /// The parity images, or made-up ones where the file has none.
    fn sample(&self) -> Batch {
        let spec = &self.checkpoint.contract.spec;
        if let Some(parity) = &self.checkpoint.contract.parity {
            return Batch {
                x: DMatrix::from_column_slice(spec.image.len(), parity.count, &parity.x),
                noise: DMatrix::from_column_slice(spec.noise_len, parity.count, &parity.noise),
            };
        }
        // Multiples of the golden ratio fill an interval evenly.
        let golden = |index: usize| (0.5 + index as f64 * 0.618_033_988_749_895).fract();
        let (low, high) = spec.pixel_range;
        let pixel = |dim, image| (low + (high - low) * golden(dim + 7 * image)) as f32;
        Batch {
            x: DMatrix::from_fn(spec.image.len(), 2, pixel),
            noise: DMatrix::from_fn(spec.noise_len, 2, |dim, image| golden(3 * dim + image) as f32),
        }
    }

    fn refusal(&self, path: &Path) -> Error {
        let health = &self.health;
        Error::GradientHealth {
            path: path.to_owned(),
            engine: self.engine.info().to_string(),
            flag: health.flag.to_string(),
            detail: format!(
                "Largest relative deviation from differences {:.2e} (allowed {:.0e}) over {} slopes; \
                 {} slopes could not be compared",
                health.largest_deviation,
                gradient_check::TOLERANCE,
                health.compared,
                health.inconclusive
            ),
            remedy: match health.flag {
                Flag::Vanishes => {
                    "The model rounds its input: use an attack without gradients, or ask for the \
                     straight-through estimate"
                }
                _ => {
                    "Export the model again, use the other engine, or take the gradient \
                     nevertheless by overriding the check"
                }
            },
        }
    }
}

/// A session for the outputs of the checkpoint's own and the gradient behind them.
fn open_engine(
    file: &ModelFile,
    contract: &Contract,
    options: &EngineOptions,
    differentiation: &autodiff::Options,
) -> Result<Box<dyn Engine>> {
    let Signature { mut inputs, mut outputs } = checkpoint::signature(contract);
    let (file, cotangent, gradient) = match &contract.ports.gradient {
        Some((cotangent, own)) => (file.clone(), cotangent.clone(), own.clone()),
        None => {
            let ports = &contract.ports;
            let model =
                autodiff::differentiate(&file.model, &ports.log_prob, &ports.x, differentiation)?;
            (file.with_model(model.model)?, COTANGENT.to_owned(), GRADIENT.to_owned())
        }
    };
    inputs.push((cotangent, vec![contract.spec.classes.len()]));
    outputs.push(gradient);
    Ok(engine::open(&file, &Signature { inputs, outputs }, options)?.engine)
}

impl ConditionalModel for DifferentiableCheckpoint {
    fn spec(&self) -> &ModelSpec {
        self.checkpoint.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        self.checkpoint.log_prob(batch)
    }
}

impl Differentiable for DifferentiableCheckpoint {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        let contract = &self.checkpoint.contract;
        let (outputs, gradient) = ask(self.engine.as_mut(), contract, batch, cotangent)?;
        let log_prob =
            checkpoint::log_prob_of(contract, self.engine.info(), batch.len(), &outputs)?;
        Ok((log_prob, gradient))
    }

    fn margins_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        let Some(engine) = self.margins.engine()? else {
            return self.log_prob_and_gradient(batch, cotangent);
        };
        let contract = &self.checkpoint.contract;
        let (outputs, gradient) = ask(engine, contract, batch, cotangent)?;
        let class = checkpoint::class_part_of(contract, engine.info(), batch.len(), &outputs)?;
        Ok((class, gradient))
    }
}

/// The outputs but for the last, and that: the gradient.
fn ask(
    engine: &mut dyn Engine,
    contract: &Contract,
    batch: &Batch,
    cotangent: &DMatrix<f64>,
) -> Result<(Vec<Vec<f64>>, DMatrix<f32>)> {
    let n = batch.len();
    let cotangent = cotangent.map(|weight| weight as f32);
    let mut inputs = vec![batch.x.as_slice()];
    inputs.extend(contract.ports.noise.as_ref().map(|_| batch.noise.as_slice()));
    inputs.push(cotangent.as_slice());
    let mut outputs = engine.run(n, &inputs)?;
    let gradient = outputs.pop().expect("the signature ends with the gradient");
    let len = contract.spec.image.len();
    if gradient.len() != n * len {
        return Err(Error::Engine {
            engine: engine.info().to_string(),
            action: "return the gradient",
            message: format!("it holds {} numbers for {n} images of {len}", gradient.len()),
        });
    }
    let gradient = gradient.iter().map(|&slope| slope as f32);
    Ok((outputs, DMatrix::from_iterator(len, n, gradient)))
}
