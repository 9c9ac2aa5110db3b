//! Estimates with the interval that their sample supports.

mod bootstrap;
mod ranking;

pub use bootstrap::{bootstrap, bootstrap_each};
pub use ranking::{Positive, Ranking, RocPoint, auroc};

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};

/// Confidence of every interval that this crate reports.
pub const CONFIDENCE: f64 = 0.99;

/// The normal quantile of [`CONFIDENCE`]: this many standard deviations either way hold it.
pub(crate) fn z() -> f64 {
    Normal::standard().inverse_cdf(0.5 + CONFIDENCE / 2.0)
}

/// A value with the ends of its interval at [`CONFIDENCE`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Lower and upper end, where the sample supports an interval.
    pub interval: Option<(f64, f64)>,
}

impl Estimate {
    /// A mean of n values with their sum of squared deviations, and [`mean`]'s interval.
    pub(crate) fn of_mean(mean: f64, squares: f64, n: u64) -> Self {
        let interval = (n > 1).then(|| {
            let n = n as f64;
            let half = z() * (squares / (n - 1.0) / n).sqrt();
            (mean - half, mean + half)
        });
        Self { value: mean, interval }
    }
}

/// The mean, with mean ± z s/√n: s the sample's standard deviation, z the normal quantile.
///
/// `None` without values. One value has no interval.
///
/// # Examples
/// ```
/// // Mean 2, s = 1, n = 3, z = 2.5758: 2 ± 1.4872.
/// let mean = undetected_onnx::statistics::mean(&[1.0, 2.0, 3.0]).unwrap();
/// let (low, high) = mean.interval.unwrap();
/// assert_eq!(mean.value, 2.0);
/// assert!((low - 0.5128).abs() < 1e-4 && (high - 3.4872).abs() < 1e-4);
/// ```
pub fn mean(values: &[f64]) -> Option<Estimate> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some(Estimate::of_mean(mean, squares, values.len() as u64))
}

/// The `p`-quantile of sorted values, linear between order statistics, with the order statistics
/// that enclose the true quantile whatever the distribution.
///
/// The number of values below the true quantile is Binomial(n, p), so the interval runs from the
/// order statistic at its lower to the one past its upper quantile (David and Nagaraja, Order
/// Statistics, 2003, section 7.1). A sample too small for either end has no interval.
///
/// # Panics
/// If `p` is outside \[0, 1\]. `None` without values.
pub fn quantile(sorted: &[f64], p: f64) -> Option<Estimate> {
    assert!((0.0..=1.0).contains(&p), "p = {p} must lie in [0, 1]");
    let last = sorted.len().checked_sub(1)?;
    let place = p * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    let value = below + (above - below) * place.fract();
    let counts = Binomial::new(p, sorted.len() as u64).expect("p was checked");
    let tail = (1.0 - CONFIDENCE) / 2.0;
    // X_(r) <= quantile fails where fewer than r values lie below it.
    let rank_low = counts.inverse_cdf(tail) as usize;
    let rank_high = counts.inverse_cdf(1.0 - tail) as usize;
    let interval = (rank_low >= 1 && rank_high < sorted.len())
        .then(|| (sorted[rank_low - 1], sorted[rank_high]));
    Some(Estimate { value, interval })
}
