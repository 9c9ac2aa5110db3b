//! The conditions of Proposition 1, evaluated one by one. Every verdict comes from enclosures.

use crate::counterexample::{Class, CounterExample, Region, SUPPORT};
use crate::enclosed::{Distribution, Enclosed};
use crate::exact::{ExactGoal, ExactParameters};
use crate::feasibility::Goal;
use crate::precise::known;
use crate::statement::{Quantity, Relation, Side, Statement};
use crate::verdict::Verdict;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};
use serde::Serialize;
use std::cmp::Ordering;

use Class::{One as Class1, Zero as Class0};
use Distribution::{Data, Model};

/// One claim of Proposition 1, with the numbers that decide it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Condition {
    /// Short name: the number of the item, or the quantity it bounds.
    pub id: &'static str,
    /// What is claimed, in our words.
    pub claim: &'static str,
    /// What the counter-example attains.
    pub value: f64,
    /// What the claim compares it with.
    pub limit: f64,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// What makes up Proposition 1 and the two lemmas, as comparisons of numbers.
///
/// A condition on both p and q is two statements, whose names end in `.p` and `.q`.
pub(crate) fn statements(parameters: &ExactParameters, goal: &ExactGoal) -> Vec<Statement> {
    let (kl_epsilon, delta) = (&goal.kl_epsilon().0, &goal.delta().0);
    let exact = |x: &BigRational| Side::Exact(x.clone());
    let below =
        |id, claim, value, limit| Statement { id, claim, value, relation: Relation::Below, limit };
    let at_most =
        |id, claim, value, limit| Statement { id, claim, value, relation: Relation::AtMost, limit };
    let above =
        |id, claim, value, limit| Statement { id, claim, value, relation: Relation::Above, limit };
    vec![
        below(
            "kl_q_p",
            "KL(q, p) < kl-epsilon, nats, joint",
            Side::Real(Quantity::KlQp),
            exact(kl_epsilon),
        ),
        below(
            "kl_p_q",
            "KL(p, q) < kl-epsilon, nats, joint",
            Side::Real(Quantity::KlPq),
            exact(kl_epsilon),
        ),
        above(
            "probability",
            "P(x in the shell) > 1/3: the x that are attacked",
            attackable_mass(parameters),
            Side::Exact(BigRational::new(1.into(), 3.into())),
        ),
        Statement {
            id: "1",
            claim: "p and q both give x its label with probability >= 1 - delta",
            value: Side::Exact(BigRational::one()), // class 1 has no mass in the shell
            relation: Relation::AtLeast,
            limit: Side::Exact(BigRational::one() - delta),
        },
        above(
            "2.p",
            "p keeps its label at x': log-odds > 0, nats (printed form contradicts itself)",
            Side::Real(Quantity::LogOdds(Data)),
            Side::Exact(BigRational::zero()),
        ),
        below(
            "2.q",
            "q changes its label at x': log-odds < 0, nats (printed form contradicts itself)",
            Side::Real(Quantity::LogOdds(Model)),
            Side::Exact(BigRational::zero()),
        ),
        at_most(
            "3.p",
            "p(1|x') <= delta (printed form contradicts itself)",
            data_doubt(parameters),
            exact(delta),
        ),
        below(
            "3.q",
            "q(0|x') < delta (printed form contradicts itself)",
            Side::Real(Quantity::Posterior(Model, Class0)),
            exact(delta),
        ),
        // Any x in the shell but those on its outer sphere, a set of probability zero, lies closer
        // than shell to the open unit ball.
        at_most(
            "4",
            "||x - x'|| < shell almost surely: its supremum, which is not attained",
            exact(&parameters.shell),
            exact(&parameters.shell),
        ),
        below(
            "5",
            "P(q(x) > q(x')) < 1/2, for x from p and for x from q",
            denser_mass(parameters),
            Side::Exact(BigRational::new(1.into(), 2.into())),
        ),
        below(
            "6.p",
            "p gives any ball of radius shell less than shell^d: ln (printed: any radius)",
            Side::Real(Quantity::BallMass(Data)),
            Side::Real(Quantity::SmallBall),
        ),
        below(
            "6.q",
            "q gives any ball of radius shell less than shell^d: ln (printed: any radius)",
            Side::Real(Quantity::BallMass(Model)),
            Side::Real(Quantity::SmallBall),
        ),
        below(
            "7",
            "variation of p(x|0) < 2 times that of U(0, 1 + shell) (printed: small; it grows with d)",
            Side::Real(Quantity::VariationRatio),
            Side::Exact(BigRational::from(BigInt::from(2))),
        ),
    ]
}

/// The lemmas' bounds, as what they leave; see [`Enclosed::kl_q_p_slack`].
pub(crate) fn lemma_statements() -> [Statement; 2] {
    let statement = |id, claim, value| {
        let limit = Side::Exact(BigRational::zero());
        Statement { id, claim, value, relation: Relation::Above, limit }
    };
    [
        statement(
            "lemma2",
            "KL(q, p) of class 0 is below ln(1 / (1 - lambda1)): the difference, nats",
            Side::Real(Quantity::SlackQp),
        ),
        statement(
            "lemma3",
            "KL(p, q) of class 0 is below lambda1 d ln(1 + shell): the difference, nats",
            Side::Real(Quantity::SlackPq),
        ),
    ]
}

