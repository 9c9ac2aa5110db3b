//! The class gap: figure 3, and telling mislabelled inputs by their likelihood.

use undetected_theory::Proportion;

use super::{
    Task,
    table::{Place, Table},
};
use crate::{
    class_gap::{ClassGap, GapSample, PairScores},
    error::{Error, Result},
    likelihood::Score,
    model::ModelSpec,
    statistics::{Estimate, Positive, Ranking, bootstrap},
};

/// Resamples behind the interval of what is detected.
const ROUNDS: u64 = 1000;
/// False alarms at which detection of mislabelled inputs is stated.
const FALSE_ALARMS: f64 = 0.05;

/// Fills as the data goes by: 24 bytes an image, for the rankings.
pub(super) struct Collector {
    gap: ClassGap,
    pairs: PairScores,
    spec: ModelSpec,
    seed: u64,
}

impl Collector {
    /// # Errors
    /// [`Error::Setting`] where the model has one class only.
    pub(super) fn new(spec: &ModelSpec, bins: usize, seed: u64) -> Result<Self> {
        if spec.classes.len() < 2 {
            let problem = "has one class; leave out the task class_gap, which compares two";
            return Err(Error::setting(format!("model '{}'", spec.name), problem));
        }
        let (gap, pairs) = (ClassGap::new(bins), PairScores::default());
        Ok(Self { gap, pairs, spec: spec.clone(), seed })
    }

    /// Takes a labelled image in.
    pub(super) fn push(&mut self, score: &Score, log_prob: &[f64]) -> Option<GapSample> {
        let sample = GapSample::new(score.index, score.label?, &self.spec, log_prob, self.seed);
        self.gap.push(&sample);
        self.pairs.push(&self.spec.ln_prior, &sample);
        Some(sample)
    }

    /// Its numbers.
    pub(super) fn finish(self, table: &mut Table, dataset: &str) -> ClassGap {
        let place = Place::new(dataset, Task::ClassGap);
        summary(table, place, &self.gap);
        mislabelled(table, place, "best_wrong", (&self.pairs.label, &self.pairs.best_wrong));
        mislabelled(table, place, "random_wrong", (&self.pairs.label, &self.pairs.random_wrong));
        self.gap
    }
}

fn summary(table: &mut Table, place: Place<'_>, gap: &ClassGap) {
    let n = gap.gap.n;
    let lost = Proportion { successes: gap.not_finite, trials: gap.n };
    table.push_share(place, "not_finite", lost);
    for (metric, moments) in [
        ("log_px_given_label", &gap.given_label),
        ("log_px_given_best_wrong", &gap.given_best_wrong),
        ("gap", &gap.gap),
    ] {
        if let Some(mean) = moments.estimate() {
            table.push(place, format!("mean_{metric}"), mean, n, "nats");
        }
        if let Some(deviation) = moments.standard_deviation() {
            table.push_exact(place, format!("deviation_{metric}"), deviation, n, "nats");
        }
    }
    if let Some(ratio) = gap.gap_in_deviations() {
        table.push_exact(place, "gap_over_deviation", ratio, n, "ratio");
    }
    if let Some(overlap) = gap.histogram.overlap() {
        table.push_exact(place, "overlap", overlap, n, "share");
    }
    if let Some(share) = gap.label_leads() {
        table.push_share(place, "label_leads", share);
    }
}

/// True pairs (x, y) against mislabelled ones by log p(x, y).
///
/// # Numerics
/// Both groups are of the same images, which the intervals take for independent ones: as pairs go up
/// and down together, they are too wide rather than too narrow.
fn mislabelled(table: &mut Table, place: Place<'_>, wrong: &str, (label, other): (&[f64], &[f64])) {
    let Some(ranking) = Ranking::new(label, other, Positive::In) else { return };
    let n = (label.len() + other.len()) as u64;
    let auroc: Estimate = ranking.auroc_estimate();
    table.push(place, format!("mislabelled_auroc_{wrong}"), auroc, n, "area");
    let detected = |ranking: &Ranking| 1.0 - ranking.fpr_at(1.0 - FALSE_ALARMS).estimate();
    let estimate = bootstrap(&ranking, detected, ROUNDS, table.seed);
    table.push(place, format!("mislabelled_detected_{wrong}"), estimate, n, "share");
}
