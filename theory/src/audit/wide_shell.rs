//! The counter-example for shells of any width, which may reach into the outer annulus.

use crate::annulus::Annulus;
use crate::error::Error;
use crate::feasibility::{Goal, Window};
use crate::log_space::{ln_1m_exp, ln_odds};

/// Where the annulus of class 1 lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outer {
    /// U(2, 3), as printed.
    Printed,
    /// U(2 + shell, 3 + shell), out of the shell's reach.
    Apart,
}

/// The proof's choice of weights in R^`dim` with a shell of any positive width.
pub(super) struct WideShell {
    delta: f64,
    /// Radii of the annulus of class 1.
    outer: [f64; 2],
    shell: f64,
    dim: u64,
    ln_complement1: f64,
    ln_complement2: f64,
}

impl WideShell {
    /// None where no lambda1 meets the conditions of the proof.
    pub fn new(dim: u64, shell: f64, goal: &Goal, outer: Outer) -> Option<Self> {
        let ln_volume_ratio = dim as f64 * shell.ln_1p();
        let window = Window {
            ln_lambda1_min: -2.0 * ln_odds(goal.delta()) - ln_volume_ratio,
            ln_lambda1_max: (goal.kl_epsilon().ln() - ln_volume_ratio.ln())
                .min(ln_1m_exp(-goal.kl_epsilon())),
        };
        let inner = if outer == Outer::Printed { 2.0 } else { 2.0 + shell };
        window.is_open().then(|| WideShell {
            delta: goal.delta(),
            outer: [inner, inner + 1.0],
            shell,
            dim,
            ln_complement1: window.lambda1().ln_complement(),
            ln_complement2: ln_1m_exp(window.lambda1().ln() + ln_odds(goal.delta())),
        })
    }

    /// ln(P(0|x) / P(1|x)) where the shell and the annulus of class 1 overlap, for p and for q.
    pub fn ln_odds_in_overlap(&self) -> Result<[f64; 2], Error> {
        let volume = |a, b| Annulus::new(self.dim, a, b).map(|ring| ring.ln_relative_volume());
        let [inner, outer] = self.outer;
        let class1 = self.ln_complement2 - volume(inner, outer)?;
        let data = self.ln_complement1 - volume(1.0, 1.0 + self.shell)?;
        let model = -volume(0.0, 1.0 + self.shell)?;
        Ok([data - class1, model - class1])
    }

    /// Probability under p of the x in the shell that p and q both give label 0 with at least
    /// 1 - delta (item 1): everything but the overlap, and the overlap where both are confident.
    pub fn attackable_mass(&self) -> Result<f64, Error> {
        let volume = |a, b| Annulus::new(self.dim, a, b).map(|ring| ring.ln_relative_volume());
        let edge = 1.0 + self.shell;
        let shell = volume(1.0, edge)?;
        let overlap = [self.outer[0], self.outer[1].min(edge)];
        let contested = if overlap[0] < overlap[1] {
            (volume(overlap[0], overlap[1])? - shell).exp()
        } else {
            0.0
        };
        let confident =
            self.ln_odds_in_overlap()?.into_iter().all(|odds| odds >= -ln_odds(self.delta));
        let lost = if confident { 0.0 } else { contested };
        Ok(self.ln_complement1.exp() / 2.0 * (1.0 - lost))
    }
}

/// The smallest dimension in which more than a third of all points are attackable.
///
/// Panics: if there is none up to 10,000.
pub(super) fn least_dim(shell: f64, goal: &Goal) -> Result<u64, Error> {
    for dim in 1..=10_000 {
        if attackable_mass(dim, shell, goal, Outer::Printed)? > 1.0 / 3.0 {
            return Ok(dim);
        }
    }
    panic!("shell = {shell} has no dimension up to 10,000");
}

/// The largest [`attackable_mass`] over the dimensions up to 1000.
pub(super) fn best_mass(shell: f64, goal: &Goal) -> Result<f64, Error> {
    (1..=1000).try_fold(0.0, |best: f64, dim| {
        Ok(best.max(attackable_mass(dim, shell, goal, Outer::Printed)?))
    })
}

/// [`WideShell::attackable_mass`], 0 where no weights meet the conditions of the proof.
pub(super) fn attackable_mass(
    dim: u64,
    shell: f64,
    goal: &Goal,
    outer: Outer,
) -> Result<f64, Error> {
    WideShell::new(dim, shell, goal, outer).map_or(Ok(0.0), |wide| wide.attackable_mass())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CounterExample, Lambda2, feasible_lambda1};

    /// Below width 1 nothing overlaps and the mass is that of the counter-example itself.
    #[test]
    fn narrow_shells_are_the_counterexample() {
        let goal = Goal::new(0.01, 0.01).unwrap();
        let lambda1 = feasible_lambda1(500, 0.1, &goal).unwrap();
        let matched = Lambda2::Matched { delta: 0.01 };
        let example = CounterExample::new(500, 0.1, lambda1, matched).unwrap();
        let mass = attackable_mass(500, 0.1, &goal, Outer::Printed).unwrap();
        assert!((mass - example.attackable_mass()).abs() < 1e-15);
    }

    /// On a line, in numbers: a shell of width 2 is contested from 2 to 3, half of it.
    #[test]
    fn overlap_on_a_line() {
        let goal = Goal::new(5.0, 0.49).unwrap();
        let wide = WideShell::new(1, 2.0, &goal, Outer::Printed).unwrap();
        let lambda1 = 1.0 - wide.ln_complement1.exp();
        assert!((wide.attackable_mass().unwrap() - (1.0 - lambda1) / 4.0).abs() < 1e-15);
    }
}
