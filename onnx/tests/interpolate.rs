//! Paths between images where every number along them is known.

mod common;

use std::collections::BTreeSet;

use common::message;
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::{RngExt, distr::StandardUniform};
use undetected_onnx::{
    Error, Result,
    dataset::{Images, Pixels},
    detect::{Detector, Statistic, ThresholdDetector, Thresholds},
    gaussian::GaussianModel,
    interpolate::{self, Pair, Path, Selection, Summary, Walk},
    likelihood::{self, Score},
    model::{Batch, ConditionalModel, Dequantisation, ImageShape, ModelSpec},
    statistics,
};
use undetected_theory::{Proportion, Streams};

const DIM: usize = 3;
const SIGMA: f64 = 0.5;

/// Pixels along a path are rounded to f32, 6e-8; log p(x given y) changes by |x - m|/sigma² < 7
/// times as much, in three dimensions.
const ROUNDING: f64 = 2e-6;

struct Everything;

impl Detector for Everything {
    fn accepts(&self, _: &Score) -> bool {
        true
    }
}

/// Accepts log p(x) at or above the threshold.
fn at_least(threshold: f64) -> ThresholdDetector {
    ThresholdDetector::fixed(Statistic::Marginal, Thresholds::Common(threshold)).unwrap()
}

fn means() -> DMatrix<f64> {
    DMatrix::from_column_slice(DIM, 2, &[0.25, 0.5, 0.0, 0.75, 0.25, 1.0])
}

fn images(count: usize) -> Images {
    let draws = Streams::new(8, "test-paths").get(0).sample_iter::<f32, _>(StandardUniform);
    Images {
        name: "draws".to_owned(),
        path: None,
        shape: ImageShape { channels: 1, height: 1, width: DIM },
        pixels: Pixels::Unit(draws.take(count * DIM).collect()),
        labels: Some((0..count).map(|image| image % 2).collect()),
    }
}

/// Images 2i and 2i + 1 are the ends of path i, of classes 0 and 1.
fn neighbours(count: usize) -> Vec<Pair> {
    (0..count).map(|i| Pair { images: [2 * i, 2 * i + 1], classes: [0, 1] }).collect()
}

fn pixels(images: &Images, index: usize) -> DVector<f64> {
    let Pixels::Unit(values) = &images.pixels else { unreachable!() };
    DVector::from_fn(DIM, |row, _| f64::from(values[index * DIM + row]))
}

fn run(
    walk: &Walk<'_>,
    model: &mut dyn ConditionalModel,
    batch_size: usize,
) -> (Summary, Vec<Path>) {
    let mut paths = Vec::new();
    let mut sink = |path: &Path| {
        paths.push(path.clone());
        Ok(())
    };
    let summary = walk.run(model, batch_size, &mut sink).unwrap();
    (summary, paths)
}

/// With d = x_1 - x_0: log p(x_alpha given y) is the parabola -|x_0 - m_y + alpha d|²/(2 sigma²) - c,
/// and p(y_1 given x_alpha) the logistic function of (m_1 - m_0)·(x_0 + alpha d - (m_0 + m_1)/2)/sigma².
#[test]
fn along_a_path_densities_are_parabolas_and_posteriors_logistic() {
    let (images, pairs, means) = (images(40), neighbours(20), means());
    let walk = Walk { images: &images, pairs: &pairs, detector: &Everything, alphas: 11, seed: 0 };
    let mut model = GaussianModel::new(means.clone(), SIGMA);
    let (_, paths) = run(&walk, &mut model, 16);
    assert_eq!(paths.len(), 20);
    let variance = SIGMA * SIGMA;
    let normaliser = 0.5 * DIM as f64 * (std::f64::consts::TAU * variance).ln();
    let slope = means.column(1) - means.column(0);
    let middle = (means.column(0) + means.column(1)) / 2.0;
    for (index, path) in paths.iter().enumerate() {
        let [first, last] = path.pair.images.map(|image| pixels(&images, image));
        let step = &last - &first;
        assert_eq!((path.index, path.pair), (index, pairs[index]));
        for (place, point) in path.points.iter().chain([&path.midpoint]).enumerate() {
            let expected = if place == 11 { 0.5 } else { place as f64 / 10.0 };
            assert_eq!(point.alpha, expected);
            let parabola = |class: usize| {
                let from = &first - means.column(class);
                let squares = from.norm_squared()
                    + 2.0 * point.alpha * from.dot(&step)
                    + point.alpha.powi(2) * step.norm_squared();
                -squares / (2.0 * variance) - normaliser
            };
            let logit = slope.dot(&(&first - &middle + &step * point.alpha)) / variance;
            let second = 1.0 / (1.0 + (-logit).exp());
            let [p_first, p_second] = point.posterior.unwrap();
            assert!(
                (p_second - second).abs() < ROUNDING && (p_first + second - 1.0).abs() < ROUNDING
            );
            let log_px = ((parabola(0).exp() + parabola(1).exp()) / 2.0).ln();
            assert!((point.log_px - log_px).abs() < ROUNDING, "{point:?}, exactly {log_px}");
            assert_eq!(point.bits_per_dim, Some(model.spec().bits_per_dim(point.log_px)));
            assert_eq!(point.predicted, Some(usize::from(p_second > p_first)));
        }
    }
}

