//! Quadrature and root finding for the ledger's second methods.

/// Panels of Simpson's rule. On the integrands here its error, of the order of the fourth power of
/// the panel over the scale on which they vary, stays below 1e-9.
const PANELS: u32 = 4000;
/// Halvings of the bracket: more than the digits of f64.
const HALVINGS: u32 = 100;

/// The integral of a smooth function from `a` to `b`, by Simpson's rule.
pub(super) fn integral(f: impl Fn(f64) -> f64, a: f64, b: f64) -> f64 {
    let half = (b - a) / f64::from(2 * PANELS);
    let at = |i: u32| f(a + half * f64::from(i));
    let panel = |i: u32| at(2 * i) + 4.0 * at(2 * i + 1) + at(2 * i + 2);
    (0..PANELS).map(panel).sum::<f64>() * half / 3.0
}

/// Where a function that is positive at `low` and negative at `high` changes its sign.
pub(super) fn sign_change(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if f(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// ln of the normal density with this mean and variance.
pub(super) fn ln_normal(x: f64, mean: f64, variance: f64) -> f64 {
    -((x - mean).powi(2) / variance + (std::f64::consts::TAU * variance).ln()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert!((integral(f64::sin, 0.0, std::f64::consts::PI) - 2.0).abs() < 1e-12);
        assert!((integral(|x| ln_normal(x, 1.0, 4.0).exp(), -19.0, 21.0) - 1.0).abs() < 1e-12);
        assert!((sign_change(|x| 2.0 - x * x, 0.0, 2.0) - 2f64.sqrt()).abs() < 1e-15);
    }
}
