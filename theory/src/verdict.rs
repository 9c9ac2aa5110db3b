//! What the numbers say about a claim, and how far they can be trusted.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Relative error granted to every closed form that is rounded to f64.
///
/// The reference tables in `theory/tests/reference` hold the measured errors below a fifth of it.
/// A comparison closer than this is [`Verdict::Undecided`].
pub const CLOSED_FORM_ERROR: f64 = 1e-12;

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds, by more than the error of the computation.
    Proved,
    /// It fails, by more than the error of the computation.
    Refuted,
    /// The error of the computation is larger than the margin.
    Undecided,
}

impl Verdict {
    /// Decides `value < limit` where both are known within `error`, absolute, together.
    ///
    /// ```
    /// # use undetected_theory::Verdict;
    /// assert_eq!(Verdict::less(1.0, 2.0, 0.1), Verdict::Proved);
    /// assert_eq!(Verdict::less(2.0, 1.0, 0.1), Verdict::Refuted);
    /// assert_eq!(Verdict::less(1.0, 1.05, 0.1), Verdict::Undecided);
    /// ```
    pub fn less(value: f64, limit: f64, error: f64) -> Verdict {
        if value < limit - error {
            Verdict::Proved
        } else if value >= limit + error {
            Verdict::Refuted
        } else {
            Verdict::Undecided
        }
    }

    /// Decides by a test that is exact.
    pub fn exact(holds: bool) -> Verdict {
        if holds { Verdict::Proved } else { Verdict::Refuted }
    }

    /// Both claims together: refuted when one is, proved when both are.
    ///
    /// ```
    /// # use undetected_theory::Verdict::{Proved, Refuted, Undecided};
    /// assert_eq!(Proved.and(Undecided), Undecided);
    /// assert_eq!(Undecided.and(Refuted), Refuted);
    /// ```
    pub fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Proved, Verdict::Proved) => Verdict::Proved,
            (Verdict::Refuted, _) | (_, Verdict::Refuted) => Verdict::Refuted,
            _ => Verdict::Undecided,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Proved => "proved",
            Verdict::Refuted => "refuted",
            Verdict::Undecided => "undecided",
        })
    }
}
