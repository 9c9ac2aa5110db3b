//! What an attack is after, as one boolean for each candidate.

use crate::{classify, detect::Detector, likelihood::Score};

/// Decides from a candidate's densities whether it is what an attack is after.
pub trait Criterion {
    /// Whether it is: `log_prob` is log p(x given y), one a class, nats.
    ///
    /// A candidate that is classified as nothing ([`classify::predict`]: a NaN or +inf density, or
    /// all of them -inf) never is.
    fn is_met(&self, ln_prior: &[f64], log_prob: &[f64]) -> bool;
}

/// What the classifier is to say of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Anything but its class.
    Misclassified {
        /// The class.
        label: usize,
    },
    /// One other class.
    Targeted {
        /// That class.
        class: usize,
    },
}

/// How far a candidate is from a goal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// Misclassified: log p(x, label) - max over the others; targeted: max over the others -
    /// log p(x, class). Nats, below 0 where the goal is reached.
    pub nats: f64,
    /// The other class of the maximum, the first of equals.
    pub rival: usize,
}

impl Goal {
    /// The class that the goal names.
    pub fn class(self) -> usize {
        match self {
            Self::Misclassified { label } => label,
            Self::Targeted { class } => class,
        }
    }

    /// Whether a class is what the goal asks for.
    pub fn allows(self, class: usize) -> bool {
        match self {
            Self::Misclassified { label } => class != label,
            Self::Targeted { class: target } => class == target,
        }
    }

    /// The margin as a difference against the exact maximum of the other classes, in f64; `None`
    /// of an input that is classified as nothing.
    ///
    /// # Panics
    /// If there is no other class.
    ///
    /// # Examples
    /// ```
    /// use undetected_onnx::attack::Goal;
    /// let log_prob = [-7500.0, -7480.0, -7490.0];
    /// let margin = |goal: Goal| goal.margin(&[0.0; 3], &log_prob).unwrap();
    /// assert_eq!(margin(Goal::Misclassified { label: 1 }).nats, 10.0);
    /// assert_eq!(margin(Goal::Targeted { class: 0 }).nats, 20.0);
    /// assert_eq!(margin(Goal::Targeted { class: 0 }).rival, 1);
    /// ```
    pub fn margin(self, ln_prior: &[f64], log_prob: &[f64]) -> Option<Margin> {
        classify::predict(ln_prior, log_prob)?;
        let joint = |class: usize| ln_prior[class] + log_prob[class];
        let others = (0..log_prob.len()).filter(|class| *class != self.class());
        let first_largest = |best: usize, class: usize| match joint(class) > joint(best) {
            true => class,
            false => best,
        };
        let rival = others.reduce(first_largest).expect("a goal needs a second class");
        let (own, other) = (joint(self.class()), joint(rival));
        let nats = match self {
            Self::Misclassified { .. } => own - other,
            Self::Targeted { .. } => other - own,
        };
        Some(Margin { nats, rival })
    }

    /// Adds `weight` times the margin's derivative by each log p(x given y).
    pub(super) fn add_margin_slope(self, weight: f64, rival: usize, cotangent: &mut [f64]) {
        let sign = match self {
            Self::Misclassified { .. } => weight,
            Self::Targeted { .. } => -weight,
        };
        cotangent[self.class()] += sign;
        cotangent[rival] -= sign;
    }
}

impl Criterion for Goal {
    fn is_met(&self, ln_prior: &[f64], log_prob: &[f64]) -> bool {
        Confident { goal: *self, confidence: 0.0 }.is_met(ln_prior, log_prob)
    }
}

/// A goal reached by `confidence` nats at least: the label's log p(x, y) is raised, or the target's
/// lowered, by so much before the largest is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confident {
    /// The goal.
    pub goal: Goal,
    /// Nats.
    pub confidence: f64,
}

impl Criterion for Confident {
    /// Equals are decided as by [`classify::predict`]: for the first.
    fn is_met(&self, ln_prior: &[f64], log_prob: &[f64]) -> bool {
        let Some(margin) = self.goal.margin(ln_prior, log_prob) else { return false };
        let lead = margin.nats + self.confidence;
        let (own, rival) = (self.goal.class(), margin.rival);
        let wins_ties = match self.goal {
            Goal::Misclassified { .. } => rival < own,
            Goal::Targeted { .. } => own < rival,
        };
        lead < 0.0 || lead == 0.0 && wins_ties
    }
}

/// Accepted by a detector.
#[derive(Clone, Copy)]
pub struct Undetected<'a> {
    /// The detector.
    pub detector: &'a dyn Detector,
}

impl Criterion for Undetected<'_> {
    fn is_met(&self, ln_prior: &[f64], log_prob: &[f64]) -> bool {
        self.detector.accepts(&Score::new(0, None, ln_prior, log_prob, None))
    }
}

/// Both of two criteria: with [`Undetected`], the paper's C + 1-way decision, of which "non-image"
/// is no logit that a margin could be taken of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Both<A, B>(pub A, pub B);

impl<A: Criterion, B: Criterion> Criterion for Both<A, B> {
    fn is_met(&self, ln_prior: &[f64], log_prob: &[f64]) -> bool {
        self.0.is_met(ln_prior, log_prob) && self.1.is_met(ln_prior, log_prob)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::{Statistic, ThresholdDetector, Thresholds};

    /// Values with many ties, and the ones that are none.
    fn densities() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            8 => (-3i32..3).prop_map(f64::from),
            1 => Just(f64::NEG_INFINITY),
            1 => Just(f64::NAN),
        ];
        prop::collection::vec(value, 4)
    }

    proptest! {
        /// Without confidence a goal is what the classifier says; with it, what it says of shifted
        /// densities.
        #[test]
        fn a_goal_is_the_classifiers_word(log_prob in densities(), class in 0usize..4, by in 0i32..3) {
            let prior = [0.0; 4];
            let by = f64::from(by);
            for (goal, shift) in
                [(Goal::Misclassified { label: class }, by), (Goal::Targeted { class }, -by)]
            {
                let mut shifted = log_prob.clone();
                shifted[class] += shift;
                let predicted = classify::predict(&prior, &shifted);
                let expected = predicted.is_some_and(|predicted| goal.allows(predicted));
                let confident = Confident { goal, confidence: by };
                prop_assert_eq!(confident.is_met(&prior, &log_prob), expected, "{:?}", confident);
            }
        }

        #[test]
        fn both_needs_both(log_prob in densities(), class in 0usize..4) {
            let prior = [-4.0_f64.ln(); 4];
            let threshold = Thresholds::Common(0.5);
            let detector = ThresholdDetector::fixed(Statistic::Marginal, threshold).unwrap();
            let (goal, undetected) = (Goal::Targeted { class }, Undetected { detector: &detector });
            let met = goal.is_met(&prior, &log_prob) && undetected.is_met(&prior, &log_prob);
            prop_assert_eq!(Both(goal, undetected).is_met(&prior, &log_prob), met);
        }
    }

    #[test]
    fn what_has_no_density_is_nothing() {
        let goals = [Goal::Misclassified { label: 0 }, Goal::Targeted { class: 1 }];
        for log_prob in [[f64::NAN, 0.0], [0.0, f64::NAN], [f64::NEG_INFINITY; 2]] {
            assert!(goals.iter().all(|goal| !goal.is_met(&[0.0; 2], &log_prob)), "{log_prob:?}");
        }
        // One class without a density is an ordinary input of another class.
        assert!(goals.iter().all(|goal| goal.is_met(&[0.0; 2], &[f64::NEG_INFINITY, -3.0])));
    }
}
