//! Which detectors the attack evades, and what the others pay.

use super::parameters::{dim, example, finds_violation, shell};
use proptest::prelude::*;
use undetected::theory::log_space::ln_1p_exp;
use undetected::theory::{
    Class, CounterExample, Detector, Goal, Lambda2, MAX_DIM, Region, SCORES, Score,
    feasible_lambda1, ln_least_false_alarm, min_dim, simulate_detectors,
};

const ONE_SIDED: [Score; 4] =
    [Score::Density, Score::Joint, Score::Conditional, Score::BackgroundRatio];

/// Rounding of a sum of three masses.
const ROUNDING: f64 = 1e-15;

fn ln_weight() -> impl Strategy<Value = f64> {
    prop_oneof![-100.0..-1e-3, -1.0..-1e-6]
}

fn cost(example: &CounterExample, score: Score) -> f64 {
    Detector::new(example, score).cheapest_detection().false_alarm()
}

fn ball(example: &CounterExample) -> f64 {
    example.data().mass(Region::Ball)
}

/// How much more the ball's distance from H(q) is than that of the outer annulus, nats:
/// (1 - v - lambda2) ln(1 + lambda2 / v) - lambda2 ln(q_shell / q_outer).
fn farther_than_outer(example: &CounterExample) -> f64 {
    let (ln_v, l2) = (-example.ln_volume_ratio(), example.ln_lambda2().exp());
    let ln_outer = example.model().ln_conditional_density(Class::One, Region::Outer);
    let ln_shell = example.model().ln_conditional_density(Class::Zero, Region::Shell);
    let in_ball = ln_1p_exp(example.ln_lambda2() - ln_v);
    (-ln_v.exp_m1() - l2) * in_ball - l2 * (ln_shell - ln_outer)
}

/// The counter-example of Proposition 1 in its smallest dimension or above.
fn chosen(dim: u64, shell: f64, goal: &Goal) -> CounterExample {
    let lambda1 = feasible_lambda1(dim, shell, goal).unwrap();
    CounterExample::new(dim, shell, lambda1, Lambda2::Matched { delta: goal.delta() }).unwrap()
}

/// A shell and a goal, with the smallest dimension that the window admits, within the limit.
fn reachable() -> impl Strategy<Value = (f64, Goal, u64)> {
    let decades = |low: f64, high: f64| (low..high).prop_map(|exponent| 10f64.powf(exponent));
    (shell(), decades(-6.0, 1.0), decades(-6.0, -0.31))
        .prop_map(|(shell, kl_epsilon, delta)| {
            let goal = Goal::new(kl_epsilon, delta).unwrap();
            (shell, goal, min_dim(shell, &goal).unwrap().unwrap())
        })
        .prop_filter("a dimension within the limit", |&(_, _, least)| least <= MAX_DIM)
}

