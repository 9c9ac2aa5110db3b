//! The paper's detector (section 4.3): reject what is less likely than a threshold.

use super::{Detector, Statistic, false_alarms};
use crate::{error::Result, likelihood::Score};

/// Accepts x where log p(x) >= `threshold`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LikelihoodThreshold {
    /// Nats of log p(x).
    pub threshold: f64,
}

impl LikelihoodThreshold {
    /// The threshold that rejects at most a share `false_alarm_rate` of real inputs in expectation
    /// ([`false_alarms::threshold`]), from the scores of `calibration` inputs that are not used
    /// otherwise. Scores that are NaN or infinite count as rejected real inputs.
    ///
    /// # Errors
    /// Those of [`false_alarms::threshold`].
    pub fn calibrate(calibration: &[Score], false_alarm_rate: f64) -> Result<Self> {
        let values = calibration.iter().map(|score| Statistic::Marginal.of(score));
        false_alarms::threshold(values, false_alarm_rate).map(|threshold| Self { threshold })
    }

    /// The k of [`calibrate`](Self::calibrate) for n calibration inputs ([`false_alarms::rank`]).
    ///
    /// # Errors
    /// Those of [`false_alarms::rank`].
    pub fn rank(n: usize, false_alarm_rate: f64) -> Result<usize> {
        false_alarms::rank(n, false_alarm_rate)
    }
}

impl Detector for LikelihoodThreshold {
    fn accepts(&self, score: &Score) -> bool {
        score.log_px.is_finite() && score.log_px >= self.threshold
    }
}
