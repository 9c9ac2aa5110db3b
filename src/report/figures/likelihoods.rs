//! Histograms of likelihoods, in- against out-of-distribution.

use anyhow::{Context, ensure};
use undetected_onnx::{model::ModelSpec, statistics};

use super::{BITS, BITS_NOTE, count, histogram::Histogram, line_key, said, style, threshold_key};
use crate::report::{Axis, Band, Curve, Figure, Key, Panel, Rule};

const BINS: usize = 80;
/// The middle share of a group's values that the axis should hold.
const MIDDLE: (f64, f64) = (0.005, 0.995);
/// The axis reaches so many widths of the first group beyond it, and no further: what lies far off,
/// as uniform noise does, would press all others into one bin. It is named in the legend instead.
const REACH: f64 = 4.0;
/// log p(x) of one data set.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// Name of the data set.
    pub name: &'a str,
    /// Of every image, nats; NaN and infinite ones are named in the legend.
    pub log_px: &'a [f64],
}

/// One model's view of several data sets.
#[derive(Debug, Clone)]
pub struct Likelihoods<'a> {
    /// Title of the panel.
    pub title: &'a str,
    /// The model.
    pub spec: &'a ModelSpec,
    /// The data sets, in-distribution first.
    pub groups: Vec<Group<'a>>,
    /// Threshold on log p(x), nats, where there is one.
    pub threshold: Option<f64>,
}

/// A panel for each model, on each the shares of images in 80 common bins of bits/dim.
///
/// # Errors
/// Where there is no panel, a panel has no data set, or a data set has no finite log p(x).
pub fn figure(subjects: &[Likelihoods<'_>]) -> anyhow::Result<Figure> {
    ensure!(!subjects.is_empty(), "there is no model whose likelihoods could be drawn");
    let panels = subjects.iter().map(Likelihoods::panel).collect::<anyhow::Result<Vec<_>>>()?;
    let said: Vec<String> = subjects.iter().map(Likelihoods::said).collect();
    Ok(Figure {
        title: "Likelihood in and out of distribution".to_string(),
        note: format!("{BITS_NOTE} The first data set of each legend is in-distribution."),
        description: said.join(" "),
        columns: subjects.len().min(2),
        strips: Vec::new(),
        panels,
        keys: Vec::new(),
    })
}

impl Likelihoods<'_> {
    fn bits(&self, group: &Group<'_>) -> impl Iterator<Item = f64> {
        group.log_px.iter().map(|log_p| self.spec.bits_per_dim(*log_p))
    }

    /// The finite ones.
    fn sorted(&self, group: &Group<'_>) -> Vec<f64> {
        let mut bits: Vec<f64> = self.bits(group).filter(|bits| bits.is_finite()).collect();
        bits.sort_by(f64::total_cmp);
        bits
    }

    /// Lower and upper end of the middle of a data set.
    fn middle(&self, group: &Group<'_>) -> anyhow::Result<(f64, f64)> {
        let bits = self.sorted(group);
        let at = |p| statistics::quantile(&bits, p).map(|quantile| quantile.value);
        at(MIDDLE.0).zip(at(MIDDLE.1)).with_context(|| {
            format!(
                "data set '{}' has no finite log p(x) among {} images; leave it out of the figure",
                group.name,
                group.log_px.len()
            )
        })
    }

    fn axis(&self) -> anyhow::Result<Axis> {
        let first = self.groups.first().with_context(|| {
            format!("'{}' has no data set whose likelihoods could be drawn", self.title)
        })?;
        let (low, high) = self.middle(first)?;
        let reach = REACH * (high - low);
        let mut ends = vec![low, high];
        for group in &self.groups[1..] {
            let (from, to) = self.middle(group)?;
            // One that is out of reach leaves the axis as it is.
            let near = from <= high + reach && to >= low - reach;
            ends.extend(
                near.then(|| [from.max(low - reach), to.min(high + reach)]).into_iter().flatten(),
            );
        }
        ends.extend(self.threshold.map(|threshold| self.spec.bits_per_dim(threshold)));
        Ok(Axis::around(BITS, ends))
    }

    fn panel(&self) -> anyhow::Result<Panel> {
        let x = self.axis()?;
        let histogram = |group| Histogram::of(self.bits(group), x.low, x.high, BINS);
        let histograms: Vec<Histogram> = self.groups.iter().map(histogram).collect();
        let peak = histograms.iter().map(Histogram::peak).fold(0.0, f64::max);
        let curve = |(place, histogram): (usize, &Histogram)| {
            let (colour, dash) = style(place);
            Curve { points: histogram.outline(), colour, dash }
        };
        let keys = self.groups.iter().zip(&histograms).enumerate().map(key);
        let shade = Band { ends: histograms[0].area(), colour: style(0).0, opacity: 0.2 };
        Ok(Panel {
            title: self.title.to_string(),
            y: Axis::around("share of images per bin", [0.0, peak]),
            curves: histograms.iter().enumerate().map(curve).collect(),
            marks: Vec::new(),
            bands: vec![shade],
            rules: self.rules(),
            keys: keys.chain(threshold_key(self.threshold)).collect(),
            x,
        })
    }

    fn rules(&self) -> Vec<Rule> {
        let rule = |threshold| {
            let bits = self.spec.bits_per_dim(threshold);
            Rule::At(bits, String::new(), super::RULE.to_string())
        };
        self.threshold.map(rule).into_iter().collect()
    }

    /// The medians, in words.
    fn said(&self) -> String {
        let median = |group: &Group<'_>| {
            let median = statistics::quantile(&self.sorted(group), 0.5);
            format!("{} {}", group.name, said(median.map(|median| median.value)))
        };
        let medians: Vec<String> = self.groups.iter().map(median).collect();
        format!("{}: median bits/dim of {}.", self.title, medians.join(", "))
    }
}

