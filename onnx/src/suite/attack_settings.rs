//! `[[attack]]`: one attack of a suite, in the attack toolkits' words.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::{
    attack::{
        Boundary, CarliniWagner, DetectorWeight, EPSILON_CIFAR10, EPSILON_MNIST, Pool,
        ProjectedGradient, Start,
    },
    detect::StatisticKind,
    error::{Error, Result},
};

/// An attack, and what it is tried on.
///
/// What is left out has the attack's own default ([`CarliniWagner::default`],
/// [`Boundary::foolbox`] or [`Boundary::guided`], [`ProjectedGradient::new`]); what the method does
/// not have is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackSettings {
    /// Shown in tables, and the name of its files; the method's, with `_aware` where it evades the
    /// detector, without it.
    #[serde(default)]
    pub name: Option<String>,
    /// The method.
    pub method: Method,
    /// Whether the answer must be accepted by the detector (section 4.3).
    #[serde(default)]
    pub evade_detector: bool,
    /// The detector that selects images, judges answers and is to be evaded.
    #[serde(default = "marginal")]
    pub detector: StatisticKind,
    /// Whether each image is to become one class, drawn for it, instead of any other than its own.
    /// Without it: where the Boundary attack evades the detector, as in section 4.3.
    #[serde(default)]
    pub targeted: Option<bool>,
    /// Images at most, drawn from those that are classified correctly and accepted.
    #[serde(default = "hundred")]
    pub images: NonZeroUsize,
    /// Budgets that are reported, L2 on pixels scaled to \[0, 1\]; the paper's for CIFAR-10 and MNIST
    /// without them.
    #[serde(default = "paper_epsilons")]
    pub epsilons: Vec<f64>,
    /// Images evaluated together. On engines whose last digits depend on the size of a batch every
    /// call has this size, so that outcomes belong to it.
    #[serde(default = "sixteen")]
    pub batch_size: NonZeroUsize,
    /// Most steps, for each constant or start where there are several.
    #[serde(default)]
    pub steps: Option<u64>,
    /// Carlini-Wagner: steps of the search over c.
    #[serde(default)]
    pub binary_search_steps: Option<u64>,
    /// Carlini-Wagner: Adam's step size.
    #[serde(default)]
    pub stepsize: Option<f64>,
    /// Carlini-Wagner: the first c.
    #[serde(default)]
    pub initial_const: Option<f64>,
    /// Carlini-Wagner, projected gradient: nats by which the classifier is to be fooled.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// Carlini-Wagner: whether a constant is given up where the loss no longer falls.
    #[serde(default)]
    pub abort_early: Option<bool>,
    /// What the detector's term weighs, of an attack with gradients that evades it; shared without
    /// it.
    #[serde(default)]
    pub detector_weight: Option<Weight>,
    /// Carlini-Wagner, projected gradient: bisections of the line between original and answer.
    #[serde(default)]
    pub refine: Option<u32>,
    /// Projected gradient: length of a step, as a share of the radius.
    #[serde(default)]
    pub rel_stepsize: Option<f64>,
    /// Projected gradient: starts from random points.
    #[serde(default)]
    pub restarts: Option<u64>,
    /// Boundary: first step on the sphere, as a share of the distance.
    #[serde(default)]
    pub spherical_step: Option<f64>,
    /// Boundary: first step towards the original, as a share of the distance.
    #[serde(default)]
    pub source_step: Option<f64>,
    /// Boundary: whether directions are learned from earlier steps; not so in Foolbox.
    #[serde(default)]
    pub guided: Option<bool>,
    /// Boundary: where it starts; from real images where it evades the detector, else from noise.
    #[serde(default)]
    pub start: Option<StartKind>,
}

/// The attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// [`CarliniWagner`].
    CarliniWagner,
    /// [`Boundary`].
    Boundary,
    /// [`ProjectedGradient`] within the one epsilon.
    ProjectedGradient,
}

/// The constant of the detector's term.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Weight {
    /// Carlini-Wagner: c itself.
    Shared,
    /// Carlini-Wagner: one with a search of its own, from this value.
    Separate(f64),
    /// Always this; of projected gradient the share of the term, from 0 to 1.
    Fixed(f64),
}

/// Where the Boundary attack starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartKind {
    /// Uniform noise.
    Noise,
    /// Uniform noise, then the closest point of the line to the original: Foolbox's default.
    Blended,
    /// A real, accepted image of a class that is asked for, then the same line.
    Real,
}

