//! Appendix D: the proof of Proposition 1.

use crate::audit::numeric::sign_change;
use crate::audit::setting::{Setting, class0, joint_divergences, least_dim};
use crate::audit::{Finding, Row, close, measured, row};
use crate::counterexample::{Class, CounterExample, Region};
use crate::error::Error;
use crate::feasibility::{Goal, Window};
use crate::log_space::{ln_odds, ln_unit_ball_volume};
use crate::weight::{Lambda2, Weight};
use std::f64::consts::LN_2;

pub(super) fn rows(s: &Setting) -> Result<Vec<Row>, Error> {
    Ok(vec![
        conditions_are_enough(s)?,
        condition1(s),
        condition2(s)?,
        condition2_gives_item3(s)?,
        supersedes_condition4(),
        condition3(),
        exponential_inequality(),
        equation19()?,
        equation19_is_needed(s)?,
        decay(s),
        open_from_some_dim_on(s)?,
        proof_of_item6(s)?,
        proof_of_item7(s)?,
    ])
}

/// delta = 0.3, shell = 0.1, d = 20, epsilon = 2: conditions 1 to 5 leave lambda1 between 0.81 and
/// 0.86, and most of class 0 is in the ball.
fn conditions_are_enough(s: &Setting) -> Result<Row, Error> {
    let (dim, shell, delta, kl_epsilon) = (20, 0.1, 0.3, 2.0f64);
    let lambda1 = 0.83;
    let example =
        CounterExample::new(dim, shell, Weight::Value(lambda1), Lambda2::Matched { delta })?;
    let ln_ratio = example.ln_volume_ratio();
    let least = (-2.0 * ln_odds(delta) - ln_ratio).exp();
    Ok(row(
        "appendix D, proof of Proposition 1",
        "Conditions 1 to 5 of the proof are enough.",
        [
            measured("lambda1, d = 20, shell = 0.1, delta = 0.3, epsilon = 2", lambda1, ""),
            measured("lambda1 must be above, conditions 2 and 4", least, ""),
            measured("lambda1 must be at most, condition 3", -(-kl_epsilon).exp_m1(), ""),
            measured("lambda1 must be below, condition 5", kl_epsilon / ln_ratio, ""),
            measured(
                "probability of an attackable point with that lambda1",
                example.attackable_mass(),
                "",
            ),
            measured(
                "probability of an attackable point, default",
                s.example.attackable_mass(),
                "",
            ),
        ],
        |[lambda1, least, condition3, condition5, mass, default]| {
            let met = lambda1 > least && lambda1 <= condition3 && lambda1 < condition5;
            Finding::graded(default > 1.0 / 3.0, !met || mass > 1.0 / 3.0)
        },
        "With lambda1 < 1/3 beside them, for the probability above 1/3. Small epsilon implies it.",
    ))
}

fn condition1(s: &Setting) -> Row {
    let (delta, lambda1) = (0.6, 0.8);
    row(
        "appendix D, proof of Proposition 1",
        "lambda2 = delta / (1 - delta) lambda1 satisfies condition 1.",
        [
            measured(
                "lambda1 / (lambda1 + lambda2), delta = 0.01",
                s.lambda1() / (s.lambda1() + s.lambda2()),
                "",
            ),
            measured("1 - delta", 1.0 - s.goal.delta(), ""),
            measured("lambda2 for delta = 0.6, lambda1 = 0.8", delta / (1.0 - delta) * lambda1, ""),
        ],
        |[p0, confident, lambda2]| Finding::graded(close(p0, confident), lambda2 < 1.0),
        "For delta < 1/2. Beyond, lambda2 exceeds lambda1, so that p itself changes its label, and \
         may exceed 1.",
    )
}

fn condition2(s: &Setting) -> Result<Row, Error> {
    let (dim, shell, delta) = (s.example.dim(), s.example.shell(), s.goal.delta());
    let ln_least = -2.0 * ln_odds(delta) - s.example.ln_volume_ratio();
    let q0 = |factor: f64| -> Result<f64, Error> {
        let lambda1 = Weight::Ln(ln_least + factor.ln());
        let example = CounterExample::new(dim, shell, lambda1, Lambda2::Matched { delta })?;
        Ok(class0(example.model(), Region::Ball))
    };
    Ok(row(
        "appendix D, proof of Proposition 1",
        "Condition 2 is equivalent to lambda1 >= ((1 - delta) / delta)^2 (1 + shell)^-d.",
        [
            measured("q(0|x') at 0.99 of that lambda1", q0(0.99)?, ""),
            measured("q(0|x') at that lambda1", q0(1.0)?, ""),
            measured("q(0|x') at 1.01 of that lambda1", q0(1.01)?, ""),
            measured("delta", delta, ""),
        ],
        |[below, at, above, delta]| {
            Finding::holds_if(below > delta && (at / delta - 1.0).abs() < 1e-6 && above < delta)
        },
        "",
    ))
}

