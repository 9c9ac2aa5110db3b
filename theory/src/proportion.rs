//! A rate, with the interval that its number of trials supports.

use statrs::function::beta::inv_beta_reg;

/// Successes out of independent trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proportion {
    /// Trials that succeeded.
    pub successes: u64,
    /// All trials, at least 1 and at least `successes`.
    pub trials: u64,
}

/// The ends of an interval, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Probability with which an interval computed so contains the true value, at least.
    pub confidence: f64,
}

impl Proportion {
    /// Successes over trials.
    pub fn estimate(self) -> f64 {
        self.successes as f64 / self.trials as f64
    }

    /// The exact interval of Clopper and Pearson.
    ///
    /// With k successes in n trials and alpha = 1 - `confidence`, the ends are the alpha / 2
    /// quantile of Beta(k, n - k + 1), or 0 if k = 0, and the 1 - alpha / 2 quantile of
    /// Beta(k + 1, n - k), or 1 if k = n.
    ///
    /// Source: Clopper and Pearson, Biometrika 26, 1934.
    ///
    /// Numerics: the quantile is found within about 1e-7 relative; the upper end is one minus the
    /// lower end of the failures, so both tails are equally good.
    ///
    /// ```
    /// # use undetected_theory::Proportion;
    /// // No success in n trials: 1 - (alpha / 2)^(1 / n), here 1 - 0.025^(1/10).
    /// let interval = Proportion { successes: 0, trials: 10 }.interval(0.95);
    /// assert_eq!(interval.low, 0.0);
    /// assert!((interval.high - 0.3085).abs() < 1e-4);
    /// ```
    pub fn interval(self, confidence: f64) -> Interval {
        let tail = (1.0 - confidence) / 2.0;
        let failures = self.trials - self.successes;
        Interval {
            low: lower_end(self.successes, failures, tail),
            high: 1.0 - lower_end(failures, self.successes, tail),
            confidence,
        }
    }
}

/// The `tail` quantile of Beta(successes, failures + 1), or 0 without a success.
fn lower_end(successes: u64, failures: u64, tail: f64) -> f64 {
    match (successes, failures) {
        (0, _) => 0.0,
        (n, 0) => (tail.ln() / n as f64).exp(),
        (k, m) => inv_beta_reg(k as f64, m as f64 + 1.0, tail),
    }
}
