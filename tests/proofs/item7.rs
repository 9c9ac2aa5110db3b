//! Item 7 of Proposition 1, which is false as printed, and what holds instead.

use super::parameters::{dim, example, finds_violation, shell};
use proptest::prelude::*;
use undetected::theory::{CounterExample, SUPPORT_RADIUS, least_variation};

/// Relative error granted to a ratio of two total variations.
const ROUNDING: f64 = 1e-11;

fn weights() -> impl Strategy<Value = (f64, f64)> {
    (-1000.0..-1e-9, -1000.0..-1e-9)
}

fn any_example() -> impl Strategy<Value = CounterExample> {
    (dim(), shell(), weights()).prop_map(|(dim, shell, (ln1, ln2))| example(dim, shell, ln1, ln2))
}

/// TV(p(x|0)) / TV(q(x|0)).
fn roughness(example: &CounterExample) -> f64 {
    (example.data_variation().ln_class0 - example.model_variation().ln_class0).exp()
}

proptest! {
    /// Whatever the parameters, no density of the example varies less than its support admits,
    /// and that grows with d.
    #[test]
    fn grows_with_the_dimension(example in any_example()) {
        let ln_least = |radius| least_variation(example.dim(), radius).unwrap().ln() - ROUNDING;
        for variation in [example.data_variation(), example.model_variation()] {
            prop_assert!(variation.ln_class0 >= ln_least(1.0 + example.shell()));
            prop_assert!(variation.ln_class1 >= ln_least(SUPPORT_RADIUS));
            prop_assert!(variation.ln_marginal >= ln_least(SUPPORT_RADIUS));
            prop_assert!(variation.ln_joint() >= variation.ln_marginal - ROUNDING);
        }
    }

    /// q(x|0) attains the least.
    #[test]
    fn uniform_density_attains_the_least(example in any_example()) {
        let least = least_variation(example.dim(), 1.0 + example.shell()).unwrap();
        prop_assert!((example.model_variation().ln_class0 - least.ln()).abs() < ROUNDING);
    }

    /// Under the lemmas' hypothesis lambda1 > (1 + shell)^-d, p(x|0) is rougher than the uniform
    /// density by the factor 1 + shell (lambda1 - v) / (1 - v), at most 1 + shell lambda1.
    #[test]
    fn data_is_hardly_rougher_than_uniform(
        dim in dim(), shell in shell(), depth in 1e-6..0.999f64, ln2 in -1000.0..-1e-9,
    ) {
        let example = example(dim, shell, -depth * dim as f64 * shell.ln_1p(), ln2);
        let (l1, v) = (example.ln_lambda1().exp(), (-example.ln_volume_ratio()).exp());
        let ratio = roughness(&example);
        prop_assert!(1.0 - ROUNDING <= ratio && ratio <= 1.0 + shell * l1 + ROUNDING);
        if example.ln_volume_ratio() > 1e-3 {
            // Closer to 0, this form of the ratio cancels.
            let closed = 1.0 + shell * (l1 - v) / (1.0 - v);
            prop_assert!((ratio / closed - 1.0).abs() < ROUNDING);
        }
    }
}

/// The printed claim, for one bound that is generous: the support is as large as it is.
#[test]
fn as_printed_fails_in_every_dimension_above_the_bound_times_3() {
    let small = 10.0f64;
    finds_violation(any_example(), |example| example.data_variation().ln_marginal < small.ln());
    for dim in [31, 1000, 1_000_000] {
        assert!(least_variation(dim, SUPPORT_RADIUS).unwrap() > small);
    }
}

/// Without the hypothesis on lambda1 the shell can be far denser than the ball.
#[test]
fn hardly_rougher_needs_the_hypothesis_on_lambda1() {
    finds_violation((dim(), shell(), -1000.0..-1e-3), |(dim, shell, ln1)| {
        let example = example(dim, shell, ln1, -5.0);
        roughness(&example) <= 1.0 + shell * ln1.exp() + ROUNDING
    });
}

/// A support that grows with d would do: d / R stays at 1 for R = d. The shell is then thin
/// relative to the radius, and (1 + shell / R)^d no longer grows.
#[test]
fn needs_a_fixed_support() {
    finds_violation(dim(), |dim| least_variation(dim, dim as f64).unwrap() > 1.0);
}
