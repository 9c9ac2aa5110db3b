//! Detectors, calibration and the objective's terms, where the answer is known.

mod common;

use std::fs;

use common::message;
use nalgebra::DMatrix;
use proptest::prelude::*;
use rand::{RngExt, distr::StandardUniform};
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};
use undetected_onnx::{
    calibration::Reliability,
    complexity,
    dataset::{Images, Pixels},
    dequantise,
    detect::{
        self, CalibrationRecord, Detector, SavedDetector, Statistic, ThresholdDetector, Thresholds,
        false_alarms,
    },
    gaussian::GaussianModel,
    likelihood::{self, Score},
    model::{ConditionalModel, Dequantisation, ImageShape, ModelSpec},
    objective::{Objective, uniform_cost},
    statistics,
};
use undetected_theory::{Proportion, Streams};

const ALL: [Statistic; 6] = [
    Statistic::Marginal,
    Statistic::Joint,
    Statistic::GivenPredicted,
    Statistic::Typicality { centre: -40.0 },
    Statistic::ComplexityCorrected,
    Statistic::GradientNorm,
];

fn score(log_px: f64) -> Score {
    Score {
        index: 0,
        label: None,
        predicted: Some(0),
        confidence: Some(1.0),
        log_px,
        log_px_given_label: None,
        log_px_given_predicted: Some(log_px),
        ln_label_given_x: None,
        complexity: Some(0.0),
        gradient_norm: Some(0.0),
    }
}

fn common(statistic: Statistic, threshold: f64) -> ThresholdDetector {
    ThresholdDetector::fixed(statistic, Thresholds::Common(threshold)).unwrap()
}

/// Three classes in four dimensions, and 8-bit images of theirs.
fn scored() -> (ModelSpec, DMatrix<f64>, Images, Vec<Score>) {
    let means = DMatrix::from_fn(4, 3, |row, class| 0.2 + 0.15 * ((row * class) % 4) as f64);
    let mut model = GaussianModel::new(means, 0.2);
    let mut images = Images::uniform_noise(model.spec().image, 60, 4);
    images.labels = Some((0..60).map(|index| index % 3).collect());
    let scores = likelihood::score(&mut model, &images, 7, 0, &mut |_| ()).unwrap();
    let batch = dequantise::batch(&images, model.spec(), 0, 60, 0);
    let log_prob = model.log_prob(&batch).unwrap();
    (model.spec().clone(), log_prob, images, scores)
}

/// Each statistic from the densities of the classes, by its definition.
#[test]
fn statistics_of_a_known_model() {
    let (spec, log_prob, images, scores) = scored();
    for (score, log_prob) in scores.iter().zip(log_prob.column_iter()) {
        let joint: Vec<f64> = log_prob.iter().zip(&spec.ln_prior).map(|(p, y)| p + y).collect();
        let best = joint.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_px = joint.iter().map(|joint| joint.exp()).sum::<f64>().ln();
        let length = complexity::nats(&images, score.index);
        let expected = [log_px, best, best + 3.0_f64.ln(), -(log_px + 40.0).abs(), log_px + length];
        // The gradient's norm is not asked for here: gradient_norm.rs does.
        assert_eq!(Statistic::GradientNorm.of(score), None);
        for (statistic, expected) in ALL.into_iter().zip(expected) {
            let found = statistic.of(score).unwrap();
            // Rounding of numbers below 100.
            assert!((found - expected).abs() < 1e-11, "{statistic:?}: {found}, {expected}");
        }
    }
}

#[test]
fn inputs_without_a_density_are_rejected_by_all() {
    for statistic in ALL {
        let detector = common(statistic, f64::MIN);
        assert!(detector.accepts(&score(-1e6)));
        for log_px in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(statistic.of(&score(log_px)), None);
            assert!(!detector.accepts(&score(log_px)), "{statistic:?}: {log_px}");
        }
    }
    let unclassified = Score { predicted: None, confidence: None, ..score(-1.0) };
    let per_class = Thresholds::PerClass(vec![-2.0]);
    let detector = ThresholdDetector::fixed(Statistic::Marginal, per_class).unwrap();
    assert!(detector.accepts(&score(-1.0)) && !detector.accepts(&unclassified));
}

/// log p of draws from a standard normal in 64 dimensions, up to a constant: -|x|²/2.
fn normal_scores(task: &str, count: usize) -> Vec<Score> {
    let (streams, standard) = (Streams::new(8, task), Normal::standard());
    let of = |index: usize| {
        let draws = streams.get(index as u64).sample_iter::<f64, _>(StandardUniform).take(64);
        score(-draws.map(|u| standard.inverse_cdf(u).powi(2)).sum::<f64>() / 2.0)
    };
    (0..count).map(of).collect()
}

