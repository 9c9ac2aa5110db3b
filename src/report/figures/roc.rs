//! ROC curves of detectors, on a linear and on a logarithmic axis.

use anyhow::ensure;
use undetected_onnx::statistics::{CONFIDENCE, Estimate, Positive, Ranking, RocPoint};

use super::{RULE, count, line_key, rate, style};
use crate::report::{Axis, Curve, Dash, Figure, Key, Panel};

/// Points nearer than this share of both axes are left out: half a unit of the drawing.
const RESOLUTION: f64 = 1.0 / 800.0;

/// One detector on one pair of data sets.
#[derive(Debug, Clone, Copy)]
pub struct Roc<'a> {
    /// What is told from what by which statistic.
    pub name: &'a str,
    /// Its scores.
    pub ranking: &'a Ranking,
}

/// All curves on one panel, and on another whose false-positive rate is logarithmic, where few false
/// alarms are told apart.
///
/// # Errors
/// Where there is no curve, or the positive class is not the same for all.
pub fn figure(curves: &[Roc<'_>]) -> anyhow::Result<Figure> {
    let positive = common_positive(curves)?;
    let said: Vec<String> = curves.iter().map(Roc::label).collect();
    let (x, y, note) = words(positive);
    Ok(Figure {
        title: "ROC curves".to_string(),
        note: format!(
            "TPR, FPR: true-, false-positive rate. {note} Intervals: {}\u{a0}%. Dotted: chance.",
            100.0 * CONFIDENCE
        ),
        description: said.join("; "),
        columns: 2,
        strips: Vec::new(),
        panels: vec![linear(curves, x, y), logarithmic(curves, x, y)],
        keys: curves.iter().enumerate().map(|(place, curve)| curve.key(place)).collect(),
    })
}

fn common_positive(curves: &[Roc<'_>]) -> anyhow::Result<Positive> {
    ensure!(!curves.is_empty(), "there is no ROC curve to draw");
    let positive = curves[0].ranking.positive();
    let other = curves.iter().find(|curve| curve.ranking.positive() != positive);
    if let Some(other) = other {
        anyhow::bail!(
            "'{}' counts other inputs as positive than '{}'; give all of one figure the same class",
            other.name,
            curves[0].name
        );
    }
    Ok(positive)
}

/// Both axes and the positive class in words.
fn words(positive: Positive) -> (&'static str, &'static str, &'static str) {
    match positive {
        Positive::In => (
            "FPR (others accepted)",
            "TPR (real images accepted)",
            "Positive: real images, which a detector should accept.",
        ),
        Positive::Out => (
            "FPR (real images rejected)",
            "TPR (others rejected)",
            "Positive: out-of-distribution inputs, which a detector should reject.",
        ),
    }
}

fn linear(curves: &[Roc<'_>], x: &str, y: &str) -> Panel {
    let diagonal = Curve {
        points: vec![(0.0, 0.0), (1.0, 1.0)],
        colour: RULE.to_string(),
        dash: Dash::Dotted,
    };
    let drawn = curves.iter().enumerate().map(|(place, curve)| curve.curve(place, 1.0, Some));
    panel(Axis::linear(x, 0.0, 1.0, 0.2), y, drawn.chain([diagonal]).collect())
}

fn logarithmic(curves: &[Roc<'_>], x: &str, y: &str) -> Panel {
    // Down to one false positive; a rate of 0 has no place.
    let least = curves.iter().map(|curve| 1.0 / curve.ranking.counts().1 as f64);
    let axis = Axis::decades(x, [least.fold(1.0, f64::min).log10(), 0.0]);
    let log = |(fpr, tpr): (f64, f64)| (fpr > 0.0).then(|| (fpr.log10(), tpr));
    let mut drawn: Vec<Curve> = curves
        .iter()
        .enumerate()
        .map(|(place, curve)| curve.curve(place, -axis.low, log))
        .collect();
    let chance = (0..=100).map(|i| axis.low * f64::from(i) / 100.0);
    let points = chance.map(|log10| (log10, 10f64.powf(log10))).collect();
    drawn.push(Curve { points, colour: RULE.to_string(), dash: Dash::Dotted });
    panel(axis, y, drawn)
}

fn panel(x: Axis, y: &str, curves: Vec<Curve>) -> Panel {
    Panel {
        title: String::new(),
        x,
        y: Axis::linear(y, 0.0, 1.0, 0.2),
        curves,
        marks: Vec::new(),
        bands: Vec::new(),
        rules: Vec::new(),
        keys: Vec::new(),
    }
}

impl Roc<'_> {
    /// `span` is the length of the axis of false positives.
    fn curve(
        &self,
        place: usize,
        span: f64,
        at: impl Fn((f64, f64)) -> Option<(f64, f64)>,
    ) -> Curve {
        let (colour, dash) = style(place);
        Curve { points: thinned(&self.ranking.roc(), span, at), colour, dash }
    }

    /// Name, numbers of both groups, AUROC with interval and FPR at 95 % TPR.
    fn label(&self) -> String {
        let (positives, negatives) = self.ranking.counts();
        let Estimate { value, interval } = self.ranking.auroc_estimate();
        let interval = interval
            .map_or(String::new(), |(low, high)| format!(" [{}, {}]", rate(low), rate(high)));
        format!(
            "{}: AUROC {}{interval}, FPR at 95 % TPR {} (n = {} positive, {} negative)",
            self.name,
            rate(value),
            rate(self.ranking.fpr_at(0.95).estimate()),
            count(positives),
            count(negatives)
        )
    }

    fn key(&self, place: usize) -> Key {
        let (colour, dash) = style(place);
        line_key(self.label(), colour, dash)
    }
}

/// The points that can be told apart in the drawing, the first and the last among them.
fn thinned(
    roc: &[RocPoint],
    span: f64,
    at: impl Fn((f64, f64)) -> Option<(f64, f64)>,
) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut skipped = None;
    for point in roc.iter().filter_map(|point| at((point.fpr, point.tpr))) {
        let far = |last: &(f64, f64)| {
            (point.0 - last.0).abs() > RESOLUTION * span || (point.1 - last.1).abs() > RESOLUTION
        };
        if kept.last().is_none_or(far) {
            // The corner before a long step belongs to the curve.
            kept.extend(skipped.take());
            kept.push(point);
        } else {
            skipped = Some(point);
        }
    }
    kept.extend(skipped);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{colour, figures::drawn};

    fn ranking(positive: Positive) -> Ranking {
        Ranking::new(&[4.0, 3.0, 2.0, 1.0], &[2.5, 0.5], positive).unwrap()
    }

    #[test]
    fn curves_pass_through_every_threshold() {
        let ranking = ranking(Positive::In);
        let figure = figure(&[Roc { name: "a", ranking: &ranking }]).unwrap();
        let panels = drawn::panels(&figure);
        let expected: Vec<(f64, f64)> =
            ranking.roc().iter().map(|point| (point.fpr, point.tpr)).collect();
        drawn::assert_near(&panels[0].points(&colour(0)), &expected, (1.0, 1.0));
        // On the logarithmic axis a rate of 0 has no place.
        let log: Vec<(f64, f64)> =
            expected.iter().filter(|point| point.0 > 0.0).map(|(x, y)| (x.log10(), *y)).collect();
        drawn::assert_near(&panels[1].points(&colour(0)), &log, (1.0, 1.0));
        assert!(panels[0].says("real images accepted"));
        // 4 > 2.5, 3 > 2.5, and all four > 0.5: six of eight pairs.
        assert!(figure.description.contains("AUROC 0.750"), "{}", figure.description);
    }

    /// Thinning keeps the area: a second method is the area over all points.
    #[test]
    fn thinned_curves_keep_their_area() {
        let scores = |shift: f64| -> Vec<f64> {
            (0..5000).map(|i| f64::from(i * 7919 % 5003) + shift).collect()
        };
        let ranking = Ranking::new(&scores(900.0), &scores(0.5), Positive::Out).unwrap();
        let points = thinned(&ranking.roc(), 1.0, Some);
        assert!(points.len() < 2000, "{} points", points.len());
        let area: f64 =
            points.windows(2).map(|two| (two[1].0 - two[0].0) * (two[0].1 + two[1].1) / 2.0).sum();
        assert!((area - ranking.auroc()).abs() < 1e-3, "{area} {}", ranking.auroc());
    }

    #[test]
    fn positive_classes_are_not_mixed() {
        let (inside, outside) = (ranking(Positive::In), ranking(Positive::Out));
        let curves = [Roc { name: "a", ranking: &inside }, Roc { name: "b", ranking: &outside }];
        let error = figure(&curves).unwrap_err().to_string();
        assert!(error.contains("'b' counts other inputs as positive than 'a'"), "{error}");
        assert!(figure(&[]).is_err());
    }
}
