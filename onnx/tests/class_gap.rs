//! The class gap where it is known, and against brute force.

mod common;

use common::message;
use nalgebra::DMatrix;
use proptest::prelude::*;
use rand::{RngExt, distr::StandardUniform};
use undetected_onnx::{
    Error, Result,
    class_gap::{self, ClassGap, GapSample, PairScores},
    dataset::{Images, Pixels},
    gaussian::GaussianModel,
    histogram::PairedHistogram,
    model::{Batch, ConditionalModel, ImageShape, ModelSpec},
    moments::Moments,
};
use undetected_theory::{Proportion, Streams};

const DIM: usize = 5;
const CLASSES: usize = 4;
const SIGMA: f64 = 0.25;
const BINS: usize = 16;

/// Means on multiples of 1/8, so that they are f32 as well.
fn means() -> DMatrix<f64> {
    DMatrix::from_fn(DIM, CLASSES, |row, class| ((row * 3 + class * 5) % 8) as f64 / 8.0)
}

fn images(count: usize) -> Images {
    let draws = Streams::new(2, "test-gap").get(0).sample_iter::<f32, _>(StandardUniform);
    Images {
        name: "draws".to_owned(),
        path: None,
        shape: ImageShape { channels: 1, height: 1, width: DIM },
        pixels: Pixels::Unit(draws.take(count * DIM).collect()),
        labels: Some((0..count).map(|image| image * 7 % CLASSES).collect()),
    }
}

fn pixels(images: &Images, index: usize) -> Vec<f64> {
    let Pixels::Unit(values) = &images.pixels else { unreachable!() };
    values[index * DIM..(index + 1) * DIM].iter().map(|value| f64::from(*value)).collect()
}

fn measure(
    model: &mut dyn ConditionalModel,
    images: &Images,
    batch_size: usize,
) -> (ClassGap, Vec<GapSample>) {
    let mut samples = Vec::new();
    let mut sink = |sample: &GapSample| {
        samples.push(sample.clone());
        Ok(())
    };
    let total = class_gap::measure(model, images, batch_size, 3, BINS, &mut sink).unwrap();
    (total, samples)
}

fn sample(label: usize, log_prob: &[f64]) -> GapSample {
    let spec = GaussianModel::new(DMatrix::zeros(1, log_prob.len()), 1.0).spec().clone();
    GapSample::new(0, label, &spec, log_prob, 0)
}

/// log p(x given y) - log p(x given w) = (x·(m_y - m_w) + (|m_w|² - |m_y|²)/2)/sigma², whose least
/// over w is the gap.
#[test]
fn gaps_of_a_gaussian_model_are_linear_in_the_image() {
    let (means, images) = (means(), images(200));
    let (_, samples) = measure(&mut GaussianModel::new(means.clone(), SIGMA), &images, 32);
    assert_eq!(samples.len(), 200);
    for sample in samples {
        let x = nalgebra::DVector::from_vec(pixels(&images, sample.index));
        let margin = |wrong: usize| {
            let (own, other) = (means.column(sample.label), means.column(wrong));
            let offset = (other.norm_squared() - own.norm_squared()) / 2.0;
            (x.dot(&(own - other)) + offset) / (SIGMA * SIGMA)
        };
        let wrong = (0..CLASSES).filter(|class| *class != sample.label);
        let (best, exact) = wrong
            .map(|class| (class, margin(class)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .unwrap();
        // Roundings of sums of a few numbers below 100.
        assert!((sample.gap().unwrap() - exact).abs() < 1e-11, "{sample:?}, exactly {exact}");
        assert_eq!(sample.best_wrong, Some(best));
        let random = sample.log_px_given_label - sample.log_px_given_random_wrong;
        assert!((random - margin(sample.random_wrong)).abs() < 1e-11);
    }
}

#[test]
fn nothing_depends_on_the_batch() {
    let images = images(100);
    let mut model = GaussianModel::new(means(), SIGMA);
    let whole = measure(&mut model, &images, 100);
    for batch_size in [1, 7, 64, 1000] {
        assert_eq!(measure(&mut model, &images, batch_size), whole, "batches of {batch_size}");
    }
}

/// The streamed summary against that of all samples at once.
#[test]
fn the_summary_agrees_with_all_samples_at_once() {
    let images = images(300);
    let (total, samples) = measure(&mut GaussianModel::new(means(), SIGMA), &images, 64);
    let label: Vec<f64> = samples.iter().map(|sample| sample.log_px_given_label).collect();
    let wrong: Vec<f64> =
        samples.iter().map(|sample| sample.log_px_given_best_wrong.unwrap()).collect();
    let gap: Vec<f64> = label.iter().zip(&wrong).map(|(label, wrong)| label - wrong).collect();
    for (found, values) in
        [(total.given_label, &label), (total.given_best_wrong, &wrong), (total.gap, &gap)]
    {
        let (mean, deviation) = two_pass(values);
        // Rounding of 300 numbers below 1e3.
        assert!((found.mean().unwrap() - mean).abs() < 1e-10);
        assert!((found.standard_deviation().unwrap() - deviation).abs() < 1e-10);
    }
    let ratio = two_pass(&gap).0 / two_pass(&label).1;
    assert!((total.gap_in_deviations().unwrap() - ratio).abs() < 1e-10);

    let leads = gap.iter().filter(|gap| **gap > 0.0).count() as u64;
    assert!(leads > 0 && leads < 300, "a test that tells nothing");
    assert_eq!(total.label_leads(), Some(Proportion { successes: leads, trials: 300 }));
    assert_eq!((total.n, total.not_finite), (300, 0));

    let edges = total.histogram.edges();
    assert!(edges.len() <= BINS + 1);
    let shares = |values: &[f64], bin: usize| {
        let inside = |value: &&f64| edges[bin] <= **value && **value < edges[bin + 1];
        values.iter().filter(inside).count() as u64
    };
    let bins = 0..edges.len() - 1;
    let label: Vec<u64> = bins.clone().map(|bin| shares(&label, bin)).collect();
    let wrong: Vec<u64> = bins.map(|bin| shares(&wrong, bin)).collect();
    assert_eq!(
        (total.histogram.counts(0), total.histogram.counts(1)),
        (label.clone(), wrong.clone())
    );
    let overlap: f64 =
        label.iter().zip(&wrong).map(|(a, b)| (*a as f64 / 300.0).min(*b as f64 / 300.0)).sum();
    assert!((total.histogram.overlap().unwrap() - overlap).abs() < 1e-12);
}

fn two_pass(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (values.len() - 1) as f64).sqrt())
}

