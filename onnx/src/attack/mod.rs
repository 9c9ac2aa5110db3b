//! Adversarial attacks, with and without the detector (section 4.3, table 2).
//!
//! # One sample at a time, many in a batch
//! An [`Attack`] makes a [`Search`] of every sample: it asks for the densities of one point (and for
//! a gradient, if it is one that uses gradients) and is told them, until it ends. What is evaluated
//! together is the scheduler's affair ([`run`]): a sample that ends leaves the batch and the next one
//! takes its place, so the cost follows the work that is left. A search sees nothing of other
//! samples, and draws from a stream of its own, keyed by (seed, task, index): for a model whose
//! columns do not depend on each other its outcome is the same for any batch size, thread count,
//! order or selection of samples.
//!
//! # Distances
//! All are L2 on pixels scaled to \[0, 1\]; the paper's budgets are [`EPSILON_MNIST`] and
//! [`EPSILON_CIFAR10`].
//!
//! # Densities that are none
//! A candidate that is classified as nothing, see [`Criterion`], is never an answer. Margins are
//! differences of f64 against the exact best other class, and "detected" is a predicate: there is no
//! sentinel, no mask and no logit for rejection that a likelihood of -7,500 nats could upset.

mod adam;
mod best;
mod boundary;
mod carlini_wagner;
mod case;
mod constant;
mod criterion;
mod descent;
mod detector_term;
pub mod grid;
mod guidance;
mod outcome;
mod probe;
mod projected_gradient;
mod refine;
mod schedule;
mod start;
mod step_sizes;
mod summary;
mod tanh;

pub use best::{Best, distance};
pub use boundary::{Boundary, Guidance};
pub use carlini_wagner::{CarliniWagner, DetectorWeight};
pub use criterion::{Both, Confident, Criterion, Goal, Margin, Undetected};
pub use detector_term::DetectorTerm;
pub use outcome::{Health, Judgement, Outcome, Queries, ROUNDING_ULPS, Stop};
pub use projected_gradient::ProjectedGradient;
pub use schedule::{Settings, run, run_without_gradient};
pub use start::{Pool, Start};
pub use summary::{Excess, Rates, Summary, excess};

use std::ops::ControlFlow;

use crate::{
    detect::ThresholdDetector,
    error::{Error, Result},
    model::{Batch, ModelSpec},
};

/// The paper's L2 budget on MNIST.
pub const EPSILON_MNIST: f64 = 1.5;
/// The paper's L2 budget on CIFAR-10.
pub const EPSILON_CIFAR10: f64 = 33.0 / 255.0;

/// Samples to attack.
#[derive(Debug, Clone, PartialEq)]
pub struct Subjects {
    /// The samples as the model takes them, one a column. A sample keeps its padding noise
    /// throughout its attack.
    pub batch: Batch,
    /// Their indices in the data set, which key their random streams.
    pub indices: Vec<u64>,
    /// What each is to be taken for.
    pub goals: Vec<Goal>,
}

impl Subjects {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self, spec: &ModelSpec) -> Result<()> {
        let (samples, classes) = (self.len(), spec.classes.len());
        let counts = [("indices", self.indices.len()), ("goals", self.goals.len())];
        if let Some((name, count)) = counts.into_iter().find(|(_, count)| *count != samples) {
            return Err(Error::setting(name, format!("must be {samples}, one each; are {count}")));
        }
        if classes < 2 {
            return Err(Error::setting("classes", "an attack needs two at least"));
        }
        match self.goals.iter().find(|goal| goal.class() >= classes) {
            Some(goal) => {
                let problem = format!("must be below {classes}, the model's number of classes");
                Err(Error::setting(format!("class {}", goal.class()), problem))
            }
            None => Ok(()),
        }
    }
}

/// What every search on a model has in common.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The model.
    pub spec: &'a ModelSpec,
    /// ln p(y), nats.
    pub ln_prior: &'a [f64],
    /// The detector that outcomes are judged by, and that some attacks mind.
    pub detector: Option<&'a ThresholdDetector>,
    /// Seed of all streams.
    pub seed: u64,
}

