//! Mean and standard deviation of a stream of numbers.

use crate::statistics::Estimate;

/// Count, mean and sum of squared deviations of the numbers seen so far.
///
/// # Numerics
/// Welford's update (Technometrics 4, 1962): no sum of squares that would cancel where the mean is
/// large beside the deviation, as it is of log-likelihoods. It depends on the order of the numbers
/// in the last digits, and on nothing else.
///
/// # Examples
/// ```
/// use undetected_onnx::moments::Moments;
/// let mut moments = Moments::default();
/// for value in [1.0, 2.0, 6.0] {
///     moments.push(value);
/// }
/// // Deviations -2, -1, 3: variance 14/2.
/// assert_eq!(moments.mean(), Some(3.0));
/// assert_eq!(moments.standard_deviation(), Some(7.0_f64.sqrt()));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Moments {
    /// Numbers seen.
    pub n: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Takes one more number in.
    ///
    /// # Panics
    /// If it is NaN or infinite: such values are the caller's to count apart.
    pub fn push(&mut self, value: f64) {
        assert!(value.is_finite(), "{value} has no place in a mean");
        self.n += 1;
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
    }

    /// The mean; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then_some(self.mean)
    }

    /// The mean with its interval, as [`crate::statistics::mean`]; `None` of nothing.
    pub fn estimate(&self) -> Option<Estimate> {
        self.mean().map(|mean| Estimate::of_mean(mean, self.squares, self.n))
    }

    /// √(sum of squared deviations / (n - 1)); `None` of fewer than two numbers.
    pub fn standard_deviation(&self) -> Option<f64> {
        (self.n > 1).then(|| (self.squares / (self.n - 1) as f64).sqrt())
    }
}
