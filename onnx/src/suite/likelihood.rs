//! Likelihood: bits/dim of a data set.

use undetected_theory::Proportion;

use super::{
    Task,
    scored::Scored,
    table::{Place, Table},
};
use crate::statistics;

/// Mean and deciles of bits/dim over the images of finite density, and the share without one.
pub(super) fn measure(table: &mut Table, dataset: &str, scored: &Scored) {
    let place = Place::new(dataset, Task::Likelihood);
    let given_label = bits(table, scored.iter().filter_map(|score| score.log_px_given_label));
    if let Some(mean) = statistics::mean(&given_label) {
        table.push(place, "mean_given_label", mean, given_label.len() as u64, "bits/dim");
    }
    let mut marginal = bits(table, scored.iter().map(|score| score.log_px));
    marginal.sort_by(f64::total_cmp);
    let n = marginal.len() as u64;
    if let Some(mean) = statistics::mean(&marginal) {
        table.push(place, "mean", mean, n, "bits/dim");
    }
    for decile in 1..=9 {
        if let Some(quantile) = statistics::quantile(&marginal, f64::from(decile) / 10.0) {
            table.push(place, format!("decile_{decile}"), quantile, n, "bits/dim");
        }
    }
    let trials = scored.len() as u64;
    table.push_share(place, "not_finite", Proportion { successes: trials - n, trials });
}

fn bits(table: &Table, log_p: impl Iterator<Item = f64>) -> Vec<f64> {
    log_p.filter(|log_p| log_p.is_finite()).map(|log_p| table.spec.bits_per_dim(log_p)).collect()
}
