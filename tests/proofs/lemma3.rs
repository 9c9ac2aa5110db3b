//! Lemma 3: if (1 + shell)^-d < lambda1 < epsilon / (d ln(1 + shell)), then KL(p, q) <= epsilon.

use super::parameters::{dim, example, finds_violation, shell};
use proptest::prelude::*;
use undetected::theory::{CLOSED_FORM_ERROR, Verdict};

proptest! {
    #[test]
    fn holds(dim in dim(), shell in shell(), t in 1e-9..0.999999999f64, room in 1e-9..2.0f64) {
        let ln1 = -t * dim as f64 * shell.ln_1p();
        prop_assume!(ln1 < -1e-12);
        let example = example(dim, shell, ln1, -1.0);
        prop_assume!(ln1 > -example.ln_volume_ratio());
        let kl = example.kl_p_q();
        let epsilon = ln1.exp() * example.ln_volume_ratio() * (1.0 + room);
        prop_assert_eq!(kl.slack.verdict, Verdict::Proved);
        prop_assert!(kl.joint() < epsilon || epsilon == 0.0);
        prop_assert!(kl.ln_class0 <= kl.ln_bound + CLOSED_FORM_ERROR * kl.ln_bound.abs().max(1.0));
    }
}

#[test]
fn needs_lambda1_above_the_mass_of_the_ball() {
    finds_violation((1u64..100, -20.0..-0.01), |(dim, ln1)| {
        let kl = example(dim, 0.1, ln1, -1.0).kl_p_q();
        let violated = kl.slack.verdict == Verdict::Refuted;
        assert_eq!(violated, kl.class0() > kl.bound(), "a violation must show in the numbers");
        !violated
    });
}

#[test]
fn needs_lambda1_below_epsilon_over_the_log_volume() {
    let epsilon = 0.01;
    finds_violation((10u64..1000, -5.0..-0.01), |(dim, ln1)| {
        example(dim, 0.1, ln1, -1.0).kl_p_q().class0() <= epsilon
    });
}
