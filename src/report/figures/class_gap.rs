//! Figure 3: the likelihood given the true class against that given the best wrong one.

use anyhow::{Context, ensure};
use undetected_onnx::{class_gap::ClassGap, model::ModelSpec, moments::Moments};

use super::{BITS, RULE, count, histogram::Histogram, line_key, percent::percent, said, style};
use crate::output::significant;
use crate::report::{Axis, Band, Curve, Dash, Figure, Key, Panel, Rule};

/// Bins of the gap, and the most that the library's bins are joined into.
const BINS: usize = 60;
/// The share of the values that the axes leave out at either end, and name.
const TAIL: f64 = 0.0025;
/// Colour of the line at a gap of 0.
const ZERO: &str = "#888888";

/// What was measured of one model on one data set.
#[derive(Debug, Clone, Copy)]
pub struct Gaps<'a> {
    /// Name of the data set, and of the model where there are several.
    pub name: &'a str,
    /// The model.
    pub spec: &'a ModelSpec,
    /// Both likelihoods.
    pub gap: &'a ClassGap,
    /// The gap of each image that has one ([`undetected_onnx::class_gap::GapSample::gap`]), nats.
    pub gaps: &'a [f64],
}

/// A row for each data set: both likelihoods on common bins, and beside them the gap.
///
/// # Errors
/// Where there is no data set, or one without an image that has a gap.
pub fn figure(subjects: &[Gaps<'_>]) -> anyhow::Result<Figure> {
    ensure!(!subjects.is_empty(), "there is no data set whose class gap could be drawn");
    let rows = subjects.iter().map(Gaps::panels).collect::<anyhow::Result<Vec<_>>>()?;
    let said: Vec<String> = subjects.iter().map(Gaps::said).collect();
    Ok(Figure {
        title: "Likelihood of images given the true class and the likeliest wrong class"
            .to_string(),
        note: "bits/dim of x given y are -log\u{a0}p(x|y)/(D\u{a0}ln\u{a0}2) of an 8-bit image: \
               lower\u{a0}=\u{a0}likelier. The best wrong class is the likeliest other one. A gap above \
               0: the true class leads."
            .to_string(),
        description: said.join(" "),
        columns: 2,
        strips: Vec::new(),
        panels: rows.into_iter().flatten().collect(),
        keys: Vec::new(),
    })
}

impl Gaps<'_> {
    fn panels(&self) -> anyhow::Result<[Panel; 2]> {
        ensure!(
            self.gap.gap.n > 0 && self.gaps.iter().any(|gap| gap.is_finite()),
            "data set '{}' has no image with a finite log p(x|y) of both classes among {}; leave it \
             out of the figure",
            self.name,
            self.gap.n
        );
        Ok([self.likelihoods()?, self.gap_panel()?])
    }

    fn likelihoods(&self) -> anyhow::Result<Panel> {
        let [label, wrong] = self.histograms()?;
        let edges = &label.edges;
        let peak = label.peak().max(wrong.peak());
        let keys = [("true class", &label), ("best wrong class", &wrong)];
        Ok(Panel {
            title: format!("{} (n = {})", self.name, count(self.gap.n)),
            x: Axis::around(BITS, edges.iter().copied()),
            y: Axis::around("share of images per bin", [0.0, peak]),
            curves: keys.iter().enumerate().map(|(place, (_, it))| curve(place, it)).collect(),
            marks: Vec::new(),
            bands: vec![Band { ends: label.area(), colour: style(0).0, opacity: 0.2 }],
            rules: Vec::new(),
            keys: keys.iter().enumerate().map(|(place, (name, it))| key(place, name, it)).collect(),
        })
    }

    /// Of both streams, on the same bins, in bits/dim.
    fn histograms(&self) -> anyhow::Result<[Histogram; 2]> {
        let paired = &self.gap.histogram;
        let counts = [paired.counts(0), paired.counts(1)];
        let shown = shown(&counts).context("the class gap has no counts")?;
        let join = (shown.1 - shown.0).div_ceil(BINS);
        let edges = paired.edges();
        Ok(counts.map(|counts| {
            let within = &counts[shown.0..shown.1];
            let mut joined: Vec<u64> = within.chunks(join).map(|bins| bins.iter().sum()).collect();
            let mut ends: Vec<f64> =
                edges[shown.0..shown.1].iter().step_by(join).copied().collect();
            ends.push(ends[ends.len() - 1] + join as f64 * paired.width());
            // A large log p is few bits: left and right are exchanged.
            joined.reverse();
            let bits = ends.iter().rev().map(|log_p| self.spec.bits_per_dim(*log_p));
            Histogram {
                edges: bits.collect(),
                counts: joined,
                below: counts[shown.1..].iter().sum(),
                above: counts[..shown.0].iter().sum(),
                not_finite: self.gap.not_finite,
            }
        }))
    }

    fn gap_panel(&self) -> anyhow::Result<Panel> {
        let mut sorted: Vec<f64> =
            self.gaps.iter().copied().filter(|gap| gap.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let at = |p: f64| sorted[(p * last as f64).round() as usize];
        let x = Axis::around(
            "log p(x|true) - log p(x|best wrong), nats",
            [0.0, at(TAIL), at(1.0 - TAIL)],
        );
        let histogram = Histogram::of(self.gaps.iter().copied(), x.low, x.high, BINS);
        let mean = self.gap.gap.mean().context("the class gap has no mean")?;
        let y = Axis::around("share of images per bin", [0.0, histogram.peak()]);
        let ends = vec![(0.0, y.low), (0.0, y.high)];
        let zero = Curve { points: ends, colour: ZERO.to_string(), dash: Dash::Solid };
        Ok(Panel {
            title: format!("Mean gap {}", self.in_deviations(mean)),
            curves: vec![curve(0, &histogram), zero],
            marks: Vec::new(),
            bands: vec![Band { ends: histogram.area(), colour: style(0).0, opacity: 0.2 }],
            rules: vec![Rule::At(mean, String::new(), RULE.to_string())],
            keys: vec![key(0, "gap", &histogram), line_key("mean gap", RULE, Dash::Dashed)],
            x,
            y,
        })
    }

    fn in_deviations(&self, mean: f64) -> String {
        let mean = significant(mean, 3);
        match self.gap.gap_in_deviations() {
            Some(ratio) => format!("{mean} nats = {} sd of log p(x|true)", significant(ratio, 2)),
            None => format!("{mean} nats"),
        }
    }

    fn said(&self) -> String {
        let bits = |moments: &Moments| said(moments.mean().map(|p| self.spec.bits_per_dim(p)));
        format!(
            "{}, {} images: mean {} bits/dim given the true class, {} given the best wrong \
             one; the true class leads in {}.",
            self.name,
            count(self.gap.n),
            bits(&self.gap.given_label),
            bits(&self.gap.given_best_wrong),
            percent(self.gap.label_leads, self.gap.gap.n)
        )
    }
}

/// The bins that hold all but a tail at either end of each stream: first, and one past the last.
fn shown(counts: &[Vec<u64>; 2]) -> Option<(usize, usize)> {
    let ends = |counts: &Vec<u64>| {
        let spare = (TAIL * counts.iter().sum::<u64>() as f64) as u64;
        let past = |sum: &mut u64, count: &u64| {
            *sum += count;
            Some(*sum > spare)
        };
        let first = counts.iter().scan(0, past).position(|past| past)?;
        let last = counts.iter().rev().scan(0, past).position(|past| past)?;
        Some((first, counts.len() - last))
    };
    let (one, other) = (ends(&counts[0])?, ends(&counts[1])?);
    Some((one.0.min(other.0), one.1.max(other.1)))
}

fn curve(place: usize, histogram: &Histogram) -> Curve {
    let (colour, dash) = style(place);
    Curve { points: histogram.outline(), colour, dash }
}

fn key(place: usize, name: &str, histogram: &Histogram) -> Key {
    let (colour, dash) = style(place);
    let label = match histogram.beyond("further left", "further right").as_str() {
        "" => name.to_string(),
        beyond => format!("{name} ({beyond})"),
    };
    line_key(label, colour, dash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{colour, figures::drawn};
    use undetected_onnx::{
        class_gap::GapSample,
        model::{Dequantisation, ImageShape},
    };

    /// One dimension, and log p(x|y) is minus the bits/dim times ln 2.
    fn spec() -> ModelSpec {
        ModelSpec {
            name: "a".to_string(),
            image: ImageShape { channels: 1, height: 1, width: 1 },
            noise_len: 0,
            classes: vec!["zero".to_string(), "one".to_string()],
            ln_prior: vec![0.5f64.ln(); 2],
            n_dims: 1,
            pixel_range: (0.0, 1.0),
            dequantisation: Dequantisation::None,
        }
    }

    fn measured(log_probs: &[[f64; 2]]) -> (ClassGap, Vec<f64>) {
        let spec = spec();
        let mut gap = ClassGap::new(64);
        let mut gaps = Vec::new();
        for (index, log_prob) in log_probs.iter().enumerate() {
            let sample = GapSample::new(index, 0, &spec, log_prob, 0);
            gap.push(&sample);
            gaps.extend(sample.gap());
        }
        (gap, gaps)
    }

    fn draw(log_probs: &[[f64; 2]]) -> anyhow::Result<Figure> {
        let (gap, gaps) = measured(log_probs);
        figure(&[Gaps { name: "digits", spec: &spec(), gap: &gap, gaps: &gaps }])
    }

    /// The areas under both outlines are 1, and their middles are the means of what was measured.
    #[test]
    fn both_likelihoods_stand_at_their_bits() {
        let log_probs: Vec<[f64; 2]> =
            (0..100).map(|i| [-3.0 + 0.01 * f64::from(i), -5.0 + 0.02 * f64::from(i)]).collect();
        let figure = draw(&log_probs).unwrap();
        let panels = drawn::panels(&figure);
        for (place, class) in [(0, 0), (1, 1)] {
            let stairs = panels[0].points(&colour(place));
            let steps = stairs.windows(2).filter(|two| two[1].0 - two[0].0 > 1e-9);
            let (share, moment) = steps.fold((0.0, 0.0), |(share, moment), two| {
                (share + two[0].1, moment + two[0].1 * (two[0].0 + two[1].0) / 2.0)
            });
            let mean: f64 =
                log_probs.iter().map(|log_prob| spec().bits_per_dim(log_prob[class])).sum::<f64>()
                    / 100.0;
            assert!((share - 1.0).abs() < 0.02, "{share}");
            // Bins are of 1/32 nats at least.
            assert!((moment / share - mean).abs() < 0.1, "{moment} {mean}");
        }
        assert!(panels[0].says("digits (n = 100)") && panels[1].says("mean gap"));
    }

    #[test]
    fn the_gap_stands_at_its_nats() {
        let panels = drawn::panels(&draw(&[[-1.0, -5.0], [-1.0, -5.0], [-3.0, -2.0]]).unwrap());
        let stairs = panels[1].points(&colour(0));
        let (x, y) = stairs
            .iter()
            .copied()
            .fold((0.0, 0.0), |top, point| if point.1 > top.1 { point } else { top });
        // Two of three gaps are 4: the first step as high as 2/3 starts within a bin of it.
        assert!((y - 2.0 / 3.0).abs() < 1e-3 && (x - 4.0).abs() < 0.2, "{x} {y}");
    }

    #[test]
    fn data_without_a_gap_are_refused_by_name() {
        for log_probs in [vec![], vec![[f64::NEG_INFINITY, -1.0]; 3]] {
            let error = draw(&log_probs).unwrap_err().to_string();
            assert!(error.contains("'digits' has no image with a finite"), "{error}");
        }
        assert!(figure(&[]).is_err());
    }
}
