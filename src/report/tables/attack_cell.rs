//! What a row of results.csv is in table 2: the one place that knows the names of attacks.

use crate::report::{
    paper_tables::{Attack, Victim},
    results::Row,
};

/// A number of an attack within a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttackCell<'a> {
    /// Its name in the row.
    pub name: &'a str,
    /// The attack of table 2 that it is, if it is one.
    pub attack: Option<(Attack, Victim)>,
    /// The distance, where the row has one.
    pub epsilon: Option<f64>,
    /// What was counted.
    pub measure: Measure,
}

/// The two numbers of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Attacks that fool the classifier and are accepted by the detector.
    Undetected,
    /// Attacks that fool the classifier.
    Fooled,
}

/// Reads a row of task `attack`. The attack's name stands in the column `attack`, or in
/// `statistic` where there is no such column.
pub fn attack_cell(row: &Row) -> Option<AttackCell<'_>> {
    if row.task != "attack" || row.unit != "share" {
        return None;
    }
    let name = row.attack.as_deref().or(row.statistic.as_deref())?;
    let measure = match row.metric.strip_suffix("_within_epsilon").unwrap_or(&row.metric) {
        "undetected" => Measure::Undetected,
        "fooled" => Measure::Fooled,
        _ => return None,
    };
    let attack = match name {
        "carlini_wagner" => Some((Attack::CarliniWagner, Victim::Classification)),
        "carlini_wagner_aware" => Some((Attack::CarliniWagner, Victim::ClassificationAndDetection)),
        "boundary" => Some((Attack::Boundary, Victim::Classification)),
        "boundary_aware" => Some((Attack::Boundary, Victim::ClassificationAndDetection)),
        _ => None,
    };
    Some(AttackCell { name, attack, epsilon: row.epsilon, measure })
}
