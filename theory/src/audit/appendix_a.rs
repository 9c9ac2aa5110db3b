//! Appendix A: training conditional generative models with flows.

use super::numeric::{integral, ln_normal};
use super::published::MNIST;
use super::setting::{Setting, ln_joint_density, mean, posterior};
use super::split_prior::SplitPrior;
use super::{Finding, Row, close, measured, row, undecidable};
use crate::counterexample::{Class, Region};
use std::f64::consts::LN_2;

/// Width that appendix B scales the noise of the padding channels to.
const NOISE_WIDTH: f64 = 2.0 / 256.0;

pub(super) fn rows(s: &Setting) -> Vec<Row> {
    vec![
        change_of_variables(),
        coupling_is_invertible(),
        coupling_determinant(),
        joint_and_conditional(s),
        conditional_change_of_variables(),
        bayes_rule_classifies(s),
        undecidable(
            "appendix A.1, last sentences",
            "Optimising log p(x|y) directly classifies poorly, which Nalisnick et al. (2019a) \
             address with a hybrid model.",
            "Needs trained models. The hybrid models are Nalisnick et al. (2019b) in the paper's \
             own list of references.",
        ),
        reweighting(s),
        undecidable(
            "appendix A.2",
            "Reweighting trades likelihood for accuracy unfavourably.",
            "Needs trained models; table 1 reports the trade.",
        ),
        zeros_have_no_density(),
        zero_padded(),
        same_likelihood_with_noise(),
        undecidable(
            "appendix A.3, last sentences",
            "The model may not capture the independence of the padding; likelihoods are very \
             similar but not exactly comparable.",
            "Needs trained models.",
        ),
        undecidable(
            "appendix A.4, first sentences",
            "Likelihood training is bad at the label because few dimensions affect it.",
            "Needs trained models; the size of the effect is a row of section 3.1.",
        ),
        factorisation(),
        logits(),
        logits_alone(),
        rest_given_itself(),
    ]
}

/// One step of a flow on the line, and its derivative.
fn step(x: f64) -> f64 {
    x + x.powi(3)
}

fn slope(x: f64) -> f64 {
    1.0 + 3.0 * x * x
}

/// Integrals of the density of x under a flow of two equal steps to a normal variable with this
/// mean: J_i taken at z_i, and at z_(i-1).
fn flow_masses(mean: f64) -> [f64; 2] {
    let density = |jacobians: fn(f64, f64, f64) -> f64| {
        move |x: f64| {
            let (first, second) = (step(x), step(step(x)));
            ln_normal(second, mean, 1.0).exp() * jacobians(x, first, second)
        }
    };
    let printed = density(|_, first, second| slope(first) * slope(second));
    let mended = density(|x, first, _| slope(x) * slope(first));
    // Beyond 2 the second step is above 1000.
    [integral(printed, -2.0, 2.0), integral(mended, -2.0, 2.0)]
}

fn change_of_variables() -> Row {
    let [printed, mended] = flow_masses(0.0);
    row(
        "appendix A.1, change of variables",
        "log p(x) is log p(z_N) plus the sum over i of log |det J_i(z_i)|.",
        [
            measured("integral of the density, J_i at z_i, flow of two steps", printed, ""),
            measured("integral of the density, J_i at z_(i-1)", mended, ""),
        ],
        |[printed, _]| Finding::holds_if((printed - 1.0).abs() < 1e-6),
        "J_i(z_(i-1)): f_i is applied to z_(i-1), as the text below equation 5 has it.",
    )
}

fn conditional_change_of_variables() -> Row {
    let [printed, mended] = flow_masses(1.0);
    row(
        "appendix A.1, conditional model",
        "log p(x|y) is log p(z_N|y) plus the sum over i of log |det J_i(z_i)|.",
        [
            measured(
                "integral given a class of mean 1, J_i at z_i, flow of two steps",
                printed,
                "",
            ),
            measured("integral given that class, J_i at z_(i-1)", mended, ""),
        ],
        |[printed, _]| Finding::holds_if((printed - 1.0).abs() < 1e-6),
        "J_i(z_(i-1)), as above.",
    )
}

