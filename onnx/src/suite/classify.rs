//! Classification: accuracy of argmax p(x, y).

use undetected_theory::Proportion;

use super::{
    Task,
    scored::Scored,
    table::{Place, Table},
};
use crate::classify;

/// The share of labelled images that are predicted as their label.
pub(super) fn measure(table: &mut Table, dataset: &str, scored: &Scored) {
    let (labelled, correct) = classify::count_correct(scored.iter());
    let share = Proportion { successes: correct as u64, trials: labelled as u64 };
    table.push_share(Place::new(dataset, Task::Classify), "accuracy", share);
}
