//! The objective: the two terms of equation 4, and calibration.

use undetected_theory::Proportion;

use super::{
    Task,
    scored::Scored,
    table::{Place, Table},
};
use crate::{
    calibration::Reliability,
    objective::{Objective, uniform_cost},
};

/// E\[-log p(x)\] as a code's length, E\[-log p(y given x)\], their shares, and how right the
/// confidences are.
pub(super) fn measure(
    table: &mut Table,
    dataset: &str,
    scored: &Scored,
    bins: usize,
) -> Reliability {
    let (mut objective, mut reliability) = (Objective::default(), Reliability::new(bins));
    for score in scored.iter() {
        objective.add(&table.spec, &score);
        reliability.add(&score);
    }
    let place = Place::new(dataset, Task::Objective);
    terms(table, place, &objective);
    calibration(table, place, &reliability);
    reliability
}

fn terms(table: &mut Table, place: Place<'_>, objective: &Objective) {
    let (n, classes) = (objective.count(), table.spec.classes.len());
    let terms = [("marginal_term", objective.marginal()), ("class_term", objective.class())];
    for (metric, term) in terms {
        if let Some(term) = term {
            table.push(place, metric, term, n, "nats");
        }
    }
    table.push_exact(place, "class_term_of_uniform", uniform_cost(classes), n, "nats");
    let shares = [
        ("class_share", objective.class_share()),
        ("class_share_of_uniform", objective.uniform_share(classes)),
    ];
    for (metric, share) in shares {
        if let Some(share) = share {
            table.push_exact(place, metric, share, n, "share");
        }
    }
    let lost = objective.not_finite();
    let lost = Proportion { successes: lost, trials: n + lost };
    table.push_share(place, "not_finite", lost);
}

fn calibration(table: &mut Table, place: Place<'_>, reliability: &Reliability) {
    let n: u64 = reliability.bins().iter().map(|bin| bin.count).sum();
    if let Some(error) = reliability.expected_error() {
        table.push_exact(place, "expected_calibration_error", error, n, "share");
        table.push_exact(place, "calibration_bins", reliability.bins().len() as f64, n, "bins");
    }
    let lost = reliability.unclassified();
    let lost = Proportion { successes: lost, trials: n + lost };
    table.push_share(place, "unclassified", lost);
}
