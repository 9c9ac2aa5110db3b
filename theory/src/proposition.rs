//! The conditions of Proposition 1, evaluated one by one.

use crate::counterexample::{Class, CounterExample, Joint, Region};
use crate::divergence::Divergence;
use crate::feasibility::Goal;
use crate::log_space::ln_odds;
use crate::verdict::{CLOSED_FORM_ERROR, Verdict};
use serde::Serialize;

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

/// A counter-example held against what Proposition 1 asks of it.
///
/// Items 2 and 3 contradict themselves as printed: 2 asks that q's label at the moved point be
/// both the label of x that it must leave and the true one, and 3 bounds q's probability of its
/// own label by delta although a label has at least 1/2. Both are read as their explanations say:
/// q changes its label while p keeps it, and q gives p's label less than delta. Item 3 also prints
/// p > 1 - delta; the proof gives p >= 1 - delta (its condition 1, an equality for the lambda2 it
/// chooses), and that is what is evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Proposition<'a> {
    example: &'a CounterExample,
    goal: Goal,
}

impl<'a> Proposition<'a> {
    /// Holds `example` against `goal`.
    pub fn new(example: &'a CounterExample, goal: Goal) -> Self {
        Proposition { example, goal }
    }

    /// The counter-example.
    pub fn example(&self) -> &'a CounterExample {
        self.example
    }

    /// Every condition on the densities: both divergences (equation 18), the probability of an
    /// attackable point, and items 1 to 5 for an attack from the shell into the unit ball.
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
        let [kl_q_p, kl_p_q] = self.divergences();
        vec![
            kl_q_p,
            kl_p_q,
            self.probability(),
            self.original_is_confident(),
            self.label_changes(),
            self.mistake_is_confident(),
            self.shift_is_small(),
            self.density_is_typical(),
        ]
    }

    /// Compared as logarithms, which decide where both numbers are below the range of f64.
    fn divergences(&self) -> [Condition; 2] {
        let limit = self.goal.kl_epsilon();
        let error = CLOSED_FORM_ERROR * limit.ln().abs().max(1.0);
        let condition = |id, claim, kl: Divergence| {
            let verdict = Verdict::less(kl.ln_joint(), limit.ln(), error);
            Condition { id, claim, value: kl.joint(), limit, verdict }
        };
        let (q_p, p_q) = (self.example.kl_q_p(), self.example.kl_p_q());
        [
            condition("kl_q_p", "KL(q, p) < kl-epsilon, nats, joint", q_p),
            condition("kl_p_q", "KL(p, q) < kl-epsilon, nats, joint", p_q),
        ]
    }

    fn probability(&self) -> Condition {
        let ln_lambda1 = self.example.ln_lambda1();
        Condition {
            id: "probability",
            claim: "P(x in the shell) > 1/3: the x that are attacked",
            value: self.example.attackable_mass(),
            limit: 1.0 / 3.0,
            verdict: Verdict::less(ln_lambda1, -(3f64.ln()), CLOSED_FORM_ERROR),
        }
    }

    fn original_is_confident(&self) -> Condition {
        let right = |joint: &Joint| joint.posterior(Region::Shell).map_or(0.0, |p| p.class0());
        Condition {
            id: "1",
            claim: "p and q both give x its label with probability >= 1 - delta",
            value: right(self.example.data()).min(right(self.example.model())),
            limit: 1.0 - self.goal.delta(),
            verdict: self.item1(Region::Shell),
        }
    }

    fn label_changes(&self) -> Condition {
        let odds = |joint: &Joint| joint.posterior(Region::Ball).map_or(0.0, |p| p.ln_odds);
        let [data, model] = [self.example.data(), self.example.model()].map(odds);
        Condition {
            id: "2",
            claim: "q changes its label, p does not: smaller log-odds > 0, nats (printed form contradicts itself)",
            value: data.min(-model),
            limit: 0.0,
            verdict: self.item2(Region::Shell, Region::Ball),
        }
    }

    fn mistake_is_confident(&self) -> Condition {
        let ball = |joint: &Joint| joint.posterior(Region::Ball);
        let delta = self.goal.delta();
        let data = ball(self.example.data()).map_or(1.0, |p| p.class1());
        // An equality for a matched lambda2, which the last digit must not contradict.
        let confident = self.example.data_confident(delta) == Verdict::Proved;
        let data = if confident { data.min(delta) } else { data };
        let model = ball(self.example.model()).map_or(1.0, |p| p.class0());
        Condition {
            id: "3",
            claim: "q(0|x') < delta, p(1|x') <= delta: larger of the two (printed form contradicts itself)",
            value: data.max(model),
            limit: delta,
            verdict: self.item3(Region::Shell, Region::Ball),
        }
    }

    /// Any x in the shell but those on its outer sphere, a set of probability zero, lies closer
    /// than shell to the open unit ball; the supremum over x is shell itself.
    fn shift_is_small(&self) -> Condition {
        Condition {
            id: "4",
            claim: "||x - x'|| < shell almost surely: its supremum, which is not attained",
            value: self.example.shell(),
            limit: self.example.shell(),
            verdict: Verdict::Proved,
        }
    }

    fn density_is_typical(&self) -> Condition {
        let (data, model) = (self.example.data(), self.example.model());
        Condition {
            id: "5",
            claim: "ln q(x') >= ln of the median of q(x), for x from p and for x from q",
            value: model.ln_density(Region::Ball),
            limit: model.ln_median_density(data).max(model.ln_median_density(model)),
            verdict: self.item5(Region::Ball),
        }
    }

    /// All of items 1, 2, 3 and 5 for a point moved between two regions; item 4 depends on the
    /// point and is left to the caller.
    pub fn attack(&self, from: Region, to: Region) -> Verdict {
        self.item1(from).and(self.item2(from, to)).and(self.item3(from, to)).and(self.item5(to))
    }

    /// p and q agree on the label and both are confident.
    fn item1(&self, from: Region) -> Verdict {
        let labels = [self.example.data(), self.example.model()].map(|joint| label(joint, from));
        match labels {
            [Some(p), Some(q)] if p == q => self
                .confident(self.example.data(), from, p)
                .and(self.confident(self.example.model(), from, q)),
            _ => Verdict::Refuted,
        }
    }

    /// q's label changes and p's does not.
    fn item2(&self, from: Region, to: Region) -> Verdict {
        let kept = self.kept_label(from, to).is_some();
        let changed = match (label(self.example.model(), from), label(self.example.model(), to)) {
            (Some(before), Some(after)) => before != after,
            _ => false,
        };
        Verdict::exact(kept && changed)
    }

    /// At the moved point p keeps at least 1 - delta for its label and q leaves it less than delta.
    fn item3(&self, from: Region, to: Region) -> Verdict {
        let model = self.example.model().posterior(to);
        match (self.kept_label(from, to), model) {
            (Some(class), Some(posterior)) => {
                let (odds, limit) = (posterior.ln_odds_of(class), ln_odds(self.goal.delta()));
                let error = CLOSED_FORM_ERROR * limit.abs().max(1.0);
                self.confident(self.example.data(), to, class)
                    .and(Verdict::less(odds, limit, error))
            }
            _ => Verdict::Refuted,
        }
    }

    /// The density does not fall below its median, over the data and over the model's own samples.
    ///
    /// From d = 2 on the unit ball has the highest density. In one dimension the outer annulus can
    /// be denser, but it holds less than half of the mass.
    fn item5(&self, to: Region) -> Verdict {
        let (data, model) = (self.example.data(), self.example.model());
        let median = model.ln_relative_median(data).max(model.ln_relative_median(model));
        Verdict::exact(model.ln_relative_density(to) >= median)
    }

    /// P(class|x) >= 1 - delta.
    fn confident(&self, joint: &Joint, region: Region, class: Class) -> Verdict {
        let delta = self.goal.delta();
        let is_data = std::ptr::eq(joint, self.example.data());
        match joint.posterior(region) {
            None => Verdict::Refuted,
            Some(_) if is_data && region == Region::Ball && class == Class::Zero => {
                self.example.data_confident(delta)
            }
            Some(posterior) => {
                let (odds, limit) = (posterior.ln_odds_of(class), -ln_odds(delta));
                Verdict::less(limit, odds, CLOSED_FORM_ERROR * limit.abs().max(1.0))
            }
        }
    }

    /// The label that p gives both points.
    fn kept_label(&self, from: Region, to: Region) -> Option<Class> {
        let before = label(self.example.data(), from)?;
        (label(self.example.data(), to) == Some(before)).then_some(before)
    }
}

fn label(joint: &Joint, region: Region) -> Option<Class> {
    joint.posterior(region)?.label()
}
