//! Scores, detectors and statistics where the answer is known.

mod common;

use common::{file, message};
use nalgebra::DMatrix;
use proptest::prelude::*;
use rand::{RngExt, distr::StandardUniform};
use statrs::distribution::{ContinuousCDF, Normal};
use undetected_onnx::{
    Result,
    dataset::{Images, Pixels},
    dequantise,
    detect::{self, Detector, Statistic, ThresholdDetector, Thresholds},
    gaussian::GaussianModel,
    likelihood::{self, Score, ln_marginal},
    model::{ConditionalModel, Dequantisation, ImageShape, ModelSpec},
    statistics,
    suite::{Suites, Threshold},
};
use undetected_theory::{Proportion, Streams};

fn spec(dequantisation: Dequantisation, pixel_range: (f64, f64)) -> ModelSpec {
    ModelSpec {
        name: "test".to_owned(),
        image: ImageShape { channels: 1, height: 2, width: 8 },
        noise_len: 3,
        classes: vec!["0".to_owned()],
        ln_prior: vec![0.0],
        n_dims: 16,
        pixel_range,
        dequantisation,
    }
}

fn bytes(count: usize) -> Images {
    Images {
        name: "bytes".to_owned(),
        path: None,
        shape: ImageShape { channels: 1, height: 2, width: 8 },
        pixels: Pixels::Bytes((0..count * 16).map(|place| (place * 37 % 256) as u8).collect()),
        labels: None,
    }
}

fn score(log_px: f64) -> Score {
    Score {
        index: 0,
        label: None,
        predicted: None,
        confidence: None,
        log_px,
        log_px_given_label: None,
        log_px_given_predicted: None,
        ln_label_given_x: None,
        complexity: Some(0.0),
        gradient_norm: None,
    }
}

/// A uniform density codes each 8-bit value with 8 bits, on whatever range.
#[test]
fn bits_per_dim_of_a_uniform_density() {
    let unit = spec(Dequantisation::Uniform, (0.0, 1.0));
    assert_eq!(unit.bits_per_dim(0.0), 8.0);
    let wide = spec(Dequantisation::Uniform, (-1.0, 1.0));
    // On a range of length 2 its log-density is -16 ln 2.
    assert!((wide.bits_per_dim(-16.0 * std::f64::consts::LN_2) - 8.0).abs() < 1e-14);
    let mass = spec(Dequantisation::None, (0.0, 1.0));
    assert!((mass.bits_per_dim(-16.0 * 256.0_f64.ln()) - 8.0).abs() < 1e-14);
}

proptest! {
    #[test]
    fn nats_undo_bits_per_dim(log_p in -2e4_f64..2e4, low in -2.0_f64..0.0, width in 0.1_f64..4.0) {
        for kind in [Dequantisation::Uniform, Dequantisation::None] {
            let spec = spec(kind, (low, low + width));
            let back = spec.nats(spec.bits_per_dim(log_p));
            // A handful of roundings of numbers up to 2e4.
            prop_assert!((back - log_p).abs() < 1e-10);
        }
    }

    /// Between the largest term and ln K above it; and equal to the sum where that is exact.
    #[test]
    fn marginal_of_log_densities(terms in proptest::collection::vec(-30.0_f64..30.0, 1..8), shift in -9e3_f64..9e3) {
        let ln_prior = vec![-(terms.len() as f64).ln(); terms.len()];
        let direct = (terms.iter().map(|term| term.exp()).sum::<f64>() / terms.len() as f64).ln();
        let shifted: Vec<f64> = terms.iter().map(|term| term + shift).collect();
        // Rounding of numbers up to 1e4.
        prop_assert!((ln_marginal(&ln_prior, &shifted) - shift - direct).abs() < 1e-11);
    }
}

