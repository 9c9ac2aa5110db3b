//! Appendix D: Proposition 1, item by item.

use crate::audit::setting::{
    self, Setting, class0, false_alarms, joint_divergences, label, least_dim, ln_class0,
};
use crate::audit::wide_shell::best_mass;
use crate::audit::{Finding, Row, close, measured, row};
use crate::counterexample::{Class, CounterExample, Joint, Region, SUPPORT};
use crate::detector::Score;
use crate::error::Error;
use crate::feasibility::Goal;
use crate::log_space::ln_odds;
use crate::variation::{SUPPORT_RADIUS, least_variation};

pub(super) fn rows(s: &Setting) -> Result<Vec<Row>, Error> {
    Ok(vec![
        for_all(s)?,
        order_of_d()?,
        equation18(s)?,
        more_than_a_third(s),
        item1(s),
        item2(s),
        item2_in_words(s),
        item3_model(s),
        item3_in_words(s),
        item3_data(s)?,
        item4(s),
        item5(s),
        undetectable_by_density(s),
        item6(s)?,
        item7(s)?,
        small_perturbation(s)?,
    ])
}

/// As printed at shell = 2 and delta = 0.6; each evaluated at its most favourable dimension.
fn for_all(s: &Setting) -> Result<Row, Error> {
    let confident = Setting::at(500, 0.1, Goal::new(s.goal.kl_epsilon(), 0.6)?)?;
    Ok(row(
        "appendix D, Proposition 1",
        "For all (epsilon, delta, shell) the construction is such a p and q.",
        [
            measured("attackable, shell = 0.9, best d to 1000", best_mass(0.9, &s.goal)?, ""),
            measured("attackable, shell = 2, best d to 1000", best_mass(2.0, &s.goal)?, ""),
            measured(
                "label of p in the ball, delta = 0.6, d = 500",
                label(confident.data(), Region::Ball),
                "",
            ),
            measured("label of p in the shell", label(confident.data(), Region::Shell), ""),
        ],
        |[_, at_2, ball, shell]| Finding::holds_if(at_2 > 1.0 / 3.0 && ball == shell),
        "For all epsilon > 0, 0 < delta < 1/2 and 0 < shell < 1. Larger delta and shell are \
         served by a smaller one of each; see the rows of section 2.",
    ))
}

fn order_of_d() -> Result<Row, Error> {
    let (shell, kl_epsilon) = (0.1f64, 0.01f64);
    let printed = |delta: f64| (delta.ln() - delta.ln_1p() - kl_epsilon.ln()) / shell.ln_1p();
    let corrected = |delta: f64| {
        let sum = -2.0 * ln_odds(delta) - kl_epsilon.ln();
        (sum + sum.ln()) / shell.ln_1p()
    };
    let least = |delta| -> Result<f64, Error> {
        Ok(least_dim(shell, &Goal::new(kl_epsilon, delta)?)? as f64)
    };
    Ok(row(
        "appendix D, Proposition 1",
        "d is of the order (log(delta / (1 + delta)) + log(1 / epsilon)) / log(1 + shell).",
        [
            measured("printed order, delta = 0.01", printed(0.01), ""),
            measured("smallest d found, delta = 0.01", least(0.01)?, ""),
            measured("corrected order, delta = 0.01", corrected(0.01), ""),
            measured("printed order, delta = 1e-9", printed(1e-9), ""),
            measured("smallest d found, delta = 1e-9", least(1e-9)?, ""),
            measured("corrected order, delta = 1e-9", corrected(1e-9), ""),
        ],
        |[printed, least, _, printed_9, least_9, _]| {
            let same_order = |order: f64, dim: f64| order > dim / 10.0 && order < 10.0 * dim;
            Finding::holds_if(same_order(printed, least) && same_order(printed_9, least_9))
        },
        "(s + log s) / log(1 + shell), s = 2 log((1 - delta) / delta) + log(1 / epsilon). The \
         printed logarithm of delta is negative, and falls where d must grow.",
    ))
}

fn equation18(s: &Setting) -> Result<Row, Error> {
    let least = least_dim(s.example.shell(), &s.goal)?;
    let [q_p, p_q] = joint_divergences(&s.example);
    let [q_p_least, p_q_least] =
        joint_divergences(&Setting::at(least, s.example.shell(), s.goal)?.example);
    Ok(row(
        "appendix D, Proposition 1, equation 18",
        "KL(q(x, y), p(x, y)) < epsilon and KL(p(x, y), q(x, y)) < epsilon.",
        [
            measured("KL(q, p), d = 500", q_p, "nats"),
            measured("KL(p, q), d = 500", p_q, "nats"),
            measured("smallest d found", least as f64, ""),
            measured("KL(q, p), smallest d", q_p_least, "nats"),
            measured("KL(p, q), smallest d", p_q_least, "nats"),
            measured("epsilon", s.goal.kl_epsilon(), "nats"),
        ],
        |[q_p, p_q, _, q_p_least, p_q_least, epsilon]| {
            Finding::holds_if([q_p, p_q, q_p_least, p_q_least].into_iter().all(|kl| kl < epsilon))
        },
        "",
    ))
}