/// The mode of a normal density is its likeliest point and no typical one: one side is blind to it.
#[test]
fn only_the_typical_set_rejects_what_is_too_likely() {
    let (fit, calibration) = (normal_scores("test-fit", 400), normal_scores("test-typical", 400));
    let (mode, far) = (score(0.0), score(-90.0));
    let one_sided = ThresholdDetector::calibrate(Statistic::Marginal, &calibration, 0.05).unwrap();
    assert!(one_sided.accepts(&mode) && !one_sided.accepts(&far));
    let statistic = Statistic::typicality(&fit).unwrap();
    let two_sided = ThresholdDetector::calibrate(statistic, &calibration, 0.05).unwrap();
    assert!(!two_sided.accepts(&mode) && !two_sided.accepts(&far));

    // The reference: a band around the mean as wide as the 20th largest deviation of 400.
    let mean = fit.iter().map(|score| score.log_px).sum::<f64>() / 400.0;
    let mut deviations: Vec<f64> =
        calibration.iter().map(|score| (score.log_px - mean).abs()).collect();
    deviations.sort_by(f64::total_cmp);
    let width = deviations[400 - 20];
    let test = normal_scores("test-typical-new", 3000);
    for score in &test {
        assert_eq!(two_sided.accepts(score), (score.log_px - mean).abs() <= width);
    }
    let alarms = detect::rejection_rate(&two_sided, &test).unwrap().interval(0.9999);
    let realised = false_alarms::realised_rate(400, 0.05).unwrap().interval.unwrap();
    assert!(alarms.low < realised.1 && realised.0 < alarms.high, "{alarms:?}, {realised:?}");
}

/// A constant image that the model likes better than any real one: the correction sees why.
#[test]
fn only_the_correction_rejects_what_is_likely_for_being_simple() {
    let shape = ImageShape { channels: 1, height: 28, width: 28 };
    let noise = Images::uniform_noise(shape, 40, 3);
    let flat = Images { pixels: Pixels::Bytes(vec![7; shape.len()]), ..noise.clone() };
    // A model that needs 300 nats less than the code for real images, and 20 more for the flat one.
    let of = |images: &Images, index: usize, surplus: f64| {
        let complexity = complexity::nats(images, index);
        Score { complexity: Some(complexity), ..score(surplus + 0.5 * index as f64 - complexity) }
    };
    let real: Vec<Score> = (0..40).map(|index| of(&noise, index, 300.0)).collect();
    let simple = of(&flat, 0, -20.0);
    assert!(real.iter().all(|real| real.log_px < simple.log_px));
    let marginal = ThresholdDetector::calibrate(Statistic::Marginal, &real, 0.05).unwrap();
    assert!(marginal.accepts(&simple));
    let corrected =
        ThresholdDetector::calibrate(Statistic::ComplexityCorrected, &real, 0.05).unwrap();
    assert!(!corrected.accepts(&simple));
    // Rank 2 of 41: the second real image is at the threshold, but for rounding at 4,000 nats.
    assert!((corrected.thresholds().values()[0] - 300.5).abs() < 1e-9);
}

#[test]
fn thresholds_in_bits_per_dim() {
    let (spec, ..) = scored();
    for statistic in [Statistic::Marginal, Statistic::Joint, Statistic::GivenPredicted] {
        assert_eq!(statistic.nats(&spec, 3.0), Some(spec.nats(3.0)));
    }
    let gradient = Statistic::GradientNorm;
    assert_eq!((gradient.nats(&spec, 3.0), gradient.bits_per_dim(&spec, 3.0)), (None, None));
    for statistic in ALL.into_iter().filter(|statistic| *statistic != gradient) {
        let nats = statistic.nats(&spec, 3.0).unwrap();
        let back = statistic.bits_per_dim(&spec, nats).unwrap();
        assert!((back - 3.0).abs() < 1e-14, "{statistic:?}: {back}");
    }
    // Half a bit in each of four dimensions either way.
    let width = Statistic::Typicality { centre: 7.0 }.nats(&spec, 0.5).unwrap();
    assert!((width + 2.0 * std::f64::consts::LN_2).abs() < 1e-15);
    // The code of 8-bit values costs as much as the complexity: log p(x) - 4 ln 256 + L = 0.
    let level = Statistic::ComplexityCorrected.nats(&spec, 0.0).unwrap();
    assert!((level - 4.0 * 256.0_f64.ln()).abs() < 1e-12);
}

