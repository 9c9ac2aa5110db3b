//! Sections 3.1 and 3.2: the maximum likelihood objective.

use super::fits::Fits;
use super::published::{CIFAR10, MNIST};
use super::setting::{Setting, ln_class0, mean};
use super::{Finding, Row, close, measured, row, undecidable};
use crate::counterexample::Region;
use crate::error::Error;
use crate::objective::{Decomposition, Information};

/// The share of a likelihood below which the ledger calls a term negligible.
pub(super) const NEGLIGIBLE: f64 = 0.01;

pub(super) fn rows(s: &Setting) -> Result<Vec<Row>, Error> {
    Ok(vec![
        undecidable(
            "section 3.1, first paragraph",
            "Conditional density estimation is reported to give no better, or slightly worse, \
             likelihoods.",
            "A report of other works' experiments.",
        ),
        likelihood_is_forward_kl("section 3.1, above equation 4"),
        equation4(s),
        uniform_labels_cost_log_c()?,
        label_term_is_negligible()?,
        penalty_is_unbounded(s)?,
        benefit_of_the_label(s)?,
        undecidable(
            "section 3.1, last sentence",
            "Naive training of -log p(x|y) typically classifies poorly.",
            "Needs trained models; table 1 reports 56.8 % (CIFAR10) and 96.9 % (MNIST).",
        ),
        likelihood_is_forward_kl("section 3.2, first paragraph"),
        mode_covering(),
        other_data_are_likelier(s),
        undecidable(
            "section 3.2, first paragraph",
            "A model of high accuracy might still see an input with a wrong label as an outlier; in \
             practice it does not.",
            "A hope, and a finding about the trained models (figure 3).",
        ),
        undecidable(
            "section 3.2, second paragraph",
            "Poor outlier detection is inherent in the likelihood objective.",
            "A hypothesis, and the paper says so.",
        ),
    ])
}

fn likelihood_is_forward_kl(place: &'static str) -> Row {
    let fits = Fits::new();
    row(
        place,
        "Maximum likelihood is equivalent to minimising KL(p, p_theta).",
        fits.evidence(),
        |[likelihood, forward, _]| Finding::holds_if(likelihood == forward),
        "",
    )
}

fn equation4(s: &Setting) -> Row {
    let Decomposition { joint, image, label } = Decomposition::new(s.data(), s.model());
    row(
        "section 3.1, equation 4",
        "The negative log-likelihood of (x, y) is that of x plus that of y given x.",
        [
            measured("mean of -ln q(x, y) over p", joint.nats, "nats"),
            measured("mean of -ln q(x)", image.nats, "nats"),
            measured("mean of -ln q(y|x)", label.nats, "nats"),
        ],
        |[joint, image, label]| Finding::holds_if(close(joint, image + label)),
        "",
    )
}

/// By definition, as a mean over labels of any frequency, against the objective's term.
fn uniform_labels_cost_log_c() -> Result<Row, Error> {
    let [objective, _] = CIFAR10.objectives()?;
    let classes = objective.classes() as u32;
    let frequency = |label: u32| f64::from(2 * label) / f64::from(classes * (classes + 1));
    let uniform = -(1.0 / f64::from(classes)).ln();
    Ok(row(
        "section 3.1, below equation 4",
        "With uniform P(y|x) the second term is log C.",
        [
            measured(
                "mean of -ln P(y|x) over labels of unequal frequency, C = 10",
                (1..=classes).map(|label| frequency(label) * uniform).sum(),
                "nats",
            ),
            measured("ln C", objective.uniform_label().nats, "nats"),
        ],
        |[term, ln_c]| Finding::holds_if(close(term, ln_c)),
        "",
    ))
}

fn label_term_is_negligible() -> Result<Row, Error> {
    let ([mnist, _], [cifar10, _]) = (MNIST.objectives()?, CIFAR10.objectives()?);
    Ok(row(
        "section 3.1, below equation 4",
        "log C is negligible beside the likelihood of the image.",
        [
            measured(
                "ln C over the least NLL of table 1, MNIST",
                mnist.share(mnist.uniform_label()),
                "",
            ),
            measured(
                "ln C over the least NLL of table 1, CIFAR10",
                cifar10.share(cifar10.uniform_label()),
                "",
            ),
        ],
        |[mnist, cifar10]| Finding::holds_if(mnist.max(cifar10) < NEGLIGIBLE),
        "",
    ))
}

fn penalty_is_unbounded(s: &Setting) -> Result<Row, Error> {
    let penalty = |dim| -> Result<f64, Error> {
        let example = Setting::at(dim, s.example.shell(), s.goal)?.example;
        Ok(-ln_class0(example.model(), Region::Ball))
    };
    Ok(row(
        "section 3.1, below equation 4",
        "The penalty for a confident mistake can be unbounded.",
        [
            measured("-ln q(0|x) in the unit ball, d = 500", penalty(500)?, "nats"),
            measured("-ln q(0|x) in the unit ball, d = 50000", penalty(50_000)?, "nats"),
            measured("-ln q(0|x) in the unit ball, d = 1000000", penalty(1_000_000)?, "nats"),
        ],
        |[low, middle, high]| Finding::holds_if(middle > 50.0 * low && high > 10.0 * middle),
        "",
    ))
}

/// I(x; y) of the data: what the label is worth to a perfect compressor.
fn benefit_of_the_label(s: &Setting) -> Result<Row, Error> {
    let p = s.data();
    let nats =
        mean(p, |class, region| p.ln_conditional_density(class, region) - p.ln_density(region));
    let [objective, _] = CIFAR10.objectives()?;
    Ok(row(
        "section 3.1, below equation 4",
        "The label saves at most log(C) bits of the code of an image.",
        [
            measured("I(x; y) of the counter-example", Information { nats }.bits(), "bits"),
            measured("log2(C) for its 2 classes", 2f64.log2(), "bits"),
            measured("log2(C) for C = 10, the most", objective.uniform_label().bits(), "bits"),
            measured("log(C), natural as in the likelihood", objective.uniform_label().nats, ""),
        ],
        |[information, two, most, natural]| Finding::graded(information <= two, most <= natural),
        "log2(C) bits, which is log(C) nats.",
    ))
}

fn mode_covering() -> Row {
    let fits = Fits::new();
    row(
        "section 3.2, first paragraph",
        "Maximum likelihood is mode-covering.",
        [
            measured("probability between two modes, data", Fits::middle_of_data(), ""),
            measured(
                "binomial fit of greatest likelihood",
                Fits::middle_of_model(fits.likelihood),
                "",
            ),
            measured(
                "binomial fit of least KL(p_theta, p)",
                Fits::middle_of_model(fits.reverse),
                "",
            ),
        ],
        |[data, likelihood, reverse]| {
            Finding::holds_if(likelihood > 2.0 * data && likelihood > 2.0 * reverse)
        },
        "",
    )
}

fn other_data_are_likelier(s: &Setting) -> Row {
    row(
        "section 3.2, first paragraph",
        "A model trained by likelihood can give data of another kind a higher likelihood.",
        [
            measured(
                "mean of ln q(x) over the data",
                mean(s.data(), |_, region| s.model().ln_density(region)),
                "nats",
            ),
            measured(
                "mean of ln q(x) over the uniform distribution on the unit ball",
                s.model().ln_density(Region::Ball),
                "nats",
            ),
            measured("share of the data in the unit ball", s.ball_mass(), ""),
        ],
        |[data, other, share]| Finding::holds_if(other > data && share < 0.01),
        "",
    )
}
