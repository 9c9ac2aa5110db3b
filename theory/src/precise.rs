//! The few logarithms that f64 cannot give, taken from enclosures and rounded once.
//!
//! ln lambda1 + d ln(1 + shell) is the difference of two numbers that may agree to all digits of
//! f64 when lambda1 is close to (1 + shell)^-d, and everything downstream depends on its sign and
//! its leading digits.

use crate::enclosed::{Distribution, Enclosed, Enclosures};
use crate::enclosure::Enclosure;
use crate::log_space::SignedLn;

/// Bits to which an enclosure is narrowed before it is rounded to f64.
const KNOWN_BITS: i64 = 64;

/// Logarithms of ratios, each correct to the last digits of f64.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogRatios {
    /// d ln(1 + shell), the log-volume of the model's support over that of the unit ball.
    pub ln_volume_ratio: f64,
    /// ln(p / q) of class 0 inside the unit ball.
    pub ball: f64,
    /// ln(p / q) of class 0 in the shell: ln((1 - lambda1) / (1 - (1 + shell)^-d)).
    pub shell: SignedLn,
    /// ln(p(0|x) / p(1|x)) inside the unit ball, the data's log-odds.
    pub data_odds: f64,
    /// ln(q(0|x) / q(1|x)) inside the unit ball, the model's log-odds.
    pub model_odds: f64,
    pub ln_lambda2: f64,
}

impl LogRatios {
    pub fn new(enclosures: &Enclosures) -> Self {
        LogRatios {
            ln_volume_ratio: known(enclosures, Enclosed::ln_volume_ratio).value(),
            ball: known(enclosures, Enclosed::ln_ball_ratio).value(),
            shell: known(enclosures, Enclosed::ln_shell_ratio).signed_ln(),
            data_odds: known(enclosures, |e| e.ln_odds(Distribution::Data)).value(),
            model_odds: known(enclosures, |e| e.ln_odds(Distribution::Model)).value(),
            ln_lambda2: known(enclosures, Enclosed::ln_lambda2).value(),
        }
    }
}

/// The first enclosure that is narrow enough, or the narrowest there is.
pub(crate) fn known(enclosures: &Enclosures, f: impl Fn(&Enclosed) -> Enclosure) -> Enclosure {
    let mut narrowest = None;
    for level in enclosures.levels() {
        let enclosure = f(level);
        if enclosure.is_known_to(KNOWN_BITS) {
            return enclosure;
        }
        narrowest = Some(enclosure);
    }
    narrowest.expect("at least one precision")
}
