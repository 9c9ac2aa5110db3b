//! The probability of a label given a point.

use crate::counterexample::Class;
use crate::log_space::ln_1p_exp;

/// P(y|x) at one point, held as the log-odds ln(P(0|x) / P(1|x)).
///
/// Both probabilities and both logarithms come from the log-odds without cancellation, however
/// close to 0 or 1 they are. Infinite log-odds mean certainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    /// ln(P(0|x) / P(1|x)).
    pub ln_odds: f64,
}

impl Posterior {
    /// P(0|x) = 1 / (1 + exp(-ln_odds)).
    ///
    /// ```
    /// # use undetected_theory::Posterior;
    /// assert!((Posterior { ln_odds: 3f64.ln() }.class0() - 0.75).abs() < 1e-15);
    /// ```
    pub fn class0(self) -> f64 {
        1.0 / (1.0 + (-self.ln_odds).exp())
    }

    /// P(1|x) = 1 / (1 + exp(ln_odds)).
    pub fn class1(self) -> f64 {
        1.0 / (1.0 + self.ln_odds.exp())
    }

    /// ln P(0|x), which does not underflow.
    pub fn ln_class0(self) -> f64 {
        -ln_1p_exp(-self.ln_odds)
    }

    /// ln P(1|x), which does not underflow.
    pub fn ln_class1(self) -> f64 {
        -ln_1p_exp(self.ln_odds)
    }

    /// P(y|x).
    pub fn of(self, class: Class) -> f64 {
        match class {
            Class::Zero => self.class0(),
            Class::One => self.class1(),
        }
    }

    /// ln(P(y|x) / (1 - P(y|x))).
    pub fn ln_odds_of(self, class: Class) -> f64 {
        match class {
            Class::Zero => self.ln_odds,
            Class::One => -self.ln_odds,
        }
    }

    /// The likelier label, or none in a tie.
    ///
    /// ```
    /// # use undetected_theory::{Class, Posterior};
    /// assert_eq!(Posterior { ln_odds: -0.1 }.label(), Some(Class::One));
    /// assert_eq!(Posterior { ln_odds: 0.0 }.label(), None);
    /// ```
    pub fn label(self) -> Option<Class> {
        match self.ln_odds {
            odds if odds > 0.0 => Some(Class::Zero),
            odds if odds < 0.0 => Some(Class::One),
            _ => None,
        }
    }
}
