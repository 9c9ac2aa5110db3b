//! A model whose answers are kept: an interrupted run asks it nothing twice.

use nalgebra::DMatrix;
use serde::{Serialize, Serializer, de::DeserializeOwned};

use super::{
    Model, Shard,
    units::{Unit, Units, encode},
};
use crate::{
    engine::EngineInfo,
    error::Result,
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
};

/// Changed where answers that an earlier program kept must not be taken over.
const FORMAT: &str = "log-prob-2";

/// A model with a memory. Every call is a unit of work, known by the model, the engine and the very
/// numbers that it is asked for.
pub(super) struct Remembered<'a, 'm> {
    pub(super) model: &'a mut Model<'m>,
    /// What computes; where there are several, that of each shard.
    pub(super) engines: &'a [EngineInfo],
    pub(super) sha256: &'a str,
    pub(super) units: Option<&'a Units>,
    /// Of all turns this shard takes only its own; the answers to others are zeros, and nothing may be
    /// made of them.
    pub(super) shard: Option<Shard>,
    /// Turns so far. Values are a turn; a gradient is that of the values before it, which its
    /// cotangent is made of.
    pub(super) turns: usize,
    /// Whether the last answer was not kept: the next will hardly be, and it is asked for at once, while
    /// another thread works out what it would be known by.
    pub(super) missed: bool,
    /// The last answer, until that thread writes it: the disk takes its time.
    pub(super) unsaved: Option<(Unit, Vec<u8>)>,
}

#[derive(Serialize)]
struct Basis<'a> {
    format: &'a str,
    version: &'a str,
    model: &'a str,
    engine: String,
    device: String,
    #[serde(serialize_with = "as_bytes")]
    x: &'a [f32],
    #[serde(serialize_with = "as_bytes")]
    noise: &'a [f32],
    cotangent: &'a [f64],
}

/// All at once: number by number takes as long as hashing them.
fn as_bytes<S: Serializer>(numbers: &[f32], to: S) -> std::result::Result<S::Ok, S::Error> {
    let mut bytes = vec![0; size_of_val(numbers)];
    let (places, _) = bytes.as_chunks_mut();
    places.iter_mut().zip(numbers).for_each(|(place, number)| *place = number.to_le_bytes());
    to.serialize_bytes(&bytes)
}

impl Remembered<'_, '_> {
    /// Whether this turn is this shard's.
    fn takes(&self, turn: usize) -> bool {
        self.shard.is_none_or(|shard| shard.takes(turn))
    }

    /// What is kept of a call in this turn, or else what `ask` finds, which is then kept.
    fn recall<T: Serialize + DeserializeOwned>(
        &mut self,
        turn: usize,
        batch: &Batch,
        cotangent: &[f64],
        ask: impl Fn(&mut Model<'_>) -> Result<T>,
    ) -> Result<T> {
        let Some(units) = self.units else { return ask(self.model) };
        let engine = &self.engines[turn % self.engines.len()];
        let basis = Basis {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            model: self.sha256,
            engine: engine.to_string(),
            device: engine.device.to_string(),
            x: batch.x.as_slice(),
            noise: batch.noise.as_slice(),
            cotangent,
        };
        let unsaved = self.unsaved.take();
        let beside = || save(units, unsaved).map(|()| Unit::of(&basis));
        let (unit, asked) = match self.missed {
            true => std::thread::scope(|scope| {
                let beside = scope.spawn(beside);
                let asked = ask(self.model);
                let unit = beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                unit.map(|unit| (unit, Some(asked)))
            })?,
            false => (beside()?, None),
        };
        let kept = units.load(&unit)?;
        self.missed = kept.is_none();
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let found = asked.unwrap_or_else(|| ask(self.model))?;
        self.unsaved = Some((unit, encode(&found)));
        Ok(found)
    }

    /// Writes what is not written yet; the turns so far.
    ///
    /// # Errors
    /// [`Error::Unwritable`](crate::error::Error::Unwritable).
    pub(super) fn finish(self) -> Result<usize> {
        self.units.map_or(Ok(()), |units| save(units, self.unsaved))?;
        Ok(self.turns)
    }
}

fn save(units: &Units, answer: Option<(Unit, Vec<u8>)>) -> Result<()> {
    answer.map_or(Ok(()), |(unit, payload)| units.put(&unit, &payload))
}

impl ConditionalModel for Remembered<'_, '_> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        let (classes, columns) = (self.spec().classes.len(), batch.len());
        let turn = self.turns;
        self.turns += 1;
        if !self.takes(turn) {
            return Ok(DMatrix::zeros(classes, columns));
        }
        let ask = |model: &mut Model<'_>| {
            model.values().log_prob(batch).map(|found| found.as_slice().to_vec())
        };
        Ok(DMatrix::from_vec(classes, columns, self.recall(turn, batch, &[], ask)?))
    }
}

impl Differentiable for Remembered<'_, '_> {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        let (classes, pixels) = (cotangent.nrows(), batch.x.nrows());
        let columns = batch.len();
        let turn = self.turns.checked_sub(1).expect("values come before their gradient");
        if !self.takes(turn) {
            return Ok((DMatrix::zeros(classes, columns), DMatrix::zeros(pixels, columns)));
        }
        let ask = |model: &mut Model<'_>| {
            let (log_prob, gradient) =
                model.gradients()?.log_prob_and_gradient(batch, cotangent)?;
            Ok((log_prob.as_slice().to_vec(), gradient.as_slice().to_vec()))
        };
        let (log_prob, gradient) = self.recall(turn, batch, cotangent.as_slice(), ask)?;
        let log_prob = DMatrix::from_vec(classes, columns, log_prob);
        Ok((log_prob, DMatrix::from_vec(pixels, columns, gradient)))
    }
}