impl Scene<'_> {
    /// Length of the pixel range.
    pub fn scale(&self) -> f64 {
        self.spec.pixel_range.1 - self.spec.pixel_range.0
    }

    /// The pixel range as pixels are stored.
    pub fn bounds(&self) -> (f32, f32) {
        (self.spec.pixel_range.0 as f32, self.spec.pixel_range.1 as f32)
    }

    /// Whether densities meet a goal and, where the detector is minded, are accepted.
    fn is_met(&self, criterion: Confident, minds_detector: bool, log_prob: &[f64]) -> bool {
        let accepted = |log_prob| {
            let detector = self.detector.expect("checked: an attack that minds one has one");
            Undetected { detector }.is_met(self.ln_prior, log_prob)
        };
        criterion.is_met(self.ln_prior, log_prob) && (!minds_detector || accepted(log_prob))
    }
}

/// Refuses originals outside the pixel range: no attack could give them back.
fn check_range(scene: &Scene<'_>, subjects: &Subjects) -> Result<()> {
    let (low, high) = scene.bounds();
    let pixels = subjects.batch.x.nrows().max(1);
    match subjects.batch.x.iter().position(|x| !(*x >= low && *x <= high)) {
        Some(place) => {
            let (sample, value) = (subjects.indices[place / pixels], subjects.batch.x[place]);
            let problem = format!("has a pixel of {value}, outside the range {low} to {high}");
            Err(Error::setting(format!("sample {sample}"), problem))
        }
        None => Ok(()),
    }
}

/// Refuses a parameter that is not positive and finite.
fn require_positive(name: &str, value: f64) -> Result<()> {
    match value > 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::setting(format!("{name} {value}"), "must be positive and finite")),
    }
}

/// Refuses a confidence that is negative or not finite.
fn require_confidence(value: f64) -> Result<()> {
    match value >= 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::setting(format!("confidence {value}"), "must be 0 or more, finite")),
    }
}

/// One sample to attack.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Index in the data set.
    pub index: u64,
    /// Its column in [`Subjects`].
    pub place: usize,
    /// Its pixels.
    pub x: &'a [f32],
    /// What it is to be taken for.
    pub goal: Goal,
}

/// A way to attack. It makes a search of every sample.
pub trait Attack: Sync {
    /// The search on one sample.
    type Search<'a>: Search
    where
        Self: 'a;

    /// Whether searches ask for gradients.
    const USES_GRADIENT: bool;

    /// Whether the answer must be accepted by the detector.
    fn minds_detector(&self) -> bool;

    /// Refuses settings that cannot work, before anything is computed.
    ///
    /// # Errors
    /// [`Error::Setting`] names the parameter.
    fn check(&self, scene: &Scene<'_>, subjects: &Subjects) -> Result<()>;

    /// The search on a sample that is not yet what the attack is after; `log_prob` is its
    /// log p(x given y), nats.
    fn search<'a>(
        &'a self,
        scene: &'a Scene<'a>,
        subject: Subject<'a>,
        log_prob: &[f64],
    ) -> Self::Search<'a>;
}

/// The attack on one sample: asks for points and is told their densities.
pub trait Search: Send {
    /// Whether the next point's gradient is asked for.
    fn wants_gradient(&self) -> bool;

    /// Writes the next point, and where its gradient is wanted the cotangent
    /// ([`crate::model::Differentiable`]), which is 0 on entry.
    fn ask(&mut self, x: &mut [f32], cotangent: &mut [f64]);

    /// Takes the answer; breaks when the search is over.
    fn tell(&mut self, answer: &Answer<'_>) -> ControlFlow<Stop>;

    /// The closest candidate that met the attack's criterion.
    fn best(&self) -> &Best;

    /// The closest candidate that fooled, flagged or not, where that is another matter.
    fn fooling(&self) -> Option<&Best>;

    /// Steps of the innermost loop so far.
    fn steps(&self) -> u64;
}

/// What the model says of the point that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The point.
    pub x: &'a [f32],
    /// log p(x given y), nats.
    pub log_prob: &'a [f64],
    /// The cotangent that was asked for; empty where no gradient was.
    pub cotangent: &'a [f64],
    /// The gradient; empty where none was asked for.
    pub gradient: &'a [f32],
    /// Evaluations by this search up to and with this one.
    pub evaluations: u64,
}