/// One Gaussian: the midpoint is likelier than both ends exactly where the foot of the perpendicular
/// from the mean lies at an alpha between 1/4 and 3/4, and a path is accepted exactly where its ends
/// are, for a ball is convex.
#[test]
fn paths_of_one_gaussian() {
    let (images, pairs) = (images(400), neighbours(200));
    let centre = DVector::from_element(DIM, 0.5);
    let means = DMatrix::from_columns(&[centre.clone(), centre.clone()]);
    let mut model = GaussianModel::new(means, SIGMA);
    let normaliser = 0.5 * DIM as f64 * (std::f64::consts::TAU * SIGMA * SIGMA).ln();
    let radius = 0.5_f64;
    let threshold = -radius.powi(2) / (2.0 * SIGMA * SIGMA) - normaliser;
    let detector = at_least(threshold);
    let walk = Walk { images: &images, pairs: &pairs, detector: &detector, alphas: 10, seed: 0 };
    let (summary, paths) = run(&walk, &mut model, 64);

    let (mut likelier, mut inside, mut middles) = (0, 0, 0);
    for (pair, path) in pairs.iter().zip(&paths) {
        let [from, to] = pair.images.map(|image| pixels(&images, image) - &centre);
        let step = &to - &from;
        let foot = -from.dot(&step) / step.norm_squared();
        // No draw may lie where rounding decides.
        assert!(((foot - 0.5).abs() - 0.25).abs() > 1e-5 && (from.norm() - radius).abs() > 1e-5);
        assert_eq!(path.midpoint_is_likelier(), (foot - 0.5).abs() < 0.25, "foot at {foot}");
        likelier += u64::from((foot - 0.5).abs() < 0.25);
        inside += u64::from(from.norm() < radius && to.norm() < radius);
        middles += u64::from(((from + to) / 2.0).norm() < radius);
    }
    let share = |successes| Proportion { successes, trials: 200 };
    assert!((20..180).contains(&likelier) && (20..180).contains(&inside) && middles > inside);
    assert_eq!(summary.midpoints_likelier, share(likelier));
    assert_eq!((summary.paths_accepted, summary.ends_accepted), (share(inside), share(inside)));
    assert_eq!((summary.midpoint.accepted, summary.not_comparable), (share(middles), 0));
}

