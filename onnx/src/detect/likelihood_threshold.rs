//! The paper's detector (section 4.3): reject what is less likely than a threshold.

use super::Detector;
use crate::{
    error::{Error, Result},
    likelihood::Score,
};

/// Accepts x where log p(x) >= `threshold`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LikelihoodThreshold {
    /// Nats of log p(x).
    pub threshold: f64,
}

impl LikelihoodThreshold {
    /// The highest threshold that rejects at most a share `false_alarm_rate` of real inputs in
    /// expectation, from the scores of `calibration` inputs that are not used otherwise.
    ///
    /// With n calibration scores it is the k-th smallest for k = ⌊rate (n + 1)⌋: a new real input
    /// falls strictly below that one with probability at most k/(n + 1) <= rate, whatever the
    /// scores' distribution (split conformal prediction: Vovk et al., 2005). Scores that are NaN
    /// or infinite count as rejected real inputs.
    ///
    /// # Errors
    /// [`Error::Setting`] where the rate is not in (0, 1), or too small for the number of scores.
    pub fn calibrate(calibration: &[Score], false_alarm_rate: f64) -> Result<Self> {
        let n = calibration.len();
        let rank = Self::rank(n, false_alarm_rate)?;
        let usable = |score: &Score| match score.log_px.is_finite() {
            true => score.log_px,
            false => f64::NEG_INFINITY,
        };
        let mut sorted: Vec<f64> = calibration.iter().map(usable).collect();
        sorted.sort_by(f64::total_cmp);
        let threshold = sorted[rank - 1];
        if threshold == f64::NEG_INFINITY {
            let problem =
                format!("cannot be kept: {rank} or more of {n} real images have no finite density");
            return Err(rate_error(false_alarm_rate, problem));
        }
        Ok(Self { threshold })
    }

    /// The k of [`calibrate`](Self::calibrate) for n calibration inputs, which needs no score: a
    /// rate that cannot be kept is refused before anything is computed.
    ///
    /// # Errors
    /// [`Error::Setting`] where the rate is not in (0, 1), or too small for n.
    pub fn rank(n: usize, false_alarm_rate: f64) -> Result<usize> {
        if !(false_alarm_rate > 0.0 && false_alarm_rate < 1.0) {
            return Err(rate_error(false_alarm_rate, "must lie strictly between 0 and 1"));
        }
        let rank = (false_alarm_rate * (n + 1) as f64).floor() as usize;
        if rank == 0 || rank > n {
            let needed = (1.0 / false_alarm_rate).ceil() - 1.0;
            let problem = format!("needs at least {needed} calibration images, there are {n}");
            return Err(rate_error(false_alarm_rate, problem));
        }
        Ok(rank)
    }
}

fn rate_error(false_alarm_rate: f64, problem: impl Into<String>) -> Error {
    Error::setting(format!("false-alarm rate {false_alarm_rate}"), problem)
}

impl Detector for LikelihoodThreshold {
    fn accepts(&self, score: &Score) -> bool {
        score.log_px.is_finite() && score.log_px >= self.threshold
    }
}