#[test]
fn moments_of_little() {
    let mut moments = Moments::default();
    assert_eq!((moments.mean(), moments.standard_deviation()), (None, None));
    // A deviation of 1 beside a mean of 1e9: squares would need 18 digits beyond the point's 16.
    moments.push(1e9);
    assert_eq!(moments.standard_deviation(), None);
    moments.push(1e9 + 1.0);
    moments.push(1e9 + 2.0);
    assert_eq!((moments.mean(), moments.standard_deviation()), (Some(1e9 + 1.0), Some(1.0)));
}

/// Random wrong labels are wrong, and each as often as another.
#[test]
fn random_wrong_labels_are_uniform() {
    let n = 3000;
    let spec = GaussianModel::new(means(), SIGMA).spec().clone();
    let drawn = |seed: u64| -> Vec<usize> {
        (0..n)
            .map(|index| GapSample::new(index, 1, &spec, &[0.0; CLASSES], seed).random_wrong)
            .collect()
    };
    let found = drawn(5);
    assert!(!found.contains(&1));
    for class in [0, 2, 3] {
        let successes = found.iter().filter(|drawn| **drawn == class).count() as u64;
        let share = Proportion { successes, trials: n as u64 }.interval(0.9999);
        assert!(share.low < 1.0 / 3.0 && 1.0 / 3.0 < share.high, "class {class}: {share:?}");
    }
    assert_eq!(drawn(5), found);
    assert_ne!(drawn(6), found);
    // Published numbers depend on these draws: a change of them is a change of results.
    assert_eq!(found[..8], [0, 0, 3, 2, 0, 0, 3, 3]);
}

#[test]
fn densities_without_value_are_counted_apart() {
    let (nan, gone) = (f64::NAN, f64::NEG_INFINITY);
    let mut total = ClassGap::new(BINS);
    for (label, log_prob) in [
        (0, [nan, 1.0, 2.0]),
        (0, [1.0, nan, 2.0]),
        (0, [gone, 1.0, 2.0]),
        (0, [1.0, gone, gone]),
        (0, [1.0, f64::INFINITY, 2.0]),
    ] {
        let sample = sample(label, &log_prob);
        assert_eq!(sample.gap(), None, "{log_prob:?}");
        total.push(&sample);
    }
    assert_eq!((total.n, total.not_finite, total.gap.n), (5, 5, 0));
    assert_eq!((total.label_leads(), total.histogram.overlap()), (None, None));
    // One wrong class of no density is no reason: the other is the best.
    let half = sample(0, &[3.0, gone, 1.0]);
    assert_eq!((half.best_wrong, half.gap()), (Some(2), Some(2.0)));
}

#[test]
fn pair_scores_are_joint_and_never_nan() {
    let mut spec = GaussianModel::new(DMatrix::zeros(1, 3), 1.0).spec().clone();
    spec.ln_prior = vec![0.25_f64.ln(), 0.7_f64.ln(), 0.05_f64.ln()];
    let mut scores = PairScores::default();
    // The prior makes class 1 the best wrong one although class 2 has the higher density.
    let likely = GapSample::new(0, 0, &spec, &[-5.0, -6.0, -5.5], 0);
    scores.push(&spec.ln_prior, &likely);
    scores.push(&spec.ln_prior, &GapSample::new(1, 0, &spec, &[f64::NAN; 3], 0));
    assert_eq!(likely.best_wrong, Some(1));
    let gone = f64::NEG_INFINITY;
    assert_eq!(scores.label, [0.25_f64.ln() - 5.0, gone]);
    assert_eq!(scores.best_wrong, [0.7_f64.ln() - 6.0, gone]);
    let random = likely.random_wrong;
    let expected = spec.ln_prior[random] + [-5.0, -6.0, -5.5][random];
    assert_eq!(scores.random_wrong, [expected, gone]);
}