/// Two classes ten sigma apart: every end is accepted, no midpoint is, and no path wholly.
#[test]
fn paths_between_distant_classes_leave_what_is_accepted() {
    let means = DMatrix::from_fn(DIM, 2, |_, class| class as f64);
    let sigma = 3.0_f64.sqrt() / 10.0;
    let mut images = images(40);
    let Pixels::Unit(values) = &mut images.pixels else { unreachable!() };
    for (place, value) in values.iter_mut().enumerate() {
        *value = 0.1 * *value + (place / DIM % 2) as f32;
    }
    let mut model = GaussianModel::new(means, sigma);
    let scores = likelihood::score(&mut model, &images, 16, 0, &mut |_| {}).unwrap();
    let least = scores.iter().map(|score| score.log_px).fold(f64::INFINITY, f64::min);
    let detector = at_least(least);
    let selection = Selection::draw(&scores, &detector, 20, 1).unwrap();
    let walk = Walk {
        images: &images,
        pairs: &selection.pairs,
        detector: &detector,
        alphas: 100,
        seed: 1,
    };
    let (summary, paths) = run(&walk, &mut model, 128);
    let share = |successes| Proportion { successes, trials: 20 };
    assert_eq!((summary.ends_accepted, summary.paths_accepted), (share(20), share(0)));
    assert_eq!((summary.midpoint.accepted, summary.midpoints_likelier), (share(0), share(0)));
    assert!(summary.midpoint_minus_ends.unwrap().interval.unwrap().0 > 0.0);
    // Real values have no noise: the ends are what was scored.
    for path in &paths {
        let scored = path.pair.images.map(|image| scores[image].log_px);
        assert_eq!(path.ends().map(|end| end.log_px), scored);
        let [first, last] = path.ends().map(|end| end.posterior.unwrap());
        assert!(first[0] > 0.999 && last[1] > 0.999);
    }
}

#[test]
fn bands_are_those_of_all_paths_at_once() {
    let (images, pairs) = (images(60), neighbours(30));
    let detector = at_least(-2.0);
    let walk = Walk { images: &images, pairs: &pairs, detector: &detector, alphas: 5, seed: 0 };
    let (summary, paths) = run(&walk, &mut GaussianModel::new(means(), SIGMA), 64);
    assert_eq!(summary.grid.len(), 5);
    for place in 0..5 {
        let at = &summary.grid[place];
        let points = || paths.iter().map(|path| &path.points[place]);
        let accepted = points().filter(|point| point.accepted).count() as u64;
        assert_eq!(at.accepted, Proportion { successes: accepted, trials: 30 });
        for (band, values) in [
            (at.bits_per_dim, points().map(|point| point.bits_per_dim.unwrap()).collect()),
            (at.p_first, points().map(|point| point.posterior.unwrap()[0]).collect()),
            (at.p_second, points().map(|point| point.posterior.unwrap()[1]).collect::<Vec<_>>()),
        ] {
            let (band, mut values) = (band.unwrap(), values);
            assert_eq!((band.n, band.mean), (30, statistics::mean(&values).unwrap()));
            values.sort_by(f64::total_cmp);
            // Place 0.05 * 29 = 1.45 of the sorted values, and as far from the other end.
            let low = values[1] + 0.45 * (values[2] - values[1]);
            let high = values[28] - 0.45 * (values[28] - values[27]);
            assert!((band.low - low).abs() < 1e-12 && (band.high - high).abs() < 1e-12);
        }
    }
    let scores: Vec<f64> = paths.iter().map(|path| path.midpoint.log_px).collect();
    assert_eq!(summary.midpoint_scores, scores);
}

/// A model with a hole: the density of an image whose first pixel is in it is `value`.
struct Holed {
    model: GaussianModel,
    hole: std::ops::Range<f32>,
    value: f64,
}

impl ConditionalModel for Holed {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        let mut log_prob = self.model.log_prob(batch)?;
        for (x, mut column) in batch.x.column_iter().zip(log_prob.column_iter_mut()) {
            if self.hole.contains(&x[0]) {
                column.fill(self.value);
            }
        }
        Ok(log_prob)
    }
}

