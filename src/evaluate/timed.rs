//! How much of a run's time is the engine's.

use std::time::{Duration, Instant};

use nalgebra::DMatrix;
use undetected_onnx::{
    Result,
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
    suite::Model,
};

/// What was asked of a model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Effort {
    /// Images, each as often as it was asked for.
    pub images: usize,
    /// Time inside the model.
    pub inside: Duration,
}

impl Effort {
    /// A line for people: `whole` is the time that the work took with everything around the model.
    pub fn of(self, whole: Duration) -> String {
        let (inside, whole) = (self.inside.as_secs_f64(), whole.as_secs_f64());
        let share = 100.0 * inside / whole;
        format!("{} evaluations in {whole:.1} s, {share:.0} % of it inside the engine", self.images)
    }
}

/// A model under a stopwatch.
pub struct Timed<'a> {
    model: Model<'a>,
    /// What was asked so far.
    pub effort: Effort,
}

impl<'a> Timed<'a> {
    /// One that was asked nothing.
    pub fn new(model: Model<'a>) -> Self {
        Self { model, effort: Effort::default() }
    }

    /// With gradients where the model has them.
    pub fn model(&mut self) -> Model<'_> {
        match self.model {
            Model::Values(_) => Model::Values(self),
            Model::Gradients(_) => Model::Gradients(self),
        }
    }

    fn time<T>(&mut self, images: usize, ask: impl FnOnce(&mut Model<'a>) -> T) -> T {
        let start = Instant::now();
        let answer = ask(&mut self.model);
        self.effort.inside += start.elapsed();
        self.effort.images += images;
        answer
    }
}

impl ConditionalModel for Timed<'_> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        self.time(batch.len(), |model| model.values().log_prob(batch))
    }
}

impl Differentiable for Timed<'_> {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.time(batch.len(), |model| model.gradients()?.log_prob_and_gradient(batch, cotangent))
    }

    fn margins_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.time(batch.len(), |model| model.gradients()?.margins_and_gradient(batch, cotangent))
    }
}
