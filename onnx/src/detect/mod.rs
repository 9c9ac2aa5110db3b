//! Deciding which inputs a model should refuse.

pub mod false_alarms;
mod likelihood_threshold;
mod saved;
mod statistic;
mod threshold_detector;

pub use likelihood_threshold::LikelihoodThreshold;
pub use saved::{CalibrationRecord, SavedDetector};
pub use statistic::Statistic;
pub use threshold_detector::{ThresholdDetector, Thresholds};

use undetected_theory::Proportion;

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

/// The rate at which the detector rejects `scores`: its false-alarm rate where they are of real
/// images that played no part in fitting it. `None` without scores.
pub fn rejection_rate(detector: &dyn Detector, scores: &[Score]) -> Option<Proportion> {
    let rejected = scores.len() - count_accepted(detector, scores);
    (!scores.is_empty())
        .then_some(Proportion { successes: rejected as u64, trials: scores.len() as u64 })
}
