//! Appendix D: the distributions, Lemmas 1 to 3 and their proofs.

use crate::annulus::Annulus;
use crate::audit::numeric::integral;
use crate::audit::setting::{
    self, Setting, bounds, class0_divergences, joint_divergences, label, label_probability,
    mean_log_ratio, mean_log_ratio_given,
};
use crate::audit::{Evidence, Finding, Row, close, measured, row};
use crate::counterexample::{Class, CounterExample, Joint, Region, SUPPORT};
use crate::error::Error;
use crate::log_space::{ln_1m_exp, ln_1p_exp, ln_add_exp, ln_unit_ball_volume};
use crate::weight::{Lambda2, Weight};

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
            measured("density times volume, p(x|0)", total(s.data(), Class::Zero), ""),
            measured("density times volume, p(x|1)", total(s.data(), Class::One), ""),
            measured("density times volume, q(x|0)", total(s.model(), Class::Zero), ""),
            measured("density times volume, q(x|1)", total(s.model(), Class::One), ""),
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
    let ln_v = -s.example.ln_volume_ratio();
    row(
        "appendix D, below Lemma 1",
        "With lambda1 >> lambda2 >> (1 + shell)^-d the model wrongly switches from 0 to 1 when x \
         moves from the shell into the ball.",
        [
            measured("ln(lambda1 / lambda2)", s.example.ln_lambda1() - s.example.ln_lambda2(), ""),
            measured("ln(lambda2 (1 + shell)^d)", s.example.ln_lambda2() - ln_v, ""),
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
        measured(
            "divergence over least epsilon where lambda1 < (1 + shell)^-d",
            ratio(&dropped),
            "",
        ),
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
            measured("ratio of the two", joints[which] / class0_divergences(&s.example)[which], ""),
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
            measured("printed value, ball", ball, "nats"),
            measured("integral over the shell by quadrature", term(Region::Shell), "nats"),
            measured("printed value, shell", shell, "nats"),
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
            measured("product of the two, as printed", ball * shell, ""),
            measured("sum of the two", ball + shell, "nats"),
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