/// All paths lead from a first pixel of 0 to one of 1; whatever is lost there is neither accepted,
/// even by a detector that accepts everything, nor likely.
#[test]
fn densities_without_value_are_counted_apart_and_never_likely() {
    let mut images = images(12);
    let Pixels::Unit(values) = &mut images.pixels else { unreachable!() };
    values.chunks_exact_mut(DIM).enumerate().for_each(|(i, x)| x[0] = (i % 2) as f32);
    let pairs = neighbours(6);
    let walk = Walk { images: &images, pairs: &pairs, detector: &Everything, alphas: 3, seed: 0 };
    for value in [f64::NAN, f64::NEG_INFINITY, f64::INFINITY] {
        for (hole, lost) in [(0.4..0.6, 1), (-0.1..0.1, 0), (0.9..1.1, 2)] {
            let model = GaussianModel::new(means(), SIGMA);
            let (summary, paths) = run(&walk, &mut Holed { model, hole, value }, 5);
            assert_eq!((summary.not_comparable, summary.midpoint_minus_ends), (6, None));
            let none = Proportion { successes: 0, trials: 6 };
            assert_eq!((summary.midpoints_likelier, summary.paths_accepted), (none, none));
            for (place, at) in summary.grid.iter().enumerate() {
                let expected = if place == lost { 6 } else { 0 };
                assert_eq!((at.not_finite, at.accepted.successes), (expected, 6 - expected));
                assert_eq!(at.bits_per_dim.is_none(), place == lost);
            }
            let midpoint_lost =
                summary.midpoint_scores.iter().all(|score| *score == f64::NEG_INFINITY);
            assert_eq!(midpoint_lost, lost == 1);
            assert!(paths.iter().all(|path| path.points[lost].posterior.is_none()));
        }
    }
}

/// 8-bit images, noise of both kinds, and a density that depends on all of it.
#[derive(Clone)]
struct Noisy(ModelSpec);

impl ConditionalModel for Noisy {
    fn spec(&self) -> &ModelSpec {
        &self.0
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        Ok(DMatrix::from_fn(2, batch.len(), |class, sample| {
            let x: f32 = batch.x.column(sample).sum() + batch.noise.column(sample).sum();
            f64::from(x) * (class as f64 - 0.3)
        }))
    }
}

fn noisy(dequantisation: Dequantisation) -> (Noisy, Images) {
    let mut spec = GaussianModel::new(means(), SIGMA).spec().clone();
    spec.noise_len = 2;
    spec.dequantisation = dequantisation;
    spec.pixel_range = (-1.0, 1.0);
    let bytes = (0..20 * DIM).map(|place| (place * 89 % 256) as u8).collect();
    (Noisy(spec), Images { pixels: Pixels::Bytes(bytes), ..images(20) })
}

#[test]
fn nothing_depends_on_the_batch() {
    let (mut model, images) = noisy(Dequantisation::Uniform);
    let pairs = neighbours(10);
    let detector = at_least(0.1);
    let walk = Walk { images: &images, pairs: &pairs, detector: &detector, alphas: 7, seed: 4 };
    let whole = run(&walk, &mut model, 80);
    for batch_size in [1, 3, 8, 64, 1000] {
        assert_eq!(run(&walk, &mut model, batch_size), whole, "batches of {batch_size}");
    }
    assert_ne!(run(&Walk { seed: 5, ..walk }, &mut model, 80).1, whole.1);
    // What a figure shows is what was evaluated.
    let line = walk.line(model.spec(), 3, &interpolate::alphas(7).unwrap());
    let log_prob = model.log_prob(&line).unwrap();
    for (point, column) in whole.1[3].points.iter().zip(log_prob.column_iter()) {
        assert_eq!(point.log_px, likelihood::ln_marginal(&model.0.ln_prior, column.as_slice()));
    }
}

/// x_alpha = lo + (hi - lo)(alpha k_1 + (1 - alpha) k_0 + u)/256 with one u in \[0, 1\] a path.
#[test]
fn noise_is_the_paths_own_and_of_full_width() {
    let (model, images) = noisy(Dequantisation::Uniform);
    let (pairs, grid) = (neighbours(10), interpolate::alphas(9).unwrap());
    let Pixels::Bytes(bytes) = &images.pixels else { unreachable!() };
    let walk = Walk { images: &images, pairs: &pairs, detector: &Everything, alphas: 9, seed: 4 };
    let mut offsets = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let line = walk.line(model.spec(), index, &grid);
        for row in 0..DIM {
            let [from, to] = pair.images.map(|image| f64::from(bytes[image * DIM + row]));
            let offset = |place: usize| {
                let unit = (f64::from(line.x[(row, place)]) + 1.0) / 2.0;
                256.0 * unit - (grid[place] * to + (1.0 - grid[place]) * from)
            };
            // 256 values of f32's 2^-24 each way, at both ends and at alpha.
            let first = offset(0);
            assert!((0..9).all(|place| (offset(place) - first).abs() < 1e-4));
            assert!((-1e-4..1.0 + 1e-4).contains(&first));
            offsets.push(first);
        }
        assert!((0..9).all(|place| line.noise.column(place) == line.noise.column(0)));
    }
    let distinct: BTreeSet<u64> = offsets.iter().map(|offset| (offset * 1e3) as u64).collect();
    assert!(distinct.len() > 20, "noise of different paths must differ: {distinct:?}");
    assert_ne!(walk.line(model.spec(), 0, &grid).noise, walk.line(model.spec(), 1, &grid).noise);
}

