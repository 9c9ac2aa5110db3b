//! A model whose answers are kept: an interrupted run asks it nothing twice.

use nalgebra::DMatrix;
use serde::Serialize;

use super::{
    Shard,
    units::{Unit, Units},
};
use crate::{
    engine::EngineInfo,
    error::Result,
    model::{Batch, ConditionalModel, ModelSpec},
};

/// Changed where answers that an earlier program kept must not be taken over.
const FORMAT: &str = "log-prob-1";

/// A model with a memory. Every call is a unit of work, known by the model, the engine and the very
/// numbers that it is asked for.
pub(super) struct Remembered<'a> {
    pub(super) model: &'a mut dyn ConditionalModel,
    pub(super) engine: &'a EngineInfo,
    pub(super) sha256: &'a str,
    pub(super) units: Option<&'a Units>,
    /// Of all calls this shard makes only those whose turn it is; the answers to others are zeros,
    /// and nothing may be made of them.
    pub(super) shard: Option<Shard>,
    /// Calls so far.
    pub(super) calls: usize,
}

#[derive(Serialize)]
struct Basis<'a> {
    format: &'a str,
    version: &'a str,
    model: &'a str,
    engine: String,
    device: String,
    x: &'a [f32],
    noise: &'a [f32],
}

impl Remembered<'_> {
    fn unit(&self, batch: &Batch) -> Unit {
        Unit::of(&Basis {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            model: self.sha256,
            engine: self.engine.to_string(),
            device: self.engine.device.to_string(),
            x: batch.x.as_slice(),
            noise: batch.noise.as_slice(),
        })
    }
}

impl ConditionalModel for Remembered<'_> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        let (classes, columns) = (self.spec().classes.len(), batch.len());
        let turn = self.calls;
        self.calls += 1;
        if self.shard.is_some_and(|shard| !shard.takes(turn)) {
            return Ok(DMatrix::zeros(classes, columns));
        }
        let Some(units) = self.units else { return self.model.log_prob(batch) };
        let unit = self.unit(batch);
        match units.load::<Vec<f64>>(&unit)? {
            Some(found) if found.len() == classes * columns => {
                Ok(DMatrix::from_vec(classes, columns, found))
            }
            _ => {
                let found = self.model.log_prob(batch)?;
                units.save(&unit, &found.as_slice())?;
                Ok(found)
            }
        }
    }
}
