//! What a run found, in sentences made from its numbers.

use super::{
    labels, paper_tables,
    results::{ModelResults, Row},
    tables::{Measure, Place, attack_cell, counterpart},
};
use crate::output::{self, significant};

/// A sentence, and whether the model noticed that it was being fooled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where the sentence is an answer to that.
    pub verdict: Option<Verdict>,
    /// The sentence.
    pub text: String,
}

/// Whether most of what should be rejected is, at 99 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// More than half is rejected.
    Noticed,
    /// More than half is accepted.
    Missed,
    /// The interval holds one half.
    Undecided,
}

impl Verdict {
    /// By the share that is accepted.
    fn of_accepted((low, high): (f64, f64)) -> Self {
        match (high < 0.5, low > 0.5) {
            (true, _) => Self::Noticed,
            (_, true) => Self::Missed,
            _ => Self::Undecided,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noticed => "noticed",
            Self::Missed => "missed",
            Self::Undecided => "undecided",
        }
    }
}

/// What the numbers of a model say.
pub fn of(model: &ModelResults) -> Vec<Finding> {
    let place = Place::of(&model.record);
    let single = [
        classification(model, &place),
        interpolation(model, &place),
        wrong_labels(model),
        other_data(model),
    ];
    let objective = objective(model);
    single.into_iter().flatten().chain(attacks(model)).chain(objective).collect()
}

fn shown(row: &Row) -> String {
    let unit = if row.unit == "share" { " %" } else { "" };
    let (value, interval) = output::estimate_parts(&row.unit, row.value, row.interval());
    interval.map_or(format!("{value}{unit}"), |interval| format!("{value}{unit} {interval}"))
}

fn plain(text: String) -> Finding {
    Finding { verdict: None, text }
}

/// A share that is accepted of what should be rejected.
fn judged(row: &Row, text: String) -> Finding {
    Finding { verdict: row.interval().map(Verdict::of_accepted), text }
}

fn classification(model: &ModelResults, place: &Place) -> Option<Finding> {
    let (accuracy, bits) = (model.accuracy()?, model.bits_per_dim());
    let bits = bits.map_or(String::new(), |row| format!(" at {} bits/dim", shown(row)));
    let paper = counterpart(place).map_or(String::new(), |(table, printed)| {
        let (accuracy, bits) = (printed.accuracy, printed.bits_per_dim);
        format!(" The paper's counterpart ({table}): {accuracy} % at {bits}.")
    });
    Some(plain(format!(
        "Of {} images of {} the model classifies {} as they are labelled,{bits}.{paper}",
        accuracy.n,
        accuracy.dataset,
        shown(accuracy)
    )))
}

/// Section 4.4.
fn interpolation(model: &ModelResults, place: &Place) -> Option<Finding> {
    let get = |metric: &str| model.get("interpolate", metric, "share");
    let (midpoints, likelier) = (get("midpoints_accepted")?, get("midpoints_likelier")?);
    let paper = paper_tables::accepted_paths(&place.dataset)
        .map_or(String::new(), |share| format!(" (the paper: {share} %)"));
    let paths = get("paths_accepted").map_or(String::new(), |row| {
        format!(" Accepted from end to end are {} of the paths{paper}.", shown(row))
    });
    let text = format!(
        "Of {} images halfway between two classes {} pass for real, and {} are likelier than both real \
         images that they are made of.{paths}",
        midpoints.n,
        shown(midpoints),
        shown(likelier)
    );
    Some(judged(midpoints, text))
}

/// Section 4.2.
fn wrong_labels(model: &ModelResults) -> Option<Finding> {
    let detected = model.get("class_gap", "mislabelled_detected_best_wrong", "share")?;
    let gap = model.get("class_gap", "mean_gap", "nats")?;
    let ratio =
        model.get("class_gap", "gap_over_deviation", "ratio").map_or(String::new(), |row| {
            format!(", {} times the deviation of log p(x | label)", significant(row.value, 3))
        });
    let text = format!(
        "Of images under their best wrong label {} are detected at 5 % false alarms. The right label is \
         worth {} nats{ratio}.",
        shown(detected),
        shown(gap)
    );
    let accepted = detected.interval().map(|(low, high)| (1.0 - high, 1.0 - low));
    Some(Finding { verdict: accepted.map(Verdict::of_accepted), text })
}

/// The data that fools the detector on log p(x) most.
fn other_data(model: &ModelResults) -> Option<Finding> {
    let others = model.datasets();
    let others = others.iter().filter(|name| **name != model.record.measured_on);
    let accepted =
        others.filter_map(|name| model.find(name, "detect", Some("marginal"), "accepted", "share"));
    let worst = accepted.max_by(|one, other| one.value.total_cmp(&other.value))?;
    let text = format!(
        "Of other data, the detector on log p(x) takes {} for real most often: {} of {} images.",
        worst.dataset,
        shown(worst),
        worst.n
    );
    Some(judged(worst, text))
}

/// Section 4.3.
fn attacks(model: &ModelResults) -> impl Iterator<Item = Finding> {
    let cells = model.rows.iter().filter_map(|row| Some((attack_cell(row)?, row)));
    cells.filter(|(cell, _)| cell.measure == Measure::Undetected).map(|(cell, row)| {
        let within = cell
            .epsilon
            .map_or(String::new(), |epsilon| format!(" within ε = {}", significant(epsilon, 3)));
        let name = labels::attack(cell.name);
        judged(row, format!("{name}: {} of {} succeed undetected{within}.", shown(row), row.n))
    })
}

/// Equation 4.
fn objective(model: &ModelResults) -> Option<Finding> {
    let share = model.get("objective", "class_share", "share")?;
    let per_cent = significant(100.0 * share.value, 2);
    Some(plain(format!(
        "What the label costs is {per_cent} % of the objective: maximum likelihood has hardly a reason to \
         learn it (equation 4)."
    )))
    .filter(|_| share.value < 0.01)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_needs_the_whole_interval() {
        assert_eq!(Verdict::of_accepted((0.0, 0.499)), Verdict::Noticed);
        assert_eq!(Verdict::of_accepted((0.501, 1.0)), Verdict::Missed);
        assert_eq!(Verdict::of_accepted((0.4, 0.6)), Verdict::Undecided);
        assert_eq!(Verdict::of_accepted((0.5, 0.6)), Verdict::Undecided);
    }
}