fn attackable_mass(parameters: &ExactParameters) -> Side {
    match parameters.lambda1.fraction() {
        Some(lambda1) => Side::Exact((BigRational::one() - lambda1) / BigInt::from(2)),
        None => Side::Real(Quantity::AttackableMass),
    }
}

/// p(1|x') = lambda2 / (lambda1 + lambda2).
fn data_doubt(parameters: &ExactParameters) -> Side {
    match parameters.lambda2.ratio(&parameters.lambda1) {
        Some(ratio) => Side::Exact(&ratio / (BigRational::one() + &ratio)),
        None => Side::Real(Quantity::Posterior(Data, Class1)),
    }
}

/// The probability, under p and q alike, of points that q finds denser than the unit ball.
///
/// q is denser there than in the shell by lambda2 / 2. From d = 2 on it is denser than in the outer
/// annulus too: v (3^d - 2^d) > (3/2)^d - 1 > 1, because v > 2^-d. In one dimension the outer
/// annulus is denser when v + lambda2 < 1 - lambda2; it holds (1 - lambda2) / 2.
fn denser_mass(parameters: &ExactParameters) -> Side {
    let two = || BigInt::from(2);
    if parameters.dim > 1 {
        return Side::Exact(BigRational::zero());
    }
    if let Some(lambda2) = parameters.lambda2.fraction() {
        let ball = (BigRational::one() + &parameters.shell).recip();
        let outer_is_denser = ball + lambda2 * two() < BigRational::one();
        let outer = (BigRational::one() - lambda2) / two();
        return Side::Exact(if outer_is_denser { outer } else { BigRational::zero() });
    }
    Side::Real(Quantity::DenserMass)
}

/// A counter-example held against what Proposition 1 asks of it.
///
/// Items 2 and 3 contradict themselves as printed: 2 asks that q's label at the moved point be
/// both the label of x that it must leave and the true one, and 3 bounds q's probability of its
/// own label by delta although a label has at least 1/2. Both are read as their explanations say:
/// q changes its label while p keeps it, and q gives p's label less than delta. Item 3 also prints
/// p > 1 - delta; the proof gives p >= 1 - delta (its condition 1, an equality for the lambda2 it
/// chooses), and that is what is evaluated. Item 6 is read for balls of radius shell, as its proof
/// does. Item 7 cannot hold as printed: every density on this support varies by at least d / 3.
/// What can be asked, and is, is that p(x|0) be hardly rougher than a uniform distribution.
#[derive(Debug, Clone)]
pub struct Proposition<'a> {
    example: &'a CounterExample,
    statements: Vec<(Statement, Verdict)>,
    delta: BigRational,
}

impl<'a> Proposition<'a> {
    /// Holds `example` against `goal`.
    pub fn new(example: &'a CounterExample, goal: Goal) -> Self {
        let (enclosures, goal) = (example.enclosures(), ExactGoal::from(&goal));
        let decided = statements(enclosures.parameters(), &goal).into_iter().map(|statement| {
            let verdict = statement.verdict(enclosures);
            (statement, verdict)
        });
        Proposition { example, statements: decided.collect(), delta: goal.delta().0.clone() }
    }

