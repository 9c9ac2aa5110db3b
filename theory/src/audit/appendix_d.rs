//! Appendix D: the analytical counter-example, its lemmas and Proposition 1.

use super::numeric::{integral, sign_change};
use super::setting::{
    self, Setting, bounds, class0, class0_divergences, false_alarms, joint_divergences, label,
    label_probability, least_dim, ln_class0, mean_log_ratio, mean_log_ratio_given,
};
use super::wide_shell::best_mass;
use super::{Evidence, Finding, Row, close, measured, row};
use crate::annulus::Annulus;
use crate::counterexample::{Class, CounterExample, Joint, Region, SUPPORT};
use crate::detector::Score;
use crate::error::Error;
use crate::feasibility::{Goal, Window};
use crate::log_space::{ln_1m_exp, ln_1p_exp, ln_add_exp, ln_odds, ln_unit_ball_volume};
use crate::variation::{SUPPORT_RADIUS, least_variation};
use crate::weight::{Lambda2, Weight};
use std::f64::consts::LN_2;

/// Where the lemmas' integrals are done by quadrature: nothing cancels or underflows there.
const MODERATE: (u64, f64, f64, f64) = (20, 0.1, 0.2, 0.002);

pub(super) fn rows(s: &Setting) -> Result<Vec<Row>, Error> {
    let moderate = setting::example(MODERATE.0, MODERATE.1, MODERATE.2, MODERATE.3)?;
    Ok(vec![
        distributions(s)?,
        density_of_an_annulus(s)?,
        lemma1_data(s),
        lemma1_model(s),
        model_switches(s),
        lemma2()?,
        chain_rule(s),
        joint_is_class0("appendix D, proof of Lemma 2", s, 0),
        equations_13_and_14(&moderate),
        equation15(&moderate),
        lemma3()?,
        joint_is_class0("appendix D, proof of Lemma 3", s, 1),
        equations_16_and_17(&moderate),
        equation17_bound(&moderate),
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

/// Every conditional density times the volumes of its regions.
fn distributions(s: &Setting) -> Result<Row, Error> {
    let annuli = [
        Annulus::new(s.example.dim(), 0.0, 1.0)?,
        Annulus::with_shell(s.example.dim(), s.example.shell(), false)?,
        Annulus::new(s.example.dim(), 2.0, 3.0)?,
    ];
    let total = |joint: &Joint, class| -> f64 {
        let regions = SUPPORT.into_iter().zip(&annuli);
        regions
            .map(|(region, annulus)| {
                (joint.ln_conditional_density(class, region) + annulus.ln_volume()).exp()
            })
            .sum()
    };
    Ok(row(
        "appendix D, equations 7 to 10",
        "p(x|0), p(x|1), q(x|0) and q(x|1) are distributions.",
        [
            measured("density of p(x|0) times volume, summed", total(s.data(), Class::Zero), ""),
            measured("the same of p(x|1)", total(s.data(), Class::One), ""),
            measured("of q(x|0)", total(s.model(), Class::Zero), ""),
            measured("of q(x|1)", total(s.model(), Class::One), ""),
        ],
        |totals| Finding::holds_if(totals.into_iter().all(|total| close(total, 1.0))),
        "",
    ))
}

/// The integral of the density over the norm, a sphere of radius r having the area d C_d r^(d-1).
fn density_of_an_annulus(s: &Setting) -> Result<Row, Error> {
    let mass = |dim: u64, inner: f64, outer: f64| -> Result<f64, Error> {
        let annulus = Annulus::new(dim, inner, outer)?;
        let ln_sphere = (dim as f64).ln() + ln_unit_ball_volume(dim);
        let at = |r: f64| (annulus.ln_pdf(r.ln()) + ln_sphere + (dim - 1) as f64 * r.ln()).exp();
        // The logarithm of an end may round to outside the annulus.
        Ok(integral(at, inner.next_up(), outer.next_down()))
    };
    let dim = s.example.dim();
    Ok(row(
        "appendix D, proof of Lemma 1",
        "The density of U(a, b) is 1 / (C_d (b^d - a^d)), with C_d the volume of the unit ball.",
        [
            measured("integral of U(1, 1.1), d = 3", mass(3, 1.0, 1.1)?, ""),
            measured("integral of U(1, 1.1), d = 500", mass(dim, 1.0, 1.1)?, ""),
            measured("integral of U(2, 3), d = 500", mass(dim, 2.0, 3.0)?, ""),
        ],
        |masses| Finding::holds_if(masses.into_iter().all(|mass| (mass - 1.0).abs() < 1e-6)),
        "",
    ))
}

/// ln P(0|x) in the unit ball from the two class densities.
fn ln_bayes(joint: &Joint) -> f64 {
    let ln_density = |class| joint.ln_conditional_density(class, Region::Ball);
    ln_density(Class::Zero) - ln_add_exp(ln_density(Class::Zero), ln_density(Class::One))
}

fn lemma1_data(s: &Setting) -> Row {
    row(
        "appendix D, Lemma 1, equation 11",
        "p(0|x) = lambda1 / (lambda1 + lambda2) for ||x|| < 1.",
        [
            measured("formula", s.lambda1() / (s.lambda1() + s.lambda2()), ""),
            measured("Bayes' rule on the densities", ln_bayes(s.data()).exp(), ""),
        ],
        |[formula, bayes]| Finding::holds_if(close(formula, bayes)),
        "",
    )
}

fn lemma1_model(s: &Setting) -> Row {
    let formula = -ln_1p_exp(s.example.ln_lambda2() + s.example.ln_volume_ratio());
    row(
        "appendix D, Lemma 1, equation 12",
        "q(0|x) = 1 / (1 + lambda2 (1 + shell)^d) for ||x|| < 1.",
        [
            measured("ln of the formula", formula, ""),
            measured("ln of Bayes' rule on the densities", ln_bayes(s.model()), ""),
        ],
        |[formula, bayes]| Finding::holds_if(close(formula, bayes)),
        "",
    )
}

fn model_switches(s: &Setting) -> Row {
    let v = -s.example.ln_volume_ratio();
    row(
        "appendix D, below Lemma 1",
        "With lambda1 >> lambda2 >> (1 + shell)^-d the model wrongly switches from 0 to 1 when x \
         moves from the shell into the ball.",
        [
            measured("ln(lambda1 / lambda2)", s.example.ln_lambda1() - s.example.ln_lambda2(), ""),
            measured("ln(lambda2 (1 + shell)^d)", s.example.ln_lambda2() - v, ""),
            measured("label of q in the shell", label(s.model(), Region::Shell), ""),
            measured("label of q in the unit ball", label(s.model(), Region::Ball), ""),
            measured("label of p in the unit ball", label(s.data(), Region::Ball), ""),
        ],
        |[_, _, before, after, right]| {
            Finding::holds_if(before == 0.0 && after == 1.0 && right == 0.0)
        },
        "",
    )
}

/// Counter-examples that meet the first hypothesis of both lemmas, from one dimension to many.
fn grid() -> Result<Vec<CounterExample>, Error> {
    let mut examples = Vec::new();
    for dim in [1, 2, 5, 20, 100, 500, 10_000] {
        for shell in [0.001, 0.1, 0.5, 0.9] {
            let ln_v = -(dim as f64) * f64::ln_1p(shell);
            for share in [0.01, 0.5, 0.99] {
                // From just above (1 + shell)^-d, share = 1, to just below 1, share = 0.
                let lambda1 = Weight::Ln(share * ln_v);
                let lambda2 = Lambda2::Given(Weight::Value(0.1));
                examples.push(CounterExample::new(dim, shell, lambda1, lambda2)?);
            }
        }
    }
    Ok(examples)
}

/// The ratios of a lemma's joint divergence to its bound, the least epsilon that its hypotheses
/// admit: at most 1 if the lemma holds.
fn lemma_evidence(which: usize) -> Result<[Evidence; 3], Error> {
    // lambda1 = 0.1 in R^2 with a shell of 0.5, where (1 + shell)^-d = 4/9.
    let dropped = setting::example(2, 0.5, 0.1, 0.01)?;
    let ratio =
        |example: &CounterExample| joint_divergences(example)[which] / bounds(example)[which];
    let ratios: Vec<f64> = grid()?.iter().map(ratio).collect();
    let largest = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok([
        measured("settings evaluated", ratios.len() as f64, ""),
        measured("largest divergence over least epsilon", largest, ""),
        measured("the same where lambda1 < (1 + shell)^-d", ratio(&dropped), ""),
    ])
}

fn lemma2() -> Result<Row, Error> {
    Ok(row(
        "appendix D, Lemma 2",
        "If lambda1 > (1 + shell)^-d and lambda1 < 1 - exp(-epsilon), then KL(q(x, y), p(x, y)) <= \
         epsilon.",
        lemma_evidence(0)?,
        |[settings, largest, _]| Finding::holds_if(settings > 0.0 && largest <= 1.0),
        "",
    ))
}

fn lemma3() -> Result<Row, Error> {
    Ok(row(
        "appendix D, Lemma 3",
        "If 1 > lambda1 > (1 + shell)^-d and lambda1 < epsilon / (d log(1 + shell)), then \
         KL(p(x, y), q(x, y)) <= epsilon.",
        lemma_evidence(1)?,
        |[settings, largest, _]| Finding::holds_if(settings > 0.0 && largest <= 1.0),
        "",
    ))
}

fn chain_rule(s: &Setting) -> Row {
    let (q, p) = (s.model(), s.data());
    let of_labels: f64 = [Class::Zero, Class::One]
        .map(|y| label_probability(q, y) * (label_probability(q, y) / label_probability(p, y)).ln())
        .iter()
        .sum();
    row(
        "appendix D, proof of Lemma 2",
        "Chain rule: KL of (x, y) is KL of y plus the mean over y of KL of x given y.",
        [
            measured("KL(q, p) of (x, y)", mean_log_ratio(q, p), "nats"),
            measured("KL of y", of_labels, "nats"),
            measured("KL of x given y = 0", mean_log_ratio_given(q, p, Class::Zero), "nats"),
            measured("KL of x given y = 1", mean_log_ratio_given(q, p, Class::One), "nats"),
            measured("p(y = 0)", label_probability(q, Class::Zero), ""),
        ],
        |[joint, labels, given_0, given_1, prior]| {
            let chained = labels + prior * given_0 + (1.0 - prior) * given_1;
            // The means cancel logarithms of the order of d.
            Finding::holds_if((joint / chained - 1.0).abs() < 1e-6)
        },
        "",
    )
}

fn joint_is_class0(place: &'static str, s: &Setting, which: usize) -> Row {
    let joints = [mean_log_ratio(s.model(), s.data()), mean_log_ratio(s.data(), s.model())];
    row(
        place,
        "The divergence of the joint distributions equals that of x given y = 0.",
        [
            measured("divergence of (x, y)", joints[which], "nats"),
            measured("divergence of x given y = 0", class0_divergences(&s.example)[which], "nats"),
            measured("their ratio", joints[which] / class0_divergences(&s.example)[which], ""),
        ],
        |[joint, class0, _]| Finding::holds_if((joint / class0 - 1.0).abs() < 1e-6),
        "It is half of it: the mean over y has p(y = 0) = 1/2. The lemmas stay true and could \
         promise epsilon / 2.",
    )
}

/// The integral of `density` ln(`density` / `other`) over the norms from `inner` to `outer`, both
/// densities constant there and given by their logarithms relative to the unit ball's.
fn log_ratio_integral(
    example: &CounterExample,
    [inner, outer]: [f64; 2],
    density: f64,
    other: f64,
) -> f64 {
    let dim = example.dim() as f64;
    let at = |r: f64| dim * r.powf(dim - 1.0) * density.exp() * (density - other);
    integral(at, inner, outer)
}

/// ln of (p(x|0), q(x|0)) relative to the unit ball's uniform density, straight from equations 7
/// and 9.
fn printed_densities(example: &CounterExample, region: Region) -> [f64; 2] {
    let ln_ratio = example.ln_volume_ratio();
    match region {
        Region::Ball => [example.ln_lambda1(), -ln_ratio],
        _ => [example.ln_complement1() - ln_ratio.exp_m1().ln(), -ln_ratio],
    }
}

fn radii(example: &CounterExample, region: Region) -> [f64; 2] {
    if region == Region::Ball { [0.0, 1.0] } else { [1.0, 1.0 + example.shell()] }
}

fn equations_13_and_14(example: &CounterExample) -> Row {
    let term = |region| {
        let [p, q] = printed_densities(example, region);
        log_ratio_integral(example, radii(example, region), q, p)
    };
    let ln_v = -example.ln_volume_ratio();
    let ball = -ln_v.exp() * (example.ln_lambda1() - ln_v);
    let shell = ln_1m_exp(ln_v).exp() * (ln_1m_exp(ln_v) - example.ln_complement1());
    row(
        "appendix D, equations 13 to 15",
        "KL(q(x|0), p(x|0)) is the sum of two integrals with the printed values.",
        [
            measured(
                "integral over the ball by quadrature, d = 20, lambda1 = 0.2",
                term(Region::Ball),
                "nats",
            ),
            measured("printed value", ball, "nats"),
            measured("integral over the shell by quadrature", term(Region::Shell), "nats"),
            measured("printed value", shell, "nats"),
            measured(
                "KL(q(x|0), p(x|0)) by its rearranged closed form",
                class0_divergences(example)[0],
                "nats",
            ),
        ],
        |[ball, ball_printed, shell, shell_printed, kl]| {
            Finding::holds_if(
                (ball - ball_printed).abs() < 1e-8
                    && (shell - shell_printed).abs() < 1e-8
                    && (ball_printed + shell_printed - kl).abs() < 1e-12,
            )
        },
        "",
    )
}

fn equation15(example: &CounterExample) -> Row {
    let ln_v = -example.ln_volume_ratio();
    row(
        "appendix D, equation 15",
        "Under the hypotheses, KL(q(x|0), p(x|0)) <= log(1 / (1 - lambda1)) < epsilon.",
        [
            measured("lambda1 over (1 + shell)^-d", (example.ln_lambda1() - ln_v).exp(), ""),
            measured(
                "KL(q(x|0), p(x|0)), d = 20, lambda1 = 0.2",
                class0_divergences(example)[0],
                "nats",
            ),
            measured("log(1 / (1 - lambda1))", bounds(example)[0], "nats"),
        ],
        |[ratio, kl, bound]| Finding::holds_if(ratio > 1.0 && kl < bound),
        "",
    )
}

fn forward_terms(example: &CounterExample) -> [f64; 2] {
    [Region::Ball, Region::Shell].map(|region| {
        let [p, q] = printed_densities(example, region);
        log_ratio_integral(example, radii(example, region), p, q)
    })
}

fn equations_16_and_17(example: &CounterExample) -> Row {
    let [ball, shell] = forward_terms(example);
    row(
        "appendix D, equations 16 and 17",
        "KL(p(x|0), q(x|0)) is the one integral next to the other, no sign between them.",
        [
            measured("integral over the ball by quadrature, d = 20, lambda1 = 0.2", ball, "nats"),
            measured("integral over the shell by quadrature", shell, "nats"),
            measured("their product, as printed", ball * shell, ""),
            measured("their sum", ball + shell, "nats"),
            measured(
                "KL(p(x|0), q(x|0)) by its rearranged closed form",
                class0_divergences(example)[1],
                "nats",
            ),
        ],
        |[_, _, product, _, kl]| Finding::holds_if((product - kl).abs() < 1e-8),
        "A plus sign is missing between the two integrals.",
    )
}

fn equation17_bound(example: &CounterExample) -> Row {
    row(
        "appendix D, equation 17",
        "Under the hypotheses, KL(p(x|0), q(x|0)) <= lambda1 d log(1 + shell) < epsilon.",
        [
            measured(
                "KL(p(x|0), q(x|0)), d = 20, lambda1 = 0.2",
                class0_divergences(example)[1],
                "nats",
            ),
            measured("lambda1 d log(1 + shell)", bounds(example)[1], "nats"),
        ],
        |[kl, bound]| Finding::holds_if(kl < bound),
        "",
    )
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
            measured("smallest d found", least(0.01)?, ""),
            measured("corrected order", corrected(0.01), ""),
            measured("printed order, delta = 1e-9", printed(1e-9), ""),
            measured("smallest d found", least(1e-9)?, ""),
            measured("corrected order", corrected(1e-9), ""),
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
            measured("KL(q, p) there", q_p_least, "nats"),
            measured("KL(p, q) there", p_q_least, "nats"),
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
            measured("the limit", 1.0 / 3.0, ""),
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
            measured("ln of q of p's label there", ln_class0(halved.model(), Region::Ball), ""),
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
            measured("budget left there", shell - ln_radius.exp_m1(), ""),
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
        "That makes the attack undetectable by observing q(x).",
        [
            measured(
                "data rejected by a lower threshold on q(x) that detects it",
                false_alarms(s, Score::Density),
                "",
            ),
            measured("by thresholds on both tails of q(x)", false_alarms(s, Score::TwoSided), ""),
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
            measured("the same, d = 5000", variation(&higher.example), "1/length"),
            measured(
                "least of any density of radius 3, d = 500",
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
            measured("condition 2 and 4: above", least, ""),
            measured("condition 3: at most", -(-kl_epsilon).exp_m1(), ""),
            measured("condition 5: below", kl_epsilon / ln_ratio, ""),
            measured("probability of an attackable point there", example.attackable_mass(), ""),
            measured("the same at the default", s.example.attackable_mass(), ""),
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
        "It supersedes condition 4, lambda1 > (1 + shell)^-d, when delta < 1/2.",
        [
            measured("((1 - delta) / delta)^2, delta = 0.01", ratio(0.01), ""),
            measured("delta = 0.499", ratio(0.499), ""),
            measured("delta = 0.501", ratio(0.501), ""),
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
            measured("1 - exp(-epsilon)", limit(0.01), ""),
            measured("epsilon / 2, epsilon = 1.8", 1.8 / 2.0, ""),
            measured("1 - exp(-epsilon)", limit(1.8), ""),
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
            measured("of these, no lambda1 meets every condition", f64::from(open_but_empty), ""),
            measured(
                "left of equation 19, d = 1, shell = 0.5, delta = 0.45, epsilon = 0.5",
                (-2.0 * ln_odds(goal.delta()) - ln_ratio).exp(),
                "",
            ),
            measured("right of it", goal.kl_epsilon() / ln_ratio, ""),
            measured("condition 3 there: lambda1 at most", -(-goal.kl_epsilon()).exp_m1(), ""),
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
            measured("ln of right over left side, one below the smallest d", width(least - 1)?, ""),
            measured("at the smallest d", width(least)?, ""),
            measured("at ten times that d", width(10 * least)?, ""),
            measured("at d = 1000000", width(1_000_000)?, ""),
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
            measured("ln of a bound on it, shell = 0.9, d = 1000", ln_bound(1000, 0.9)?, ""),
            measured("the same, d = 2000", ln_bound(2000, 0.9)?, ""),
            measured("the same, d = 3000", ln_bound(3000, 0.9)?, ""),
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
            measured("the same, d = 5000", ln_area(10 * dim, 3.0), ""),
            measured(
                "area of the outer sphere of the shell times the jump there, d = 500",
                ln_term(dim)?.exp(),
                "1/length",
            ),
            measured("the same, d = 5000", ln_term(10 * dim)?.exp(), "1/length"),
        ],
        |[area, area_higher, term, term_higher]| {
            Finding::holds_if(area_higher < area && term_higher < term)
        },
        "The areas do fall to zero, but so does the volume C_d that the densities are divided by; \
         the product grows like d.",
    ))
}