/// Classes of unlike likelihood: one threshold rejects only the less likely class, two keep the rate
/// in each.
#[test]
fn thresholds_per_class_keep_the_rate_in_each() {
    let of_class = |class: usize, place: i32| Score {
        predicted: Some(class),
        ..score(f64::from(place) - 1000.0 * class as f64)
    };
    let calibration: Vec<Score> =
        (0..198).map(|place| of_class(place as usize % 2, place / 2)).collect();
    let rejected = |detector: &ThresholdDetector, class| {
        let scores: Vec<Score> =
            calibration.iter().filter(|score| score.predicted == Some(class)).cloned().collect();
        detect::rejection_rate(detector, &scores).unwrap().successes
    };
    let marginal = Statistic::Marginal;
    let one = ThresholdDetector::calibrate(marginal, &calibration, 0.05).unwrap();
    assert_eq!((rejected(&one, 0), rejected(&one, 1)), (0, 8));
    let two = ThresholdDetector::calibrate_per_class(marginal, &calibration, 0.05, 2).unwrap();
    assert_eq!(two.thresholds(), &Thresholds::PerClass(vec![4.0, -996.0]));
    assert_eq!((rejected(&two, 0), rejected(&two, 1)), (4, 4));
    let text = message(ThresholdDetector::calibrate_per_class(marginal, &calibration, 0.05, 3));
    assert!(text.contains("predicted class 2") && text.contains("there are 0"), "{text}");
}

/// On uniform scores the realised rate is the threshold itself, so that the interval must hold it in
/// exactly 99 % of the calibrations.
#[test]
fn realised_rate_intervals_cover() {
    let (n, rounds) = (99, 4000);
    let (low, high) = false_alarms::realised_rate(n, 0.05).unwrap().interval.unwrap();
    let streams = Streams::new(13, "test-realised");
    let covers = |round: &u64| {
        let draws = streams.get(*round).sample_iter::<f64, _>(StandardUniform).take(n);
        let rate = false_alarms::threshold(draws.map(Some), 0.05).unwrap();
        low <= rate && rate <= high
    };
    let successes = (0..rounds).filter(covers).count() as u64;
    let found = Proportion { successes, trials: rounds }.interval(0.9999);
    let exact = statistics::CONFIDENCE;
    assert!(found.low < exact && exact < found.high, "covers {found:?}");
}

/// The definition: the k-th of n uniform values lies below q where k or more of them do, a binomial
/// count; at either end the chance of being beyond it is half of the error.
#[test]
fn realised_rate_ends_leave_half_of_the_error() {
    for (n, rank) in [(19, 1), (99, 5), (5000, 250), (60_000, 3000)] {
        let (low, high) = false_alarms::realised_rate(n, 0.05).unwrap().interval.unwrap();
        let fewer = |q: f64| Binomial::new(q, n as u64).unwrap().cdf(rank - 1);
        // The quantile is found within about 1e-7 relative, and the tail is steeper by the square root
        // of the rank.
        assert!((fewer(low) - 0.995).abs() < 1e-5, "{n}: {}", fewer(low));
        assert!((fewer(high) - 0.005).abs() < 1e-5, "{n}: {}", fewer(high));
    }
}

fn saved(detector: ThresholdDetector) -> SavedDetector {
    SavedDetector {
        detector,
        model_sha256: "abc".to_owned(),
        dequantisation: Dequantisation::Uniform,
        calibration: Some(CalibrationRecord {
            dataset: "digits".to_owned(),
            images: 99,
            seed: 4,
            false_alarm_rate: 0.05,
        }),
    }
}

