//! What came of attacking one sample.

use crate::{
    classify,
    detect::Detector,
    likelihood::{Score, ln_marginal},
};

use super::{Criterion, Goal, Scene};

/// Why an attack on a sample ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The original is what the attack is after already.
    AlreadyMet,
    /// The original has no density that an attack could start from: NaN, +inf, or -inf for every
    /// class.
    NoDensity,
    /// No starting point was found ([`super::Boundary`]).
    NoStart,
    /// The steps are too short to get on ([`super::Boundary`]).
    Converged,
    /// What was looked for is found, and nothing closer is looked for
    /// ([`super::ProjectedGradient`]).
    Found,
    /// The budget is used up.
    Exhausted,
}

/// Forward and gradient evaluations of one image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Queries {
    /// Evaluations of the densities alone.
    pub forward: u64,
    /// Evaluations of the densities with a gradient.
    pub gradient: u64,
}

impl Queries {
    /// Evaluations of either kind.
    pub fn total(self) -> u64 {
        self.forward + self.gradient
    }
}

/// What a model and a detector say of one image of an attack.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Judgement {
    /// L2 distance from the original, on pixels scaled to \[0, 1\].
    pub l2: f64,
    /// log p(x given y), one a class, nats.
    pub log_prob: Vec<f64>,
    /// log p(x), nats.
    pub log_px: f64,
    /// The predicted class.
    pub predicted: Option<usize>,
    /// The goal's margin in nats, below 0 where it fools ([`super::Margin`]); `None` where the image
    /// is classified as nothing.
    pub margin: Option<f64>,
    /// Whether the classifier says what the goal asks for.
    pub fooled: bool,
    /// Whether the detector accepts it; `None` without a detector.
    pub accepted: Option<bool>,
    /// Whether the margin is within [`ROUNDING_ULPS`] of the largest |log p(x given y)| in float32:
    /// another engine may say otherwise.
    pub at_rounding_level: bool,
}

/// Margins below this many float32 ulps of the log-likelihood are at the level of rounding.
pub const ROUNDING_ULPS: f64 = 4.0;

impl Judgement {
    /// The judgement of an image with these densities.
    pub(super) fn new(scene: &Scene<'_>, goal: Goal, l2: f64, log_prob: &[f64]) -> Self {
        let prior = scene.ln_prior;
        let score = Score::new(0, None, prior, log_prob, None);
        let margin = goal.margin(prior, log_prob).map(|margin| margin.nats);
        let finite = log_prob.iter().filter(|value| value.is_finite());
        let largest = finite.fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let level = ROUNDING_ULPS * f64::from(f32::EPSILON) * largest;
        Self {
            l2,
            log_px: ln_marginal(prior, log_prob),
            predicted: classify::predict(prior, log_prob),
            margin,
            fooled: goal.is_met(prior, log_prob),
            accepted: scene.detector.map(|detector| detector.accepts(&score)),
            at_rounding_level: margin.is_some_and(|margin| margin.abs() <= level),
            log_prob: log_prob.to_vec(),
        }
    }

    /// Whether it fools the classifier and the detector accepts it; false without a detector.
    pub fn is_undetected(&self) -> bool {
        self.fooled && self.accepted == Some(true)
    }
}

/// Signs that an outcome says less than it seems to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Health {
    /// Every gradient that the attack asked for was 0: robust or masked, gradients cannot tell.
    pub zero_gradient: bool,
    /// The gradient at the original is not the slope of the margin (central differences).
    pub gradient_check_failed: bool,
    /// A gradient or a value that it belongs to was NaN or infinite where an attack stood.
    pub non_finite: bool,
    /// The same image was given two values, or the answer's verdict changed when asked again.
    pub non_deterministic: bool,
    /// The attack had no starting point.
    pub lost_start: bool,
    /// The budget ended while the distance was still falling.
    pub still_improving: bool,
    /// The margin was the same at every point that the attack looked at.
    pub flat_objective: bool,
}

impl Health {
    /// Every sign by its name, and whether it is there.
    pub fn flags(&self) -> [(&'static str, bool); 7] {
        [
            ("zero_gradient", self.zero_gradient),
            ("gradient_check_failed", self.gradient_check_failed),
            ("non_finite", self.non_finite),
            ("non_deterministic", self.non_deterministic),
            ("lost_start", self.lost_start),
            ("still_improving", self.still_improving),
            ("flat_objective", self.flat_objective),
        ]
    }
}

/// What came of attacking one sample.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// Index of the sample in its data set.
    pub index: u64,
    /// What the attack was after.
    pub goal: Goal,
    /// The sample as it was.
    pub original: Judgement,
    /// The attack's answer: the closest candidate that met its criterion, asked anew.
    pub adversarial: Option<Judgement>,
    /// The closest candidate that fooled the classifier, flagged or not, asked anew; the answer
    /// itself where the attack does not mind the detector.
    pub fooling: Option<Judgement>,
    /// The answer rounded to the 8-bit grid ([`super::grid::round`]).
    pub rounded: Option<Judgement>,
    /// The detector's threshold for the answer's predicted class, nats.
    pub threshold: Option<f64>,
    /// Evaluations that the search itself asked for. Asking anew, rounding and health come on top:
    /// nine at most.
    pub queries: Queries,
    /// Steps of the attack's innermost loop.
    pub steps: u64,
    /// Why it ended.
    pub stop: Stop,
    /// What to make of it.
    pub health: Health,
    /// Distance of the answer after so many evaluations, wherever it had fallen by a hundredth.
    pub trace: Vec<(u64, f64)>,
    /// The answer's pixels, in the model's range.
    pub image: Option<Vec<f32>>,
}

impl Stop {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlreadyMet => "already_met",
            Self::NoDensity => "no_density",
            Self::NoStart => "no_start",
            Self::Converged => "converged",
            Self::Found => "found",
            Self::Exhausted => "exhausted",
        }
    }
}

impl Outcome {
    /// Whether the answer fools, is accepted, and lies within `epsilon`.
    pub fn is_undetected_within(&self, epsilon: f64) -> bool {
        self.undetected_l2().is_some_and(|l2| l2 <= epsilon)
    }

    /// Whether a candidate that fools, flagged or not, lies within `epsilon`.
    pub fn is_fooled_within(&self, epsilon: f64) -> bool {
        self.fooled_l2().is_some_and(|l2| l2 <= epsilon)
    }

    /// Distance of the answer, where it fools and is accepted.
    pub fn undetected_l2(&self) -> Option<f64> {
        self.adversarial.as_ref().filter(|answer| answer.is_undetected()).map(|answer| answer.l2)
    }

    /// Distance of the closest candidate that fools, flagged or not.
    pub fn fooled_l2(&self) -> Option<f64> {
        let candidates = [&self.fooling, &self.adversarial];
        let fooled = candidates.into_iter().flatten().filter(|candidate| candidate.fooled);
        fooled.map(|candidate| candidate.l2).min_by(f64::total_cmp)
    }
}
