//! What figures draw, as rows of files.

use serde::Serialize;

use super::{Attacked, Outcome};
use crate::{
    detect::StatisticKind,
    histogram::PairedHistogram,
    interpolate::{AtAlpha, Band},
    record::AttackRow,
    statistics::{CONFIDENCE, RocPoint},
};

/// All paths at one alpha. Ends of a mean's interval are `_low` and `_high`, the 5 % and 95 %
/// quantiles over paths `_q05` and `_q95`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)] // one quantity after the other, in five columns each
pub struct PathCurveRow {
    pub model: String,
    pub dataset: String,
    pub alpha: f64,
    pub paths: u64,
    pub not_finite: u64,
    pub accepted_share: f64,
    pub accepted_share_low: f64,
    pub accepted_share_high: f64,
    pub bits_per_dim: Option<f64>,
    pub bits_per_dim_low: Option<f64>,
    pub bits_per_dim_high: Option<f64>,
    pub bits_per_dim_q05: Option<f64>,
    pub bits_per_dim_q95: Option<f64>,
    pub p_class_0: Option<f64>,
    pub p_class_0_low: Option<f64>,
    pub p_class_0_high: Option<f64>,
    pub p_class_0_q05: Option<f64>,
    pub p_class_0_q95: Option<f64>,
    pub p_class_1: Option<f64>,
    pub p_class_1_low: Option<f64>,
    pub p_class_1_high: Option<f64>,
    pub p_class_1_q05: Option<f64>,
    pub p_class_1_q95: Option<f64>,
}

/// A point of a ROC curve whose positives are real images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RocRow {
    /// The model's name.
    pub model: String,
    /// The real images.
    pub dataset: String,
    /// What they are told from: a data set, or `midpoints` of paths.
    pub against: String,
    /// The statistic's name.
    pub statistic: &'static str,
    /// At or above which inputs are accepted, nats; empty where none is, and where the statistic's unit
    /// is another.
    pub threshold_nats: Option<f64>,
    /// The same of a statistic in nats per pixel range.
    pub threshold_nats_per_range: Option<f64>,
    /// Share of real images accepted.
    pub tpr_real_positive: f64,
    /// Share of the others accepted.
    pub fpr_real_positive: f64,
}

/// One bin of two histograms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistogramRow {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Another data set, `midpoints` of paths, or `best wrong class`.
    pub against: String,
    /// What is binned.
    pub quantity: &'static str,
    /// Unit of the next two.
    pub unit: &'static str,
    /// Lower end of the bin, included.
    pub low: f64,
    /// Upper end of the bin, excluded.
    pub high: f64,
    /// Images of `dataset` in it (of the class gap: with their label).
    pub count: u64,
    /// Of `against`.
    pub count_against: u64,
}

/// One bin of a reliability curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReliabilityRow {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Lower end of the bin of p(predicted given x), excluded but for 0.
    pub low: f64,
    /// Upper end, included.
    pub high: f64,
    /// Images in it.
    pub count: u64,
    /// Their mean p(predicted given x), empty without any.
    pub mean_confidence: Option<f64>,
    /// The share of them predicted correctly.
    pub accuracy_share: Option<f64>,
    /// Lower end of its interval.
    pub accuracy_share_low: Option<f64>,
    /// Upper end of its interval.
    pub accuracy_share_high: Option<f64>,
}

impl Outcome {
    /// Every attacked image, attack by attack.
    pub fn attack_rows(&self) -> Vec<AttackRow> {
        let rows = |attacked: &Attacked| {
            let (name, images) = (attacked.settings.name(), attacked.outcomes.iter());
            let row = |(outcome, label): (_, &usize)| {
                AttackRow::new(&self.spec, &self.data, &name, *label, outcome)
            };
            images.zip(&attacked.labels).map(row).collect::<Vec<_>>()
        };
        self.attacks.iter().flat_map(rows).collect()
    }

    /// Paths by alpha, the midpoint among them.
    pub fn path_curve_rows(&self) -> Vec<PathCurveRow> {
        let Some(found) = &self.interpolation else { return vec![] };
        let mut points: Vec<&AtAlpha> = found.summary.grid.iter().collect();
        if points.iter().all(|point| point.alpha != found.summary.midpoint.alpha) {
            points.push(&found.summary.midpoint);
        }
        points.sort_by(|one, other| one.alpha.total_cmp(&other.alpha));
        points.into_iter().map(|point| self.path_curve_row(point)).collect()
    }

