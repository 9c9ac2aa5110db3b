//! What all outcomes say together: table 2.

use std::collections::BTreeMap;

use undetected_theory::Proportion;

use super::{Health, Outcome, Queries, Stop};
use crate::statistics::{self, Estimate};

/// How many of all attacked samples were attacked with success within a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// The distance, L2 on pixels scaled to \[0, 1\].
    pub epsilon: f64,
    /// Fooled and accepted by the detector; `None` without a detector.
    pub undetected: Option<Proportion>,
    /// Fooled, detected or not: table 2's number in parentheses.
    pub fooled: Proportion,
    /// As `undetected`, of the answers rounded to the 8-bit grid.
    pub undetected_rounded: Option<Proportion>,
    /// As `fooled`, of the answers rounded to the 8-bit grid.
    pub fooled_rounded: Proportion,
}

/// One attack on many samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Samples attacked.
    pub samples: u64,
    /// Median distance of the answers that fool and are accepted, with its interval.
    pub undetected_l2: Option<Estimate>,
    /// Median distance of what fools, detected or not, with its interval.
    pub fooled_l2: Option<Estimate>,
    /// Answers whose margin is at the level of rounding ([`super::ROUNDING_ULPS`]).
    pub at_rounding_level: u64,
    /// Evaluations of all samples together.
    pub queries: Queries,
    /// How many searches ended why.
    pub stops: Vec<(Stop, u64)>,
    /// How many samples carry each sign that less was found than seems ([`super::Health`]).
    pub flags: Vec<(&'static str, u64)>,
    has_detector: bool,
    undetected: Vec<f64>,
    fooled: Vec<f64>,
    undetected_rounded: Vec<f64>,
    fooled_rounded: Vec<f64>,
}

impl Summary {
    /// The summary; `None` of nothing.
    pub fn of(outcomes: &[Outcome]) -> Option<Self> {
        let first = outcomes.first()?;
        let sorted = |distance: &dyn Fn(&Outcome) -> Option<f64>| {
            let mut distances: Vec<f64> = outcomes.iter().filter_map(distance).collect();
            distances.sort_by(f64::total_cmp);
            distances
        };
        let rounded = |accepted: bool| {
            move |outcome: &Outcome| {
                let rounded = outcome.rounded.as_ref()?;
                let counts = if accepted { rounded.is_undetected() } else { rounded.fooled };
                counts.then_some(rounded.l2)
            }
        };
        let undetected = sorted(&Outcome::undetected_l2);
        let fooled = sorted(&Outcome::fooled_l2);
        let at_level = |outcome: &&Outcome| {
            outcome.adversarial.as_ref().is_some_and(|answer| answer.at_rounding_level)
        };
        let mut stops = BTreeMap::new();
        outcomes.iter().for_each(|outcome| *stops.entry(outcome.stop).or_default() += 1);
        Some(Self {
            samples: outcomes.len() as u64,
            undetected_l2: statistics::quantile(&undetected, 0.5),
            fooled_l2: statistics::quantile(&fooled, 0.5),
            at_rounding_level: outcomes.iter().filter(at_level).count() as u64,
            queries: Queries {
                forward: outcomes.iter().map(|outcome| outcome.queries.forward).sum(),
                gradient: outcomes.iter().map(|outcome| outcome.queries.gradient).sum(),
            },
            stops: stops.into_iter().collect(),
            flags: flags(outcomes),
            has_detector: first.original.accepted.is_some(),
            undetected,
            fooled,
            undetected_rounded: sorted(&rounded(true)),
            fooled_rounded: sorted(&rounded(false)),
        })
    }

    /// Table 2's numbers for a budget: any budget, from the one run.
    pub fn within(&self, epsilon: f64) -> Rates {
        let rate = |sorted: &[f64]| Proportion {
            successes: sorted.partition_point(|distance| *distance <= epsilon) as u64,
            trials: self.samples,
        };
        let if_judged = |sorted| self.has_detector.then(|| rate(sorted));
        Rates {
            epsilon,
            undetected: if_judged(&self.undetected),
            fooled: rate(&self.fooled),
            undetected_rounded: if_judged(&self.undetected_rounded),
            fooled_rounded: rate(&self.fooled_rounded),
        }
    }

    /// Success against the budget: every distance at which one of the rates of fooling and of
    /// undetected fooling steps, in order, with the rates there.
    pub fn curve(&self) -> Vec<Rates> {
        let mut distances = [&self.undetected[..], &self.fooled].concat();
        distances.sort_by(f64::total_cmp);
        distances.dedup();
        distances.into_iter().map(|epsilon| self.within(epsilon)).collect()
    }
}

fn flags(outcomes: &[Outcome]) -> Vec<(&'static str, u64)> {
    let mut counts = Health::default().flags().map(|(name, _)| (name, 0));
    for outcome in outcomes {
        for (count, (_, raised)) in counts.iter_mut().zip(outcome.health.flags()) {
            count.1 += u64::from(raised);
        }
    }
    counts.to_vec()
}

/// One point of excess distance against evaluations.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Excess {
    /// Evaluations of one sample.
    pub evaluations: u64,
    /// Median over samples of distance/optimum - 1, a sample without an answer counting as infinite;
    /// `None` where that is infinite.
    pub median: Option<f64>,
    /// Samples with an answer by then.
    pub answered: u64,
}

/// How far answers are from known optima after so many evaluations, at each of `evaluations`.
///
/// # Panics
/// If there is not one optimum for each outcome.
pub fn excess(outcomes: &[Outcome], optima: &[f64], evaluations: &[u64]) -> Vec<Excess> {
    assert_eq!(outcomes.len(), optima.len(), "every outcome has an optimum");
    let at = |evaluations: u64| {
        let excess = |(outcome, optimum): (&Outcome, &f64)| {
            let until = outcome.trace.partition_point(|(at, _)| *at <= evaluations);
            until.checked_sub(1).map(|last| outcome.trace[last].1 / optimum - 1.0)
        };
        let found: Vec<_> = outcomes.iter().zip(optima).map(excess).collect();
        let mut sorted: Vec<f64> = found.iter().map(|e| e.unwrap_or(f64::INFINITY)).collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len().saturating_sub(1) / 2;
        let median = sorted.get(middle).copied().filter(|median| median.is_finite());
        let answered = found.iter().flatten().count() as u64;
        Excess { evaluations, median, answered }
    };
    evaluations.iter().map(|evaluations| at(*evaluations)).collect()
}
