//! Lemma 1: for ||x|| < 1, p(0|x) = lambda1 / (lambda1 + lambda2) and
//! q(0|x) = 1 / (1 + lambda2 (1 + shell)^d).

use super::parameters::{dim, example, finds_violation, shell};
use proptest::prelude::*;
use undetected::theory::{Class, CounterExample, Joint, Region};

/// Bayes' rule on the class-conditional densities, as log-odds.
fn bayes(joint: &Joint, region: Region) -> f64 {
    let ln_density = |class| joint.ln_conditional_density(class, region);
    ln_density(Class::Zero) - ln_density(Class::One)
}

/// The log-odds that the lemma states, for p and for q.
fn stated(example: &CounterExample) -> [f64; 2] {
    let (ln1, ln2) = (example.ln_lambda1(), example.ln_lambda2());
    [ln1 - ln2, -ln2 - example.dim() as f64 * example.shell().ln_1p()]
}

proptest! {
    #[test]
    fn holds(
        dim in dim(), shell in shell(),
        ln1 in -100.0..-1e-3, ln2 in -100.0..-1e-3, ln_radius in -10.0..-1e-12,
    ) {
        let example = example(dim, shell, ln1, ln2);
        let region = example.region(ln_radius);
        prop_assert_eq!(region, Region::Ball);
        let joints = [example.data(), example.model()];
        for (joint, stated) in joints.into_iter().zip(stated(&example)) {
            let posterior = joint.posterior(region).unwrap();
            let scale = stated.abs().max(1.0);
            prop_assert!((posterior.ln_odds - stated).abs() < 1e-13 * scale);
            // The densities themselves reach millions, whose last digit is worth 1e-9.
            let size = joint.ln_conditional_density(Class::Zero, region).abs().max(1.0);
            prop_assert!((posterior.ln_odds - bayes(joint, region)).abs() < 1e-13 * size.max(scale));
            prop_assert!((posterior.class0() + posterior.class1() - 1.0).abs() < 1e-15);
        }
    }
}

#[test]
fn needs_a_point_inside_the_unit_sphere() {
    finds_violation((0.0f64..0.09, -5.0..-0.1), |(ln_radius, ln1)| {
        let example = example(3, 0.1, ln1, -2.0);
        let posterior = example.data().posterior(example.region(ln_radius)).unwrap();
        (posterior.ln_odds - stated(&example)[0]).abs() < 1e-13
    });
}
