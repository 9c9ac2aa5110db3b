//! Proposition 1, equation 18 and items 1 to 5.

use super::parameters::{example, finds_violation, shell};
use proptest::prelude::*;
use undetected::theory::{
    CounterExample, Goal, Lambda2, MAX_DIM, Proposition, Region, SUPPORT, Sampler, Verdict, Weight,
    feasible_lambda1, min_dim, simulate,
};

/// kl_epsilon, delta and shell for which some dimension within the limit works.
fn goal() -> impl Strategy<Value = (f64, Goal, u64)> {
    let decades = |low: f64, high: f64| (low..high).prop_map(|exponent| 10f64.powf(exponent));
    (shell(), decades(-9.0, 1.0), decades(-9.0, -0.31))
        .prop_map(|(shell, kl_epsilon, delta)| {
            let goal = Goal::new(kl_epsilon, delta).unwrap();
            (shell, goal, min_dim(shell, &goal).unwrap().unwrap())
        })
        .prop_filter("a dimension within the limit", |&(_, _, least)| least <= MAX_DIM)
}

fn chosen(dim: u64, shell: f64, goal: &Goal) -> CounterExample {
    let lambda1 = feasible_lambda1(dim, shell, goal).unwrap();
    CounterExample::new(dim, shell, lambda1, Lambda2::Matched { delta: goal.delta() }).unwrap()
}

proptest! {
    /// For all (epsilon, delta < 1/2, shell), from the smallest dimension on.
    #[test]
    fn holds((shell, goal, least) in goal(), further in 0.0..1.0) {
        let dim = least + (further * (MAX_DIM - least) as f64) as u64;
        for dim in [least, dim] {
            let example = chosen(dim, shell, &goal);
            for condition in Proposition::new(&example, goal).conditions() {
                prop_assert_eq!(condition.verdict, Verdict::Proved, "d = {}: {:?}", dim, condition);
            }
        }
    }

    /// On samples: the attack fools q on the whole shell, within the budget, and nowhere else.
    #[test]
    fn holds_on_samples((shell, goal, least) in goal(), seed: u64) {
        let example = chosen(least, shell, &goal);
        let run = simulate(&Proposition::new(&example, goal), Sampler::Radial, 2000, seed).unwrap();
        prop_assert_eq!(run.successes, run.moved);
        let interval = run.attack_success().interval(1.0 - 1e-9);
        let mass = example.attackable_mass();
        prop_assert!(interval.low < mass && mass < interval.high);
        prop_assert!(run.max_l2().unwrap() < shell);
        prop_assert_eq!(run.density_rank(&example).successes, 2000);
    }

    /// Item 5 holds whatever the weights: what is denser than the unit ball holds less than half.
    #[test]
    fn item_5_needs_no_hypothesis(
        dim in prop_oneof![Just(1u64), Just(2), 3..1_000_000u64],
        shell in shell(), ln1 in -1000.0..-1e-9, ln2 in -1000.0..-1e-9,
    ) {
        let example = example(dim, shell, ln1, ln2);
        let goal = Goal::new(0.01, 0.01).unwrap();
        let conditions = Proposition::new(&example, goal).conditions();
        let item5 = conditions.iter().find(|condition| condition.id == "5").unwrap();
        prop_assert_eq!(item5.verdict, Verdict::Proved);
    }

    /// No other move within the budget is an attack, so none is missed by moving the shell only.
    #[test]
    fn only_the_shell_can_be_attacked(
        dim in 1u64..300, shell in shell(),
        ln1 in -30.0..-1e-3, ln2 in -30.0..-1e-3, delta in 0.01..0.99,
    ) {
        let example = example(dim, shell, ln1, ln2);
        let proposition = Proposition::new(&example, Goal::new(0.1, delta).unwrap());
        for from in SUPPORT {
            for to in [Region::Ball, Region::Shell, Region::Outer, Region::Outside] {
                let attack = (from, to) == (Region::Shell, Region::Ball);
                // The outer annulus and the unit ball are at least 1 > shell apart.
                let apart = [from, to].contains(&Region::Outer) && [from, to].contains(&Region::Ball);
                if !attack && !apart {
                    prop_assert_eq!(proposition.attack(from, to), Verdict::Refuted);
                }
            }
        }
    }
}

fn unproved(dim: u64, lambda1: Weight, lambda2: Lambda2, delta: f64) -> Vec<&'static str> {
    let example = CounterExample::new(dim, 0.1, lambda1, lambda2).unwrap();
    let conditions = Proposition::new(&example, Goal::new(0.01, delta).unwrap()).conditions();
    let failed = conditions.iter().filter(|condition| condition.verdict != Verdict::Proved);
    failed.map(|condition| condition.id).collect()
}

