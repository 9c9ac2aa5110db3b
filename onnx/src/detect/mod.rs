//! Deciding which inputs a model should refuse.

pub mod false_alarms;
mod saved;
mod statistic;
mod threshold_detector;

pub use saved::{CalibrationRecord, SavedDetector};
pub use statistic::{Statistic, StatisticKind};
pub use threshold_detector::{ThresholdDetector, Thresholds};

use std::borrow::Borrow;

use undetected_theory::Proportion;

use crate::likelihood::Score;

/// A fitted test that accepts an input as real or rejects it.
pub trait Detector: Sync {
    /// Whether the input is accepted. A NaN or infinite density is never accepted.
    fn accepts(&self, score: &Score) -> bool;
}

/// The rate at which the detector rejects `scores`: its false-alarm rate where they are of real
/// images that played no part in fitting it. `None` without scores.
pub fn rejection_rate(
    detector: &dyn Detector,
    scores: impl IntoIterator<Item = impl Borrow<Score>>,
) -> Option<Proportion> {
    let mut rate = Proportion { successes: 0, trials: 0 };
    for score in scores {
        rate.trials += 1;
        rate.successes += u64::from(!detector.accepts(score.borrow()));
    }
    (rate.trials > 0).then_some(rate)
}
