//! Comparisons of numbers that enclosures decide.

use crate::counterexample::Class;
use crate::enclosed::{Distribution, Enclosed, Enclosures};
use crate::enclosure::Enclosure;
use crate::exact::ExactGoal;
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
    Real(Quantity),
    /// An end of the window of ln lambda1 in some dimension, the upper or the lower one.
    WindowEnd { dim: u64, goal: ExactGoal, upper: bool },
}

/// A number that a counter-example determines. Formulas stand with the methods of [`Enclosed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// KL(q, p) of the joint distributions.
    KlQp,
    /// KL(p, q) of the joint distributions.
    KlPq,
    /// What Lemma 2's bound leaves.
    SlackQp,
    /// What Lemma 3's bound leaves.
    SlackPq,
    /// P(x in the shell) under p.
    AttackableMass,
    /// ln(P(0|x) / P(1|x)) in the unit ball.
    LogOdds(Distribution),
    /// P(y|x) in the unit ball.
    Posterior(Distribution, Class),
    /// The probability of points that q finds denser than the unit ball.
    DenserMass,
    /// ln of the largest mass of a ball of radius shell.
    BallMass(Distribution),
    /// d ln(shell).
    SmallBall,
    /// The variation of p(x|0) over that of q(x|0).
    VariationRatio,
}

impl Quantity {
    fn enclose(self, at: &Enclosed) -> Enclosure {
        match self {
            Quantity::KlQp => at.kl_joint(&at.kl_q_p_class0()),
            Quantity::KlPq => at.kl_joint(&at.kl_p_q_class0()),
            Quantity::SlackQp => at.kl_q_p_slack(),
            Quantity::SlackPq => at.kl_p_q_slack(),
            Quantity::AttackableMass => at.attackable_mass(),
            Quantity::LogOdds(of) => at.ln_odds(of),
            Quantity::Posterior(of, class) => at.posterior(of, class),
            Quantity::DenserMass => at.denser_mass(),
            Quantity::BallMass(of) => at.ln_ball_mass(of),
            Quantity::SmallBall => at.ln_small_ball(),
            Quantity::VariationRatio => at.variation_ratio(),
        }
    }
}

impl Side {
    pub fn enclose(&self, at: &Enclosed) -> Enclosure {
        match self {
            Side::Exact(x) => at.fraction(x),
            Side::Real(quantity) => quantity.enclose(at),
            Side::WindowEnd { dim, goal, upper: false } => at.window(*dim, goal).ln_lambda1_min,
            Side::WindowEnd { dim, goal, upper: true } => at.window(*dim, goal).ln_lambda1_max,
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
            return Verdict::exact(self.relation.holds_exactly(value, limit));
        }
        enclosures
            .decide(|at| self.relation.holds(&self.value.enclose(at), &self.limit.enclose(at)))
    }
}

impl Relation {
    /// Whether the relation holds between two fractions.
    pub(crate) fn holds_exactly(self, value: &BigRational, limit: &BigRational) -> bool {
        match self {
            Relation::Below => value < limit,
            Relation::AtMost => value <= limit,
            Relation::Above => value > limit,
            Relation::AtLeast => value >= limit,
        }
    }

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
