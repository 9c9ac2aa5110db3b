//! Figure 1: single interpolations, with their images.

use anyhow::{Context, ensure};
use undetected_onnx::{
    interpolate::{Path, Point},
    model::{Batch, ModelSpec},
};

use super::{BITS, BITS_NOTE, averages::alpha_axis, line_key, style, threshold_key, unbroken};
use crate::report::{
    Axis, Figure, Key, Marker, Marks, Panel, Rule, Sample, Strip, Thumbnail, colour,
};

/// Images above an example: both ends, the midpoint, and two on either side of it.
pub const IMAGES: usize = 7;

/// What a detector says of a point: its label, place among colours, and mark.
const VERDICTS: [(bool, &str, usize, Marker); 2] =
    [(true, "accepted", 0, Marker::Circle), (false, "rejected", 4, Marker::Square)];

/// One path.
#[derive(Debug, Clone, Copy)]
pub struct Example<'a> {
    /// Name of the data set, and of the model where there are several.
    pub name: &'a str,
    /// The model.
    pub spec: &'a ModelSpec,
    /// What it says along the path.
    pub path: &'a Path,
    /// [`IMAGES`] of the path at even distances, both ends included, one a column: of
    /// [`undetected_onnx::interpolate::Walk::line`] at [`undetected_onnx::interpolate::alphas`].
    pub images: &'a Batch,
    /// The detector's threshold in bits/dim, where it is one on log p(x).
    pub threshold: Option<f64>,
}

/// A column for each path: its images, its bits/dim and the probabilities of its ends' classes.
///
/// # Errors
/// Where there is no path, one without a finite log p(x), or with other than [`IMAGES`] images that
/// can be shown.
pub fn figure(examples: &[Example<'_>]) -> anyhow::Result<Figure> {
    ensure!(!examples.is_empty(), "there is no interpolation to draw");
    let strips = examples.iter().map(Example::strip).collect::<anyhow::Result<Vec<_>>>()?;
    let likelihoods =
        examples.iter().map(Example::likelihood).collect::<anyhow::Result<Vec<_>>>()?;
    let said: Vec<String> = examples.iter().map(Example::said).collect();
    Ok(Figure {
        title: "Interpolation between two images".to_string(),
        note: format!("x = α x₁ + (1 - α) x₀. {BITS_NOTE}"),
        description: said.join(" "),
        columns: examples.len(),
        strips,
        panels: likelihoods.into_iter().chain(examples.iter().map(Example::classes)).collect(),
        keys: Vec::new(),
    })
}

impl Example<'_> {
    /// The points in order of alpha, the midpoint among them.
    fn points(&self) -> Vec<&Point> {
        let mut points: Vec<&Point> = self.path.points.iter().collect();
        points.push(&self.path.midpoint);
        points.sort_by(|one, other| one.alpha.total_cmp(&other.alpha));
        points
    }

    fn class(&self, end: usize) -> &str {
        &self.spec.classes[self.path.pair.classes[end]]
    }

    fn strip(&self) -> anyhow::Result<Strip> {
        ensure!(
            self.images.len() == IMAGES,
            "path {} of '{}' comes with {} images; {IMAGES} are shown",
            self.path.index,
            self.name,
            self.images.len()
        );
        let thumbnails = Thumbnail::of_batch(self.spec, self.images)
            .with_context(|| format!("path {} of '{}'", self.path.index, self.name))?;
        let alphas = (0..IMAGES).map(|i| i as f64 / (IMAGES - 1) as f64);
        Ok(Strip {
            caption: format!(
                "{}: {} (no. {}) to {} (no. {})",
                self.name,
                self.class(0),
                self.path.pair.images[0],
                self.class(1),
                self.path.pair.images[1]
            ),
            x: alpha_axis(),
            images: alphas.zip(thumbnails).collect(),
        })
    }

    fn likelihood(&self) -> anyhow::Result<Panel> {
        let points = self.points();
        let values: Vec<f64> = points.iter().filter_map(|point| point.bits_per_dim).collect();
        ensure!(
            !values.is_empty(),
            "path {} of '{}' has no finite log p(x); draw another one",
            self.path.index,
            self.name
        );
        let (colour, dash) = style(0);
        let mut keys = vec![line_key("-log p(x)", &colour, dash)];
        keys.extend(VERDICTS.map(|(_, label, place, marker)| Key {
            label: label.to_string(),
            colour: crate::report::colour(place),
            sample: Sample::Mark(marker),
        }));
        keys.extend(threshold_key(self.threshold));
        let curve = points.iter().map(|point| (point.alpha, point.bits_per_dim));
        Ok(Panel {
            title: String::new(),
            x: alpha_axis(),
            y: Axis::around(BITS, values.into_iter().chain(self.threshold)),
            curves: unbroken(curve, &colour, dash),
            marks: self.verdicts(),
            bands: Vec::new(),
            rules: self
                .threshold
                .map(|bits| Rule::Level(bits, String::new()))
                .into_iter()
                .collect(),
            keys,
        })
    }

    /// Marks below the images: dots where the detector accepts, squares where it does not.
    fn verdicts(&self) -> Vec<Marks> {
        let points = self.points();
        let nearest = |alpha: f64| {
            let distance = |point: &&&Point| (point.alpha - alpha).abs();
            points.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).copied()
        };
        let shown: Vec<&Point> =
            (0..IMAGES).filter_map(|i| nearest(i as f64 / (IMAGES - 1) as f64)).collect();
        VERDICTS
            .into_iter()
            .map(|(accepted, _, place, marker)| {
                let of = shown.iter().filter(|point| point.accepted == accepted);
                let points =
                    of.filter_map(|point| Some((point.alpha, point.bits_per_dim?))).collect();
                Marks { points, colour: colour(place), marker }
            })
            .collect()
    }

    fn classes(&self) -> Panel {
        let mut panel = Panel {
            title: String::new(),
            x: alpha_axis(),
            y: Axis::linear("class probability", 0.0, 1.0, 0.2),
            curves: Vec::new(),
            marks: Vec::new(),
            bands: Vec::new(),
            rules: Vec::new(),
            keys: Vec::new(),
        };
        for end in [0, 1] {
            let (colour, dash) = style(end);
            let points = self.points();
            let curve = points.iter().map(|point| (point.alpha, point.posterior.map(|p| p[end])));
            panel.curves.extend(unbroken(curve, &colour, dash));
            panel.keys.push(line_key(format!("p({}|x)", self.class(end)), colour, dash));
        }
        panel
    }

    fn said(&self) -> String {
        let [first, last] = self.path.ends();
        let bits =
            |point: &Point| point.bits_per_dim.map_or("none".to_string(), |b| format!("{b:.3}"));
        format!(
            "{}, image {} of class {} to image {} of class {}: bits/dim {} at α = 0, {} at 1/2, {} \
             at 1.",
            self.name,
            self.path.pair.images[0],
            self.class(0),
            self.path.pair.images[1],
            self.class(1),
            bits(first),
            bits(&self.path.midpoint),
            bits(last)
        )
    }
}
