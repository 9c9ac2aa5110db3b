//! The mixture weights lambda1 and lambda2.

use crate::error::{Error, require};
use crate::exact::MIN_LN_WEIGHT;
use crate::log_space::ln_1m_exp;

/// A number strictly between 0 and 1, given as itself or by its natural logarithm.
///
/// The logarithm reaches weights below the range of f64, which high dimensions need. Either way
/// the f64 that was given is taken as exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weight {
    /// The weight itself, 0 < value < 1.
    Value(f64),
    /// Its natural logarithm, negative and not below -10^8.
    Ln(f64),
}

impl Weight {
    /// Natural logarithm of the weight.
    ///
    /// ```
    /// # use undetected_theory::Weight;
    /// assert_eq!(Weight::Value(0.5).ln(), 0.5f64.ln());
    /// assert_eq!(Weight::Ln(-2000.0).ln(), -2000.0);
    /// ```
    pub fn ln(self) -> f64 {
        match self {
            Weight::Value(value) => value.ln(),
            Weight::Ln(ln) => ln,
        }
    }

    /// ln(1 - weight), without cancellation.
    pub fn ln_complement(self) -> f64 {
        match self {
            Weight::Value(value) => (-value).ln_1p(),
            Weight::Ln(ln) => ln_1m_exp(ln),
        }
    }

    /// Checks the range; `name` is the parameter that an error names.
    pub(crate) fn checked(self, name: &'static str) -> Result<Self, Error> {
        match self {
            Weight::Value(x) => require_weight(x, name)?,
            Weight::Ln(x) => {
                require((MIN_LN_WEIGHT..0.0).contains(&x), name, x, "-1e8 <= ln lambda < 0")?
            }
        };
        Ok(self)
    }
}

/// Passes a weight on when it is in range.
pub(crate) fn require_weight(value: f64, name: &'static str) -> Result<f64, Error> {
    let requirement = if name == "lambda1" { "0 < lambda1 < 1" } else { "0 < lambda2 < 1" };
    require(value > 0.0 && value < 1.0, name, value, requirement)
}

/// How the weight lambda2 of class 1 in the unit ball is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lambda2 {
    /// As given.
    Given(Weight),
    /// lambda2 = delta / (1 - delta) lambda1, the choice in the proof of Proposition 1, which
    /// makes p(0|x) in the unit ball exactly 1 - delta.
    Matched {
        /// Confidence slack, 0 < delta < 1.
        delta: f64,
    },
}
