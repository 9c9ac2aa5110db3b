//! The numbers of a check, as JSON prints them. Logarithms are natural, divergences in nats.

use serde::Serialize;
use undetected_theory::{
    Condition, Divergence, Error, Goal, Interval, Joint, MonteCarlo, Proportion, Proposition,
    Region, Verdict, Window, min_dim,
};

/// Confidence of every interval.
const CONFIDENCE: f64 = 0.99;

/// Everything the command found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub parameters: Parameters,
    pub window: WindowReport,
    pub kl: Divergences,
    pub ln_kl: Divergences,
    pub lemmas: Lemmas,
    pub posterior: Posteriors,
    pub ln_density: Densities,
    pub attackable_mass: f64,
    pub conditions: Vec<Condition>,
    pub monte_carlo: Simulation,
}

#[derive(Debug, Serialize)]
pub struct Parameters {
    pub dim: u64,
    pub shell: f64,
    pub kl_epsilon: f64,
    pub delta: f64,
    pub ln_lambda1: f64,
    pub ln_lambda2: f64,
}

#[derive(Debug, Serialize)]
pub struct WindowReport {
    pub ln_lambda1_min: f64,
    pub ln_lambda1_max: f64,
    pub min_dim: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct Divergences {
    pub q_p_class0_nats: f64,
    pub p_q_class0_nats: f64,
    pub q_p_joint_nats: f64,
    pub p_q_joint_nats: f64,
    pub q_p_bound_nats: f64,
    pub p_q_bound_nats: f64,
}

/// Bound minus divergence of class 0, with the verdict that its closed form gives.
#[derive(Debug, Serialize)]
pub struct Lemmas {
    pub q_p_slack_nats: f64,
    pub q_p_verdict: Verdict,
    pub p_q_slack_nats: f64,
    pub p_q_verdict: Verdict,
}

#[derive(Debug, Serialize)]
pub struct Posteriors {
    pub p_class0_in_ball: f64,
    pub q_class0_in_ball: f64,
    pub ln_p_class0_in_ball: f64,
    pub ln_q_class0_in_ball: f64,
    pub p_class0_in_shell: f64,
    pub q_class0_in_shell: f64,
}

/// The marginal model density q(x), as natural logarithms.
#[derive(Debug, Serialize)]
pub struct Densities {
    pub q_in_ball: f64,
    pub q_in_shell: f64,
    pub q_in_outer: f64,
    pub q_median_over_p: f64,
    pub q_median_over_q: f64,
}

#[derive(Debug, Serialize)]
pub struct Simulation {
    pub sampler: &'static str,
    pub samples: u64,
    pub seed: u64,
    pub attack_success: Rate,
    pub density_rank: Rate,
    pub moved: u64,
    pub mean_l2: Option<f64>,
    pub max_l2: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Rate {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
    pub confidence: f64,
}

impl Report {
    pub fn new(
        proposition: &Proposition,
        goal: Goal,
        monte_carlo: &MonteCarlo,
        sampler: &'static str,
        seed: u64,
    ) -> Result<Self, Error> {
        let example = proposition.example();
        let (q_p, p_q) = (example.kl_q_p(), example.kl_p_q());
        Ok(Report {
            parameters: Parameters {
                dim: example.dim(),
                shell: example.shell(),
                kl_epsilon: goal.kl_epsilon(),
                delta: goal.delta(),
                ln_lambda1: example.ln_lambda1(),
                ln_lambda2: example.ln_lambda2(),
            },
            window: WindowReport::new(example.dim(), example.shell(), &goal)?,
            kl: divergences(&q_p, &p_q, f64::exp),
            ln_kl: divergences(&q_p, &p_q, |ln| ln),
            lemmas: Lemmas {
                q_p_slack_nats: q_p.slack.value(),
                q_p_verdict: q_p.slack.verdict,
                p_q_slack_nats: p_q.slack.value(),
                p_q_verdict: p_q.slack.verdict,
            },
            posterior: Posteriors::new(example.data(), example.model()),
            ln_density: Densities::new(example.data(), example.model()),
            attackable_mass: example.attackable_mass(),
            conditions: proposition.conditions(),
            monte_carlo: Simulation {
                sampler,
                samples: monte_carlo.samples,
                seed,
                attack_success: monte_carlo.attack_success().into(),
                density_rank: monte_carlo.density_rank(example).into(),
                moved: monte_carlo.moved,
                mean_l2: monte_carlo.mean_l2(),
                max_l2: monte_carlo.max_l2(),
            },
        })
    }

    pub fn all_proved(&self) -> bool {
        self.conditions.iter().all(|condition| condition.verdict == Verdict::Proved)
    }
}

impl WindowReport {
    fn new(dim: u64, shell: f64, goal: &Goal) -> Result<Self, Error> {
        let Window { ln_lambda1_min, ln_lambda1_max } = Window::new(dim, shell, goal)?;
        Ok(WindowReport { ln_lambda1_min, ln_lambda1_max, min_dim: min_dim(shell, goal)? })
    }
}

fn divergences(q_p: &Divergence, p_q: &Divergence, show: impl Fn(f64) -> f64) -> Divergences {
    Divergences {
        q_p_class0_nats: show(q_p.ln_class0),
        p_q_class0_nats: show(p_q.ln_class0),
        q_p_joint_nats: show(q_p.ln_joint()),
        p_q_joint_nats: show(p_q.ln_joint()),
        q_p_bound_nats: show(q_p.ln_bound),
        p_q_bound_nats: show(p_q.ln_bound),
    }
}

impl Posteriors {
    fn new(data: &Joint, model: &Joint) -> Self {
        // Both regions carry mass, so both posteriors exist.
        let class0 = |joint: &Joint, region| joint.posterior(region).map_or(0.0, |p| p.class0());
        let ln_class0 =
            |joint: &Joint, region| joint.posterior(region).map_or(0.0, |p| p.ln_class0());
        Posteriors {
            p_class0_in_ball: class0(data, Region::Ball),
            q_class0_in_ball: class0(model, Region::Ball),
            ln_p_class0_in_ball: ln_class0(data, Region::Ball),
            ln_q_class0_in_ball: ln_class0(model, Region::Ball),
            p_class0_in_shell: class0(data, Region::Shell),
            q_class0_in_shell: class0(model, Region::Shell),
        }
    }
}

impl Densities {
    fn new(data: &Joint, model: &Joint) -> Self {
        Densities {
            q_in_ball: model.ln_density(Region::Ball),
            q_in_shell: model.ln_density(Region::Shell),
            q_in_outer: model.ln_density(Region::Outer),
            q_median_over_p: model.ln_median_density(data),
            q_median_over_q: model.ln_median_density(model),
        }
    }
}

impl From<Proportion> for Rate {
    fn from(proportion: Proportion) -> Self {
        let Interval { low, high, confidence } = proportion.interval(CONFIDENCE);
        Rate { estimate: proportion.estimate(), low, high, confidence }
    }
}
