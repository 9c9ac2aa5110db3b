//! Lemma 2: if (1 + shell)^-d < lambda1 < 1 - exp(-epsilon), then KL(q, p) <= epsilon.

use super::parameters::{dim, example, finds_violation, shell};
use proptest::prelude::*;
use undetected::theory::{CLOSED_FORM_ERROR, Verdict, log_space};

/// A position in (0, 1), often close to either end.
fn position() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.001..0.999,
        (-12.0..-3.0).prop_map(|exponent| 10f64.powf(exponent)),
        (-12.0..-3.0).prop_map(|exponent| 1.0 - 10f64.powf(exponent)),
    ]
}

proptest! {
    #[test]
    fn holds(dim in dim(), shell in shell(), t in position(), room in 1e-9..2.0f64) {
        // Between -d ln(1 + shell) and 0; epsilon just above what the second hypothesis allows.
        let ln1 = -t * dim as f64 * shell.ln_1p();
        prop_assume!(ln1 < -1e-12);
        let example = example(dim, shell, ln1, -1.0);
        prop_assume!(ln1 > -example.ln_volume_ratio());
        let kl = example.kl_q_p();
        let epsilon = kl.bound() * (1.0 + room);
        prop_assert!(ln1 < log_space::ln_1m_exp(-epsilon) || epsilon < 1e-300);
        prop_assert_eq!(kl.slack.verdict, Verdict::Proved);
        prop_assert!(kl.slack.value() >= 0.0);
        prop_assert!(kl.joint() < epsilon || epsilon == 0.0);
        prop_assert!(kl.ln_class0 <= kl.ln_bound + CLOSED_FORM_ERROR * kl.ln_bound.abs().max(1.0));
    }
}

/// lambda1 below (1 + shell)^-d: the unit ball is too rare under p.
#[test]
fn needs_lambda1_above_the_mass_of_the_ball() {
    finds_violation((1u64..100, -20.0..-0.01), |(dim, ln1)| {
        let kl = example(dim, 0.1, ln1, -1.0).kl_q_p();
        let violated = kl.slack.verdict == Verdict::Refuted;
        assert_eq!(violated, kl.slack.value() < 0.0, "a violation must show in the numbers");
        !violated
    });
}

#[test]
fn needs_lambda1_below_one_minus_exp_epsilon() {
    let epsilon = 0.01;
    finds_violation((10u64..1000, -3.0..-0.01), |(dim, ln1)| {
        example(dim, 0.1, ln1, -1.0).kl_q_p().class0() <= epsilon
    });
}
