//! What the numbers say about a claim, and how far they can be trusted.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Relative error granted to every closed form that is rounded to f64.
///
/// The reference tables in `theory/tests/reference` hold the measured errors below a fifth of it.
/// No verdict rests on it: those come from enclosures.
pub const CLOSED_FORM_ERROR: f64 = 1e-12;

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds, for every number that the enclosures allow.
    Proved,
    /// It fails, for every number that the enclosures allow.
    Refuted,
    /// The enclosures overlap in the highest precision that is tried, 16,384 bits.
    Undecided,
}

impl Verdict {
    /// The verdict of a test that is decided.
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
