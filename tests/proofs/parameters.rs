//! What the proofs draw from.

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use undetected::theory::{CounterExample, Lambda2, Weight};

/// 1 to 1,000,000, every order of magnitude alike.
pub fn dim() -> impl Strategy<Value = u64> {
    (0.0..=6.0).prop_map(|exponent| 10f64.powf(exponent) as u64)
}

/// From a millionth to almost 1.
pub fn shell() -> impl Strategy<Value = f64> {
    prop_oneof![(-6.0..-1.0).prop_map(|exponent| 10f64.powf(exponent)), 0.1..0.999]
}

/// The counter-example with these log-weights.
pub fn example(dim: u64, shell: f64, ln1: f64, ln2: f64) -> CounterExample {
    let lambda2 = Lambda2::Given(Weight::Ln(ln2));
    CounterExample::new(dim, shell, Weight::Ln(ln1), lambda2).expect("parameters in range")
}

/// Asserts that some input of the strategy violates the claim: the hypothesis is needed.
pub fn finds_violation<S: Strategy>(strategy: S, claim: impl Fn(S::Value) -> bool) {
    let result = TestRunner::deterministic().run(&strategy, |input| {
        if claim(input) { Ok(()) } else { Err(TestCaseError::fail("violated")) }
    });
    assert!(matches!(result, Err(TestError::Fail(..))), "no violation found: {result:?}");
}
