//! Thresholds that keep a false-alarm rate, and how well they keep it.

use statrs::distribution::{Beta, ContinuousCDF};

use crate::{
    error::{Error, Result},
    statistics::{CONFIDENCE, Estimate},
};

/// The highest threshold that rejects at most a share `false_alarm_rate` of real inputs in
/// expectation, from the `values` of calibration inputs, higher = likelier real. What lies strictly
/// below a threshold is rejected; `None` is rejected whatever the threshold.
///
/// With n values it is the k-th smallest for k = ⌊rate (n + 1)⌋: a new real input falls strictly
/// below that one with probability at most k/(n + 1) <= rate, whatever the distribution (split
/// conformal prediction: Vovk et al., 2005).
///
/// # Errors
/// Those of [`rank`], and [`Error::Setting`] where k or more values are `None`.
pub fn threshold(values: impl Iterator<Item = Option<f64>>, false_alarm_rate: f64) -> Result<f64> {
    let mut sorted: Vec<f64> = values.map(|value| value.unwrap_or(f64::NEG_INFINITY)).collect();
    let n = sorted.len();
    let rank = rank(n, false_alarm_rate)?;
    sorted.sort_by(f64::total_cmp);
    let threshold = sorted[rank - 1];
    if threshold == f64::NEG_INFINITY {
        let problem =
            format!("cannot be kept: {rank} or more of {n} real images have no finite density");
        return Err(rate_error(false_alarm_rate, problem));
    }
    Ok(threshold)
}

/// The k of [`threshold`] for n calibration inputs, which needs no score: a rate that cannot be kept
/// is refused before anything is computed.
///
/// # Errors
/// [`Error::Setting`] where the rate is not in (0, 1), or too small for n.
pub fn rank(n: usize, false_alarm_rate: f64) -> Result<usize> {
    check_rate(false_alarm_rate)?;
    let rank = (false_alarm_rate * (n + 1) as f64).floor() as usize;
    if rank == 0 || rank > n {
        let needed = (1.0 / false_alarm_rate).ceil() - 1.0;
        let problem = format!("needs at least {needed} calibration images, there are {n}");
        return Err(rate_error(false_alarm_rate, problem));
    }
    Ok(rank)
}

/// The rate at which a threshold of [`threshold`] rejects real inputs, given that one calibration.
///
/// For continuous scores it is Beta(k, n + 1 - k): mean k/(n + 1), and the interval between the
/// quantiles (1 ± [`CONFIDENCE`])/2. With ties the rate is at most that.
///
/// Source: Wilks, Annals of Mathematical Statistics 12, 1941 (tolerance limits).
///
/// # Errors
/// Those of [`rank`].
///
/// # Examples
/// ```
/// // The smallest of 19 values: Beta(1, 19), 1 - 0.995^(1/19) to 1 - 0.005^(1/19).
/// let rate = undetected_onnx::detect::false_alarms::realised_rate(19, 0.05).unwrap();
/// let (low, high) = rate.interval.unwrap();
/// assert!((rate.value - 0.05).abs() < 1e-15);
/// assert!((low - 0.000264).abs() < 1e-6 && (high - 0.243353).abs() < 1e-6);
/// ```
pub fn realised_rate(n: usize, false_alarm_rate: f64) -> Result<Estimate> {
    let rank = rank(n, false_alarm_rate)? as f64;
    let above = n as f64 + 1.0 - rank;
    let rate = Beta::new(rank, above).expect("the rank lies between 1 and n");
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let interval = (rate.inverse_cdf(tail), rate.inverse_cdf(1.0 - tail));
    Ok(Estimate { value: rank / (n as f64 + 1.0), interval: Some(interval) })
}

/// Refuses what is no rate.
///
/// # Errors
/// [`Error::Setting`] where it is not in (0, 1).
pub fn check_rate(false_alarm_rate: f64) -> Result<()> {
    match false_alarm_rate > 0.0 && false_alarm_rate < 1.0 {
        true => Ok(()),
        false => Err(rate_error(false_alarm_rate, "must lie strictly between 0 and 1")),
    }
}

fn rate_error(false_alarm_rate: f64, problem: impl Into<String>) -> Error {
    Error::setting(format!("false-alarm rate {false_alarm_rate}"), problem)
}