/// Scales and shifts of a coupling layer on one kept and two transformed coordinates.
fn scale(kept: f64) -> [f64; 2] {
    [(kept / 2.0).exp(), -1.0 - kept * kept]
}

fn shift(kept: f64) -> [f64; 2] {
    [kept.sin(), kept]
}

fn affine(scale: f64, shift: f64, x: f64) -> f64 {
    scale * x + shift
}

fn couple([kept, a, b]: [f64; 3]) -> [f64; 3] {
    let ([s, r], [t, u]) = (scale(kept), shift(kept));
    [kept, affine(s, t, a), affine(r, u, b)]
}

fn uncouple([kept, a, b]: [f64; 3]) -> [f64; 3] {
    let ([s, r], [t, u]) = (scale(kept), shift(kept));
    [kept, (a - t) / s, (b - u) / r]
}

const LAYER_INPUT: [f64; 3] = [0.4, -0.7, 1.1];

fn coupling_is_invertible() -> Row {
    let [_, a, b] = uncouple(couple(LAYER_INPUT));
    let with_zero_scale = |x| affine(0.0, shift(LAYER_INPUT[0])[1], x);
    row(
        "appendix A.1, equation 5",
        "The coupling layer is invertible as long as every s_j is nonzero.",
        [
            measured("second coordinate", LAYER_INPUT[1], ""),
            measured("second coordinate, recovered", a, ""),
            measured("third coordinate", LAYER_INPUT[2], ""),
            measured("third coordinate, recovered", b, ""),
            measured("output for 1 with s_j = 0", with_zero_scale(1.0), ""),
            measured("output for 2 with s_j = 0", with_zero_scale(2.0), ""),
        ],
        |[a, a_again, b, b_again, of_1, of_2]| {
            Finding::holds_if(close(a, a_again) && close(b, b_again) && of_1 == of_2)
        },
        "",
    )
}

fn coupling_determinant() -> Row {
    let ln_scales = scale(LAYER_INPUT[0]).map(|s| s.abs().ln());
    row(
        "appendix A.1, below equation 5",
        "log |det J| of the coupling layer is the sum of log |s_j|.",
        [
            measured("ln |det| of central differences", ln_abs_det(couple, LAYER_INPUT), ""),
            measured("sum of ln |s_j|", ln_scales.iter().sum(), ""),
        ],
        // Central differences are good to about the square of their step.
        |[numeric, formula]| Finding::holds_if((numeric - formula).abs() < 1e-8),
        "",
    )
}

/// ln |det| of the Jacobian by central differences.
fn ln_abs_det(f: impl Fn([f64; 3]) -> [f64; 3], x: [f64; 3]) -> f64 {
    const H: f64 = 1e-5;
    let column = |j: usize| {
        let moved = |by: f64| f(std::array::from_fn(|i| if i == j { x[i] + by } else { x[i] }));
        let (up, down) = (moved(H), moved(-H));
        std::array::from_fn::<f64, 3, _>(|i| (up[i] - down[i]) / (2.0 * H))
    };
    let [a, b, c] = [column(0), column(1), column(2)];
    let minor = |i: usize, j: usize| b[i] * c[j] - b[j] * c[i];
    (a[0] * minor(1, 2) + a[1] * minor(2, 0) + a[2] * minor(0, 1)).abs().ln()
}

/// The two objectives of two models, q and p itself.
fn joint_and_conditional(s: &Setting) -> Row {
    let objectives = |model: &crate::Joint| {
        [
            mean(s.data(), |class, region| ln_joint_density(model, class, region)),
            mean(s.data(), |class, region| model.ln_conditional_density(class, region)),
        ]
    };
    let ([joint_q, given_q], [joint_p, given_p]) = (objectives(s.model()), objectives(s.data()));
    row(
        "appendix A.1, conditional model",
        "With p(y) known, maximising log p(x, y) is equivalent to maximising log p(x|y).",
        [
            measured("mean of ln q(x, y), model q", joint_q, "nats"),
            measured("mean of ln q(x|y), model q", given_q, "nats"),
            measured("mean of ln p(x, y), model p", joint_p, "nats"),
            measured("mean of ln p(x|y), model p", given_p, "nats"),
        ],
        |[joint_q, given_q, joint_p, given_p]| {
            Finding::holds_if(close(joint_q - given_q, joint_p - given_p))
        },
        "",
    )
}

