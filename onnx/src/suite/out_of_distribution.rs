//! Out of distribution: how well each statistic tells other data from real, whatever the threshold.

use super::{
    Task,
    detect::Split,
    scored::Scored,
    table::{Place, Table},
};
use crate::{
    detect::Statistic,
    histogram::PairedHistogram,
    model::ModelSpec,
    statistics::{Positive, Ranking, RocPoint, bootstrap_each},
};

/// Resamples behind the intervals of AUPR and of FPR at 95 % TPR.
const ROUNDS: u64 = 1000;
/// Most points that are kept of a ROC curve; a figure shows no more.
const ROC_POINTS: usize = 512;
/// Most bins of the histograms of bits/dim.
const BINS: usize = 100;
/// The true-positive rate at which false positives are stated.
const TPR: f64 = 0.95;

/// One statistic against one other data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Separation {
    /// The other data set.
    pub dataset: String,
    /// The statistic.
    pub statistic: Statistic,
    /// The ROC curve with the real images as positives, thinned evenly to at most 512 of its points.
    pub roc: Vec<RocPoint>,
}

/// Bits/dim of real and of other images on common bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Likelihoods {
    /// The other data set.
    pub dataset: String,
    /// Real images that measure as stream 0, the others as stream 1; those of finite density only.
    pub bits_per_dim: PairedHistogram,
}

/// AUROC with DeLong's interval; AUPR and FPR at 95 % TPR, either group positive, with bootstrap
/// intervals. The real images are those that fit nothing.
pub(super) fn measure(
    table: &mut Table,
    dataset: &str,
    statistic: Statistic,
    (real, split): (&Scored, &Split),
    other: &Scored,
) -> Option<Separation> {
    // What has no value ranks lowest.
    let value = |score| statistic.of(&score).unwrap_or(f64::NEG_INFINITY);
    let inside: Vec<f64> = split.test(real).map(value).collect();
    let outside: Vec<f64> = other.iter().map(value).collect();
    let place = Place::new(dataset, Task::OutOfDistribution).of(statistic.name());
    let n = (inside.len() + outside.len()) as u64;
    let seed = table.seed;
    let mut of = |positive, aupr: &str, fpr: &str| -> Option<Ranking> {
        let ranking = Ranking::new(&inside, &outside, positive)?;
        let both =
            |ranking: &Ranking| [ranking.average_precision(), ranking.fpr_at(TPR).estimate()];
        let [area, rate] = bootstrap_each(&ranking, both, ROUNDS, seed);
        table.push(place, aupr, area, n, "area");
        table.push(place, fpr, rate, n, "share");
        Some(ranking)
    };
    let ranking = of(Positive::In, "aupr_in_positive", "fpr95_in_positive")?;
    of(Positive::Out, "aupr_out_positive", "fpr95_out_positive")?;
    table.push(place, "auroc", ranking.auroc_estimate(), n, "area");
    Some(Separation { dataset: dataset.to_owned(), statistic, roc: thinned(ranking.roc()) })
}

pub(super) fn thinned(roc: Vec<RocPoint>) -> Vec<RocPoint> {
    let last = roc.len() - 1;
    let kept = last.min(ROC_POINTS - 1);
    (0..=kept).map(|place| roc[place * last / kept]).collect()
}

/// The histograms of two groups' bits/dim, from their log p(x).
pub(super) fn histograms(
    spec: &ModelSpec,
    dataset: &str,
    real: impl Iterator<Item = f64>,
    other: impl Iterator<Item = f64>,
) -> Likelihoods {
    let mut bits_per_dim = PairedHistogram::new(BINS);
    let mut fill = |stream, log_p: f64| {
        if log_p.is_finite() {
            bits_per_dim.insert(stream, spec.bits_per_dim(log_p));
        }
    };
    real.for_each(|log_p| fill(0, log_p));
    other.for_each(|log_p| fill(1, log_p));
    Likelihoods { dataset: dataset.to_owned(), bits_per_dim }
}