fn condition2_gives_item3(s: &Setting) -> Result<Row, Error> {
    let (dim, shell, delta) = (s.example.dim(), s.example.shell(), s.goal.delta());
    let least = Weight::Ln(-2.0 * ln_odds(delta) - s.example.ln_volume_ratio());
    let at_least = CounterExample::new(dim, shell, least, Lambda2::Matched { delta })?;
    Ok(row(
        "appendix D, proof of Proposition 1",
        "Condition 2, q(0|x') <= delta, gives item 3, q(0|x') < delta.",
        [
            measured("q(0|x') at the default lambda1", class0(s.model(), Region::Ball), ""),
            measured(
                "q(0|x') at the least lambda1 of condition 2",
                class0(at_least.model(), Region::Ball),
                "",
            ),
            measured("delta", delta, ""),
        ],
        |[default, at_least, delta]| {
            Finding::graded(default < delta, at_least < delta && (1.0 - at_least / delta) > 1e-6)
        },
        "With < in condition 2, which equation 19 has.",
    ))
}

fn supersedes_condition4() -> Row {
    let ratio = |delta: f64| (-2.0 * ln_odds(delta)).exp();
    row(
        "appendix D, proof of Proposition 1",
        "Condition 2 supersedes condition 4, lambda1 > (1 + shell)^-d, when delta < 1/2.",
        [
            measured("((1 - delta) / delta)^2, delta = 0.01", ratio(0.01), ""),
            measured("((1 - delta) / delta)^2, delta = 0.499", ratio(0.499), ""),
            measured("((1 - delta) / delta)^2, delta = 0.501", ratio(0.501), ""),
        ],
        |[small, below, above]| Finding::holds_if(small > 1.0 && below > 1.0 && above < 1.0),
        "",
    )
}

fn condition3() -> Row {
    let limit = |kl_epsilon: f64| -(-kl_epsilon).exp_m1();
    row(
        "appendix D, proof of Proposition 1",
        "lambda1 < epsilon / 2 satisfies condition 3, lambda1 <= 1 - exp(-epsilon).",
        [
            measured("epsilon / 2, epsilon = 0.01", 0.01 / 2.0, ""),
            measured("1 - exp(-epsilon), epsilon = 0.01", limit(0.01), ""),
            measured("epsilon / 2, epsilon = 1.8", 1.8 / 2.0, ""),
            measured("1 - exp(-epsilon), epsilon = 1.8", limit(1.8), ""),
            measured(
                "largest epsilon for which it does",
                sign_change(|epsilon| limit(epsilon) - epsilon / 2.0, 1.0, 2.0),
                "nats",
            ),
        ],
        |[half, limit, half_large, limit_large, _]| {
            Finding::graded(half <= limit, half_large <= limit_large)
        },
        "With lambda1 < 1/2 beside it, which the inequality in the next row needs.",
    )
}

fn exponential_inequality() -> Row {
    let margin = |x: f64| 1.0 - x - (-2.0 * x).exp();
    let least_within =
        (1..500).map(|k| margin(f64::from(k) / 1000.0)).fold(f64::INFINITY, f64::min);
    row(
        "appendix D, proof of Proposition 1",
        "1 - x >= exp(-2 x) for x < 1/2.",
        [
            measured("least of 1 - x - exp(-2 x), x = 0.001 to 0.499", least_within, ""),
            measured("1 - x - exp(-2 x) at x = -1", margin(-1.0), ""),
            measured("largest x for which it holds", sign_change(margin, 0.5, 1.0), ""),
        ],
        |[within, negative, _]| Finding::graded(within >= 0.0, negative >= 0.0),
        "For 0 <= x < 1/2, and somewhat beyond; it fails for every x < 0.",
    )
}