#[test]
fn a_probability_mass_is_only_asked_at_grid_values() {
    let (model, images) = noisy(Dequantisation::None);
    let pairs = neighbours(10);
    let walk = Walk { images: &images, pairs: &pairs, detector: &Everything, alphas: 9, seed: 4 };
    let Pixels::Bytes(bytes) = &images.pixels else { unreachable!() };
    let line = walk.line(model.spec(), 2, &[0.0, 0.3, 1.0]);
    for row in 0..DIM {
        let [from, to] = [4, 5].map(|image| f64::from(bytes[image * DIM + row]));
        for (place, value) in [from, (0.3 * to + 0.7 * from).round(), to].into_iter().enumerate() {
            assert_eq!(line.x[(row, place)], (-1.0 + 2.0 * value / 255.0) as f32);
        }
    }
}

fn scored(index: usize, label: Option<usize>, predicted: Option<usize>, log_px: f64) -> Score {
    Score {
        index,
        label,
        predicted,
        confidence: None,
        log_px,
        log_px_given_label: None,
        log_px_given_predicted: None,
        ln_label_given_x: None,
        complexity: None,
        gradient_norm: None,
    }
}

/// So many right and accepted images of each class.
fn right(sizes: &[usize]) -> Vec<Score> {
    let labels = sizes.iter().enumerate().flat_map(|(class, size)| vec![class; *size]);
    labels.enumerate().map(|(i, class)| scored(i, Some(class), Some(class), 0.0)).collect()
}

