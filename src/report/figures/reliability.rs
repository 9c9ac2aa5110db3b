//! Reliability: how often a classifier is right at each confidence, and how often it is that sure.

use anyhow::ensure;
use undetected_onnx::{
    calibration::{Bin, Reliability},
    statistics::CONFIDENCE,
};

use super::{RULE, count, line_key, said, style};
use crate::report::{Axis, Band, Curve, Dash, Figure, Marker, Marks, Panel};

/// Half the width of the ends of an interval, on the axis of confidences.
const WHISKER: f64 = 0.008;

/// One model on one data set.
#[derive(Debug, Clone, Copy)]
pub struct Calibration<'a> {
    /// Name of the data set, and of the model where there are several.
    pub name: &'a str,
    /// The curve.
    pub reliability: &'a Reliability,
}

/// A column for each: above, the share of correct predictions against the mean confidence of each bin
/// that holds an image; below, how many images each bin holds.
///
/// # Errors
/// Where there is no column, or one without a classified image.
pub fn figure(subjects: &[Calibration<'_>]) -> anyhow::Result<Figure> {
    ensure!(!subjects.is_empty(), "there is no reliability curve to draw");
    let curves = subjects.iter().map(Calibration::curve).collect::<anyhow::Result<Vec<_>>>()?;
    let said: Vec<String> = subjects.iter().map(Calibration::said).collect();
    Ok(Figure {
        title: "Reliability of the predicted class".to_string(),
        note: format!(
            "Confidence is p(y|x) of the predicted y. Bars: {} % interval of the share in a bin. Below \
             the diagonal: surer than it is right.",
            100.0 * CONFIDENCE
        ),
        description: said.join(" "),
        columns: subjects.len(),
        strips: Vec::new(),
        panels: curves.into_iter().chain(subjects.iter().map(Calibration::counts)).collect(),
        keys: Vec::new(),
    })
}

fn confidence_axis() -> Axis {
    Axis::linear("confidence p(y|x)", 0.0, 1.0, 0.2)
}

impl Calibration<'_> {
    fn n(&self) -> u64 {
        self.reliability.bins().iter().map(|bin| bin.count).sum()
    }

    /// Confidence, share correct and its interval, of each bin that holds an image.
    fn points(&self) -> Vec<(f64, f64, (f64, f64))> {
        let point = |bin: &Bin| {
            let accuracy = bin.accuracy()?;
            let interval = accuracy.interval(CONFIDENCE);
            Some((bin.mean_confidence()?, accuracy.estimate(), (interval.low, interval.high)))
        };
        self.reliability.bins().iter().filter_map(point).collect()
    }

    fn curve(&self) -> anyhow::Result<Panel> {
        let points = self.points();
        ensure!(
            !points.is_empty(),
            "'{}' has no classified image ({} have no finite density); leave it out of the figure",
            self.name,
            self.reliability.unclassified()
        );
        let (colour, dash) = style(0);
        let line = |points, dash, colour: &str| Curve { points, colour: colour.to_string(), dash };
        let mut curves = vec![line(vec![(0.0, 0.0), (1.0, 1.0)], Dash::Dotted, RULE)];
        curves.extend(
            points
                .iter()
                .flat_map(|(x, _, ends)| whisker(*x, *ends))
                .map(|points| line(points, dash, &colour)),
        );
        let joined: Vec<(f64, f64)> = points.iter().map(|(x, y, _)| (*x, *y)).collect();
        curves.push(line(joined.clone(), Dash::Dashed, &colour));
        Ok(Panel {
            title: format!("{} (n = {}, {})", self.name, count(self.n()), self.error()),
            x: confidence_axis(),
            y: Axis::linear("share correct", 0.0, 1.0, 0.2),
            curves,
            marks: vec![Marks { points: joined, colour: colour.clone(), marker: Marker::Circle }],
            bands: Vec::new(),
            rules: Vec::new(),
            keys: vec![
                line_key("measured", &colour, Dash::Dashed),
                line_key("calibrated", RULE, Dash::Dotted),
            ],
        })
    }

    /// The expected calibration error with its number of bins.
    fn error(&self) -> String {
        let error = said(self.reliability.expected_error());
        format!("ECE {error} in {} bins", self.reliability.bins().len())
    }

    fn counts(&self) -> Panel {
        let bins = self.reliability.bins();
        let log10 = |bin: &Bin| if bin.count > 0 { (bin.count as f64).log10() } else { BELOW };
        let outline = bins.iter().flat_map(|bin| [(bin.low, log10(bin)), (bin.high, log10(bin))]);
        let closed = std::iter::once((0.0, BELOW)).chain(outline).chain([(1.0, BELOW)]);
        let points: Vec<(f64, f64)> = closed.collect();
        let (colour, dash) = style(0);
        let ends = points.iter().map(|(x, y)| (*x, BELOW, *y)).collect();
        Panel {
            title: String::new(),
            x: confidence_axis(),
            y: Axis::decades(
                "images in the bin",
                bins.iter().map(log10).chain([0.0]).map(|log| log.max(0.0)),
            ),
            curves: vec![Curve { points, colour: colour.clone(), dash }],
            marks: Vec::new(),
            bands: vec![Band { ends, colour: colour.clone(), opacity: 0.2 }],
            rules: Vec::new(),
            keys: Vec::new(),
        }
    }

    fn said(&self) -> String {
        let n = self.n();
        let correct: u64 = self.reliability.bins().iter().map(|bin| bin.correct).sum();
        format!(
            "{}: {} images, {} correct, {} without a prediction, {}.",
            self.name,
            count(n),
            count(correct),
            count(self.reliability.unclassified()),
            self.error()
        )
    }
}

