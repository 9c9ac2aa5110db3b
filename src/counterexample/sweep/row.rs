//! One dimension of a sweep.

use serde::{Deserialize, Serialize};
use undetected_theory::{
    CounterExample, Error, Goal, Interval, Lambda2, MonteCarlo, Proposition, Region,
    SUPPORT_RADIUS, Sampler, Variation, Verdict, Weight, Window, least_variation, min_dim,
    simulate,
};

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.99;
/// How many leading columns say what was asked; the others are the answer.
pub const QUESTION: usize = 8;

/// What is found in one dimension. Logarithms are natural, divergences in nats.
///
/// Columns that depend on lambda1 are empty where none was given and none works. Every dimension
/// attacks samples of the same random streams, as the check of one dimension does, so that rates of
/// neighbouring dimensions differ by the dimension and hardly by chance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub version: String,
    pub dim: u64,
    pub shell: f64,
    pub kl_epsilon_nats: f64,
    pub delta: f64,
    pub lambda1_given: Option<f64>,
    pub samples: u64,
    pub seed: u64,

    pub min_dim: Option<u64>,
    pub window_is_open: bool,
    pub ln_lambda1_min: f64,
    pub ln_lambda1_max: f64,
    pub ln_lambda1: Option<f64>,
    pub ln_lambda2: Option<f64>,

    pub kl_q_p_joint_nats: Option<f64>,
    pub kl_p_q_joint_nats: Option<f64>,
    pub kl_q_p_class0_bound_nats: Option<f64>,
    pub kl_p_q_class0_bound_nats: Option<f64>,
    pub ln_kl_q_p_joint_nats: Option<f64>,
    pub ln_kl_p_q_joint_nats: Option<f64>,
    pub ln_kl_q_p_class0_bound_nats: Option<f64>,
    pub ln_kl_p_q_class0_bound_nats: Option<f64>,

    pub ln_p_class1_in_ball: Option<f64>,
    pub ln_q_class0_in_ball: Option<f64>,
    pub attackable_mass: Option<f64>,
    pub attack_success: Option<f64>,
    pub attack_success_low: Option<f64>,
    pub attack_success_high: Option<f64>,
    pub attack_success_confidence: Option<f64>,
    pub mean_l2: Option<f64>,
    pub max_l2: Option<f64>,

    pub ln_total_variation_p_per_length: Option<f64>,
    pub ln_total_variation_q_per_length: Option<f64>,
    pub ln_total_variation_p_class0_per_length: Option<f64>,
    pub ln_total_variation_q_class0_per_length: Option<f64>,
    pub ln_total_variation_least_per_length: f64,
    pub ln_mass_of_any_ball_p_bound: Option<f64>,
    pub ln_mass_of_any_ball_q_bound: Option<f64>,

    /// Conditions of Proposition 1 that are not proved, separated by spaces.
    pub not_proved: Option<String>,
}

impl Row {
    /// Answers the question that the first columns of `self` ask.
    pub fn answer(self) -> Result<Row, Error> {
        let goal = Goal::new(self.kl_epsilon_nats, self.delta)?;
        let window = Window::new(self.dim, self.shell, &goal)?;
        let row = Row {
            min_dim: min_dim(self.shell, &goal)?,
            window_is_open: window.is_open(),
            ln_lambda1_min: window.ln_lambda1_min,
            ln_lambda1_max: window.ln_lambda1_max,
            ln_total_variation_least_per_length: least_variation(self.dim, SUPPORT_RADIUS)?.ln(),
            ..self
        };
        let lambda1 = match row.lambda1_given {
            Some(value) => Weight::Value(value),
            None if window.is_open() => window.lambda1(),
            None => return Ok(row),
        };
        let lambda2 = Lambda2::Matched { delta: row.delta };
        let example = CounterExample::new(row.dim, row.shell, lambda1, lambda2)?;
        let proposition = Proposition::new(&example, goal);
        let simulation = simulate(&proposition, Sampler::Radial, row.samples, row.seed)?;
        row.with_densities(&proposition).with_attack(&example, &simulation).with_items(&example)
    }

    fn with_densities(self, proposition: &Proposition) -> Row {
        let example = proposition.example();
        let (q_p, p_q) = (example.kl_q_p(), example.kl_p_q());
        let unproved = proposition
            .conditions()
            .into_iter()
            .filter(|condition| condition.verdict != Verdict::Proved)
            .map(|condition| condition.id);
        Row {
            ln_lambda1: Some(example.ln_lambda1()),
            ln_lambda2: Some(example.ln_lambda2()),
            kl_q_p_joint_nats: Some(q_p.ln_joint().exp()),
            kl_p_q_joint_nats: Some(p_q.ln_joint().exp()),
            kl_q_p_class0_bound_nats: Some(q_p.bound()),
            kl_p_q_class0_bound_nats: Some(p_q.bound()),
            ln_kl_q_p_joint_nats: Some(q_p.ln_joint()),
            ln_kl_p_q_joint_nats: Some(p_q.ln_joint()),
            ln_kl_q_p_class0_bound_nats: Some(q_p.ln_bound),
            ln_kl_p_q_class0_bound_nats: Some(p_q.ln_bound),
            ln_p_class1_in_ball: example.data().posterior(Region::Ball).map(|p| p.ln_class1()),
            ln_q_class0_in_ball: example.model().posterior(Region::Ball).map(|p| p.ln_class0()),
            not_proved: Some(unproved.collect::<Vec<_>>().join(" ")),
            ..self
        }
    }

    fn with_attack(self, example: &CounterExample, simulation: &MonteCarlo) -> Row {
        let success = simulation.attack_success();
        let Interval { low, high, confidence } = success.interval(CONFIDENCE);
        Row {
            attackable_mass: Some(example.attackable_mass()),
            attack_success: Some(success.estimate()),
            attack_success_low: Some(low),
            attack_success_high: Some(high),
            attack_success_confidence: Some(confidence),
            mean_l2: simulation.mean_l2(),
            max_l2: simulation.max_l2(),
            ..self
        }
    }

    /// Items 6, for balls of the radius shell that it has in mind, and 7.
    fn with_items(self, example: &CounterExample) -> Result<Row, Error> {
        let (p, q): (Variation, Variation) = (example.data_variation(), example.model_variation());
        let radius = example.shell();
        Ok(Row {
            ln_total_variation_p_per_length: Some(p.ln_marginal),
            ln_total_variation_q_per_length: Some(q.ln_marginal),
            ln_total_variation_p_class0_per_length: Some(p.ln_class0),
            ln_total_variation_q_class0_per_length: Some(q.ln_class0),
            ln_mass_of_any_ball_p_bound: Some(example.data_concentration(radius)?.ln_bound),
            ln_mass_of_any_ball_q_bound: Some(example.model_concentration(radius)?.ln_bound),
            ..self
        })
    }

    /// Whether every condition is proved; none where there was nothing to test.
    pub fn all_proved(&self) -> Option<bool> {
        self.not_proved.as_ref().map(String::is_empty)
    }
}
