//! Figure 1: single interpolations, with their images.

use anyhow::{Context, ensure};
use undetected_onnx::{
    interpolate::{Path, Point},
    model::{Batch, ModelSpec},
};

use super::{
    BITS, BITS_NOTE, averages::alpha_axis, line_key, said, style, threshold_key, unbroken,
};
use crate::report::{
    Axis, Figure, Key, Marker, Marks, Panel, Rule, Sample, Strip, Thumbnail, colour,
};

/// Images above an example: both ends, the midpoint, and three on either side of it.
pub const IMAGES: usize = 9;

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
                "{}\n{} (image {}) to {} (image {})",
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
        let bits = |point: &Point| said(point.bits_per_dim);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{PNG_SCALE, figures::drawn};
    use undetected_onnx::{
        dataset::{Images, Pixels},
        detect::{Statistic, ThresholdDetector, Thresholds},
        interpolate::{Pair, Walk, alphas},
        model::{Dequantisation, ImageShape},
    };

    const PAIR: Pair = Pair { images: [0, 1], classes: [1, 0] };

    fn spec(channels: usize) -> ModelSpec {
        ModelSpec {
            name: "a".to_string(),
            image: ImageShape { channels, height: 2, width: 2 },
            noise_len: 0,
            classes: vec!["zero".to_string(), "one".to_string()],
            ln_prior: vec![0.5f64.ln(); 2],
            n_dims: 4 * channels,
            pixel_range: (0.0, 1.0),
            dequantisation: Dequantisation::Centre,
        }
    }

    /// From a black image to a white one.
    fn line(spec: &ModelSpec, images: usize) -> Batch {
        let black_and_white = [vec![0; spec.image.len()], vec![255; spec.image.len()]].concat();
        let ends = Images {
            name: "ends".to_string(),
            path: None,
            shape: spec.image,
            pixels: Pixels::Bytes(black_and_white),
            labels: None,
        };
        let detector =
            ThresholdDetector::fixed(Statistic::Marginal, Thresholds::Common(0.0)).unwrap();
        let walk =
            Walk { images: &ends, pairs: &[PAIR], detector: &detector, alphas: images, seed: 0 };
        walk.line(spec, 0, &alphas(images).unwrap())
    }

    fn point(alpha: f64, log_px: f64) -> Point {
        let is_finite = log_px.is_finite();
        Point {
            alpha,
            log_px,
            bits_per_dim: is_finite.then_some(-log_px),
            posterior: is_finite.then_some([1.0 - alpha, alpha]),
            predicted: None,
            accepted: alpha < 0.5,
        }
    }

    fn path(log_px: f64) -> Path {
        let points = [0.0, 0.25, 0.75, 1.0].map(|alpha| point(alpha, log_px - alpha)).to_vec();
        Path { index: 0, pair: PAIR, points, midpoint: point(0.5, log_px - 0.5) }
    }

    fn draw(spec: &ModelSpec, path: &Path, images: &Batch) -> anyhow::Result<Figure> {
        figure(&[Example { name: "digits", spec, path, images, threshold: Some(2.0) }])
    }

    #[test]
    fn curves_stand_at_their_alpha_with_the_midpoint_among_them() {
        let (spec, path) = (spec(1), path(-1.0));
        let panels = drawn::panels(&draw(&spec, &path, &line(&spec, IMAGES)).unwrap());
        let alphas = [0.0, 0.25, 0.5, 0.75, 1.0];
        drawn::assert_near(
            &panels[0].points(&colour(0)),
            &alphas.map(|a| (a, 1.0 + a)),
            (1.0, 1.0),
        );
        drawn::assert_near(
            &panels[1].points(&colour(0)),
            &alphas.map(|a| (a, 1.0 - a)),
            (1.0, 1.0),
        );
        drawn::assert_near(&panels[1].points(&colour(1)), &alphas.map(|a| (a, a)), (1.0, 1.0));
        // y_0 is class 1, and the first image's.
        assert!(panels[1].says("p(one|x)") && panels[0].says("rejected"));
    }

    /// Each image stands over its alpha, in the SVG and, in its own grey, in the PNG.
    #[test]
    fn images_stand_over_their_alpha() {
        let spec = spec(1);
        let figure = draw(&spec, &path(-1.0), &line(&spec, IMAGES)).unwrap();
        let ticks = &drawn::panels(&figure)[0].x_ticks;
        let ((left, _), (right, _)) = (ticks[0], ticks[ticks.len() - 1]);
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(figure.png().unwrap())).read_info().unwrap();
        assert_eq!(reader.output_color_type(), (png::ColorType::Rgb, png::BitDepth::Eight));
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let width = reader.next_frame(&mut pixels).unwrap().width as usize;
        let svg = figure.svg().unwrap();
        let images: Vec<&str> = svg.split("<image ").skip(1).collect();
        assert_eq!(images.len(), IMAGES);
        for (place, tag) in images.iter().enumerate() {
            let number = |name: &str| -> f64 {
                let (_, rest) = tag.split_once(&format!("{name}=\"")).unwrap();
                rest.split('"').next().unwrap().parse().unwrap()
            };
            let (x, y) =
                (number("x") + number("width") / 2.0, number("y") + number("height") / 2.0);
            let alpha = place as f64 / (IMAGES - 1) as f64;
            assert!((x - (left + alpha * (right - left))).abs() <= 1.0, "{x} for {alpha}");
            let place = PNG_SCALE as usize * (y as usize * width + x as usize);
            let grey = f64::from(pixels[3 * place]);
            assert!((grey - 255.0 * alpha).abs() < 2.0, "{grey} for {alpha}");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_refused_by_name() {
        let (one, two) = (spec(1), spec(2));
        for (spec, path, images, part) in [
            (
                &one,
                path(-1.0),
                line(&one, 3),
                "path 0 of 'digits' comes with 3 images; 9 are shown",
            ),
            (&two, path(-1.0), line(&two, IMAGES), "1 channel (grey) or 3 (RGB)"),
            (&one, path(f64::NAN), line(&one, IMAGES), "path 0 of 'digits' has no finite log p(x)"),
        ] {
            let error = format!("{:#}", draw(spec, &path, &images).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        assert!(figure(&[]).is_err());
    }

    #[test]
    fn colour_images_are_shown_in_colour() {
        let spec = spec(3);
        drawn::panels(&draw(&spec, &path(-1.0), &line(&spec, IMAGES)).unwrap());
    }
}