#[test]
fn candidates_are_counted_under_the_first_reason_against_them() {
    let mut scores = right(&[3, 2]);
    scores.push(scored(5, None, Some(0), 0.0));
    scores
        .extend([scored(6, Some(0), None, f64::NAN), scored(7, Some(0), None, f64::NEG_INFINITY)]);
    scores.extend([scored(8, Some(0), Some(1), -9.0), scored(9, Some(1), Some(0), 0.0)]);
    scores.extend([scored(10, Some(0), Some(0), -9.0)]);
    let detector = at_least(-1.0);
    let found = Selection::draw(&scores, &detector, 2, 0).unwrap();
    assert_eq!(
        (found.eligible.candidates, found.eligible.images.len(), found.available),
        (11, 5, 2)
    );
    assert_eq!((found.eligible.unlabelled, found.eligible.not_finite), (1, 2));
    assert_eq!((found.eligible.misclassified, found.eligible.rejected), (2, 1));
    assert!(found.pairs.iter().all(|pair| pair.images.iter().all(|image| *image < 5)));
    let text = message(Selection::draw(&scores, &detector, 3, 0));
    for part in ["pairs = 3", "between 1 and 2", "11 candidates", "2 no finite", "leaves 5"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_cannot_be_walked_is_refused() {
    let threshold = at_least(1.0);
    for (scores, detector) in [
        (right(&[9]), &Everything as &dyn Detector),
        (right(&[1, 0]), &Everything),
        (vec![], &Everything),
        (right(&[5, 5]), &threshold),
    ] {
        let text = message(Selection::draw(&scores, detector, 1, 0));
        assert!(text.contains("between 1 and 0"), "{text}");
    }
    assert!(message(Selection::draw(right(&[2, 2]), &Everything, 0, 0)).contains("pairs = 0"));

    let (images, pairs) = (images(4), neighbours(2));
    let walk = Walk { images: &images, pairs: &pairs, detector: &Everything, alphas: 3, seed: 0 };
    let mut model = GaussianModel::new(means(), SIGMA);
    let mut ignore = |_: &Path| Ok(());
    for alphas in [0, 1] {
        let text = message(Walk { alphas, ..walk }.run(&mut model, 2, &mut ignore));
        assert!(text.contains("at least 2"), "{text}");
    }
    let text = message(Walk { pairs: &[], ..walk }.run(&mut model, 2, &mut ignore));
    assert!(text.contains("pairs"), "{text}");
    let mut full = |_: &Path| Err(Error::setting("sink", "is full"));
    assert!(message(walk.run(&mut model, 2, &mut full)).contains("is full"));
}

/// Every pair that leaves enough is drawn as often as another: of classes 0, 0, 1 the four ordered
/// pairs of different classes.
#[test]
fn pairs_are_drawn_uniformly() {
    let (scores, rounds) = (right(&[2, 1]), 2000);
    let drawn = |seed| Selection::draw(&scores, &Everything, 1, seed).unwrap().pairs[0].images;
    let found: Vec<[usize; 2]> = (0..rounds).map(drawn).collect();
    for pair in [[0, 2], [2, 0], [1, 2], [2, 1]] {
        let successes = found.iter().filter(|images| **images == pair).count() as u64;
        let share = Proportion { successes, trials: rounds }.interval(0.9999);
        assert!(share.low < 0.25 && 0.25 < share.high, "{pair:?}: {share:?}");
    }
}

/// The most disjoint pairs of different classes, by trying every pair of classes first.
fn most_pairs(sizes: &mut Vec<usize>) -> usize {
    let mut most = 0;
    for (a, b) in (0..sizes.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
        if sizes[a] > 0 && sizes[b] > 0 {
            sizes[a] -= 1;
            sizes[b] -= 1;
            most = most.max(1 + most_pairs(sizes));
            sizes[a] += 1;
            sizes[b] += 1;
        }
    }
    most
}

proptest! {
    #[test]
    fn as_many_pairs_as_there_can_be(mut sizes in proptest::collection::vec(0_usize..4, 1..4), seed: u64) {
        let scores = right(&sizes);
        let most = most_pairs(&mut sizes);
        prop_assert!(Selection::draw(&scores, &Everything, most + 1, seed).is_err());
        if most > 0 {
            let found = Selection::draw(&scores, &Everything, most, seed).unwrap();
            prop_assert_eq!((found.available, found.pairs.len()), (most, most));
            let images: BTreeSet<usize> = found.pairs.iter().flat_map(|pair| pair.images).collect();
            prop_assert_eq!(images.len(), 2 * most, "an image is in two pairs");
            for pair in &found.pairs {
                prop_assert_ne!(pair.classes[0], pair.classes[1]);
                prop_assert_eq!(pair.images.map(|image| scores[image].label.unwrap()), pair.classes);
            }
            prop_assert_eq!(Selection::draw(&scores, &Everything, most, seed).unwrap(), found);
        }
    }
}

/// Published numbers depend on these draws: a change of them is a change of results.
#[test]
fn seeded_draws_are_stable() {
    let found = Selection::draw(right(&[5, 5, 5]), &Everything, 4, 0).unwrap();
    let pairs: Vec<[usize; 2]> = found.pairs.iter().map(|pair| pair.images).collect();
    assert_eq!(pairs, STABLE_PAIRS);
    let (model, images) = noisy(Dequantisation::Uniform);
    let pairs = neighbours(1);
    let walk = Walk { images: &images, pairs: &pairs, detector: &Everything, alphas: 2, seed: 0 };
    let line = walk.line(model.spec(), 0, &[0.5]);
    let whole = |value: &f32| (value * 16777216.0) as i32;
    assert_eq!(line.x.iter().map(whole).collect::<Vec<_>>(), STABLE_PIXELS);
    assert_eq!(line.noise.iter().map(whole).collect::<Vec<_>>(), STABLE_NOISE);
}

const STABLE_PAIRS: [[usize; 2]; 4] = [[2, 9], [13, 8], [1, 12], [7, 10]];
const STABLE_PIXELS: [i32; 3] = [-16017882, -4265782, 7330484];
const STABLE_NOISE: [i32; 2] = [1198578, 9428546];