    fn path_curve_row(&self, at: &AtAlpha) -> PathCurveRow {
        let accepted = at.accepted.interval(CONFIDENCE);
        let low = |band: &Option<Band>| band.and_then(|band| Some(band.mean.interval?.0));
        let high = |band: &Option<Band>| band.and_then(|band| Some(band.mean.interval?.1));
        PathCurveRow {
            model: self.spec.name.clone(),
            dataset: self.data.clone(),
            alpha: at.alpha,
            paths: at.accepted.trials,
            not_finite: at.not_finite,
            accepted_share: at.accepted.estimate(),
            accepted_share_low: accepted.low,
            accepted_share_high: accepted.high,
            bits_per_dim: at.bits_per_dim.map(|band| band.mean.value),
            bits_per_dim_low: low(&at.bits_per_dim),
            bits_per_dim_high: high(&at.bits_per_dim),
            bits_per_dim_q05: at.bits_per_dim.map(|band| band.low),
            bits_per_dim_q95: at.bits_per_dim.map(|band| band.high),
            p_class_0: at.p_first.map(|band| band.mean.value),
            p_class_0_low: low(&at.p_first),
            p_class_0_high: high(&at.p_first),
            p_class_0_q05: at.p_first.map(|band| band.low),
            p_class_0_q95: at.p_first.map(|band| band.high),
            p_class_1: at.p_second.map(|band| band.mean.value),
            p_class_1_low: low(&at.p_second),
            p_class_1_high: high(&at.p_second),
            p_class_1_q05: at.p_second.map(|band| band.low),
            p_class_1_q95: at.p_second.map(|band| band.high),
        }
    }

    /// Every ROC curve.
    pub fn roc_rows(&self) -> Vec<RocRow> {
        let separations = self.separations.iter();
        let curves = separations
            .map(|curve| (curve.dataset.as_str(), curve.statistic.kind(), &curve.roc))
            .chain(
                self.interpolation
                    .iter()
                    .map(|found| ("midpoints", StatisticKind::Marginal, &found.roc)),
            );
        // -inf, of inputs without a density, has no place in a file that others read.
        let threshold = |point: &RocPoint, of_gradient: bool, kind| {
            let own = of_gradient == (kind == StatisticKind::GradientNorm);
            point.threshold.filter(|threshold| own && threshold.is_finite())
        };
        let row = |against: &str, kind: StatisticKind, point: &RocPoint| RocRow {
            model: self.spec.name.clone(),
            dataset: self.data.clone(),
            against: against.to_owned(),
            statistic: kind.name(),
            threshold_nats: threshold(point, false, kind),
            threshold_nats_per_range: threshold(point, true, kind),
            tpr_real_positive: point.tpr,
            fpr_real_positive: point.fpr,
        };
        curves
            .flat_map(|(against, statistic, roc)| {
                roc.iter().map(move |point| row(against, statistic, point))
            })
            .collect()
    }

    /// Every histogram.
    pub fn histogram_rows(&self) -> Vec<HistogramRow> {
        let gap = self.class_gap.iter().map(|gap| ("best wrong class", &gap.histogram));
        let likelihoods = self
            .likelihoods
            .iter()
            .chain(self.interpolation.iter().map(|found| &found.likelihoods))
            .map(|found| (found.dataset.as_str(), &found.bits_per_dim));
        gap.flat_map(|(against, bins)| self.bins(against, ("log_px_given_y", "nats"), bins))
            .chain(likelihoods.flat_map(|(against, bins)| {
                self.bins(against, ("negative_log_px", "bits/dim"), bins)
            }))
            .collect()
    }

    fn bins(
        &self,
        against: &str,
        (quantity, unit): (&'static str, &'static str),
        histogram: &PairedHistogram,
    ) -> Vec<HistogramRow> {
        let counts = histogram.counts(0).into_iter().zip(histogram.counts(1));
        let row = |(ends, (count, count_against)): (&[f64], (u64, u64))| HistogramRow {
            model: self.spec.name.clone(),
            dataset: self.data.clone(),
            against: against.to_owned(),
            quantity,
            unit,
            low: ends[0],
            high: ends[1],
            count,
            count_against,
        };
        histogram.edges().windows(2).zip(counts).map(row).collect()
    }

    /// The reliability curve.
    pub fn reliability_rows(&self) -> Vec<ReliabilityRow> {
        let bins = self.reliability.iter().flat_map(|curve| curve.bins());
        bins.map(|bin| {
            let accuracy = bin.accuracy();
            let interval = accuracy.map(|share| share.interval(CONFIDENCE));
            ReliabilityRow {
                model: self.spec.name.clone(),
                dataset: self.data.clone(),
                low: bin.low,
                high: bin.high,
                count: bin.count,
                mean_confidence: bin.mean_confidence(),
                accuracy_share: accuracy.map(|share| share.estimate()),
                accuracy_share_low: interval.map(|interval| interval.low),
                accuracy_share_high: interval.map(|interval| interval.high),
            }
        })
        .collect()
    }
}