#[test]
fn overlap_of_equal_and_of_disjoint_histograms() {
    let (mut equal, mut disjoint) = (PairedHistogram::new(64), PairedHistogram::new(64));
    assert_eq!((equal.overlap(), equal.edges()), (None, vec![]));
    for value in 0..50 {
        let value = f64::from(value) - 7500.0;
        equal.push([value, value]);
        disjoint.push([value, value + 64.0]);
    }
    assert_eq!((equal.overlap(), disjoint.overlap()), (Some(1.0), Some(0.0)));
    // From -7500 to -7451 and from there to -7387: width 1, then 2.
    assert_eq!((equal.width(), disjoint.width()), (1.0, 2.0));
}

proptest! {
    /// The rule of the bins, found directly: the smallest power of two at which they are few enough.
    #[test]
    fn bins_follow_the_rule_in_any_order(
        mut values in proptest::collection::vec((-1e4_f64..1e4, -1e4_f64..1e4), 1..40),
        scale in -40_i32..40,
        max_bins in 2_usize..20,
    ) {
        let scale = 2.0_f64.powi(scale);
        let fill = |values: &[(f64, f64)]| {
            let mut histogram = PairedHistogram::new(max_bins);
            values.iter().for_each(|(a, b)| histogram.push([a * scale, b * scale]));
            histogram
        };
        let found = fill(&values);
        let all = || values.iter().flat_map(|(a, b)| [a * scale, b * scale]);
        let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max));
        let few = |exponent: &i32| {
            let width = 2.0_f64.powi(*exponent);
            (high / width).floor() - (low / width).floor() < max_bins as f64
                && low.abs().max(high.abs()) / width < 2.0_f64.powi(52)
        };
        prop_assert_eq!(found.width(), 2.0_f64.powi((-20..).find(few).unwrap()));
        let edges = found.edges();
        prop_assert!(edges[0] <= low && high < edges[edges.len() - 1] && edges.len() <= max_bins + 1);
        for stream in [0, 1] {
            let inside = |bin: usize| {
                let values = values.iter().map(|(a, b)| [a * scale, b * scale][stream]);
                values.filter(|value| edges[bin] <= *value && *value < edges[bin + 1]).count() as u64
            };
            let brute: Vec<u64> = (0..edges.len() - 1).map(inside).collect();
            prop_assert_eq!(found.counts(stream), brute);
        }
        values.reverse();
        prop_assert_eq!(fill(&values), found);
    }
}

/// A model whose every density is NaN.
struct Lost(GaussianModel);

impl ConditionalModel for Lost {
    fn spec(&self) -> &ModelSpec {
        self.0.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        Ok(self.0.log_prob(batch)?.map(|_| f64::NAN))
    }
}

#[test]
fn a_model_without_any_density_is_no_error() {
    let images = images(10);
    let (total, samples) = measure(&mut Lost(GaussianModel::new(means(), SIGMA)), &images, 4);
    assert_eq!((total.n, total.not_finite, samples.len()), (10, 10, 10));
    assert_eq!(total.gap_in_deviations(), None);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let mut ignore = |_: &GapSample| Ok(());
    let mut model = GaussianModel::new(means(), SIGMA);
    let unlabelled = Images { labels: None, ..images(3) };
    let text = message(class_gap::measure(&mut model, &unlabelled, 2, 0, BINS, &mut ignore));
    assert!(text.contains("'draws'") && text.contains("no labels"), "{text}");
    let text = message(class_gap::measure(&mut model, &images(0), 2, 0, BINS, &mut ignore));
    assert!(text.contains("has no image"), "{text}");
    let wrong = Images { labels: Some(vec![0, 1, CLASSES]), ..images(3) };
    let text = message(class_gap::measure(&mut model, &wrong, 2, 0, BINS, &mut ignore));
    assert!(text.contains("label of image 2"), "{text}");
    let mut single = GaussianModel::new(DMatrix::zeros(DIM, 1), SIGMA);
    let text = message(class_gap::measure(&mut single, &images(3), 2, 0, BINS, &mut ignore));
    assert!(text.contains("one class"), "{text}");
    let mut full = |_: &GapSample| Err(Error::setting("sink", "is full"));
    let text = message(class_gap::measure(&mut model, &images(3), 2, 0, BINS, &mut full));
    assert!(text.contains("is full"), "{text}");
}
