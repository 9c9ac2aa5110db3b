//! Comparisons of numbers that enclosures decide.

use crate::enclosed::{Enclosed, Enclosures};
use crate::enclosure::Enclosure;
use crate::verdict::Verdict;
use num_rational::BigRational;
use serde::{Deserialize, Serialize};

/// How a value is compared with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// value < limit.
    #[serde(rename = "<")]
    Below,
    /// value <= limit.
    #[serde(rename = "<=")]
    AtMost,
    /// value > limit.
    #[serde(rename = ">")]
    Above,
    /// value >= limit.
    #[serde(rename = ">=")]
    AtLeast,
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub(crate) enum Side {
    /// A number that is known exactly.
    Exact(BigRational),
    /// A number that is known by enclosures, as narrow as one likes.
    Real(fn(&Enclosed) -> Enclosure),
}

impl Side {
    pub fn enclose(&self, at: &Enclosed) -> Enclosure {
        match self {
            Side::Exact(x) => at.fraction(x),
            Side::Real(f) => f(at),
        }
    }
}

/// A claim about a counter-example: a value, a limit, and the relation that should hold.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// Short name; what stands before a full stop is the number of the item.
    pub id: &'static str,
    /// What is claimed, in our words.
    pub claim: &'static str,
    pub value: Side,
    pub relation: Relation,
    pub limit: Side,
}

impl Statement {
    pub fn verdict(&self, enclosures: &Enclosures) -> Verdict {
        if let (Side::Exact(value), Side::Exact(limit)) = (&self.value, &self.limit) {
            return Verdict::exact(match self.relation {
                Relation::Below => value < limit,
                Relation::AtMost => value <= limit,
                Relation::Above => value > limit,
                Relation::AtLeast => value >= limit,
            });
        }
        enclosures
            .decide(|at| self.relation.holds(&self.value.enclose(at), &self.limit.enclose(at)))
    }
}

impl Relation {
    /// Whether the relation holds between two enclosed numbers: none while that is open.
    pub(crate) fn holds(self, value: &Enclosure, limit: &Enclosure) -> Option<bool> {
        match self {
            Relation::Below => value.is_below(limit),
            Relation::AtMost => limit.is_below(value).map(|below| !below),
            Relation::Above => limit.is_below(value),
            Relation::AtLeast => value.is_below(limit).map(|below| !below),
        }
    }
}
