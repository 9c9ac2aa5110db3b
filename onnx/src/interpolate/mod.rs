//! Straight lines between images of different classes (section 4.4, figures 1, 4 and 6).
//!
//! # The path
//! x_alpha = alpha x_1 + (1 - alpha) x_0 in the model's pixels, computed in f64 and rounded to f32.
//! "Sampling 100 alpha values uniformly in \[0, 1\]" is read as the uniform grid with both ends,
//! alpha_i = i/(n - 1): the ends are needed to compare with. The midpoint, alpha = 1/2, is not on a
//! grid of 100 and is always evaluated beside it.
//!
//! # Dequantisation
//! Both ends of pair i get the *same* u, of stream (seed, "interpolation-noise", i), so that
//! x_alpha = (alpha k_1 + (1 - alpha) k_0 + u)/256 has noise of full width at every alpha. With
//! independent noise at the ends its variance at the midpoint would be half of a real image's, and
//! midpoints could be likelier for that alone. Padding noise, of stream (seed,
//! "interpolation-padding", i), is one draw a path likewise. The ends are therefore scored again,
//! under other noise than when they were selected: some may now be rejected, see
//! [`Summary::ends_accepted`]. A model of dequantisation `none` knows only the grid of 8-bit values:
//! x_alpha is rounded to it, so that `log_prob` stays a probability mass.

mod selection;
mod summary;

use std::ops::Range;

use nalgebra::DMatrix;
use rand::RngExt;
use undetected_theory::Streams;

use summary::Accumulator;

pub use selection::{Pair, Selection};
pub use summary::{AtAlpha, Band, Summary};

use crate::{
    ahead::ahead,
    dataset::{Images, Pixels},
    dequantise,
    detect::Detector,
    error::{Error, Result},
    likelihood::Score,
    model::{Batch, ConditionalModel, Dequantisation, ModelSpec},
};

/// The paper's number of alphas.
pub const ALPHAS: usize = 100;

/// What a model says of one point of a path.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Point {
    /// Weight of x_1.
    pub alpha: f64,
    /// log p(x), nats.
    pub log_px: f64,
    /// log p(x) in bits/dim; `None` where it is NaN or infinite.
    pub bits_per_dim: Option<f64>,
    /// p(y_0 given x) and p(y_1 given x); `None` where log p(x) is NaN or infinite.
    pub posterior: Option<[f64; 2]>,
    /// The predicted class, if any.
    pub predicted: Option<usize>,
    /// Whether the detector accepts it.
    pub accepted: bool,
}

/// One path.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Path {
    /// Number of its pair, from 0.
    pub index: usize,
    /// Its ends.
    pub pair: Pair,
    /// Its grid, from alpha = 0 to 1.
    pub points: Vec<Point>,
    /// alpha = 1/2.
    pub midpoint: Point,
}

impl Path {
    /// x_0 and x_1.
    ///
    /// # Panics
    /// If the path has no points.
    pub fn ends(&self) -> [&Point; 2] {
        [&self.points[0], &self.points[self.points.len() - 1]]
    }

    /// Whether every point of the grid is accepted.
    pub fn is_accepted(&self) -> bool {
        self.points.iter().all(|point| point.accepted)
    }

    /// Whether log p(x) of the midpoint is above that of both ends; false unless the three are
    /// finite.
    pub fn midpoint_is_likelier(&self) -> bool {
        self.is_comparable() && self.ends().iter().all(|end| self.midpoint.log_px > end.log_px)
    }

    /// Whether log p(x) is finite at the midpoint and both ends.
    pub fn is_comparable(&self) -> bool {
        let [first, last] = self.ends();
        [first, &self.midpoint, last].iter().all(|point| point.log_px.is_finite())
    }
}

/// alpha_i = i/(n - 1) for i from 0 to n - 1.
///
/// # Errors
/// [`Error::Setting`] where n is below 2: both ends are on the grid.
pub fn alphas(n: usize) -> Result<Vec<f64>> {
    if n < 2 {
        return Err(Error::setting(format!("alphas = {n}"), "must be at least 2, for both ends"));
    }
    Ok((0..n).map(|i| i as f64 / (n - 1) as f64).collect())
}

/// What to walk.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// Where the pairs' images are; of the model's shape ([`Images::fit`]).
    pub images: &'a Images,
    /// The ends of each path.
    pub pairs: &'a [Pair],
    /// Decides which points are accepted.
    pub detector: &'a dyn Detector,
    /// Points of the grid; the paper's are [`ALPHAS`].
    pub alphas: usize,
    /// Seed of dequantisation and padding noise.
    pub seed: u64,
}

