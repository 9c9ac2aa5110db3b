//! Which samples are evaluated together: searches that end leave the batch, waiting ones enter.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::{
    Attack, Outcome, Scene, Subjects,
    case::{Asked, Case},
};
use crate::{
    detect::ThresholdDetector,
    error::{Error, Result},
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
};

/// Pixels from which on a round's searches run in parallel; fewer are done before threads wake up.
const PARALLEL_PIXELS: usize = 1 << 15;

/// How samples are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Settings {
    /// Most samples evaluated together.
    pub batch_size: usize,
    /// Whether every call of the model has exactly `batch_size` columns, unused ones being copies.
    /// For engines whose values depend in the last digit on the size of the batch.
    pub fixed_shape: bool,
    /// Seed of all random streams.
    pub seed: u64,
}

/// Attacks samples; each outcome goes to `sink` as soon as it is known.
///
/// # Errors
/// [`Error::Setting`] where the attack or the samples cannot work; where the model or `sink` fails.
/// What goes wrong with one sample is an outcome.
pub fn run<A: Attack>(
    attack: &A,
    model: &mut dyn Differentiable,
    subjects: &Subjects,
    detector: Option<&ThresholdDetector>,
    settings: &Settings,
    sink: &mut dyn FnMut(Outcome) -> Result<()>,
) -> Result<()> {
    let spec = model.spec().clone();
    Schedule { attack, subjects, detector, settings }.run(&spec, Oracle::Gradients(model), sink)
}

/// The same with a model that has no gradient, for attacks that need none.
///
/// # Errors
/// Those of [`run`], and [`Error::Setting`] where the attack needs gradients.
pub fn run_without_gradient<A: Attack>(
    attack: &A,
    model: &mut dyn ConditionalModel,
    subjects: &Subjects,
    detector: Option<&ThresholdDetector>,
    settings: &Settings,
    sink: &mut dyn FnMut(Outcome) -> Result<()>,
) -> Result<()> {
    if A::USES_GRADIENT {
        let problem = "uses gradients, which this model does not have; use the Boundary attack";
        return Err(Error::setting("attack", problem));
    }
    let spec = model.spec().clone();
    Schedule { attack, subjects, detector, settings }.run(&spec, Oracle::Values(model), sink)
}

enum Oracle<'a> {
    Values(&'a mut dyn ConditionalModel),
    Gradients(&'a mut dyn Differentiable),
}

struct Schedule<'a, A> {
    attack: &'a A,
    subjects: &'a Subjects,
    detector: Option<&'a ThresholdDetector>,
    settings: &'a Settings,
}

impl<A: Attack> Schedule<'_, A> {
    fn run(
        &self,
        spec: &ModelSpec,
        mut oracle: Oracle<'_>,
        sink: &mut dyn FnMut(Outcome) -> Result<()>,
    ) -> Result<()> {
        let Self { attack, subjects, detector, settings } = *self;
        let scene = Scene { spec, ln_prior: &spec.ln_prior, detector, seed: settings.seed };
        self.check(&scene)?;
        let mut waiting = 0..subjects.len();
        let most = self.most_under_way();
        let mut active: Vec<Case<'_, A>> = Vec::with_capacity(most);
        let mut rounds = Asked::ALL.map(|_| Round::new(spec, 0));
        loop {
            let free = most - active.len();
            active.extend(
                waiting.by_ref().take(free).map(|i| Case::new(attack, &scene, subjects, i)),
            );
            if active.is_empty() {
                return Ok(());
            }
            let waiting_for = |asked| {
                let waiting = active.iter().filter(|case| case.is_waiting_for(asked));
                waiting.count()
            };
            let counts = Asked::ALL.map(waiting_for);
            let is_full = |count: usize| count >= settings.batch_size;
            for ((round, asked), count) in rounds.iter_mut().zip(Asked::ALL).zip(counts) {
                if settings.fixed_shape && !is_full(count) && counts.into_iter().any(is_full) {
                    continue; // until they fill a call, or no other call is full
                }
                let waiting = |case: &&mut Case<'_, A>| case.is_waiting_for(asked);
                let cases = active.iter_mut().filter(waiting).take(settings.batch_size).collect();
                round.answer(cases, asked, &mut oracle, settings)?;
            }
            let (done, rest): (Vec<_>, Vec<_>) = active.into_iter().partition(Case::is_done);
            active = rest;
            done.into_iter().try_for_each(|case| sink(case.outcome()))?;
        }
    }

    /// Samples under way at once: as many as are evaluated together, and where calls of a fixed shape
    /// are of two kinds, so many that those of one kind fill a call.
    fn most_under_way(&self) -> usize {
        match self.settings.fixed_shape && A::USES_GRADIENT {
            true => 2 * self.settings.batch_size - 1,
            false => self.settings.batch_size,
        }
    }

    fn check(&self, scene: &Scene<'_>) -> Result<()> {
        if self.settings.batch_size == 0 {
            return Err(Error::setting("batch size 0", "must be at least 1"));
        }
        // Refuses what cannot judge an attack's candidates.
        self.detector.map(super::DetectorTerm::new).transpose()?;
        if self.attack.minds_detector() && self.detector.is_none() {
            return Err(Error::setting("detector", "is needed by an attack that is to evade it"));
        }
        self.subjects.check(scene.spec)?;
        self.attack.check(scene, self.subjects)
    }
}