    /// The counter-example.
    pub fn example(&self) -> &'a CounterExample {
        self.example
    }

    /// Every condition on the densities: both divergences (equation 18), the probability of an
    /// attackable point, and items 1 to 7 for an attack from the shell into the unit ball.
    ///
    /// A condition on both p and q shows the one that comes closer to failing.
    ///
    /// ```
    /// use undetected_theory::*;
    ///
    /// let goal = Goal::new(0.01, 0.01).unwrap();
    /// let lambda1 = feasible_lambda1(500, 0.1, &goal).unwrap();
    /// let example = CounterExample::new(500, 0.1, lambda1, Lambda2::Matched { delta: 0.01 });
    /// let conditions = Proposition::new(&example.unwrap(), goal).conditions();
    /// assert!(conditions.iter().all(|c| c.verdict == Verdict::Proved));
    /// ```
    pub fn conditions(&self) -> Vec<Condition> {
        let item = |id: &'static str| id.split('.').next().unwrap_or(id);
        let both = self.statements.chunk_by(|a, b| item(a.0.id) == item(b.0.id));
        both.filter_map(|parts| {
            let parts = parts.iter().map(|part| self.condition(part));
            parts.min_by(closer_to_failing)
        })
        .map(|condition| Condition { id: item(condition.id), ..condition })
        .collect()
    }

    fn condition(&self, (statement, verdict): &(Statement, Verdict)) -> Condition {
        let value = |side: &Side| known(self.example.enclosures(), |at| side.enclose(at)).value();
        Condition {
            id: statement.id,
            claim: statement.claim,
            value: value(&statement.value),
            limit: value(&statement.limit),
            verdict: *verdict,
        }
    }

    /// All of items 1, 2, 3 and 5 for a point moved between two regions; item 4 depends on the
    /// point and is left to the caller.
    pub fn attack(&self, from: Region, to: Region) -> Verdict {
        self.item1(from).and(self.item2(from, to)).and(self.item3(from, to)).and(self.item5(to))
    }

    /// p and q agree on the label and both are confident.
    fn item1(&self, from: Region) -> Verdict {
        match (self.label(Data, from), self.label(Model, from)) {
            (Some(p), Some(q)) if p == q => {
                self.is_confident(Data, from, p).and(self.is_confident(Model, from, q))
            }
            _ => Verdict::Refuted,
        }
    }

    /// q's label changes and p's does not.
    fn item2(&self, from: Region, to: Region) -> Verdict {
        let kept = self.kept_label(from, to).is_some();
        let changed = match (self.label(Model, from), self.label(Model, to)) {
            (Some(before), Some(after)) => before != after,
            _ => false,
        };
        Verdict::exact(kept && changed)
    }

    /// At the moved point p keeps at least 1 - delta for its label and q leaves it less than delta.
    fn item3(&self, from: Region, to: Region) -> Verdict {
        match self.kept_label(from, to) {
            Some(class) => self.is_confident(Data, to, class).and(self.is_doubtful(to, class)),
            None => Verdict::Refuted,
        }
    }

    /// Less than half of the mass, under p and under q, is denser under q than this region.
    fn item5(&self, to: Region) -> Verdict {
        let half = BigRational::new(1.into(), 2.into());
        self.decide(|at| {
            let level = match at.relative_density(Model, to) {
                Some(level) => level,
                None => return Some(false),
            };
            let mut mass = [at.integer(0), at.integer(0)];
            for region in SUPPORT.into_iter().filter(|&region| region != to) {
                if level.is_below(&at.relative_density(Model, region)?)? {
                    for (mass, of) in mass.iter_mut().zip([Data, Model]) {
                        let classes = [Class0, Class1].map(|class| at.ln_mass(of, class, region));
                        let sum = classes.into_iter().flatten().map(|ln| ln.exp());
                        *mass = sum.fold(mass.clone(), |a, b| a + b / at.integer(2));
                    }
                }
            }
            let [p, q] = mass.map(|mass| mass.is_below(&at.fraction(&half)));
            Some(p? && q?)
        })
    }

    /// P(class|x) >= 1 - delta.
    fn is_confident(&self, of: Distribution, region: Region, class: Class) -> Verdict {
        let other = if class == Class0 { Class1 } else { Class0 };
        self.compare_posterior(of, region, other, Relation::AtMost)
    }

    /// q(class|x) < delta.
    fn is_doubtful(&self, region: Region, class: Class) -> Verdict {
        self.compare_posterior(Model, region, class, Relation::Below)
    }

    /// P(class|x) < delta or P(class|x) <= delta.
    fn compare_posterior(
        &self,
        of: Distribution,
        region: Region,
        class: Class,
        relation: Relation,
    ) -> Verdict {
        match (region, class) {
            (Region::Shell, Class1) | (Region::Outer, Class0) => Verdict::Proved, // it is 0
            (Region::Ball, _) => self.ball_posterior(of, class, relation),
            _ => Verdict::Refuted, // it is 1, or there is none
        }
    }

    fn ball_posterior(&self, of: Distribution, class: Class, relation: Relation) -> Verdict {
        let value = match (of, class) {
            (Data, Class1) => data_doubt(self.example.enclosures().parameters()),
            _ => Side::Real(Quantity::Posterior(of, class)),
        };
        let limit = Side::Exact(self.delta.clone());
        Statement { id: "", claim: "", value, relation, limit }.verdict(self.example.enclosures())
    }

    /// The label that p gives both points.
    fn kept_label(&self, from: Region, to: Region) -> Option<Class> {
        let before = self.label(Data, from)?;
        (self.label(Data, to) == Some(before)).then_some(before)
    }

    /// The likelier label; none in a tie, where the density is zero, or where it is undecided.
    fn label(&self, of: Distribution, region: Region) -> Option<Class> {
        match region {
            Region::Shell => Some(Class0),
            Region::Outer => Some(Class1),
            Region::Outside => None,
            Region::Ball => match self.decide(|at| match at.ln_odds(of).sign()? {
                Ordering::Greater => Some(true),
                _ => Some(false),
            }) {
                Verdict::Proved => Some(Class0),
                Verdict::Refuted => Some(Class1),
                Verdict::Undecided => None,
            },
        }
    }

    fn decide(&self, compare: impl Fn(&Enclosed) -> Option<bool>) -> Verdict {
        self.example.enclosures().decide(compare)
    }
}

/// Refuted before undecided before proved; among equals, the smaller distance from the limit.
fn closer_to_failing(a: &Condition, b: &Condition) -> Ordering {
    let rank = |condition: &Condition| match condition.verdict {
        Verdict::Refuted => 0,
        Verdict::Undecided => 1,
        Verdict::Proved => 2,
    };
    let distance = |condition: &Condition| (condition.value - condition.limit).abs();
    rank(a).cmp(&rank(b)).then(distance(a).total_cmp(&distance(b)))
}