fn bayes_rule_classifies(s: &Setting) -> Row {
    let ln_density = |class| s.model().ln_conditional_density(class, Region::Ball);
    let odds = posterior(s.model(), Region::Ball).ln_odds;
    row(
        "appendix A.1, conditional model",
        "At inference one can classify by Bayes' rule.",
        [
            measured(
                "difference of the class log-densities in the unit ball",
                ln_density(Class::Zero) - ln_density(Class::One),
                "nats",
            ),
            measured("ln(q(0|x) / q(1|x)) of Lemma 1", odds, "nats"),
        ],
        |[difference, odds]| Finding::holds_if(close(difference, odds)),
        "",
    )
}

/// Equation 6 divides -log p(x|y) by D; equation 4, with its second term weighted and the whole
/// divided by D, differs from it by the constant log p(y) / D.
fn reweighting(s: &Setting) -> Row {
    let q = s.model();
    let dims = s.dim();
    let ln_label = posterior(q, Region::Ball).ln_class1();
    let equation6 = -q.ln_conditional_density(Class::One, Region::Ball) / dims - ln_label;
    let weight = dims + 1.0;
    let equation4 = (-q.ln_density(Region::Ball) - weight * ln_label) / dims;
    row(
        "appendix A.2",
        "The reweighted objective (equation 6) reweights the label term of equation 4.",
        [
            measured("equation 6 for x in the unit ball, y = 1, D = d", equation6, "nats"),
            measured("equation 4 over D with the label term times D + 1", equation4, "nats"),
            measured("log p(y) / D", -LN_2 / dims, "nats"),
        ],
        |[equation6, equation4, constant]| {
            Finding::holds_if(close(equation6 - constant, equation4))
        },
        "",
    )
}

/// ln density of noise that is uniform on an interval of this width.
fn ln_noise_density(width: f64) -> f64 {
    (1.0 / width).ln()
}

fn zeros_have_no_density() -> Row {
    row(
        "appendix A.3",
        "One cannot pad with zeros, as that is no continuous density.",
        [
            measured(
                "ln density of a padded dimension, noise of width 1",
                ln_noise_density(1.0),
                "nats",
            ),
            measured(
                "ln density of a padded dimension, noise of width 1e-6",
                ln_noise_density(1e-6),
                "nats",
            ),
            measured(
                "ln density of a padded dimension, noise of width 1e-300",
                ln_noise_density(1e-300),
                "nats",
            ),
        ],
        |[unit, narrow, narrower]| {
            Finding::holds_if(narrow > unit + 10.0 && narrower > 10.0 * narrow)
        },
        "",
    )
}

fn zero_padded() -> Row {
    row(
        "appendix A.3",
        "The zero-padded version of the data sets is modelled, with the same true likelihood.",
        [
            measured(
                "ln density of a dimension padded with uniform(0, 1)",
                ln_noise_density(1.0),
                "nats",
            ),
            measured(
                "ln density of a dimension padded with zeros up to 1e-300",
                ln_noise_density(1e-300),
                "nats",
            ),
        ],
        |[_, zeros]| Finding::holds_if(zeros == 0.0),
        "The noise-padded version; zeros have no density, two sentences before. Footnote 1 repeats \
         the slip.",
    )
}

fn same_likelihood_with_noise() -> Row {
    let without_jacobian = ln_noise_density(NOISE_WIDTH);
    row(
        "appendix A.3",
        "Padding with independent noise of unit density leaves the true likelihood as it is.",
        [
            measured(
                "added per padded dimension, uniform(0, 1)",
                ln_noise_density(1.0) / LN_2,
                "bits",
            ),
            measured(
                "added per dimension scaled to [0, 2/256] (appendix B), no Jacobian",
                without_jacobian / LN_2,
                "bits",
            ),
            measured(
                "added over all padded dimensions of MNIST, no Jacobian",
                without_jacobian * MNIST.n_dims as f64,
                "nats",
            ),
            measured(
                "added per dimension scaled to [0, 2/256], with the Jacobian",
                without_jacobian + NOISE_WIDTH.ln(),
                "nats",
            ),
        ],
        |[unit, _, _, with_jacobian]| Finding::holds_if(unit == 0.0 && with_jacobian == 0.0),
        "",
    )
}