impl Walk<'_> {
    /// Walks the path of every pair, `batch_size` points at a time; each path goes to `sink`, in
    /// order, and is not kept.
    ///
    /// Batches run across paths, and no value depends on them.
    ///
    /// # Numerics
    /// Memory is 24 bytes a pair and alpha, for the quantiles of the bands, whatever the size of the
    /// data set.
    ///
    /// # Errors
    /// [`Error::Setting`] where `alphas` is below 2 or there is no pair; where the model or `sink`
    /// fails. A NaN or infinite density is no error: it is counted apart, and never accepted nor
    /// likelier.
    ///
    /// # Panics
    /// If the images are of another shape than the model's, an image or a class of a pair does not
    /// exist, or `batch_size` is 0.
    pub fn run(
        &self,
        model: &mut dyn ConditionalModel,
        batch_size: usize,
        sink: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<Summary> {
        let grid = alphas(self.alphas)?;
        if self.pairs.is_empty() {
            return Err(Error::setting("pairs", "there is none to walk between"));
        }
        let spec = model.spec().clone();
        let mut total = Accumulator::new(&grid);
        let stops = [grid, vec![0.5]].concat();
        let mut points = Vec::with_capacity(stops.len());
        let places = self.pairs.len() * stops.len();
        let make = |put: &mut dyn FnMut((usize, Batch)) -> Result<()>| {
            (0..places).step_by(batch_size).try_for_each(|first| {
                let range = first..places.min(first + batch_size);
                put((first, self.batch(&spec, &stops, range)))
            })
        };
        ahead(make, |(first, batch)| {
            let log_prob = model.log_prob(&batch)?;
            for (place, column) in (first..).zip(log_prob.column_iter()) {
                let (index, stop) = (place / stops.len(), place % stops.len());
                points.push(self.point(&spec, index, stops[stop], column.as_slice()));
                if stop + 1 == stops.len() {
                    let path = self.path(index, std::mem::take(&mut points));
                    total.push(&path);
                    sink(&path)?;
                }
            }
            Ok(())
        })?;
        Ok(total.summary())
    }

    /// Path `index` at any alphas as the model of `spec` takes it, one point a column: what
    /// [`run`](Self::run) evaluates, for a figure's images.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn line(&self, spec: &ModelSpec, index: usize, alphas: &[f64]) -> Batch {
        let segment = Segment::new(self, spec, index);
        let (mut x, mut noise) = (Vec::new(), Vec::new());
        alphas.iter().for_each(|alpha| segment.push(*alpha, &mut x, &mut noise));
        columns(spec, alphas.len(), x, noise)
    }

    /// The points of `places`, path after path, `stops` of them a path.
    fn batch(&self, spec: &ModelSpec, stops: &[f64], places: Range<usize>) -> Batch {
        let (mut x, mut noise) = (Vec::new(), Vec::new());
        let count = places.len();
        let mut segment = Segment::new(self, spec, places.start / stops.len());
        for place in places {
            let (index, stop) = (place / stops.len(), place % stops.len());
            if segment.index != index {
                segment = Segment::new(self, spec, index);
            }
            segment.push(stops[stop], &mut x, &mut noise);
        }
        columns(spec, count, x, noise)
    }

    fn point(&self, spec: &ModelSpec, index: usize, alpha: f64, log_prob: &[f64]) -> Point {
        let score = Score::new(index, None, &spec.ln_prior, log_prob, None);
        let log_px = score.log_px;
        let is_finite = log_px.is_finite();
        let posterior = |class: usize| (spec.ln_prior[class] + log_prob[class] - log_px).exp();
        Point {
            alpha,
            log_px,
            bits_per_dim: is_finite.then(|| spec.bits_per_dim(log_px)),
            posterior: is_finite.then(|| self.pairs[index].classes.map(posterior)),
            predicted: score.predicted,
            accepted: is_finite && self.detector.accepts(&score),
        }
    }

    fn path(&self, index: usize, mut points: Vec<Point>) -> Path {
        let midpoint = points.pop().expect("the midpoint is the last stop");
        Path { index, pair: self.pairs[index], points, midpoint }
    }
}

fn columns(spec: &ModelSpec, count: usize, x: Vec<f32>, noise: Vec<f32>) -> Batch {
    Batch {
        x: DMatrix::from_vec(spec.image.len(), count, x),
        noise: DMatrix::from_vec(spec.noise_len, count, noise),
    }
}

/// The ends of a path as the model takes them.
struct Segment {
    index: usize,
    ends: [Vec<f32>; 2],
    noise: Vec<f32>,
    /// Lower end and length of the pixels' range, where only its 8-bit values are known.
    grid: Option<(f64, f64)>,
}

impl Segment {
    fn new(walk: &Walk<'_>, spec: &ModelSpec, index: usize) -> Self {
        assert_eq!(walk.images.shape, spec.image, "images must be fitted to the model");
        let streams = Streams::new(walk.seed, "interpolation-noise");
        let ends = walk.pairs[index].images.map(|image| {
            let mut x = Vec::with_capacity(spec.image.len());
            dequantise::image(walk.images, spec, image, streams.get(index as u64), &mut x);
            x
        });
        let mut padding = Streams::new(walk.seed, "interpolation-padding").get(index as u64);
        let (low, high) = spec.pixel_range;
        let is_mass = spec.dequantisation == Dequantisation::None;
        let is_bytes = matches!(walk.images.pixels, Pixels::Bytes(_));
        Self {
            index,
            ends,
            noise: (0..spec.noise_len).map(|_| padding.random()).collect(),
            grid: (is_mass && is_bytes).then_some((low, high - low)),
        }
    }

    fn push(&self, alpha: f64, x: &mut Vec<f32>, noise: &mut Vec<f32>) {
        let [from, to] = &self.ends;
        x.extend(from.iter().zip(to).map(|(&from, &to)| {
            let mixed = alpha * f64::from(to) + (1.0 - alpha) * f64::from(from);
            let round = |(low, length): (f64, f64)| {
                low + length * ((mixed - low) / length * 255.0).round() / 255.0
            };
            self.grid.map_or(mixed, round) as f32
        }));
        noise.extend(&self.noise);
    }
}
