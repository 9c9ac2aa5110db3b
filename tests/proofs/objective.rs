//! The margin of section 4.2: a lead of ln(C - 1) + ln((1 - delta) / delta) over every other logit
//! gives the correct label probability 1 - delta, whatever the logits, and no smaller lead does.

use super::parameters::{dim, example, finds_violation, shell};
use proptest::prelude::*;
use undetected::theory::{Decomposition, Objective};

/// Relative error of a softmax over logits of up to a hundred nats.
const ROUNDING: f64 = 1e-12;

fn objective(classes: usize, delta: f64) -> Objective {
    Objective::new(classes as u64, 3072, 3.5, delta).unwrap()
}

fn delta() -> impl Strategy<Value = f64> {
    prop_oneof![(-12.0..-0.31).prop_map(|exponent| 10f64.powf(exponent)), 0.5..0.999]
}

/// 1 - P(correct) by softmax, with `lead` over the highest of the others.
fn doubt(others: &[f64], lead: f64) -> f64 {
    let highest = others.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let rest: f64 = others.iter().map(|other| (other - highest - lead).exp()).sum();
    rest / (1.0 + rest)
}

proptest! {
    #[test]
    fn the_margin_suffices(
        others in prop::collection::vec(-50.0..50.0f64, 1..200), delta in delta(), more in 0.0..5.0,
    ) {
        let objective = objective(others.len() + 1, delta);
        prop_assert!(doubt(&others, objective.margin().nats + more) <= delta * (1.0 + ROUNDING));
        prop_assert!(doubt(&others, objective.margin_printed().nats) <= delta * (1.0 + ROUNDING));
    }

    /// The worst case: the others tie. Then the margin is met exactly, and less is not enough.
    #[test]
    fn no_smaller_margin_suffices(others in 1usize..1000, delta in delta(), less in 1e-9..5.0) {
        let margin = objective(others + 1, delta).margin().nats;
        let tied = vec![0.0; others];
        let exact = doubt(&tied, margin) / delta;
        prop_assert!((exact - 1.0).abs() < ROUNDING, "{}", exact);
        prop_assert!(doubt(&tied, margin - less) > delta);
    }

    /// The printed margin asks for ln(C / (C - 1)) too much.
    #[test]
    fn the_printed_margin_exceeds_it(classes in 2usize..100_000, delta in delta()) {
        let objective = objective(classes, delta);
        let gap = objective.margin_printed().nats - objective.margin().nats;
        let stated = (classes as f64 / (classes - 1) as f64).ln();
        prop_assert!((gap - stated).abs() < 1e-14 * 100.0); // two logarithms of up to forty
    }

    /// Equation 4, each term from its own densities.
    #[test]
    fn the_objective_splits(
        dim in dim(), shell in shell(), ln1 in -100.0..-1e-3, ln2 in -100.0..-1e-3,
    ) {
        let example = example(dim, shell, ln1, ln2);
        let terms = Decomposition::new(example.data(), example.model());
        let size = terms.joint.nats.abs().max(terms.image.nats.abs()).max(dim as f64).max(1.0);
        let error = terms.joint.nats - terms.image.nats - terms.label.nats;
        prop_assert!(error.abs() < 1e-14 * size, "{:?}", terms);
        prop_assert!(terms.label.nats >= 0.0);
    }
}

/// The margin is for the worst case: a given image may do with less.
#[test]
fn a_given_image_can_do_with_less() {
    let others = prop::collection::vec(-5.0..5.0f64, 9);
    finds_violation(others, |others| {
        doubt(&others, objective(10, 0.01).margin().nats - 0.1) > 0.01
    });
}

/// The printed margin is not necessary, even in the worst case.
#[test]
fn the_printed_margin_is_not_necessary() {
    finds_violation((2usize..1000, 1e-6..0.5f64), |(classes, delta)| {
        let lead = objective(classes, delta).margin_printed().nats - 1e-9;
        doubt(&vec![0.0; classes - 1], lead) > delta
    });
}