/// Whether some 0 < lambda1 < 1 satisfies equation 19.
fn equation19_is_open(dim: u64, shell: f64, goal: &Goal) -> bool {
    let ln_ratio = dim as f64 * shell.ln_1p();
    let low = -2.0 * ln_odds(goal.delta()) - ln_ratio;
    low < (goal.kl_epsilon().ln() - ln_ratio.ln()).min(0.0)
}

/// d = 1, shell = 0.5, delta = 0.45, epsilon = 0.5 leaves equation 19 open and violates condition 3.
fn equation19() -> Result<Row, Error> {
    let (mut open, mut open_but_empty) = (0, 0);
    for dim in 1..=50 {
        for shell in [0.1, 0.5, 0.9] {
            for kl_epsilon in [0.01, 0.1, 0.5, 2.0, 10.0] {
                for delta in [0.01, 0.3, 0.45, 0.6, 0.9] {
                    let goal = Goal::new(kl_epsilon, delta)?;
                    if equation19_is_open(dim, shell, &goal) {
                        open += 1;
                        open_but_empty += u32::from(!Window::new(dim, shell, &goal)?.is_open());
                    }
                }
            }
        }
    }
    let (goal, ln_ratio) = (Goal::new(0.5, 0.45)?, 0.5f64.ln_1p());
    Ok(row(
        "appendix D, equation 19",
        "All conditions boil down to a lambda1 that satisfies equation 19.",
        [
            measured("settings of a grid where equation 19 can be satisfied", f64::from(open), ""),
            measured(
                "settings among them where no lambda1 meets every condition",
                f64::from(open_but_empty),
                "",
            ),
            measured(
                "left of equation 19, d = 1, shell = 0.5, delta = 0.45, epsilon = 0.5",
                (-2.0 * ln_odds(goal.delta()) - ln_ratio).exp(),
                "",
            ),
            measured("right of equation 19, same setting", goal.kl_epsilon() / ln_ratio, ""),
            measured(
                "largest lambda1 of condition 3, same setting",
                -(-goal.kl_epsilon()).exp_m1(),
                "",
            ),
        ],
        |[open, empty, _, _, _]| Finding::holds_if(open > 0.0 && empty == 0.0),
        "Together with lambda1 <= 1 - exp(-epsilon) (condition 3), lambda1 > (1 + shell)^-d where \
         delta >= 1/2 (condition 4), and lambda1 < 1/3. For small epsilon and large d they follow.",
    ))
}

/// The smallest dimension in which some lambda1 meets every condition, with the divergences
/// themselves in the place of their bounds. Both grow with lambda1 above (1 + shell)^-d, so the
/// least lambda1 of condition 2 decides.
fn least_dim_by_divergence(s: &Setting) -> Result<u64, Error> {
    let (shell, delta) = (s.example.shell(), s.goal.delta());
    let mut dim = 1;
    loop {
        let ln_least = -2.0 * ln_odds(delta) - dim as f64 * shell.ln_1p();
        if ln_least < -(3f64.ln()) {
            let lambda1 = Weight::Ln(ln_least);
            let example = CounterExample::new(dim, shell, lambda1, Lambda2::Matched { delta })?;
            if joint_divergences(&example).into_iter().all(|kl| kl < s.goal.kl_epsilon()) {
                return Ok(dim);
            }
        }
        dim += 1;
    }
}

fn equation19_is_needed(s: &Setting) -> Result<Row, Error> {
    let least = least_dim(s.example.shell(), &s.goal)? as f64;
    Ok(row(
        "appendix D, below equation 19",
        "Whether d is large enough is a matter of equation 19.",
        [
            measured("smallest d by equation 19", least, ""),
            measured(
                "smallest d by the divergences themselves",
                least_dim_by_divergence(s)? as f64,
                "",
            ),
        ],
        |[by_bounds, exact]| Finding::graded(exact <= by_bounds, exact >= by_bounds),
        "Equation 19 is sufficient, not necessary: it leaves out the class prior's 1/2 and what \
         the bounds of the lemmas lose.",
    ))
}

