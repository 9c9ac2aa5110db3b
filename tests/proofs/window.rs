//! Equation 19, completed: the window of lambda1, and the dimension from which on it is open.

use super::parameters::{dim, finds_violation, shell};
use proptest::prelude::*;
use undetected::theory::{Goal, MAX_DIM, Window, min_dim};

fn goal() -> impl Strategy<Value = Goal> {
    let ln_range = |low: f64, high: f64| (low.ln()..high.ln()).prop_map(f64::exp);
    (ln_range(1e-12, 100.0), prop_oneof![ln_range(1e-9, 0.5), 0.5..0.999])
        .prop_map(|(kl_epsilon, delta)| Goal::new(kl_epsilon, delta).unwrap())
}

proptest! {
    #[test]
    fn stays_open_once_open(dim in dim(), shell in shell(), goal in goal()) {
        let is_open = |dim| Window::new(dim, shell, &goal).unwrap().is_open();
        if is_open(dim) {
            prop_assert!(is_open((dim + 1).min(MAX_DIM)));
            prop_assert!(is_open(dim.saturating_mul(2).min(MAX_DIM)));
        }
    }

    #[test]
    fn opens_at_min_dim(shell in shell(), goal in goal()) {
        let least = min_dim(shell, &goal).unwrap().unwrap();
        let is_open = |dim| Window::new(dim, shell, &goal).unwrap().is_open();
        prop_assert!(least > MAX_DIM || is_open(least));
        prop_assert!(least == 1 || !is_open((least - 1).min(MAX_DIM)));
    }

    #[test]
    fn chooses_lambda1_inside(dim in dim(), shell in shell(), goal in goal()) {
        let window = Window::new(dim, shell, &goal).unwrap();
        if window.is_open() {
            let ln1 = window.lambda1().ln();
            prop_assert!(window.ln_lambda1_min < ln1 && ln1 < window.ln_lambda1_max);
        }
    }

    /// Proposition 1 gives the order of d. With its logarithm corrected to (1 - delta) / delta the
    /// smallest dimension is at most twice the printed order plus a constant per logarithm.
    #[test]
    fn min_dim_has_the_order_of_proposition_1(shell in shell(), goal in goal()) {
        let least = min_dim(shell, &goal).unwrap().unwrap() as f64;
        let logs = (1.0 / goal.delta()).ln() + (1.0 + 1.0 / goal.kl_epsilon()).ln();
        prop_assert!(least * shell.ln_1p() <= 4.0 * logs + 10.0);
    }
}

#[test]
fn known_dimensions() {
    let least = |shell, kl, delta| min_dim(shell, &Goal::new(kl, delta).unwrap()).unwrap();
    assert_eq!(least(0.1, 0.01, 0.01), Some(175));
    assert_eq!(least(0.001, 1e-6, 1e-6), Some(45_282));
    assert_eq!(least(1e-300, 0.01, 0.01), None);
}

/// Equation 19 alone is not enough: it leaves out lambda1 <= 1 - exp(-epsilon) and lambda1 < 1/3.
#[test]
fn equation_19_alone_admits_too_much() {
    finds_violation((1u64..300, 0.01..5.0f64, 0.01..0.49f64), |(dim, kl_epsilon, delta)| {
        let ln_volume_ratio = dim as f64 * 0.1f64.ln_1p();
        let printed_low = 2.0 * ((1.0 - delta) / delta).ln() - ln_volume_ratio;
        let printed_high = (kl_epsilon / ln_volume_ratio).ln();
        let open_as_printed = printed_low < printed_high;
        let goal = Goal::new(kl_epsilon, delta).unwrap();
        open_as_printed == Window::new(dim, 0.1, &goal).unwrap().is_open()
    });
}
