//! Item 6 of Proposition 1, read as "the probability in any ball of radius shell < 1".

use super::parameters::{dim, example, finds_violation, shell};
use proptest::prelude::*;
use undetected::theory::{Region, SUPPORT};

fn dim_from_2() -> impl Strategy<Value = u64> {
    dim().prop_filter("d >= 2", |&dim| dim >= 2)
}

proptest! {
    /// Under the lemmas' hypothesis lambda1 > (1 + shell)^-d: at most r^d for both, and exactly
    /// the share of the unit ball's mass, which some ball attains.
    #[test]
    fn falls_like_the_power_of_the_radius(
        dim in dim_from_2(), shell in shell(), radius in 1e-6..1.0f64,
        depth in 1e-6..0.999f64, ln2 in -1000.0..-1e-9,
    ) {
        let example = example(dim, shell, -depth * dim as f64 * shell.ln_1p(), ln2);
        for (joint, concentration) in [
            (example.data(), example.data_concentration(radius).unwrap()),
            (example.model(), example.model_concentration(radius).unwrap()),
        ] {
            let ln_share = dim as f64 * radius.ln();
            let tolerance = 1e-12 * ln_share.abs().max(1.0);
            prop_assert!(concentration.is_attained);
            prop_assert!(concentration.ln_bound <= ln_share + tolerance);
            let ln_mass = joint.mass(Region::Ball).ln();
            if ln_mass > -700.0 {
                prop_assert!((concentration.ln_bound - ln_share - ln_mass).abs() < tolerance);
            }
        }
    }

    /// Shell itself is the radius that item 6 has in mind.
    #[test]
    fn any_target_is_met_from_some_dimension_on(
        shell in 0.001..0.9f64, target in 1e-12..0.5f64, ln1 in -5.0..-1.1f64, ln2 in -20.0..-5.0,
    ) {
        let least = (target.ln() / shell.ln()).max(-ln1 / shell.ln_1p()).ceil() as u64 + 2;
        let example = example(least, shell, ln1, ln2);
        prop_assert!(example.data_concentration(shell).unwrap().ln_bound < target.ln());
        prop_assert!(example.model_concentration(shell).unwrap().ln_bound < target.ln());
    }
}

/// As printed, "in any radius ball": the ball of radius 1 + shell holds class 0, that of radius 3
/// everything.
#[test]
fn needs_a_radius_below_1() {
    finds_violation((dim(), shell(), -20.0..-0.01, -20.0..-0.01), |(dim, shell, ln1, ln2)| {
        let example = example(dim, shell, ln1, ln2);
        let within = example.data().mass(Region::Ball) + example.data().mass(Region::Shell);
        within < 0.5
    });
    for dim in [1, 500, 1_000_000] {
        let example = example(dim, 0.1, -5.0, -10.0);
        for joint in [example.data(), example.model()] {
            let within_3: f64 = SUPPORT.into_iter().map(|region| joint.mass(region)).sum();
            assert!((within_3 - 1.0).abs() < 1e-15);
        }
    }
}

/// With less mass in the unit ball than q puts there, p's shell is denser.
#[test]
fn needs_the_hypothesis_on_lambda1() {
    finds_violation((dim_from_2(), shell(), -20.0..-0.01), |(dim, shell, ln1)| {
        let concentration = example(dim, shell, ln1, -30.0).data_concentration(0.5).unwrap();
        concentration.ln_bound <= dim as f64 * 0.5f64.ln()
    });
}

/// On the line the outer annulus can be denser than the unit ball under the same hypothesis.
#[test]
fn needs_two_dimensions() {
    finds_violation((shell(), 0.01..0.99f64, -20.0..-1.0), |(shell, depth, ln2)| {
        let example = example(1, shell, -depth * shell.ln_1p(), ln2);
        let data = example.data();
        data.ln_relative_density(Region::Outer) <= data.ln_relative_density(Region::Ball)
    });
}
