//! The captions of the figures, and the footnote to table 1.

use super::setting::{Setting, class0, false_alarms, joint_divergences};
use super::{Finding, Row, measured, row, undecidable};
use crate::counterexample::{Class, Region};
use crate::detector::Score;
use crate::error::Error;
use std::f64::consts::LN_2;

pub(super) fn rows(s: &Setting) -> Result<Vec<Row>, Error> {
    Ok(vec![
        higher_is_likelier(s),
        undecidable(
            "figure 1, caption",
            "Interpolated images are far less likely than real ones for MNIST, likelier for CIFAR10.",
            "Needs the trained models.",
        ),
        bayes_classifier(s),
        almost_optimal(s),
        undetectable(s),
        undecidable(
            "figure 3, caption",
            "Histograms of the likelihood given the right and the leading wrong class.",
            "Needs the trained models.",
        ),
        undecidable(
            "figure 4, caption",
            "Interpolated images are detected by the MNIST model and consistently likelier than \
             true data for the CIFAR10 model.",
            "Needs the trained models.",
        ),
        undecidable(
            "figure 5, caption",
            "The samples of the model trained on BG-MNIST-0 capture digit identity.",
            "Needs the trained model, and a person to look at it.",
        ),
        undecidable(
            "figure 6, caption",
            "On BG-MNIST-0, classification is on par with MNIST and the likelihood fails as for \
             CIFAR10.",
            "Needs the trained models.",
        ),
        undecidable(
            "footnote 1",
            "Zero padded data sets are modelled, as described in section A.4.",
            "A reference, not a number: the padding is described in section A.3, and it is with \
             noise, see there.",
        ),
    ])
}

fn higher_is_likelier(s: &Setting) -> Row {
    let bits_per_dim = |region| -s.model().ln_density(region) / (s.dim() * LN_2);
    row(
        "figure 1, caption",
        "Negative log-likelihood in bits/dim: higher is more likely.",
        [
            measured("ln q(x) in the shell", s.model().ln_density(Region::Shell), "nats"),
            measured("ln q(x) in the unit ball", s.model().ln_density(Region::Ball), "nats"),
            measured("NLL in the shell", bits_per_dim(Region::Shell), "bits/dim"),
            measured("NLL in the unit ball", bits_per_dim(Region::Ball), "bits/dim"),
        ],
        |[ln_shell, ln_ball, shell, ball]| {
            Finding::holds_if((ln_ball > ln_shell) == (ball > shell))
        },
        "Lower is more likely; or the axis is the log-likelihood.",
    )
}

fn bayes_classifier(s: &Setting) -> Row {
    row(
        "figure 2, caption",
        "For lambda1 > lambda2 the Bayes-optimal classifier gives the unit ball class 0.",
        [
            measured("lambda1", s.lambda1(), ""),
            measured("lambda2", s.lambda2(), ""),
            measured("p(0|x) in the unit ball", class0(s.data(), Region::Ball), ""),
        ],
        |[lambda1, lambda2, p0]| Finding::holds_if(lambda1 > lambda2 && p0 > 0.5),
        "",
    )
}

fn almost_optimal(s: &Setting) -> Row {
    let mass = |class| s.data().ln_mass(class, Region::Ball).exp() / 2.0;
    let [q_p, p_q] = joint_divergences(&s.example);
    row(
        "figure 2, caption",
        "The model is almost optimal.",
        [
            measured("error of the model's labels", mass(Class::Zero), ""),
            measured("error of the Bayes-optimal labels", mass(Class::One), ""),
            measured("KL(q, p)", q_p, "nats"),
            measured("KL(p, q)", p_q, "nats"),
        ],
        |[model, bayes, q_p, p_q]| {
            Finding::holds_if(model - bayes < 0.01 && q_p < 0.01 && p_q < 0.01)
        },
        "",
    )
}

fn undetectable(s: &Setting) -> Row {
    row(
        "figure 2, caption",
        "The model can be fooled with undetectable adversarial examples.",
        [
            measured("probability of an attackable point", s.example.attackable_mass(), ""),
            measured(
                "data rejected with the attacks, lower threshold on q(x)",
                false_alarms(s, Score::Density),
                "",
            ),
            measured(
                "data rejected with the attacks, thresholds on both tails of q(x)",
                false_alarms(s, Score::TwoSided),
                "",
            ),
        ],
        |[mass, lower, both]| Finding::graded(mass > 1.0 / 3.0 && lower >= 0.5, both >= 0.5),
        "Undetectable by a lower threshold on the density; an upper one finds them.",
    )
}