/// Buffers of one call of the model, kept from round to round.
struct Round {
    batch: Batch,
    cotangent: DMatrix<f64>,
}

impl Round {
    fn new(spec: &ModelSpec, columns: usize) -> Self {
        Self {
            batch: Batch {
                x: DMatrix::zeros(spec.image.len(), columns),
                noise: DMatrix::zeros(spec.noise_len, columns),
            },
            cotangent: DMatrix::zeros(spec.classes.len(), columns),
        }
    }

    /// Asks the cases, the model, and tells the cases.
    fn answer<A: Attack>(
        &mut self,
        mut cases: Vec<&mut Case<'_, A>>,
        asked: Asked,
        oracle: &mut Oracle<'_>,
        settings: &Settings,
    ) -> Result<()> {
        let Some(first) = cases.first() else { return Ok(()) };
        let columns = if settings.fixed_shape { settings.batch_size } else { cases.len() };
        if self.batch.len() != columns {
            *self = Self::new(first.spec(), columns);
        }
        self.ask(&mut cases);
        let (batch, cotangent) = (&self.batch, &self.cotangent);
        let both = |(log_prob, slopes)| (log_prob, Some(slopes));
        let (log_prob, slopes) = match (oracle, asked) {
            (Oracle::Gradients(model), Asked::Margins) => {
                both(model.margins_and_gradient(batch, cotangent)?)
            }
            (Oracle::Gradients(model), Asked::Gradient) => {
                both(model.log_prob_and_gradient(batch, cotangent)?)
            }
            (Oracle::Gradients(model), Asked::Values) => (model.log_prob(batch)?, None),
            (Oracle::Values(model), _) => (model.log_prob(batch)?, None),
        };
        self.tell(&mut cases, &log_prob, slopes.as_ref());
        Ok(())
    }

    fn ask<A: Attack>(&mut self, cases: &mut [&mut Case<'_, A>]) {
        let (pixels, classes) = (self.batch.x.nrows(), self.cotangent.nrows());
        for (column, case) in cases.iter().enumerate() {
            self.batch.noise.column_mut(column).copy_from_slice(case.noise());
        }
        self.cotangent.fill(0.0);
        let x = self.batch.x.as_mut_slice();
        let cotangent = self.cotangent.as_mut_slice();
        if cases.len() * pixels < PARALLEL_PIXELS {
            let columns = x.chunks_exact_mut(pixels).zip(cotangent.chunks_exact_mut(classes));
            cases.iter_mut().zip(columns).for_each(|(case, (x, c))| case.ask(x, c));
        } else {
            let columns = x.par_chunks_exact_mut(pixels);
            let columns = columns.zip(cotangent.par_chunks_exact_mut(classes));
            cases.par_iter_mut().zip(columns).for_each(|(case, (x, c))| case.ask(x, c));
        }
        for column in cases.len()..self.batch.len() {
            copy_first(&mut self.batch.x, column);
            copy_first(&mut self.batch.noise, column);
        }
    }

    fn tell<A: Attack>(
        &self,
        cases: &mut [&mut Case<'_, A>],
        log_prob: &DMatrix<f64>,
        slopes: Option<&DMatrix<f32>>,
    ) {
        let (pixels, classes) = (self.batch.x.nrows(), self.cotangent.nrows());
        let column_of = |column: usize, length: usize| column * length..(column + 1) * length;
        let tell = |(column, case): (usize, &mut &mut Case<'_, A>)| {
            let (x, c) = (column_of(column, pixels), column_of(column, classes));
            case.tell(
                &self.batch.x.as_slice()[x.clone()],
                &log_prob.as_slice()[c.clone()],
                slopes.map(|slopes| (&self.cotangent.as_slice()[c], &slopes.as_slice()[x])),
            );
        };
        if cases.len() * pixels < PARALLEL_PIXELS {
            cases.iter_mut().enumerate().for_each(tell);
        } else {
            cases.par_iter_mut().enumerate().for_each(tell);
        }
    }
}

/// Copies column 0 to another.
fn copy_first(matrix: &mut DMatrix<f32>, column: usize) {
    let rows = matrix.nrows();
    matrix.as_mut_slice().copy_within(..rows, column * rows);
}
