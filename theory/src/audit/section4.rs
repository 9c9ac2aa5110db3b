//! Section 4.2: the impact of class membership on the likelihood.

use super::published::{CIFAR10, MNIST};
use super::section3::NEGLIGIBLE;
use super::setting::Setting;
use super::{Finding, Row, close, measured, row, undecidable};
use crate::counterexample::{Class, Region};
use crate::error::Error;
use crate::objective::Objective;

pub(super) fn rows(s: &Setting) -> Result<Vec<Row>, Error> {
    let ([mnist, mnist_most], [cifar10, _]) = (MNIST.objectives()?, CIFAR10.objectives()?);
    Ok(vec![
        margin_suffices(&cifar10),
        margin_is_about_6(&cifar10),
        likelihood_is_in_thousands(&cifar10, &mnist, &mnist_most),
        margin_is_negligible(&cifar10, &mnist),
        wrong_pair_is_no_outlier(s, &cifar10)?,
        undecidable(
            "section 4.2, the gap",
            "The gap log p(x|y) - log p(x|y_w) of the trained models is much smaller than the \
             variation of their likelihoods.",
            "Needs the trained models (figure 3).",
        ),
        outlier_needs_confidence(cifar10.classes() as f64),
    ])
}

/// Probability of the leading class when every other logit is lower by the margin, the worst case.
fn probability(objective: &Objective, margin: f64) -> f64 {
    1.0 / (1.0 + (objective.classes() - 1) as f64 * (-margin).exp())
}

fn margin_suffices(objective: &Objective) -> Row {
    let [printed, exact] = [objective.margin_printed().nats, objective.margin().nats];
    row(
        "section 4.2, first paragraph",
        "A logit larger than all others by log(C) + log((1 - delta) / delta) is enough for \
         probability 1 - delta.",
        [
            measured(
                "least probability with the printed margin",
                probability(objective, printed),
                "",
            ),
            measured("1 - delta", 1.0 - objective.delta(), ""),
            measured("printed margin", printed, "nats"),
            measured("exact margin, log(C - 1) + log((1 - delta) / delta)", exact, "nats"),
            measured("least probability with the exact margin", probability(objective, exact), ""),
        ],
        |[probability, wanted, margin, exact, at_exact]| {
            Finding::holds_if(probability >= wanted && margin >= exact && close(at_exact, wanted))
        },
        "",
    )
}

fn margin_is_about_6(objective: &Objective) -> Row {
    let margin = objective.margin_printed();
    row(
        "section 4.2, first paragraph",
        "For C = 10 and delta = 1e-5 the margin is about 6.",
        [
            measured("margin in nats, the unit of the likelihood", margin.nats, "nats"),
            measured("margin in bits", margin.bits(), "bits"),
            measured("margin in decimal digits", margin.digits(), "decimal digits"),
        ],
        |[nats, bits, _]| Finding::holds_if((nats - 6.0).abs() < 0.5 || (bits - 6.0).abs() < 0.5),
        "More than twice that in nats. 6 is the decimal logarithm, which is not the unit of the \
         likelihood that it is compared with.",
    )
}

fn likelihood_is_in_thousands(cifar10: &Objective, least: &Objective, most: &Objective) -> Row {
    row(
        "section 4.2, first paragraph",
        "The likelihood of an image is in the scale of thousands.",
        [
            measured("least NLL of table 1, CIFAR10", cifar10.image().nats, "nats"),
            measured("least NLL of table 1, MNIST", least.image().nats, "nats"),
            measured("largest NLL of table 1, MNIST, nats", most.image().nats, "nats"),
            measured("largest NLL of table 1, MNIST, bits", most.image().bits(), "bits"),
        ],
        |[cifar10, least, _, _]| Finding::graded(cifar10 > 1000.0, least > 1000.0),
        "Thousands of nats for CIFAR10, hundreds for MNIST.",
    )
}

fn margin_is_negligible(cifar10: &Objective, mnist: &Objective) -> Row {
    row(
        "section 4.2, first paragraph",
        "The margin is negligible relative to the likelihood of the image.",
        [
            measured(
                "margin over the least NLL of table 1, CIFAR10",
                cifar10.share(cifar10.margin_printed()),
                "",
            ),
            measured(
                "margin over the least NLL of table 1, MNIST",
                mnist.share(mnist.margin_printed()),
                "",
            ),
            measured("what the ledger calls negligible, below", NEGLIGIBLE, ""),
        ],
        |[cifar10, mnist, limit]| Finding::graded(cifar10 < limit, mnist < limit),
        "For CIFAR10. For MNIST it is some percent. What it must be compared with is the variation \
         of the likelihood, not its size.",
    )
}

/// A margin that suffices bounds the gap from below; the counter-example's model shows that nothing
/// bounds it from above.
fn wrong_pair_is_no_outlier(s: &Setting, objective: &Objective) -> Result<Row, Error> {
    let gap = |dim| -> Result<f64, Error> {
        let model = Setting::at(dim, s.example.shell(), s.goal)?.example.model().clone();
        let ln_density = |class| model.ln_conditional_density(class, Region::Ball);
        Ok(ln_density(Class::One) - ln_density(Class::Zero))
    };
    Ok(row(
        "section 4.2, first paragraph",
        "This means that a confident model cannot detect (x, wrong label) as an outlier: the gap \
         is small.",
        [
            measured("sufficient margin", objective.margin_printed().nats, "nats"),
            measured(
                "gap of the counter-example's model in the unit ball, d = 500",
                gap(500)?,
                "nats",
            ),
            measured(
                "gap of the counter-example's model in the unit ball, d = 1000000",
                gap(1_000_000)?,
                "nats",
            ),
            measured(
                "its density of the wrong label in the shell",
                s.model().ln_conditional_density(Class::One, Region::Shell).exp(),
                "",
            ),
        ],
        |[margin, gap, higher, wrong]| {
            Finding::holds_if(gap <= 2.0 * margin && higher <= 2.0 * margin && wrong > 0.0)
        },
        "The margin is enough for confidence, so it bounds the gap from below. It does not follow \
         that the gap is small: that is a finding about the trained models (figure 3).",
    ))
}

/// On a latent space of D standard normal coordinates, a gap as large as the standard deviation of
/// the log-density.
fn outlier_needs_confidence(classes: f64) -> Row {
    let ln_delta = |spread: f64| (classes - 1.0).ln() - spread;
    row(
        "section 4.2, last sentence",
        "For log p(x|y_w) to be an outlier the prediction must be far more confident than the test \
         error allows to expect.",
        [
            measured(
                "ln delta of a gap of one standard deviation of D latent normals, MNIST",
                ln_delta(MNIST.latent_spread()),
                "",
            ),
            measured("ln of the test error of table 1, MNIST", (1.0 - MNIST.accuracy).ln(), ""),
            measured("ln delta, CIFAR10", ln_delta(CIFAR10.latent_spread()), ""),
            measured("ln of the test error, CIFAR10", (1.0 - CIFAR10.accuracy).ln(), ""),
        ],
        |[mnist, mnist_error, cifar10, cifar10_error]| {
            Finding::holds_if(mnist < 2.0 * mnist_error && cifar10 < 2.0 * cifar10_error)
        },
        "",
    )
}
