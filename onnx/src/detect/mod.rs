//! Deciding which inputs a model should refuse.

mod likelihood_threshold;

pub use likelihood_threshold::LikelihoodThreshold;

use crate::likelihood::Score;

/// A fitted test that accepts an input as real or rejects it.
pub trait Detector {
    /// Whether the input is accepted. A NaN or infinite density is never accepted.
    fn accepts(&self, score: &Score) -> bool;
}

/// How many of `scores` the detector accepts.
pub fn count_accepted(detector: &dyn Detector, scores: &[Score]) -> usize {
    scores.iter().filter(|score| detector.accepts(score)).count()
}
