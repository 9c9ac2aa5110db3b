//! Appendix A's split prior on two coordinates of the logits and one of the rest.

use super::numeric::ln_normal;

/// p(z_s|y) = N(e_y, c I) for two classes, and p(z_n|z_s, y) normal with variance 1 and a mean that
/// depends on z_s and, by `label_shift`, on y.
pub(super) struct SplitPrior {
    /// c.
    pub variance: f64,
    /// How far the label moves the mean of z_n.
    pub label_shift: f64,
}

impl SplitPrior {
    /// ln p(z_s|y).
    pub fn ln_logits(&self, logits: [f64; 2], class: usize) -> f64 {
        let mean = |i| if i == class { 1.0 } else { 0.0 };
        (0..2).map(|i| ln_normal(logits[i], mean(i), self.variance)).sum()
    }

    /// ln p(z_n|z_s, y).
    pub fn ln_rest(&self, rest: f64, logits: [f64; 2], class: usize) -> f64 {
        let mean = logits[0] - logits[1] + self.label_shift * class as f64;
        ln_normal(rest, mean, 1.0)
    }

    /// ln(P(0|z) / P(1|z)) by Bayes' rule, for equally likely classes.
    pub fn ln_odds(&self, logits: [f64; 2], rest: f64) -> f64 {
        let ln_density = |class| self.ln_logits(logits, class) + self.ln_rest(rest, logits, class);
        ln_density(0) - ln_density(1)
    }
}
