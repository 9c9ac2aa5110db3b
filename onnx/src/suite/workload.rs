//! How much a suite asks of a model, counted before anything is computed.

use super::{Declared, Evaluations, PAIRS, Suite, Task, data_sets::DataSets, interpolate::title};
use crate::{error::Result, model::ModelSpec};

/// The work of a suite on one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The model's name.
    pub model: String,
    /// The data sets to score and their images: first the one that the model is measured on.
    pub scored: Vec<Part>,
    /// Whether the gradient of every scored image is asked for too.
    pub with_gradients: bool,
    /// Points of all paths between images, where paths are asked for; at most.
    pub paths: Option<Part>,
    /// The attacks.
    pub attacks: Vec<AttackWork>,
}

/// Something that a run does, as its events name it ([`Event::Started`](super::Event::Started),
/// [`Event::AttackStarted`](super::Event::AttackStarted)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub what: String,
    /// Images, points or evaluations.
    pub length: u64,
}

/// The work of an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttackWork {
    /// Its name.
    pub name: String,
    /// Images at most.
    pub images: u64,
    /// Evaluations of an image that takes its whole budget.
    pub each: Evaluations,
    /// Images evaluated together.
    pub batch_size: usize,
}

impl AttackWork {
    /// Evaluations of all images.
    pub fn evaluations(&self) -> Evaluations {
        self.each.times(self.images)
    }
}

impl Workload {
    /// Opens the data of the suite and counts.
    ///
    /// # Errors
    /// What [`run_model`](super::run_model) refuses before it computes.
    pub fn of(suite: &Suite, declared: &Declared) -> Result<Self> {
        let Declared { contract, sha256 } = declared;
        Self::counted(suite, &contract.spec, sha256, contract.pad)
    }

    fn counted(suite: &Suite, spec: &ModelSpec, sha256: &str, pad: usize) -> Result<Self> {
        let sets = DataSets::open(suite, spec, sha256, pad)?;
        let test_images = sets.test_images();
        let scored = std::iter::once(&sets.data).chain(&sets.others);
        let scored = scored
            .map(|images| Part { what: images.name().to_owned(), length: images.len() as u64 });
        let paths = || {
            let most = suite.interpolate.pairs.map_or(PAIRS, usize::from).min(test_images / 2);
            let points = most.saturating_mul(suite.interpolate.alphas.saturating_add(1));
            Part { what: title(sets.data.name()), length: points as u64 }
        };
        let attack = |settings: &super::AttackSettings| AttackWork {
            name: settings.name(),
            images: settings.images.get().min(test_images) as u64,
            each: settings.evaluations(),
            batch_size: settings.batch_size.get(),
        };
        let attacks = if suite.attacks_any() { &suite.attacks[..] } else { &[] };
        Ok(Self {
            model: spec.name.clone(),
            scored: scored.collect(),
            with_gradients: suite.asks_gradient_norm(),
            paths: suite.has(Task::Interpolate).then(paths),
            attacks: attacks.iter().map(attack).collect(),
        })
    }

    /// The name of the data that the model is measured on.
    pub fn data(&self) -> &str {
        &self.scored[0].what
    }

    /// Images to score, of all data sets.
    pub fn images(&self) -> u64 {
        self.scored.iter().map(|part| part.length).sum()
    }

    /// Points of paths.
    pub fn points(&self) -> u64 {
        self.paths.as_ref().map_or(0, |paths| paths.length)
    }

    /// Evaluations of scoring and paths.
    pub fn measuring(&self) -> Evaluations {
        let gradient = if self.with_gradients { self.images() } else { 0 };
        Evaluations { forward: self.images().saturating_add(self.points()), gradient }
    }

    /// Evaluations of the attacks, by their whole budgets.
    pub fn attacking(&self) -> Evaluations {
        let attacks = self.attacks.iter().map(AttackWork::evaluations);
        attacks.fold(Evaluations::default(), |sum, attack| sum + attack)
    }

    /// Everything that a run's events tell the progress of, with the lengths that they have at most.
    pub fn parts(&self) -> Vec<Part> {
        let attacks = self
            .attacks
            .iter()
            .map(|attack| Part { what: attack.name.clone(), length: attack.evaluations().total() });
        self.scored.iter().chain(&self.paths).cloned().chain(attacks).collect()
    }
}
