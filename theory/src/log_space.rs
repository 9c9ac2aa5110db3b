//! Arithmetic on natural logarithms, for numbers that f64 cannot hold.

use statrs::function::gamma::ln_gamma;
use std::f64::consts::{LN_2, PI};

/// ln(1 - e^x), for x < 0.
///
/// Numerics: `exp_m1` close to 0 and `ln_1p` far from it, switching at -ln 2, so that neither
/// subtraction cancels. 0 gives negative infinity.
///
/// ```
/// # use undetected_theory::log_space::ln_1m_exp;
/// assert!((ln_1m_exp(0.25f64.ln()) - 0.75f64.ln()).abs() < 1e-15);
/// assert_eq!(ln_1m_exp(-1e-300), 1e-300f64.ln()); // where 1 - e^x rounds to 0
/// ```
pub fn ln_1m_exp(x: f64) -> f64 {
    if x > -LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}

/// ln(1 + e^x), for any x, without overflow.
///
/// ```
/// # use undetected_theory::log_space::ln_1p_exp;
/// assert!((ln_1p_exp(3f64.ln()) - 4f64.ln()).abs() < 1e-15);
/// assert_eq!(ln_1p_exp(1e6), 1e6);
/// ```
pub fn ln_1p_exp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// ln(e^a + e^b); negative infinity stands for a zero term.
///
/// ```
/// # use undetected_theory::log_space::ln_add_exp;
/// assert!((ln_add_exp(2f64.ln(), 3f64.ln()) - 5f64.ln()).abs() < 1e-15);
/// assert_eq!(ln_add_exp(f64::NEG_INFINITY, -1e6), -1e6);
/// ```
pub fn ln_add_exp(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// ln(-ln(1 - e^x)), for x < 0.
///
/// Numerics: -ln(1 - e^x) = e^x (1 + e^x / 2 + ...), so far below 0 the answer is x + e^x / 2 and
/// does not underflow.
///
/// ```
/// # use undetected_theory::log_space::ln_neg_ln_1m_exp;
/// assert!((ln_neg_ln_1m_exp(0.5f64.ln()) - 2f64.ln().ln()).abs() < 1e-15);
/// assert_eq!(ln_neg_ln_1m_exp(-95_310.0), -95_310.0);
/// ```
pub fn ln_neg_ln_1m_exp(x: f64) -> f64 {
    if x < -37.0 { x + x.exp() / 2.0 } else { (-ln_1m_exp(x)).ln() }
}

/// Log-odds ln(p / (1 - p)) of a probability in (0, 1).
///
/// ```
/// # use undetected_theory::log_space::ln_odds;
/// assert!((ln_odds(0.01) + 99f64.ln()).abs() < 1e-14);
/// ```
pub fn ln_odds(probability: f64) -> f64 {
    probability.ln() - (-probability).ln_1p()
}

/// ln of the volume of the unit ball: (d / 2) ln(pi) - ln Gamma(d / 2 + 1), with d = `dim`.
///
/// ```
/// # use undetected_theory::log_space::ln_unit_ball_volume;
/// let pi = std::f64::consts::PI;
/// assert!((ln_unit_ball_volume(1) - 2f64.ln()).abs() < 1e-14); // the interval (-1, 1)
/// assert!((ln_unit_ball_volume(2) - pi.ln()).abs() < 1e-14);
/// assert!((ln_unit_ball_volume(3) - (4.0 / 3.0 * pi).ln()).abs() < 1e-14);
/// ```
pub fn ln_unit_ball_volume(dim: u64) -> f64 {
    let half = dim as f64 / 2.0;
    half * PI.ln() - ln_gamma(half + 1.0)
}

/// A real number as a sign and the logarithm of its absolute value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SignedLn {
    pub negative: bool,
    pub ln_abs: f64,
}

impl SignedLn {
    /// The number itself; rounds to 0 below the range of f64.
    pub fn value(self) -> f64 {
        if self.negative { -self.ln_abs.exp() } else { self.ln_abs.exp() }
    }
}

impl From<f64> for SignedLn {
    fn from(x: f64) -> Self {
        SignedLn { negative: x < 0.0, ln_abs: x.abs().ln() }
    }
}