fn more_than_a_third(s: &Setting) -> Row {
    row(
        "appendix D, Proposition 1",
        "With probability greater than 1/3 over x from p there is an adversarial example.",
        [
            measured(
                "probability of the shell, (1 - lambda1) / 2",
                s.example.attackable_mass(),
                "",
            ),
            measured("limit", 1.0 / 3.0, ""),
        ],
        |[mass, limit]| Finding::holds_if(mass > limit),
        "",
    )
}

fn item1(s: &Setting) -> Row {
    row(
        "appendix D, Proposition 1, item 1",
        "p and q agree on the label of x, both with probability at least 1 - delta.",
        [
            measured("label of p in the shell", label(s.data(), Region::Shell), ""),
            measured("label of q in the shell", label(s.model(), Region::Shell), ""),
            measured("p(0|x)", class0(s.data(), Region::Shell), ""),
            measured("q(0|x)", class0(s.model(), Region::Shell), ""),
            measured("1 - delta", 1.0 - s.goal.delta(), ""),
        ],
        |[label_p, label_q, p0, q0, confident]| {
            Finding::holds_if(label_p == label_q && p0 >= confident && q0 >= confident)
        },
        "",
    )
}

fn item2(s: &Setting) -> Row {
    row(
        "appendix D, Proposition 1, item 2",
        "y_q(x) differs from the true label of x', and y_q(x') equals it.",
        [
            measured("y_p(x)", label(s.data(), Region::Shell), ""),
            measured("y_q(x)", label(s.model(), Region::Shell), ""),
            measured("y_p(x'), the true label", label(s.data(), Region::Ball), ""),
            measured("y_q(x')", label(s.model(), Region::Ball), ""),
        ],
        |[_, before, truth, after]| Finding::holds_if(before != truth && after == truth),
        "y_q(x') differs from y_q(x), and y_p(x') equals y_p(x): q changes its prediction and p \
         keeps its label. As printed, q is wrong before and right after; with y read as y_q the second \
         half is empty.",
    )
}

fn item2_in_words(s: &Setting) -> Row {
    row(
        "appendix D, Proposition 1, item 2",
        "In words: the prediction changes and the true label does not.",
        [
            measured("y_q(x)", label(s.model(), Region::Shell), ""),
            measured("y_q(x')", label(s.model(), Region::Ball), ""),
            measured("y_p(x)", label(s.data(), Region::Shell), ""),
            measured("y_p(x')", label(s.data(), Region::Ball), ""),
        ],
        |[before, after, truth, truth_after]| {
            Finding::holds_if(before != after && truth == truth_after)
        },
        "",
    )
}

fn item3_model(s: &Setting) -> Row {
    let ln_p0 = ln_class0(s.model(), Region::Ball);
    row(
        "appendix D, Proposition 1, item 3",
        "q(y_q(x')|x') < delta: q is confident in its wrong prediction.",
        [
            measured("q of its own label at x'", -ln_p0.exp_m1(), ""),
            measured("delta", s.goal.delta(), ""),
            measured("ln of q of p's label at x'", ln_p0, ""),
            measured("ln delta", s.goal.delta().ln(), ""),
        ],
        |[own, delta, _, _]| Finding::holds_if(own < delta),
        "q(y_p(x')|x') < delta. A label that is the likelier of two has at least 1/2.",
    )
}

fn item3_in_words(s: &Setting) -> Row {
    row(
        "appendix D, Proposition 1, item 3",
        "In words: the classifier is confident in its wrong prediction.",
        [
            measured("y_p(x')", label(s.data(), Region::Ball), ""),
            measured("y_q(x')", label(s.model(), Region::Ball), ""),
            measured("ln of q of p's label at x'", ln_class0(s.model(), Region::Ball), ""),
            measured("ln delta", s.goal.delta().ln(), ""),
        ],
        |[truth, prediction, ln_q, ln_delta]| {
            Finding::holds_if(prediction != truth && ln_q < ln_delta)
        },
        "",
    )
}

fn item3_data(s: &Setting) -> Result<Row, Error> {
    let (dim, shell) = (s.example.dim(), s.example.shell());
    let halved = setting::example(dim, shell, s.lambda1(), s.lambda2() / 2.0)?;
    Ok(row(
        "appendix D, Proposition 1, item 3",
        "p(y_p(x')|x') > 1 - delta.",
        [
            measured(
                "p of its label at x', lambda2 of the proof",
                class0(s.data(), Region::Ball),
                "",
            ),
            measured("1 - delta", 1.0 - s.goal.delta(), ""),
            measured(
                "p of its label at x', lambda2 halved",
                class0(halved.data(), Region::Ball),
                "",
            ),
            measured(
                "ln of q of p's label at x', lambda2 halved",
                ln_class0(halved.model(), Region::Ball),
                "",
            ),
        ],
        |[proof, confident, _, _]| Finding::holds_if(proof > confident && !close(proof, confident)),
        "At least 1 - delta: for the proof's lambda2 it is an equality. Any smaller lambda2 that \
         keeps condition 2 makes it strict.",
    ))
}