#[test]
fn marginals_without_a_value() {
    let prior = [0.5_f64.ln(); 2];
    assert!(ln_marginal(&prior, &[f64::NAN, 0.0]).is_nan());
    assert_eq!(ln_marginal(&prior, &[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
    assert_eq!(ln_marginal(&prior, &[f64::NEG_INFINITY, 0.0]), 0.5_f64.ln());
    assert_eq!(ln_marginal(&prior, &[f64::INFINITY, 0.0]), f64::INFINITY);
}

#[test]
fn dequantised_values_stay_in_their_bin() {
    let images = bytes(5000);
    let Pixels::Bytes(stored) = &images.pixels else { unreachable!() };
    let found = dequantise::batch(&images, &spec(Dequantisation::Uniform, (0.0, 1.0)), 0, 5000, 1);
    let mut offsets = Vec::new();
    for (&x, &k) in found.x.iter().zip(stored) {
        // Exact: 8 bits before and 16 behind the point fit float32.
        let offset = f64::from(x) * 256.0 - f64::from(k);
        assert!((0.0..1.0).contains(&offset), "{x} is not in bin {k}");
        offsets.push(offset);
    }
    let mean = statistics::mean(&offsets).unwrap().value;
    // Four standard errors of a uniform mean; the grid of 2^-16 moves it by 2^-17.
    let tolerance = 4.0 * (1.0 / 12.0 / offsets.len() as f64).sqrt();
    assert!((mean - 0.5).abs() < tolerance, "offsets have mean {mean}");
    assert!(found.noise.iter().all(|noise| (0.0..1.0).contains(noise)));
    assert_eq!(found.noise.shape(), (3, 5000));
}

#[test]
fn centres_and_grid_values() {
    let images = bytes(1);
    let centre = dequantise::batch(&images, &spec(Dequantisation::Centre, (-1.0, 1.0)), 0, 1, 1);
    // Value 37 is the second pixel: -1 + 2 * 37.5/256.
    assert_eq!((centre.x[0], centre.x[1]), (-1.0 + 1.0 / 256.0, -0.70703125));
    let grid = dequantise::batch(&images, &spec(Dequantisation::None, (-1.0, 1.0)), 0, 1, 1);
    assert_eq!((grid.x[0], grid.x[1]), (-1.0, (-1.0 + 2.0 * 37.0 / 255.0_f64) as f32));
}

/// An image's noise is its own: not its batch's, not another seed's.
#[test]
fn noise_follows_the_image_and_the_seed() {
    let (images, spec) = (bytes(9), spec(Dequantisation::Uniform, (0.0, 1.0)));
    let whole = dequantise::batch(&images, &spec, 0, 9, 5);
    for first in 0..9 {
        let single = dequantise::batch(&images, &spec, first, 1, 5);
        assert_eq!(single.x.column(0), whole.x.column(first));
        assert_eq!(single.noise.column(0), whole.noise.column(first));
    }
    assert_ne!(dequantise::batch(&images, &spec, 0, 9, 6), whole);
    assert_ne!(whole.noise.column(0), whole.noise.column(1));
}

/// Published numbers depend on these draws: a change of them is a change of results.
#[test]
fn seeded_draws_are_stable() {
    let found = dequantise::batch(&bytes(1), &spec(Dequantisation::Uniform, (0.0, 1.0)), 0, 1, 0);
    let scaled: Vec<u32> = found.x.iter().map(|x| (x * 16777216.0) as u32).collect();
    assert_eq!(scaled[..4], STABLE_PIXELS);
    let noise: Vec<u32> = found.noise.iter().map(|noise| (noise * 16777216.0) as u32).collect();
    assert_eq!(noise, STABLE_NOISE);
    let shape = ImageShape { channels: 1, height: 1, width: 4 };
    let uniform = Images::uniform_noise(shape, 1, 0).pixels;
    assert_eq!(uniform, Pixels::Bytes(STABLE_UNIFORM.to_vec()));
}

const STABLE_PIXELS: [u32; 4] = [47536, 2482159, 4860112, 7317375];
const STABLE_NOISE: [u32; 3] = [1547842, 4869584, 12012724];
const STABLE_UNIFORM: [u8; 4] = [162, 79, 30, 227];

/// Draws from the model itself must be classified with the Bayes accuracy Φ(|m_0 - m_1| / 2 sigma)
/// and have mean log p(x given y) = -D/2 (1 + ln 2 pi sigma²).
#[test]
fn a_gaussian_model_scored_on_its_own_draws() {
    let (dim, n, sigma) = (16, 4000, 0.05);
    let means = DMatrix::from_fn(dim, 2, |row, class| {
        0.5 + 0.03 * if (row + class) % 2 == 0 { 1.0 } else { -1.0 }
    });
    let distance = (means.column(0) - means.column(1)).norm();
    let normal = Normal::standard();
    let streams = Streams::new(11, "test-gaussian");
    let labels: Vec<usize> = (0..n).map(|image| image % 2).collect();
    let mut pixels = Vec::new();
    for (image, &label) in labels.iter().enumerate() {
        let draws = streams.get(image as u64).sample_iter::<f64, _>(StandardUniform).take(dim);
        pixels.extend(
            draws
                .enumerate()
                .map(|(row, u)| (means[(row, label)] + sigma * normal.inverse_cdf(u)) as f32),
        );
    }
    let mut model = GaussianModel::new(means, sigma);
    let images = Images {
        name: "draws".to_owned(),
        path: None,
        shape: model.spec().image,
        pixels: Pixels::Unit(pixels),
        labels: Some(labels),
    };
    let mut seen = 0;
    let scores = likelihood::score(&mut model, &images, 64, 0, &mut |count| seen += count).unwrap();
    assert_eq!((scores.len(), seen), (n, n));

    let correct = scores.iter().filter(|score| score.predicted == score.label).count();
    let accuracy = Proportion { successes: correct as u64, trials: n as u64 }.interval(0.9999);
    let expected = normal.cdf(distance / (2.0 * sigma));
    assert!(
        accuracy.low < expected && expected < accuracy.high,
        "{accuracy:?}, exactly {expected}"
    );

    let given: Vec<f64> = scores.iter().map(|score| score.log_px_given_label.unwrap()).collect();
    let mean = statistics::mean(&given).unwrap();
    let exact = -0.5 * dim as f64 * (1.0 + (std::f64::consts::TAU * sigma * sigma).ln());
    // Four standard errors of a sum of 16 squares: sqrt(8/4000) each.
    assert!(
        (mean.value - exact).abs() < 4.0 * (8.0 / n as f64).sqrt(),
        "{mean:?}, exactly {exact}"
    );
    assert!(scores.iter().all(|score| score.confidence.is_some_and(|p| (0.5..=1.0).contains(&p))));
}

#[test]
fn a_density_without_value_is_rejected_and_predicts_nothing() {
    let lowest = Thresholds::Common(f64::MIN);
    let detector = ThresholdDetector::fixed(Statistic::Marginal, lowest).unwrap();
    for log_px in [f64::NAN, f64::NEG_INFINITY, f64::INFINITY] {
        assert!(!detector.accepts(&score(log_px)), "{log_px}");
    }
    assert!(detector.accepts(&score(-1e300)));
}

fn calibrate(calibration: &[Score], rate: f64) -> Result<ThresholdDetector> {
    ThresholdDetector::calibrate(Statistic::Marginal, calibration, rate)
}

#[test]
fn the_calibrated_threshold_is_an_order_statistic() {
    let scores: Vec<Score> = (0..99).map(|place| score(f64::from((place * 37) % 99))).collect();
    // k = floor(0.05 * 100) = 5, the fifth smallest of 0..98.
    let detector = calibrate(&scores, 0.05).unwrap();
    assert_eq!(detector.thresholds(), &Thresholds::Common(4.0));
    assert_eq!(detect::rejection_rate(&detector, &scores).unwrap().successes, 4);
}

#[test]
fn thresholds_that_cannot_be_fitted() {
    let scores = vec![score(1.0); 10];
    for rate in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(message(calibrate(&scores, rate)).contains("between 0 and 1"));
    }
    let text = message(calibrate(&scores, 0.05));
    assert!(text.contains("at least 19 calibration images, there are 10"), "{text}");
    let lost = vec![score(f64::NAN); 99];
    assert!(message(calibrate(&lost, 0.05)).contains("no finite density"));
}

/// The promise of the calibrated threshold, simulated: over many splits the mean false-alarm rate is
/// k/(n + 1) exactly for continuous scores.
#[test]
fn calibration_keeps_its_false_alarm_rate() {
    let (n, rate, rounds) = (59, 0.05, 4000);
    let streams = Streams::new(3, "test-calibration");
    let mut alarms = 0;
    for round in 0..rounds {
        let mut draws = streams.get(round).sample_iter::<f64, _>(StandardUniform);
        let calibration: Vec<Score> = draws.by_ref().take(n).map(score).collect();
        let detector = calibrate(&calibration, rate).unwrap();
        alarms += u64::from(!detector.accepts(&score(draws.next().unwrap())));
    }
    let found = Proportion { successes: alarms, trials: rounds }.interval(0.9999);
    let exact = 3.0 / 60.0;
    assert!(found.low < exact && exact < found.high, "{found:?}, exactly {exact}");
}

/// The interval of a quantile must cover the true one at least as often as it says.
#[test]
fn quantile_intervals_cover() {
    let rounds = 3000;
    let streams = Streams::new(4, "test-quantiles");
    for p in [0.1, 0.5, 0.9] {
        let mut covered = 0;
        for round in 0..rounds {
            let mut draws: Vec<f64> =
                streams.get(round).sample_iter(StandardUniform).take(200).collect();
            draws.sort_by(f64::total_cmp);
            let (low, high) = statistics::quantile(&draws, p).unwrap().interval.unwrap();
            covered += u64::from(low <= p && p <= high);
        }
        let found = Proportion { successes: covered, trials: rounds }.interval(0.9999);
        assert!(found.high > statistics::CONFIDENCE, "p = {p}: covers {found:?}");
        // And not by being useless: a 99 % interval is not a 99.99 % one.
        assert!(found.low < 0.9985, "p = {p}: covers {found:?}");
    }
}

#[test]
fn quantiles_of_few_values() {
    let quantile = statistics::quantile(&[1.0, 2.0, 4.0], 0.75).unwrap();
    assert_eq!((quantile.value, quantile.interval), (3.0, None));
    assert!(statistics::quantile(&[], 0.5).is_none() && statistics::mean(&[]).is_none());
    assert!(statistics::mean(&[1.0]).unwrap().interval.is_none());
}

#[test]
fn suites_are_read_and_their_mistakes_located() {
    let text = r#"
        name = "s"
        seed = 7
        [[model]]
        path = "m.onnx"
        contract = { prior = "uniform" }
        [data]
        images = "d/images"
        [threshold]
        bits_per_dim = 1.4
    "#;
    let (folder, path) = file("s.toml", text.as_bytes());
    let suite = Suites::read(&path).unwrap().first().clone();
    assert_eq!((suite.seed, suite.threshold), (7, Threshold::BitsPerDim(1.4)));
    assert_eq!(suite.models[0].path, folder.path().join("m.onnx"));
    assert_eq!(suite.data.images, folder.path().join("d/images"));
    for (from, to, expected) in [
        ("seed = 7", "sede = 7", "sede"),
        ("bits_per_dim = 1.4", "bits_per_dim = \"a\"", ":10:"),
        ("bits_per_dim = 1.4", "bits_per_dim = 1.4\nnats = 3.0", "threshold"),
        ("images = \"d/images\"", "", "images"),
    ] {
        let (_folder, path) = file("s.toml", text.replace(from, to).as_bytes());
        let found = message(Suites::read(&path));
        assert!(found.contains(expected) && found.contains("s.toml"), "{found}");
    }
}