/// Images that a start is looked for among, as in Foolbox.
const TRIES: u64 = 1000;
/// Steps of the line, as in Foolbox.
const BLEND_STEPS: u64 = 50;

fn marginal() -> StatisticKind {
    StatisticKind::Marginal
}

fn hundred() -> NonZeroUsize {
    NonZeroUsize::new(100).expect("it is not zero")
}

fn sixteen() -> NonZeroUsize {
    NonZeroUsize::new(16).expect("it is not zero")
}

fn paper_epsilons() -> Vec<f64> {
    vec![EPSILON_CIFAR10, EPSILON_MNIST]
}

/// The attack that settings describe.
pub(super) enum Built {
    CarliniWagner(CarliniWagner),
    Boundary(Boundary),
    ProjectedGradient(ProjectedGradient),
}

impl Method {
    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::CarliniWagner => "carlini_wagner",
            Self::Boundary => "boundary",
            Self::ProjectedGradient => "projected_gradient",
        }
    }
}

impl AttackSettings {
    /// A method with all its defaults.
    pub fn new(method: Method) -> Self {
        Self {
            name: None,
            method,
            evade_detector: false,
            detector: marginal(),
            targeted: None,
            images: hundred(),
            epsilons: paper_epsilons(),
            batch_size: sixteen(),
            steps: None,
            binary_search_steps: None,
            stepsize: None,
            initial_const: None,
            confidence: None,
            abort_early: None,
            detector_weight: None,
            refine: None,
            rel_stepsize: None,
            restarts: None,
            spherical_step: None,
            source_step: None,
            guided: None,
            start: None,
        }
    }

    /// The name in tables and files.
    pub fn name(&self) -> String {
        let aware = if self.evade_detector { "_aware" } else { "" };
        self.name.clone().unwrap_or_else(|| format!("{}{aware}", self.method.name()))
    }

    /// Whether each image is to become one class.
    pub fn is_targeted(&self) -> bool {
        self.targeted.unwrap_or(self.method == Method::Boundary && self.evade_detector)
    }

    /// Whether it asks for gradients.
    pub fn uses_gradient(&self) -> bool {
        self.method != Method::Boundary
    }

    /// Whether it starts from real images.
    pub fn starts_from_real(&self) -> bool {
        self.method == Method::Boundary && self.start() == StartKind::Real
    }

    fn start(&self) -> StartKind {
        let usual = if self.evade_detector { StartKind::Real } else { StartKind::Blended };
        self.start.unwrap_or(usual)
    }

    /// Most evaluations of one image.
    pub fn budget(&self) -> u64 {
        match self.built(None) {
            Ok(Built::CarliniWagner(a)) => {
                a.binary_search_steps.saturating_mul(a.steps).saturating_add(a.refine.into())
            }
            Ok(Built::Boundary(a)) => a.steps.saturating_add(a.steps / a.update_stats_every_k),
            Ok(Built::ProjectedGradient(a)) => {
                a.restarts.saturating_add(1).saturating_mul(a.steps).saturating_add(a.refine.into())
            }
            Err(_) => 0,
        }
    }

