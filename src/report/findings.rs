//! What a run found, in sentences made from its numbers.

use super::{
    labels, paper_tables,
    results::{ModelResults, Row},
    tables::{AttackCell, Measure, Place, at_distance, counterpart},
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
    single.into_iter().flatten().chain(attacks(model, &place)).chain(objective).collect()
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
        "Of other data, the detector on log p(x) takes '{}' for real most often: {} of {} images.",
        worst.dataset,
        shown(worst),
        worst.n
    );
    Some(judged(worst, text))
}

/// Section 4.3, at the paper's distance.
fn attacks(model: &ModelResults, place: &Place) -> Vec<Finding> {
    let cells = at_distance(model, &place.dataset).into_iter();
    let undetected = cells.filter(|(cell, _)| cell.measure == Measure::Undetected);
    let paper = |cell: &AttackCell<'_>| {
        let ((attack, victim), setting) = cell.attack.zip(place.setting())?;
        let (undetected, _) = paper_tables::table2(&place.dataset, attack, victim, setting)?;
        Some(format!(" (the paper: {undetected} %)"))
    };
    let finding = |(cell, row): (AttackCell<'_>, &Row)| {
        let within = |epsilon| format!(" within ε = {}", significant(epsilon, 3));
        let text = format!(
            "{}: {} of {} succeed undetected{}{}.",
            labels::attack(cell.name),
            shown(row),
            row.n,
            cell.epsilon.map(within).unwrap_or_default(),
            paper(&cell).unwrap_or_default()
        );
        judged(row, text)
    };
    undetected.map(finding).collect()
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
    use crate::report::results::samples::{model, row};

    #[test]
    fn a_verdict_needs_the_whole_interval() {
        assert_eq!(Verdict::of_accepted((0.0, 0.499)), Verdict::Noticed);
        assert_eq!(Verdict::of_accepted((0.501, 1.0)), Verdict::Missed);
        assert_eq!(Verdict::of_accepted((0.4, 0.6)), Verdict::Undecided);
        assert_eq!(Verdict::of_accepted((0.5, 0.6)), Verdict::Undecided);
    }

    fn texts(model: &ModelResults) -> Vec<(Option<Verdict>, String)> {
        of(model).into_iter().map(|finding| (finding.verdict, finding.text)).collect()
    }

    #[test]
    fn classification_stands_beside_the_paper_s() {
        let found = texts(&model("a", "MNIST", "-log p(x|y)/D - log p(y|x)"));
        let expected = "Of 10 images of test the model classifies 50.00 % [25.00, 100.00] as they are \
                        labelled, at 2.000 [1.000, 4.000] bits/dim. The paper's counterpart (table 1): \
                        99.0 % at 1.10.";
        assert_eq!(found, [(None, expected.to_owned())]);
        let other = texts(&model("a", "Fashion-MNIST", "unknown"));
        assert!(!other[0].1.contains("paper"), "{other:?}");
    }

    /// The sample's intervals reach from half the value to its double.
    #[test]
    fn who_accepts_midpoints_misses_them_and_who_detects_labels_does_not() {
        let mut fooled = model("a", "CIFAR-10", "unknown");
        let mut add = |task: &str, metric: &str, unit: &str, value| {
            fooled.rows.push(row("a", task, metric, unit, value));
        };
        add("interpolate", "midpoints_accepted", "share", 1.01);
        add("interpolate", "midpoints_likelier", "share", 0.1);
        add("interpolate", "paths_accepted", "share", 0.9);
        add("class_gap", "mislabelled_detected_best_wrong", "share", 0.05);
        add("class_gap", "mean_gap", "nats", 3.0);
        add("objective", "class_share", "share", 0.0004);
        let found = texts(&fooled);
        assert_eq!(found.len(), 4);
        assert_eq!((found[1].0, found[2].0), (Some(Verdict::Missed), Some(Verdict::Missed)));
        assert!(found[1].1.contains("(the paper: 100 %)"), "{}", found[1].1);
        assert!(found[3].1.contains("0.04 %"), "{}", found[3].1);
    }

    #[test]
    fn the_data_that_fools_most_is_named() {
        let mut measured = model("a", "MNIST", "unknown");
        for (dataset, value) in [("test", 0.9), ("noise", 0.0), ("clothes", 0.2)] {
            let row = row("a", "detect", "accepted", "share", value);
            let statistic = Some("marginal".to_owned());
            measured.rows.push(Row { dataset: dataset.to_owned(), statistic, ..row });
        }
        let found = texts(&measured);
        assert_eq!(found[1].0, Some(Verdict::Noticed));
        assert!(found[1].1.contains("'clothes'") && found[1].1.contains("20.00 %"), "{found:?}");
    }

    #[test]
    fn an_attack_is_judged_by_what_passes_undetected() {
        let mut attacked = model("a", "MNIST", "-log p(x|y)/D - log softmax(z_s/c)[y]");
        for (metric, value, epsilon) in
            [("undetected", 0.1, 1.5), ("fooled", 1.0, 1.5), ("undetected", 0.9, 2.0)]
        {
            let row = row("a", "attack", metric, "share", value);
            let attack = Some("carlini_wagner_aware".to_owned());
            attacked.rows.push(Row { attack, epsilon: Some(epsilon), ..row });
        }
        let found = texts(&attacked);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].0, Some(Verdict::Noticed));
        assert!(found[1].1.ends_with("within ε = 1.5 (the paper: 14 %)."), "{found:?}");
    }
}