fn item4(s: &Setting) -> Row {
    let (dim, shell) = (s.dim(), s.example.shell());
    // The point of the shell that all but one in a million are closer to the ball than.
    let ln_radius = shell.ln_1p() + (-1e-6 * -(-dim * shell.ln_1p()).exp_m1()).ln_1p() / dim;
    row(
        "appendix D, Proposition 1, item 4",
        "||x - x'|| < shell.",
        [
            measured(
                "distance to the ball that all but 1e-6 of the shell are within",
                ln_radius.exp_m1(),
                "",
            ),
            measured("shell", shell, ""),
            measured("budget left at that distance", shell - ln_radius.exp_m1(), ""),
        ],
        |[_, _, left]| Finding::holds_if(left > 0.0),
        "",
    )
}

fn item5(s: &Setting) -> Row {
    row(
        "appendix D, Proposition 1, item 5",
        "The density q(x') is at least the median density.",
        [
            measured("ln q(x')", s.model().ln_density(Region::Ball), ""),
            measured(
                "ln of the median of q(x), x from p",
                s.model().ln_median_density(s.data()),
                "",
            ),
            measured(
                "ln of the median of q(x), x from q",
                s.model().ln_median_density(s.model()),
                "",
            ),
        ],
        |[density, over_p, over_q]| Finding::holds_if(density >= over_p && density >= over_q),
        "",
    )
}

fn undetectable_by_density(s: &Setting) -> Row {
    row(
        "appendix D, Proposition 1, item 5",
        "A density of at least the median makes the attack undetectable by observing q(x).",
        [
            measured(
                "data rejected with it, lower threshold on q(x)",
                false_alarms(s, Score::Density),
                "",
            ),
            measured(
                "data rejected with it, thresholds on both tails of q(x)",
                false_alarms(s, Score::TwoSided),
                "",
            ),
        ],
        |[lower, both]| Finding::graded(lower >= 0.5, both >= 0.5),
        "By a lower threshold on q(x). An upper one finds it at a false-alarm rate of (lambda1 + \
         lambda2) / 2, as no other x is that dense.",
    )
}

fn item6(s: &Setting) -> Result<Row, Error> {
    Ok(row(
        "appendix D, Proposition 1, item 6",
        "For shell < 1 the probability in any radius ball can be made as small as desired.",
        [
            measured(
                "p of the ball of radius 3 around 0",
                SUPPORT.map(|region| s.data().mass(region)).iter().sum(),
                "",
            ),
            measured(
                "p of the ball of radius 1 + shell around 0",
                s.data().mass(Region::Ball) + s.data().mass(Region::Shell),
                "",
            ),
            measured(
                "ln of a bound on p of any ball of radius shell",
                s.example.data_concentration(s.example.shell())?.ln_bound,
                "",
            ),
        ],
        |[all, inner, _]| Finding::holds_if(all < 1.0 / 3.0 && inner < 1.0 / 3.0),
        "In any ball of radius shell, as the proof has it.",
    ))
}

fn item7(s: &Setting) -> Result<Row, Error> {
    let higher = Setting::at(10 * s.example.dim(), s.example.shell(), s.goal)?;
    let variation = |example: &CounterExample| example.data_variation().ln_marginal.exp();
    let [over, under] = [(s.data(), s.model()), (s.model(), s.data())].map(|(a, b)| excess(a, b));
    Ok(row(
        "appendix D, Proposition 1, item 7",
        "The total variation of the distribution can be made as small as desired.",
        [
            measured("total variation of p(x), d = 500", variation(&s.example), "1/length"),
            measured("total variation of p(x), d = 5000", variation(&higher.example), "1/length"),
            measured(
                "least total variation of any density of radius 3, d = 500",
                least_variation(s.example.dim(), SUPPORT_RADIUS)?,
                "1/length",
            ),
            measured("total variation distance of p and q", (over + under) / 2.0, ""),
        ],
        |[low, high, least, _]| Finding::holds_if(high < low && least < 1.0),
        "It grows like d, and no density of fixed support does better than d over the radius. \
         The total variation distance of p and q is (lambda1 - v) / 2, v = (1 + shell)^-d, and \
         that can be made small.",
    ))
}

/// Probability of a beyond that of b, over the regions of each class.
fn excess(a: &Joint, b: &Joint) -> f64 {
    let classes = [Class::Zero, Class::One].into_iter();
    let cells = classes.flat_map(|class| SUPPORT.map(|region| (class, region)));
    let differences = cells
        .map(|(class, region)| a.ln_mass(class, region).exp() - b.ln_mass(class, region).exp());
    differences.filter(|difference| *difference > 0.0).sum::<f64>() / 2.0
}

fn small_perturbation(s: &Setting) -> Result<Row, Error> {
    Ok(row(
        "appendix D, below Proposition 1",
        "Item 6 excludes that the support lies in a ball of radius shell.",
        [measured(
            "ln of a bound on p of any ball of radius shell",
            s.example.data_concentration(s.example.shell())?.ln_bound,
            "",
        )],
        |[ln_bound]| Finding::holds_if(ln_bound < 0.0),
        "",
    ))
}