    /// Refuses what no model and no data could make valid.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn check(&self) -> Result<()> {
        let bad = |epsilon: &&f64| !(epsilon.is_finite() && **epsilon > 0.0);
        if self.epsilons.is_empty() {
            return self.refuse("epsilons", "is empty; give a distance, or leave it out");
        }
        if let Some(epsilon) = self.epsilons.iter().find(bad) {
            return self.refuse(&format!("epsilons = {epsilon}"), "must be above 0 and finite");
        }
        if self.method == Method::ProjectedGradient && self.epsilons.len() != 1 {
            return self
                .refuse("epsilons", "must be one distance: projected_gradient searches a ball");
        }
        let name = self.name();
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
            return self.refuse(&format!("name '{name}'"), "cannot name a file; give another");
        }
        self.check_options()?;
        self.built(None).map(drop)
    }

    /// Refuses options that the method does not have.
    fn check_options(&self) -> Result<()> {
        use Method::{Boundary, CarliniWagner, ProjectedGradient};
        let options: [(&str, bool, &[Method]); 12] = [
            ("binary_search_steps", self.binary_search_steps.is_some(), &[CarliniWagner]),
            ("stepsize", self.stepsize.is_some(), &[CarliniWagner]),
            ("initial_const", self.initial_const.is_some(), &[CarliniWagner]),
            ("abort_early", self.abort_early.is_some(), &[CarliniWagner]),
            ("confidence", self.confidence.is_some(), &[CarliniWagner, ProjectedGradient]),
            ("refine", self.refine.is_some(), &[CarliniWagner, ProjectedGradient]),
            ("rel_stepsize", self.rel_stepsize.is_some(), &[ProjectedGradient]),
            ("restarts", self.restarts.is_some(), &[ProjectedGradient]),
            ("spherical_step", self.spherical_step.is_some(), &[Boundary]),
            ("source_step", self.source_step.is_some(), &[Boundary]),
            ("guided", self.guided.is_some(), &[Boundary]),
            ("start", self.start.is_some(), &[Boundary]),
        ];
        let foreign =
            |(_, given, of): &&(&str, bool, &[Method])| *given && !of.contains(&self.method);
        if let Some((name, _, of)) = options.iter().find(foreign) {
            let of = of.iter().map(|method| method.name()).collect::<Vec<_>>().join(" and ");
            return self.refuse(name, &format!("is an option of {of}; leave it out"));
        }
        if self.detector_weight.is_some() && !(self.evade_detector && self.uses_gradient()) {
            let problem = "weighs the detector's term of an attack with gradients that evades it; set \
                           evade_detector, or leave it out";
            return self.refuse("detector_weight", problem);
        }
        Ok(())
    }

    fn refuse<T>(&self, key: &str, problem: &str) -> Result<T> {
        Err(Error::setting(format!("attack '{}': {key}", self.name()), problem))
    }

    /// The attack; `pool` is what it starts from where it starts from real images.
    pub(super) fn built(&self, pool: Option<Pool>) -> Result<Built> {
        Ok(match self.method {
            Method::CarliniWagner => Built::CarliniWagner(self.carlini_wagner()),
            Method::Boundary => Built::Boundary(self.boundary(pool)),
            Method::ProjectedGradient => Built::ProjectedGradient(self.projected_gradient()?),
        })
    }

    fn carlini_wagner(&self) -> CarliniWagner {
        let usual = CarliniWagner::default();
        let weight = match self.detector_weight.unwrap_or(Weight::Shared) {
            Weight::Shared => DetectorWeight::Shared,
            Weight::Separate(initial_const) => DetectorWeight::Separate { initial_const },
            Weight::Fixed(constant) => DetectorWeight::Fixed { constant },
        };
        CarliniWagner {
            binary_search_steps: self.binary_search_steps.unwrap_or(usual.binary_search_steps),
            steps: self.steps.unwrap_or(usual.steps),
            stepsize: self.stepsize.unwrap_or(usual.stepsize),
            confidence: self.confidence.unwrap_or(usual.confidence),
            initial_const: self.initial_const.unwrap_or(usual.initial_const),
            abort_early: self.abort_early.unwrap_or(usual.abort_early),
            detector: self.evade_detector.then_some(weight),
            refine: self.refine.unwrap_or(usual.refine),
        }
    }

    fn boundary(&self, pool: Option<Pool>) -> Boundary {
        let usual = match self.guided.unwrap_or(false) {
            true => Boundary::guided(),
            false => Boundary::foolbox(),
        };
        let start = match (self.start(), pool) {
            (StartKind::Noise, _) => Start::Noise { tries: TRIES },
            (StartKind::Real, Some(pool)) => Start::Real { pool, tries: TRIES, steps: BLEND_STEPS },
            (StartKind::Blended | StartKind::Real, _) => {
                Start::Blended { tries: TRIES, steps: BLEND_STEPS }
            }
        };
        Boundary {
            steps: self.steps.unwrap_or(usual.steps),
            spherical_step: self.spherical_step.unwrap_or(usual.spherical_step),
            source_step: self.source_step.unwrap_or(usual.source_step),
            start,
            evade_detector: self.evade_detector,
            ..usual
        }
    }

    fn projected_gradient(&self) -> Result<ProjectedGradient> {
        let usual = ProjectedGradient::new(self.epsilons[0]);
        let weight = match self.detector_weight {
            None => 0.5,
            Some(Weight::Fixed(share)) => share,
            Some(Weight::Shared | Weight::Separate(_)) => {
                return self.refuse("detector_weight", "must be { fixed = SHARE } of this method");
            }
        };
        Ok(ProjectedGradient {
            steps: self.steps.unwrap_or(usual.steps),
            rel_stepsize: self.rel_stepsize.unwrap_or(usual.rel_stepsize),
            restarts: self.restarts.unwrap_or(usual.restarts),
            confidence: self.confidence.unwrap_or(usual.confidence),
            detector_weight: self.evade_detector.then_some(weight),
            refine: self.refine.unwrap_or(usual.refine),
            ..usual
        })
    }
}