/// Where a bin without images is drawn on the logarithmic axis: below its lower end, 1.
const BELOW: f64 = -1.0;

/// A bar with ends, which do not leave the axis of confidences.
fn whisker(x: f64, (low, high): (f64, f64)) -> [Vec<(f64, f64)>; 3] {
    let end = |y| vec![((x - WHISKER).max(0.0), y), ((x + WHISKER).min(1.0), y)];
    [vec![(x, low), (x, high)], end(low), end(high)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{colour, figures::drawn};
    use undetected_onnx::likelihood::Score;

    fn reliability(images: &[(f64, bool)]) -> Reliability {
        let mut reliability = Reliability::new(4);
        for (confidence, correct) in images {
            reliability.add(&Score {
                index: 0,
                label: Some(usize::from(!correct)),
                predicted: confidence.is_finite().then_some(0),
                confidence: confidence.is_finite().then_some(*confidence),
                log_px: -1.0,
                log_px_given_label: None,
                log_px_given_predicted: None,
                ln_label_given_x: None,
                complexity: None,
                gradient_norm: None,
            });
        }
        reliability
    }

    #[test]
    fn shares_and_counts_stand_at_their_confidence() {
        let reliability = reliability(&[(0.6, true), (0.7, false), (0.9, true), (1.0, true)]);
        let panels = drawn::panels(
            &figure(&[Calibration { name: "a", reliability: &reliability }]).unwrap(),
        );
        let measured =
            panels[0].curves.iter().find(|curve| curve.dash.is_some() && curve.colour == colour(0));
        drawn::assert_near(&measured.unwrap().points, &[(0.65, 0.5), (0.95, 1.0)], (1.0, 1.0));
        // The interval of one in two ends where the library says.
        let interval = reliability.bins()[2].accuracy().unwrap().interval(CONFIDENCE);
        let bar = panels[0]
            .curves
            .iter()
            .find(|curve| curve.points.iter().all(|(x, _)| (x - 0.65).abs() < 1e-3));
        drawn::assert_near(
            &bar.unwrap().points,
            &[(0.65, interval.low), (0.65, interval.high)],
            (1.0, 1.0),
        );
        let counts = panels[1].points(&colour(0));
        for end in [(0.5, 2f64.log10()), (1.0, 2f64.log10())] {
            assert!(
                counts.iter().any(|(x, y)| (x - end.0).abs() < 1e-3 && (y - end.1).abs() < 1e-3),
                "{counts:?}"
            );
        }
        assert!(panels[0].says("n = 4, ECE") && panels[1].says("images in the bin"));
    }

    #[test]
    fn data_without_predictions_are_refused_by_name() {
        let lost = reliability(&[(f64::NAN, false)]);
        let error =
            figure(&[Calibration { name: "a", reliability: &lost }]).unwrap_err().to_string();
        assert!(
            error.contains("'a' has no classified image (1 have no finite density)"),
            "{error}"
        );
        assert!(figure(&[]).is_err());
    }
}