proptest! {
    // Four files a case.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// To the last bit: an input at the threshold is accepted.
    #[test]
    fn saved_detectors_come_back(
        which in 0..ALL.len(),
        thresholds in prop::collection::vec(prop::num::f64::NORMAL, 3),
        centre in prop::num::f64::NORMAL,
    ) {
        let (spec, ..) = scored();
        let statistic = match ALL[which] {
            Statistic::Typicality { .. } => Statistic::Typicality { centre },
            other => other,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("detector.json");
        for thresholds in [Thresholds::Common(thresholds[0]), Thresholds::PerClass(thresholds)] {
            let detector = ThresholdDetector::fixed(statistic, thresholds).unwrap();
            let before = SavedDetector { calibration: None, ..saved(detector.clone()) };
            for before in [before, saved(detector)] {
                before.save(&path).unwrap();
                prop_assert_eq!(SavedDetector::load(&path, &spec, "abc").unwrap(), before);
            }
        }
    }
}

#[test]
fn saved_detectors_that_do_not_fit_are_refused() {
    let (spec, ..) = scored();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("detector.json");
    let refused = |expected: &[&str]| {
        let text = message(SavedDetector::load(&path, &spec, "abc"));
        for part in ["detector.json", "again"].iter().chain(expected) {
            assert!(text.contains(part), "'{part}' is not in: {text}");
        }
    };
    let edits = [
        ("\"abc\"", "\"abd\"", ["model_sha256", "expected abc, found abd"]),
        ("\"uniform\"", "\"centre\"", ["dequantisation", "found centre"]),
        ("\"nats\"", "\"bits\"", ["unit", "found bits"]),
        ("detector-1", "detector-9", ["format", "detector-9"]),
        ("\"typicality\"", "\"gradient\"", ["score", "gradient"]),
        ("\"-40.0\"", "\"inf\"", ["centre", "found inf"]),
        ("\"-2.5\"", "\"NaN\"", ["thresholds", "found NaN"]),
        ("\"-2.5\"", "\"1.0\", \"2.0\"", ["thresholds", "expected 1 numbers, found 2 numbers"]),
        ("\"per_class\": false", "\"per_class\": true", ["thresholds", "expected 3 numbers"]),
        ("\"unit\"", "\"units\"", ["JSON", "units"]),
    ];
    for (from, to, expected) in edits {
        saved(common(ALL[3], -2.5)).save(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
        refused(&expected);
    }
    saved(common(Statistic::ComplexityCorrected, 1.0)).save(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap().replace(complexity::CODEC, "flif");
    fs::write(&path, text).unwrap();
    refused(&["codec", complexity::CODEC, "found flif"]);
    // Each unit belongs to its statistics.
    for (statistic, own, other) in [
        (Statistic::Marginal, "nats", "nats/range"),
        (Statistic::GradientNorm, "nats/range", "nats"),
    ] {
        saved(common(statistic, -1.0)).save(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let unit = |unit: &str| format!("\"unit\": \"{unit}\"");
        assert!(text.contains(&unit(own)), "{text}");
        fs::write(&path, text.replace(&unit(own), &unit(other))).unwrap();
        refused(&["unit", &format!("expected {own}, found {other}")]);
    }
    fs::remove_file(&path).unwrap();
    assert!(message(SavedDetector::load(&path, &spec, "abc")).contains("detector.json"));
}

#[test]
fn settings_of_a_detector_that_are_no_numbers() {
    for bad in [f64::NAN, f64::INFINITY] {
        let fixed = |statistic, value| {
            message(ThresholdDetector::fixed(statistic, Thresholds::Common(value)))
        };
        assert!(fixed(Statistic::Marginal, bad).contains("must be finite"));
        assert!(fixed(Statistic::Typicality { centre: bad }, 0.0).contains("must be finite"));
    }
    let none = ThresholdDetector::fixed(Statistic::Marginal, Thresholds::PerClass(vec![]));
    assert!(message(none).contains("one for each class"));
    assert!(message(Statistic::typicality(&[score(f64::NAN)])).contains("finite density"));
    assert!(detect::rejection_rate(&common(Statistic::Marginal, 0.0), [] as [Score; 0]).is_none());
}

fn answer(confidence: f64, right: bool) -> Score {
    let label = Some(usize::from(!right));
    Score { label, predicted: Some(0), confidence: Some(confidence), ..score(-1.0) }
}

/// By hand: (0, 1/2] holds 0.5 right and 0.3 wrong, (1/2, 1] holds 0.9 right, 0.7 wrong, 1 right.
#[test]
fn reliability_by_hand() {
    let mut reliability = Reliability::new(2);
    let answers = [(0.5, true), (0.3, false), (0.9, true), (0.7, false), (1.0, true)];
    answers.into_iter().for_each(|(confidence, right)| reliability.add(&answer(confidence, right)));
    reliability.add(&Score { predicted: None, confidence: None, ..answer(0.5, true) });
    reliability.add(&score(-1.0));
    let found: Vec<_> = reliability.bins().iter().map(|bin| (bin.count, bin.correct)).collect();
    assert_eq!((found, reliability.unclassified()), (vec![(2, 1), (3, 2)], 1));
    let upper = &reliability.bins()[1];
    assert!((upper.mean_confidence().unwrap() - 2.6 / 3.0).abs() < 1e-15);
    assert_eq!(upper.accuracy(), Some(Proportion { successes: 2, trials: 3 }));
    // (|1 - 0.8| + |2 - 2.6|) / 5.
    assert!((reliability.expected_error().unwrap() - 0.16).abs() < 1e-15);
    let empty = Reliability::new(3);
    assert_eq!((empty.expected_error(), empty.bins()[0].mean_confidence()), (None, None));
}

proptest! {
    /// The definition over all images for each bin, some of them on its edges.
    #[test]
    fn expected_error_by_brute_force(
        answers in prop::collection::vec((0_u16..=100, any::<bool>()), 1..80),
        bins in 1_usize..12,
    ) {
        let mut reliability = Reliability::new(bins);
        let confidence = |hundredths: u16| f64::from(hundredths) / 100.0;
        for &(hundredths, right) in &answers {
            reliability.add(&answer(confidence(hundredths), right));
        }
        let mut expected = 0.0;
        for bin in 0..bins {
            // Whole numbers: b/B < c/100 <= (b + 1)/B.
            let inside = |hundredths: usize| {
                (bin * 100 < hundredths * bins || (bin == 0 && hundredths == 0))
                    && hundredths * bins <= (bin + 1) * 100
            };
            let here: Vec<_> = answers.iter().filter(|(c, _)| inside(usize::from(*c))).collect();
            let right = here.iter().filter(|(_, right)| *right).count() as f64;
            let sure: f64 = here.iter().map(|(c, _)| confidence(*c)).sum();
            expected += (right - sure).abs() / answers.len() as f64;
        }
        prop_assert!((reliability.expected_error().unwrap() - expected).abs() < 1e-12);
    }
}

/// The chain rule: the two terms sum to the mean of -log p(x, y) from the classes' densities.
#[test]
fn terms_of_the_objective_sum_to_it() {
    let (spec, log_prob, images, scores) = scored();
    let labels = images.labels.unwrap();
    let mut objective = Objective::default();
    scores.iter().for_each(|score| objective.add(&spec, score));
    let joint: Vec<f64> = labels
        .iter()
        .zip(log_prob.column_iter())
        .map(|(&label, log_prob)| 4.0 * 256.0_f64.ln() - log_prob[label] - spec.ln_prior[label])
        .collect();
    let (marginal, class) = (objective.marginal().unwrap(), objective.class().unwrap());
    let sum = statistics::mean(&joint).unwrap().value;
    assert!((marginal.value + class.value - sum).abs() < 1e-11);
    assert!((objective.class_share().unwrap() - class.value / sum).abs() < 1e-12);
    // Its streamed mean and interval are those of all values at once.
    let lengths: Vec<f64> = scores.iter().map(|score| spec.code_length(score.log_px)).collect();
    let (once, streamed) = (statistics::mean(&lengths).unwrap(), marginal);
    assert!((once.value - streamed.value).abs() < 1e-11);
    let (once, streamed) = (once.interval.unwrap(), streamed.interval.unwrap());
    assert!((once.0 - streamed.0).abs() < 1e-10 && (once.1 - streamed.1).abs() < 1e-10);
}

/// Equal densities for every class: the class term is ln C, and the share the uniform one.
#[test]
fn a_model_that_ignores_the_class_pays_ln_c() {
    let mut model = GaussianModel::new(DMatrix::from_element(16, 5, 0.4), 0.3);
    let mut images = Images::uniform_noise(model.spec().image, 30, 1);
    images.labels = Some(vec![3; 30]);
    let mut objective = Objective::default();
    for score in likelihood::score(&mut model, &images, 8, 0, &mut |_| ()).unwrap() {
        objective.add(model.spec(), &score);
    }
    let class = objective.class().unwrap().value;
    assert!((class - uniform_cost(5)).abs() < 1e-12);
    let (share, uniform) = (objective.class_share().unwrap(), objective.uniform_share(5).unwrap());
    assert!((share - uniform).abs() < 1e-12 && share > 0.0 && share < 0.1, "{share}");
}

#[test]
fn images_without_a_finite_term_are_counted_apart() {
    let (spec, ..) = scored();
    let mut objective = Objective::default();
    let with = |log_px, class| Score { ln_label_given_x: class, ..score(log_px) };
    objective.add(&spec, &with(-3.0, Some(-0.5)));
    objective.add(&spec, &with(-3.0, Some(f64::NEG_INFINITY)));
    objective.add(&spec, &with(f64::NAN, Some(f64::NAN)));
    objective.add(&spec, &with(f64::NEG_INFINITY, Some(f64::NAN)));
    objective.add(&spec, &with(-3.0, None));
    assert_eq!((objective.count(), objective.not_finite()), (1, 3));
    assert_eq!(objective.class().unwrap().value, 0.5);
    let empty = Objective::default();
    assert!(empty.class().is_none() && empty.class_share().is_none());
}