/// Below the window q is not sure of the wrong label, above it a divergence is too large.
#[test]
fn needs_lambda1_in_the_window() {
    let matched = Lambda2::Matched { delta: 0.01 };
    finds_violation(-80.0..-38.5, |ln1| unproved(500, Weight::Ln(ln1), matched, 0.01).is_empty());
    assert_eq!(unproved(500, Weight::Ln(-38.5), matched, 0.01), ["3"]);
    assert_eq!(unproved(500, Weight::Value(0.002), matched, 0.01), ["kl_p_q"]);
    assert_eq!(unproved(500, Weight::Value(0.1), matched, 0.01), ["kl_q_p", "kl_p_q"]);
}

/// With delta = 1/2 the matched weights tie, and p has no label in the ball.
#[test]
fn needs_delta_below_one_half() {
    let matched = Lambda2::Matched { delta: 0.5 };
    assert_eq!(unproved(500, Weight::Value(1e-5), matched, 0.5), ["2"]);
}

#[test]
fn needs_lambda2_below_lambda1() {
    let lambda2 = Lambda2::Given(Weight::Value(0.5));
    assert_eq!(unproved(500, Weight::Value(1e-5), lambda2, 0.01), ["2", "3"]);
}

#[test]
fn needs_lambda1_below_one_third_for_the_claimed_probability() {
    let example = example(500, 0.1, 0.4f64.ln(), -10.0);
    let conditions = Proposition::new(&example, Goal::new(100.0, 0.01).unwrap()).conditions();
    let failed: Vec<_> = conditions.iter().filter(|c| c.verdict != Verdict::Proved).collect();
    assert_eq!(failed.iter().map(|c| c.id).collect::<Vec<_>>(), ["probability"]);
    assert!((failed[0].value - 0.3).abs() < 1e-15);
}

/// A limit that f64 can barely hold, and divergences that it cannot, are compared all the same.
#[test]
fn divergences_below_the_range_of_f64_are_compared() {
    let verdicts = |ln1| {
        let goal = Goal::new(f64::from_bits(1), 0.01).unwrap();
        let conditions = Proposition::new(&example(100_000, 0.1, ln1, -5000.0), goal).conditions();
        [conditions[0].verdict, conditions[1].verdict]
    };
    // Both are about lambda1 and lambda1 d ln(1 + shell), halved; ln of the limit is -744.4.
    assert_eq!(verdicts(-760.0), [Verdict::Proved, Verdict::Proved]);
    assert_eq!(verdicts(-750.0), [Verdict::Proved, Verdict::Refuted]);
    assert_eq!(verdicts(-743.0), [Verdict::Refuted, Verdict::Refuted]);
}

/// The f64 below -ln 3 and the one above it, which 1e-12 of error could not tell apart.
#[test]
fn a_margin_below_the_last_digit_is_decided() {
    let probability = |ln1| {
        let goal = Goal::new(100.0, 0.01).unwrap();
        let conditions = Proposition::new(&example(500, 0.1, ln1, -10.0), goal).conditions();
        conditions.iter().find(|condition| condition.id == "probability").unwrap().verdict
    };
    let rounded = -(3f64.ln());
    let neighbours = [rounded.next_down(), rounded, rounded.next_up()].map(probability);
    assert_eq!(neighbours[0], Verdict::Proved);
    assert_eq!(neighbours[2], Verdict::Refuted);
    assert_ne!(neighbours[1], Verdict::Undecided);
}

/// The window is sufficient, not necessary: it uses the lemmas' bounds on the divergence of class
/// 0, and the joint divergence is half of that. The least dimension that works is 160, not 175:
/// both divergences grow with lambda1, so the lower end of the window is the best choice.
#[test]
fn smaller_dimensions_than_the_window_admits_can_work() {
    let best = |dim: u64| Weight::Ln(2.0 * 99f64.ln() - dim as f64 * 0.1f64.ln_1p() + 1e-6);
    let matched = Lambda2::Matched { delta: 0.01 };
    assert!(unproved(160, best(160), matched, 0.01).is_empty());
    assert_eq!(unproved(159, best(159), matched, 0.01), ["kl_p_q"]);
}

/// The printed item 3 asks for p > 1 - delta, which the proof's own lambda2 turns into an equality.
#[test]
fn item_3_as_printed_fails_at_the_proofs_own_weights() {
    let example = chosen(500, 0.1, &Goal::new(0.01, 0.01).unwrap());
    let p0 = example.data().posterior(Region::Ball).unwrap();
    assert!((p0.ln_odds - 99f64.ln()).abs() < 1e-15 * 99f64.ln() * 2.0);
}
