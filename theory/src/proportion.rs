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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_space::ln_add_exp;
    use statrs::function::factorial::ln_binomial;

    /// P(X >= from) for a binomial count X.
    fn upper_tail(trials: u64, from: u64, p: f64) -> f64 {
        let ln_term = |k: u64| {
            ln_binomial(trials, k) + k as f64 * p.ln() + (trials - k) as f64 * (-p).ln_1p()
        };
        (from..=trials).map(ln_term).fold(f64::NEG_INFINITY, ln_add_exp).exp()
    }

    /// The definition: at either end of the interval, a count at least as extreme as the observed
    /// one has probability (1 - confidence) / 2.
    #[test]
    fn ends_leave_half_of_the_error_in_each_tail() {
        for (successes, trials) in [(3, 10), (1, 1000), (500, 1000), (999, 1000), (9, 10_000)] {
            let interval = Proportion { successes, trials }.interval(0.99);
            let above = upper_tail(trials, successes, interval.low);
            let below = 1.0 - upper_tail(trials, successes + 1, interval.high);
            assert!((above - 0.005).abs() < 1e-8, "{successes} of {trials}: {above}");
            assert!((below - 0.005).abs() < 1e-8, "{successes} of {trials}: {below}");
            assert!(interval.low < interval.high);
        }
    }

    #[test]
    fn extremes_and_large_counts() {
        let all = Proportion { successes: 10, trials: 10 }.interval(0.95);
        assert_eq!(all.high, 1.0);
        assert!((all.low - 0.025f64.powf(0.1)).abs() < 1e-12);
        // Close to normal: half-width 2.5758 * sqrt(p (1 - p) / n).
        let large = Proportion { successes: 500_000_000, trials: 1_000_000_000 }.interval(0.99);
        let half_width = 2.575_829_3 * (0.25f64 / 1e9).sqrt();
        assert!((large.low - (0.5 - half_width)).abs() < 1e-8);
        assert!((large.high - (0.5 + half_width)).abs() < 1e-8);
    }
}