proptest! {
    /// No threshold on a density notices: to reject the ball it rejects (1 + lambda2) / 2 of the
    /// data or more, and from d = 2 on everything.
    #[test]
    fn one_sided_thresholds_are_evaded(
        dim in prop_oneof![Just(1u64), dim()], shell in shell(),
        ln1 in ln_weight(), ln2 in ln_weight(),
    ) {
        let example = example(dim, shell, ln1, ln2);
        for score in ONE_SIDED {
            let detector = Detector::new(&example, score);
            prop_assert!(detector.evaded());
            let cost = detector.cheapest_detection().false_alarm();
            prop_assert!(cost >= (1.0 + ln2.exp()) / 2.0 - ROUNDING);
            prop_assert!(dim == 1 || cost == 1.0);
            prop_assert!(dim == 1 || detector.auroc() <= 0.5);
        }
    }

    /// The attack raises every one-sided score, so no threshold that accepts x rejects x'.
    #[test]
    fn the_attack_raises_every_one_sided_score(
        dim in dim(), shell in shell(), ln1 in ln_weight(), t in 0.001..0.999f64,
    ) {
        // lambda2 between (1 + shell)^-d and 1.
        let ln2 = -t * dim as f64 * shell.ln_1p();
        prop_assume!(ln2 < -1e-12);
        let example = example(dim, shell, ln1, ln2);
        for score in ONE_SIDED {
            let [ball, shell, _] = Detector::new(&example, score).levels();
            prop_assert!(ball > shell, "{:?}: {} and {}", score, ball, shell);
        }
    }

    /// The ratio against the other class finds the ball and nothing else, whatever the parameters,
    /// and pays its mass. Nothing that looks at x pays less than 1 - (1 + shell)^-d of that.
    #[test]
    fn class_ratio_detects_at_the_cost_of_the_ball(
        dim in prop_oneof![Just(1u64), dim()], shell in shell(),
        ln1 in ln_weight(), ln2 in ln_weight(),
    ) {
        let example = example(dim, shell, ln1, ln2);
        let cost_of_ratio = cost(&example, Score::ClassRatio);
        prop_assert!((cost_of_ratio - ball(&example)).abs() < ROUNDING);
        let least = ln_least_false_alarm(&example).exp();
        for score in SCORES {
            prop_assert!(cost(&example, score) >= least - ROUNDING, "{:?}", score);
        }
        let hollow = -(-example.ln_volume_ratio()).exp_m1();
        prop_assert!((least - hollow * ball(&example)).abs() < ROUNDING);
    }

    /// Two equal tails: the ball is the smaller one from d = 2 on if lambda1 + 2 lambda2 < 1.
    #[test]
    fn two_sided_threshold_detects_at_the_cost_of_the_ball(
        dim in 2u64..1_000_000, shell in shell(), total in 0.001..0.999f64, part in 0.001..0.999f64,
    ) {
        let (l1, l2) = (total * part, total * (1.0 - part) / 2.0);
        let example = example(dim, shell, l1.ln(), l2.ln());
        prop_assert!((cost(&example, Score::TwoSided) - ball(&example)).abs() < ROUNDING);
    }

    /// The typical set rejects the ball first exactly if the stated inequality holds, from d = 2 on.
    #[test]
    fn typical_set_criterion(
        dim in 2u64..1_000_000, shell in shell(), ln1 in ln_weight(), ln2 in ln_weight(),
    ) {
        let example = example(dim, shell, ln1, ln2);
        let excess = farther_than_outer(&example);
        let [ball_level, shell_level, outer_level] =
            Detector::new(&example, Score::TypicalSet).levels();
        // Levels of up to 3 d nats, and lambda2 times that.
        let error = 1e-14 * (4.0 * dim as f64 + 100.0);
        prop_assert!((outer_level - ball_level - excess).abs() < error, "{}", excess);
        let first = ball_level < shell_level && ball_level < outer_level;
        if excess.abs() > error {
            prop_assert_eq!(first, excess > 0.0);
        }
        prop_assert_eq!((cost(&example, Score::TypicalSet) - ball(&example)).abs() < ROUNDING, first);
    }

    /// Where Proposition 1 holds with its own weights, rejecting the ball costs less than
    /// kl_epsilon / (2 (1 - delta) d ln(1 + shell)): what makes q close to p makes it cheap.
    #[test]
    fn detection_is_cheap_where_the_proposition_holds(
        (shell, goal, least) in reachable(), further in 0.0..1.0,
    ) {
        let dim = least + (further * (MAX_DIM - least) as f64) as u64;
        let example = chosen(dim, shell, &goal);
        let bound = goal.kl_epsilon() / (2.0 * (1.0 - goal.delta()) * example.ln_volume_ratio());
        for score in [Score::TwoSided, Score::ClassRatio] {
            prop_assert!(cost(&example, score) < bound);
            prop_assert!(!Detector::new(&example, score).evaded());
        }
    }

    /// On samples: every rate lies where its exact value says, and all of the attack in the ball.
    #[test]
    fn rates_on_samples(
        dim in dim(), shell in shell(), ln1 in -5.0..-1e-3, ln2 in -5.0..-1e-3, seed: u64,
    ) {
        let example = example(dim, shell, ln1, ln2);
        let tally = simulate_detectors(&example, 2000, seed).unwrap();
        prop_assert_eq!(tally.landed, [tally.moved, 0, 0]);
        for score in SCORES {
            for point in Detector::new(&example, score).operating_points() {
                let interval = tally.false_alarm(&point).interval(1.0 - 1e-9);
                let exact = point.false_alarm();
                prop_assert!(interval.low <= exact && exact <= interval.high, "{:?}", point);
            }
        }
    }
}

/// In one dimension the outer annulus can be denser than the ball.
#[test]
fn rejecting_everything_needs_two_dimensions() {
    finds_violation((shell(), ln_weight(), ln_weight()), |(shell, ln1, ln2)| {
        cost(&example(1, shell, ln1, ln2), Score::Density) == 1.0
    });
}

/// With lambda2 below (1 + shell)^-d the label stays, and so does its joint density.
#[test]
fn raising_the_joint_density_needs_lambda2_above_the_mass_of_the_ball() {
    finds_violation((1u64..100, -20.0..-0.01), |(dim, ln2)| {
        let [ball, shell, _] = Detector::new(&example(dim, 0.1, -1.0, ln2), Score::Joint).levels();
        ball > shell
    });
}

#[test]
fn two_equal_tails_need_a_rare_ball() {
    finds_violation((2u64..1000, -1.0..-0.01, -1.0..-0.01), |(dim, ln1, ln2)| {
        let example = example(dim, 0.1, ln1, ln2);
        (cost(&example, Score::TwoSided) - ball(&example)).abs() < ROUNDING
    });
}

/// Proposition 1 alone does not make the typical set detect: a thin shell and a loose goal evade it.
#[test]
fn typical_set_needs_more_than_the_proposition() {
    let thin = (-4.0..-2.0).prop_map(|exponent| 10f64.powf(exponent));
    finds_violation((thin, 0.1..1.0, 0.1..0.49), |(shell, kl_epsilon, delta): (f64, _, _)| {
        let goal = Goal::new(kl_epsilon, delta).unwrap();
        let example = chosen(min_dim(shell, &goal).unwrap().unwrap(), shell, &goal);
        !Detector::new(&example, Score::TypicalSet).evaded()
    });
}