fn decay(s: &Setting) -> Row {
    let right = |d: f64| s.goal.kl_epsilon() / (d * s.example.shell().ln_1p());
    row(
        "appendix D, below equation 19",
        "The left side of equation 19 decays exponentially, the right side linearly.",
        [
            measured("ln of the left side per dimension", -s.example.shell().ln_1p(), ""),
            measured(
                "fall of the right side from d = 500 to 1000",
                right(500.0) - right(1000.0),
                "",
            ),
            measured(
                "fall of the right side from d = 1000 to 1500",
                right(1000.0) - right(1500.0),
                "",
            ),
            measured("right side at 1000 over that at 500", right(1000.0) / right(500.0), ""),
        ],
        |[rate, first, second, _]| Finding::holds_if(rate < 0.0 && close(first, second)),
        "The right side decays as 1 / d; equal steps do not lower it equally. What follows, that \
         it is the larger for large d, holds.",
    )
}

fn open_from_some_dim_on(s: &Setting) -> Result<Row, Error> {
    let shell = s.example.shell();
    let width = |dim| -> Result<f64, Error> {
        let Window { ln_lambda1_min, ln_lambda1_max } = Window::new(dim, shell, &s.goal)?;
        Ok(ln_lambda1_max - ln_lambda1_min)
    };
    let least = least_dim(shell, &s.goal)?;
    Ok(row(
        "appendix D, below equation 19",
        "Equation 19 can be satisfied for every d that is large enough.",
        [
            measured("ln of right over left side, smallest d less 1", width(least - 1)?, ""),
            measured("ln of right over left side, smallest d", width(least)?, ""),
            measured("ln of right over left side, ten times that d", width(10 * least)?, ""),
            measured("ln of right over left side, d = 1000000", width(1_000_000)?, ""),
        ],
        |[below, least, ten, million]| {
            Finding::holds_if(below <= 0.0 && least > 0.0 && ten > least && million > ten)
        },
        "",
    ))
}

fn proof_of_item6(s: &Setting) -> Result<Row, Error> {
    let ln_bound = |dim: u64, shell: f64| -> Result<f64, Error> {
        Setting::at(dim, shell, s.goal)?.example.data_concentration(shell).map(|c| c.ln_bound)
    };
    Ok(row(
        "appendix D, proof of item 6",
        "For shell < 1 the probability in any ball of radius shell decays exponentially in d.",
        [
            measured("ln of a bound on p of any, shell = 0.9, d = 1000", ln_bound(1000, 0.9)?, ""),
            measured("ln of a bound on p of any, shell = 0.9, d = 2000", ln_bound(2000, 0.9)?, ""),
            measured("ln of a bound on p of any, shell = 0.9, d = 3000", ln_bound(3000, 0.9)?, ""),
            measured("ln shell", 0.9f64.ln(), ""),
        ],
        |[first, second, third, per_dim]| {
            let exponential = |fall: f64| fall >= -per_dim * 1000.0;
            Finding::holds_if(exponential(first - second) && exponential(second - third))
        },
        "",
    ))
}

/// Area of a sphere, and what the density jumps by there: the factor that the proof leaves out.
fn proof_of_item7(s: &Setting) -> Result<Row, Error> {
    let ln_area = |dim: u64, radius: f64| {
        (dim as f64).ln() + ln_unit_ball_volume(dim) + (dim - 1) as f64 * radius.ln()
    };
    let (dim, edge) = (s.example.dim(), 1.0 + s.example.shell());
    let ln_term = |dim: u64| -> Result<f64, Error> {
        let example = Setting::at(dim, s.example.shell(), s.goal)?.example;
        let jump = example.data().ln_conditional_density(Class::Zero, Region::Shell) - LN_2;
        Ok(ln_area(dim, edge) + jump)
    };
    Ok(row(
        "appendix D, proof of item 7",
        "The total variation is bounded by a term that depends on areas of spheres of fixed radius, \
         which decrease to zero, so it does, too.",
        [
            measured("ln of the area of the sphere of radius 3, d = 500", ln_area(dim, 3.0), ""),
            measured(
                "ln of the area of the sphere of radius 3, d = 5000",
                ln_area(10 * dim, 3.0),
                "",
            ),
            measured(
                "area of the sphere of radius 1 + shell times the jump, d = 500",
                ln_term(dim)?.exp(),
                "1/length",
            ),
            measured(
                "area of the sphere of radius 1 + shell times the jump, d = 5000",
                ln_term(10 * dim)?.exp(),
                "1/length",
            ),
        ],
        |[area, area_higher, term, term_higher]| {
            Finding::holds_if(area_higher < area && term_higher < term)
        },
        "The areas do fall to zero, but so does the volume C_d that the densities are divided by; \
         the product grows like d.",
    ))
}