const LOGITS: [f64; 2] = [0.9, -0.2];
const REST: f64 = 0.3;

/// The normal joint density of (z_s, z_n) by its covariance, one logit and the rest.
fn factorisation() -> Row {
    let (variance, slope) = (0.25, 0.8);
    let (logit, rest, mean) = (0.9f64, 0.3f64, 1.0f64);
    // Covariance [[variance, slope variance], [slope variance, slope^2 variance + 1]].
    let (a, b, c) = (variance, slope * variance, slope * slope * variance + 1.0);
    let det = a * c - b * b;
    let (x, y) = (logit - mean, rest - slope * mean);
    let quadratic = (c * x * x - 2.0 * b * x * y + a * y * y) / det;
    let joint = -quadratic / 2.0 - det.ln() / 2.0 - std::f64::consts::TAU.ln();
    row(
        "appendix A.4",
        "p(z_s, z_n|y) = p(z_s|y) p(z_n|z_s, y).",
        [
            measured("ln of a normal joint density by its covariance", joint, ""),
            measured("ln p(z_s|y)", ln_normal(logit, mean, variance), ""),
            measured("ln p(z_n|z_s, y)", ln_normal(rest, slope * logit, 1.0), ""),
        ],
        |[joint, logits, rest]| Finding::holds_if(close(joint, logits + rest)),
        "",
    )
}

fn logits() -> Row {
    let ln_odds = |variance| {
        let prior = SplitPrior { variance, label_shift: 0.0 };
        prior.ln_logits(LOGITS, 0) - prior.ln_logits(LOGITS, 1)
    };
    row(
        "appendix A.4",
        "With p(z_s|y) = N(e_y, c I), z_s are the logits.",
        [
            measured("difference of two coordinates of z_s", LOGITS[0] - LOGITS[1], ""),
            measured("log-odds by Bayes' rule, c = 1", ln_odds(1.0), "nats"),
            measured("log-odds by Bayes' rule, c = 1/4", ln_odds(0.25), "nats"),
            measured("1/4 of it", 0.25 * ln_odds(0.25), "nats"),
        ],
        |[difference, unit, quarter, _]| {
            Finding::graded(close(unit, difference), close(quarter, difference))
        },
        "z_s / c are the logits, exactly, so z_s itself for c = 1.",
    )
}

fn logits_alone() -> Row {
    let ln_odds = |label_shift| SplitPrior { variance: 1.0, label_shift }.ln_odds(LOGITS, REST);
    row(
        "appendix A.4",
        "z_s can be treated as the logits of a discriminative model, while z_n depends on y, too.",
        [
            measured("log-odds from z_s alone, c = 1", LOGITS[0] - LOGITS[1], "nats"),
            measured("log-odds of (z_s, z_n), mean of z_n free of y", ln_odds(0.0), "nats"),
            measured("log-odds of (z_s, z_n), mean of z_n moved 1 by y", ln_odds(1.0), "nats"),
        ],
        |[alone, free, moved]| Finding::graded(close(alone, free), close(alone, moved)),
        "They are Bayes' rule for (z_s, z_n) only if p(z_n|z_s, y) does not depend on y; otherwise \
         its log-ratio adds to them.",
    )
}

/// A normal density whose mean is half its own argument.
fn rest_given_itself() -> Row {
    let printed = |rest: f64| ln_normal(rest, rest / 2.0, 1.0).exp();
    let mended =
        |rest: f64| SplitPrior { variance: 1.0, label_shift: 1.0 }.ln_rest(rest, LOGITS, 0).exp();
    let mass = |density: &dyn Fn(f64) -> f64| integral(density, -40.0, 40.0);
    row(
        "appendix A.4, last sentence",
        "p(z_n|z_s, y) is normal with mean and variance a function of y and z_n.",
        [
            measured("integral over z_n with mean z_n / 2", mass(&printed), ""),
            measured("integral over z_n with a mean that depends on z_s", mass(&mended), ""),
        ],
        |[printed, _]| Finding::holds_if((printed - 1.0).abs() < 1e-6),
        "A function of y and z_s; of z_n itself it is no density in general.",
    )
}
