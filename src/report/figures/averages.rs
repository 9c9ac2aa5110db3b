//! Figures 4 and 6: likelihood and class probabilities along interpolations, over many pairs.

use anyhow::ensure;
use undetected_onnx::{
    interpolate::{AtAlpha, Band as Spread, Summary},
    statistics::CONFIDENCE,
};

use super::{
    BITS, BITS_NOTE, count, line_key, percent::percent, pieces, said, style, threshold_key,
    unbroken,
};
use crate::report::{Axis, Band, Dash, Figure, Key, Panel, Rule, Sample, colour};

/// All paths of one model on one data set.
#[derive(Debug, Clone, Copy)]
pub struct Averages<'a> {
    /// Name of the data set, and of the model where there are several.
    pub name: &'a str,
    /// What all paths say together.
    pub summary: &'a Summary,
    /// The detector's threshold in bits/dim, where it is one on log p(x).
    pub threshold: Option<f64>,
}

/// A column for each model and data set: above, bits/dim along alpha with its spread; below, the
/// probabilities of both ends' classes and the share of paths that the detector accepts.
///
/// # Errors
/// Where there is no column, or one none of whose paths has a finite density anywhere.
pub fn figure(subjects: &[Averages<'_>]) -> anyhow::Result<Figure> {
    ensure!(!subjects.is_empty(), "there are no interpolations to draw");
    let likelihoods =
        subjects.iter().map(Averages::likelihood).collect::<anyhow::Result<Vec<_>>>()?;
    let said: Vec<String> = subjects.iter().map(Averages::said).collect();
    Ok(Figure {
        title: "Interpolations between images of different classes".to_string(),
        note: format!(
            "x = α x₁ + (1 - α) x₀ with the classes y₀ and y₁ of real images x₀ and x₁. {BITS_NOTE} \
             Above, shaded: middle 90\u{a0}% of paths; darker, and below: {} interval of the mean.",
            confidence()
        ),
        description: said.join(" "),
        columns: subjects.len(),
        strips: Vec::new(),
        panels: likelihoods.into_iter().chain(subjects.iter().map(Averages::classes)).collect(),
        keys: Vec::new(),
    })
}

/// As "99 %".
fn confidence() -> String {
    format!("{}\u{a0}%", 100.0 * CONFIDENCE)
}

pub(super) fn alpha_axis() -> Axis {
    Axis::linear("α (weight of x₁)", 0.0, 1.0, 0.2)
}

/// Colour 0 as it is shaded on paper: 30 % of it.
const SHADE: &str = "#B3D5E8";

type Pick = fn(&AtAlpha) -> Option<Spread>;

impl Averages<'_> {
    fn paths(&self) -> u64 {
        self.summary.paths_accepted.trials
    }

    fn likelihood(&self) -> anyhow::Result<Panel> {
        let pick: Pick = |at| at.bits_per_dim;
        let spreads: Vec<Spread> = self.summary.grid.iter().filter_map(pick).collect();
        ensure!(
            !spreads.is_empty(),
            "none of the {} interpolations of '{}' has a finite log p(x) anywhere; leave it out of \
             the figure",
            self.paths(),
            self.name
        );
        let ends = spreads.iter().flat_map(|spread| {
            let interval = spread.mean.interval.unwrap_or((spread.mean.value, spread.mean.value));
            [spread.low, spread.high, interval.0, interval.1]
        });
        let (colour, dash) = style(0);
        let mut keys = vec![line_key("mean over paths", &colour, dash)];
        let (label, shade) = ("middle 90 %".to_string(), SHADE.to_string());
        keys.push(Key { label, colour: shade, sample: Sample::Area });
        keys.extend(threshold_key(self.threshold));
        Ok(Panel {
            title: format!("{} (n = {} paths)", self.name, count(self.paths())),
            x: alpha_axis(),
            y: Axis::around(BITS, ends.chain(self.threshold)),
            curves: unbroken(self.means(pick), &colour, dash),
            marks: Vec::new(),
            bands: [self.spread(pick, &colour), self.interval(pick, &colour)].concat(),
            rules: self
                .threshold
                .map(|bits| Rule::Level(bits, String::new()))
                .into_iter()
                .collect(),
            keys,
        })
    }

    fn classes(&self) -> Panel {
        let picks: [(Pick, &str); 2] =
            [(|at| at.p_first, "p(y₀|x)"), (|at| at.p_second, "p(y₁|x)")];
        let mut panel = Panel {
            title: String::new(),
            x: alpha_axis(),
            y: Axis::linear("mean probability, share", 0.0, 1.0, 0.2),
            curves: Vec::new(),
            marks: Vec::new(),
            bands: Vec::new(),
            rules: Vec::new(),
            keys: Vec::new(),
        };
        for (place, (pick, label)) in picks.into_iter().enumerate() {
            let (colour, dash) = style(place);
            panel.bands.extend(self.interval(pick, &colour));
            panel.curves.extend(unbroken(self.means(pick), &colour, dash));
            panel.keys.push(line_key(label, colour, dash));
        }
        let accepted = self.summary.grid.iter().map(|at| (at.alpha, Some(at.accepted.estimate())));
        let (black, dash) = (colour(4), Dash::Dotted);
        panel.curves.extend(unbroken(accepted, &black, dash));
        panel.keys.push(line_key("accepted", black, dash));
        panel
    }

    fn means(&self, pick: Pick) -> impl Iterator<Item = (f64, Option<f64>)> {
        self.summary.grid.iter().map(move |at| (at.alpha, pick(at).map(|spread| spread.mean.value)))
    }

    /// The middle 90 % of paths.
    fn spread(&self, pick: Pick, colour: &str) -> Vec<Band> {
        self.bands(colour, 0.3, |at| pick(at).map(|spread| (at.alpha, spread.low, spread.high)))
    }

    /// The interval of the mean.
    fn interval(&self, pick: Pick, colour: &str) -> Vec<Band> {
        self.bands(colour, 0.35, |at| {
            let (low, high) = pick(at)?.mean.interval?;
            Some((at.alpha, low, high))
        })
    }

    /// An area for each run of alphas with values.
    fn bands(
        &self,
        colour: &str,
        opacity: f64,
        ends: impl Fn(&AtAlpha) -> Option<(f64, f64, f64)>,
    ) -> Vec<Band> {
        let runs = pieces(self.summary.grid.iter().map(ends));
        let band = |ends| Band { ends, colour: colour.to_string(), opacity };
        runs.into_iter().map(band).collect()
    }

    fn said(&self) -> String {
        let bits = |at: &AtAlpha| said(at.bits_per_dim.map(|spread| spread.mean.value));
        let (grid, summary) = (&self.summary.grid, self.summary);
        format!(
            "{}, {} paths: mean bits/dim {} at α = 0, {} at 1/2, {} at 1; midpoint likelier \
             than both ends in {}; whole path accepted in {}.",
            self.name,
            count(self.paths()),
            bits(&grid[0]),
            bits(&summary.midpoint),
            bits(&grid[grid.len() - 1]),
            percent(summary.midpoints_likelier.successes, self.paths()),
            percent(summary.paths_accepted.successes, self.paths())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::drawn;
    use undetected_onnx::statistics::Estimate;
    use undetected_theory::Proportion;

    fn spread(mean: f64) -> Spread {
        let mean = Estimate { value: mean, interval: Some((mean - 0.05, mean + 0.05)) };
        Spread { mean, low: mean.value - 0.1, high: mean.value + 0.2, n: 8 }
    }

    /// Bits/dim fall from 3 to 2, the first class's probability from 0.8 to 0.2, the share accepted
    /// from 1 to 1/2; none of it at 1/2 where the density is not finite.
    fn summary(has_values: impl Fn(f64) -> bool) -> Summary {
        let at = |alpha: f64| {
            let value = |mean| has_values(alpha).then(|| spread(mean));
            AtAlpha {
                alpha,
                bits_per_dim: value(3.0 - alpha),
                p_first: value(0.8 - 0.6 * alpha),
                p_second: value(0.2 + 0.6 * alpha),
                accepted: Proportion { successes: 8 - (4.0 * alpha) as u64, trials: 8 },
                not_finite: if has_values(alpha) { 0 } else { 8 },
            }
        };
        Summary {
            grid: [0.0, 0.25, 0.5, 0.75, 1.0].map(at).to_vec(),
            midpoint: at(0.5),
            paths_accepted: Proportion { successes: 2, trials: 8 },
            ends_accepted: Proportion { successes: 8, trials: 8 },
            midpoints_likelier: Proportion { successes: 4, trials: 8 },
            not_comparable: 0,
            midpoint_minus_ends: None,
            midpoint_scores: vec![],
        }
    }

    #[test]
    fn means_bands_and_shares_stand_at_their_alpha() {
        let summary = summary(|_| true);
        let subject = Averages { name: "digits", summary: &summary, threshold: Some(2.5) };
        let figure = figure(&[subject, subject]).unwrap();
        let panels = drawn::panels(&figure);
        assert_eq!(panels.len(), 4);
        for (above, below) in [(0, 2), (1, 3)] {
            let line = |from: f64, to: f64| -> Vec<(f64, f64)> {
                summary.grid.iter().map(|at| (at.alpha, from + (to - from) * at.alpha)).collect()
            };
            let [above, below] = [&panels[above], &panels[below]];
            drawn::assert_near(&above.points(&colour(0)), &line(3.0, 2.0), (1.0, 2.0));
            drawn::assert_near(&below.points(&colour(0)), &line(0.8, 0.2), (1.0, 1.0));
            drawn::assert_near(&below.points(&colour(1)), &line(0.2, 0.8), (1.0, 1.0));
            drawn::assert_near(&below.points(&colour(4)), &line(1.0, 0.5), (1.0, 1.0));
            // Around the middle 90 %, and around the interval.
            for (area, low, high) in [(0, 0.1, 0.2), (1, 0.05, 0.05)] {
                let ends = &above.areas[area].points;
                let holds = |x: f64, y: f64| {
                    ends.iter().any(|p| (p.0 - x).abs() < 1e-3 && (p.1 - y).abs() < 1e-3)
                };
                assert!(
                    holds(0.0, 3.0 - low) && holds(0.0, 3.0 + high) && holds(1.0, 2.0 + high),
                    "{ends:?}"
                );
            }
            assert!(above.says("digits (n = 8 paths)") && above.says("threshold"));
        }
        assert!(figure.description.contains("2.500 at 1/2") && figure.description.contains("50 %"));
    }

    #[test]
    fn a_place_without_values_is_a_gap() {
        let summary = summary(|alpha| alpha != 0.5);
        let subject = Averages { name: "digits", summary: &summary, threshold: None };
        let panels = drawn::panels(&figure(&[subject]).unwrap());
        let curves = panels[0].curves.iter().filter(|curve| curve.colour == colour(0));
        let ends: Vec<_> = curves
            .map(|curve| (curve.points[0].0, curve.points[curve.points.len() - 1].0))
            .collect();
        assert_eq!(ends, [(0.0, 0.25), (0.75, 1.0)].map(|(low, high): (f64, f64)| (low, high)));
        // Neither is it shaded: two areas of two kinds.
        assert_eq!(panels[0].areas.len(), 4);
        assert!(!panels[0].says("threshold"));
    }

    #[test]
    fn paths_without_densities_are_refused_by_name() {
        let summary = summary(|_| false);
        let error =
            figure(&[Averages { name: "digits", summary: &summary, threshold: None }]).unwrap_err();
        assert!(error.to_string().contains("none of the 8 interpolations of 'digits'"), "{error}");
        assert!(figure(&[]).is_err());
    }
}