fn key((place, (group, histogram)): (usize, (&Group<'_>, &Histogram))) -> Key {
    let (colour, dash) = style(place);
    let beyond = match histogram.beyond("further left", "further right").as_str() {
        "" => String::new(),
        beyond => format!("; {beyond}"),
    };
    let n = count(group.log_px.len() as u64);
    line_key(format!("{} (n = {n}{beyond})", group.name), colour, dash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{colour, figures::drawn};
    use undetected_onnx::model::{Dequantisation, ImageShape};

    /// One dimension, pixels of length 1: bits/dim are 8 - log p / ln 2.
    fn spec() -> ModelSpec {
        ModelSpec {
            name: "a".to_string(),
            image: ImageShape { channels: 1, height: 1, width: 1 },
            noise_len: 0,
            classes: vec!["zero".to_string(), "one".to_string()],
            ln_prior: vec![0.5f64.ln(); 2],
            n_dims: 1,
            pixel_range: (0.0, 1.0),
            dequantisation: Dequantisation::Uniform,
        }
    }

    fn nats(bits: &[f64]) -> Vec<f64> {
        bits.iter().map(|bits| spec().nats(*bits)).collect()
    }

    fn draw(groups: &[(&str, &[f64])], threshold: Option<f64>) -> anyhow::Result<Figure> {
        let spec = spec();
        let groups = groups.iter().map(|(name, log_px)| Group { name, log_px }).collect();
        figure(&[Likelihoods { title: "m", spec: &spec, groups, threshold }])
    }

    #[test]
    fn bins_stand_at_their_bits_and_what_is_far_is_named() {
        // Of 0 to 2 bits/dim, in 80 bins: 0.5125 lies in the bin that starts at 0.5.
        let real = nats(&[0.01, 0.5125, 0.5125, 1.99]);
        let far = nats(&[900.0, f64::INFINITY]);
        let threshold = spec().nats(1.5);
        let figure = draw(&[("real", &real), ("far", &far)], Some(threshold)).unwrap();
        let panels = drawn::panels(&figure);
        let curve = panels[0].points(&colour(0));
        assert!(
            curve.iter().any(|(x, y)| (x - 0.5).abs() < 1e-3 && (y - 0.5).abs() < 1e-3),
            "{curve:?}"
        );
        let first = [(0.0, 0.0), (0.0, 0.25), (0.025, 0.25)];
        drawn::assert_near(&curve[..3], &first, (2.0, 0.5));
        assert!(panels[0].says("real (n = 4)"));
        assert!(panels[0].says("far (n = 2; 50 % further right, 50 % not finite)"));
        assert!(panels[0].says("threshold") && panels[0].says("lower = likelier"));
        assert!(figure.description.contains("real 0.512"), "{}", figure.description);
    }

    #[test]
    fn data_without_likelihoods_are_refused_by_name() {
        let real = nats(&[1.0, 2.0]);
        for (groups, part) in [
            (vec![], "'m' has no data set"),
            (vec![("empty", &[][..])], "'empty' has no finite log p(x) among 0 images"),
            (
                vec![("real", &real[..]), ("lost", &[f64::NEG_INFINITY; 3][..])],
                "'lost' has no finite",
            ),
        ] {
            let error = format!("{:#}", draw(&groups, None).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        assert!(figure(&[]).is_err());
    }

    #[test]
    fn equal_likelihoods_have_an_axis() {
        drawn::panels(&draw(&[("one", &nats(&[1.25]))], None).unwrap());
    }
}
