//! The choice of parameters at which the ledger evaluates the counter-example.

use crate::counterexample::{Class, CounterExample, Joint, Region, SUPPORT};
use crate::detector::{Detector, Score};
use crate::error::Error;
use crate::feasibility::{Goal, feasible_lambda1, min_dim};
use crate::log_space::ln_add_exp;
use crate::posterior::Posterior;
use crate::proposition::Proposition;
use crate::verdict::Verdict;
use crate::weight::{Lambda2, Weight};
use std::f64::consts::LN_2;

const DIM: u64 = 500;
const SHELL: f64 = 0.1;
const KL_EPSILON: f64 = 0.01;
const DELTA: f64 = 0.01;

/// The counter-example at the defaults of the command.
pub(super) struct Setting {
    pub goal: Goal,
    pub example: CounterExample,
}

impl Setting {
    pub fn new() -> Result<Self, Error> {
        Setting::at(DIM, SHELL, Goal::new(KL_EPSILON, DELTA)?)
    }

    /// The proof's choice of weights in another dimension, for another shell or goal.
    pub fn at(dim: u64, shell: f64, goal: Goal) -> Result<Self, Error> {
        let lambda1 = feasible_lambda1(dim, shell, &goal)?;
        let matched = Lambda2::Matched { delta: goal.delta() };
        Ok(Setting { goal, example: CounterExample::new(dim, shell, lambda1, matched)? })
    }

    pub fn data(&self) -> &Joint {
        self.example.data()
    }

    pub fn model(&self) -> &Joint {
        self.example.model()
    }

    pub fn dim(&self) -> f64 {
        self.example.dim() as f64
    }

    pub fn lambda1(&self) -> f64 {
        self.example.ln_lambda1().exp()
    }

    pub fn lambda2(&self) -> f64 {
        self.example.ln_lambda2().exp()
    }

    /// Probability of the unit ball under p.
    pub fn ball_mass(&self) -> f64 {
        self.data().mass(Region::Ball)
    }

    /// How many conditions of Proposition 1 are evaluated and how many of them are not proved.
    pub fn conditions(&self) -> [f64; 2] {
        let conditions = Proposition::new(&self.example, self.goal).conditions();
        let open = conditions.iter().filter(|condition| condition.verdict != Verdict::Proved);
        [conditions.len() as f64, open.count() as f64]
    }
}

/// The least share of the data that a threshold on this score rejects if it rejects the attacks.
pub(super) fn false_alarms(s: &Setting, score: Score) -> f64 {
    Detector::new(&s.example, score).cheapest_detection().false_alarm()
}

/// The counter-example with weights given as themselves.
pub(super) fn example(
    dim: u64,
    shell: f64,
    lambda1: f64,
    lambda2: f64,
) -> Result<CounterExample, Error> {
    let lambda2 = Lambda2::Given(Weight::Value(lambda2));
    CounterExample::new(dim, shell, Weight::Value(lambda1), lambda2)
}

/// KL(q(x, y), p(x, y)) and KL(p(x, y), q(x, y)), in nats.
pub(super) fn joint_divergences(example: &CounterExample) -> [f64; 2] {
    [example.kl_q_p().joint(), example.kl_p_q().joint()]
}

/// The same given y = 0.
pub(super) fn class0_divergences(example: &CounterExample) -> [f64; 2] {
    [example.kl_q_p().class0(), example.kl_p_q().class0()]
}

/// The bounds of Lemmas 2 and 3, in nats: the least epsilon that their hypotheses admit.
pub(super) fn bounds(example: &CounterExample) -> [f64; 2] {
    [example.kl_q_p().bound(), example.kl_p_q().bound()]
}

/// The smallest dimension whose window is open.
///
/// Panics: if there is none, as for a shell that 1 + shell rounds away.
pub(super) fn least_dim(shell: f64, goal: &Goal) -> Result<u64, Error> {
    Ok(min_dim(shell, goal)?.expect("the shells of the ledger are wide enough"))
}

/// P(y|x) in a region that carries mass.
pub(super) fn posterior(joint: &Joint, region: Region) -> Posterior {
    joint.posterior(region).expect("every region of the support has a posterior")
}

/// P(0|x) in a region that carries mass.
pub(super) fn class0(joint: &Joint, region: Region) -> f64 {
    posterior(joint, region).class0()
}

/// ln P(0|x) in a region that carries mass.
pub(super) fn ln_class0(joint: &Joint, region: Region) -> f64 {
    posterior(joint, region).ln_class0()
}

/// The likelier label in a region, as 0 or 1; 1/2 in a tie.
pub(super) fn label(joint: &Joint, region: Region) -> f64 {
    match posterior(joint, region).label() {
        Some(Class::Zero) => 0.0,
        Some(Class::One) => 1.0,
        None => 0.5,
    }
}

/// The mean over (x, y) of what is constant on each region, given the class.
pub(super) fn mean(joint: &Joint, value: impl Fn(Class, Region) -> f64) -> f64 {
    let mut sum = 0.0;
    for class in [Class::Zero, Class::One] {
        for region in SUPPORT {
            let mass = joint.ln_mass(class, region).exp() / 2.0;
            if mass > 0.0 {
                sum += mass * value(class, region);
            }
        }
    }
    sum
}

/// ln of the joint density of x and the label, both classes being equally likely.
pub(super) fn ln_joint_density(joint: &Joint, class: Class, region: Region) -> f64 {
    joint.ln_conditional_density(class, region) - LN_2
}

/// KL(a, b) of two joint distributions as the mean of the log-ratio, a second way to the closed
/// forms.
pub(super) fn mean_log_ratio(a: &Joint, b: &Joint) -> f64 {
    mean(a, |class, region| ln_joint_density(a, class, region) - ln_joint_density(b, class, region))
}

/// KL of x given y, as the mean of the log-ratio over one class.
pub(super) fn mean_log_ratio_given(a: &Joint, b: &Joint, given: Class) -> f64 {
    // The class has probability 1/2.
    2.0 * mean(a, |class, region| {
        if class == given {
            a.ln_conditional_density(class, region) - b.ln_conditional_density(class, region)
        } else {
            0.0
        }
    })
}

/// P(y), from the masses of the regions.
pub(super) fn label_probability(joint: &Joint, label: Class) -> f64 {
    mean(joint, |class, _| f64::from(class == label))
}

/// The Jensen-Shannon divergence, in nats.
pub(super) fn jensen_shannon(a: &Joint, b: &Joint) -> f64 {
    let to_middle = |joint: &Joint| {
        mean(joint, |class, region| {
            let [ln_a, ln_b] = [a, b].map(|side| ln_joint_density(side, class, region));
            ln_joint_density(joint, class, region) - (ln_add_exp(ln_a, ln_b) - LN_2)
        })
    };
    (to_middle(a) + to_middle(b)) / 2.0
}
