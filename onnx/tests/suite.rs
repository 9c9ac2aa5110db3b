//! Whole runs on models whose every number is known.

mod common;

use std::{fs, path::Path};

use common::{file, message};
use nalgebra::DMatrix;
use rand::{RngExt, distr::StandardUniform};
use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor, Normal};
use undetected_onnx::{
    Result,
    dataset::{Images, Pixels},
    detect::StatisticKind,
    engine::{Device, EngineInfo},
    gaussian::GaussianModel,
    model::{Batch, ConditionalModel, ModelSpec},
    record::Row,
    suite::{
        DataEntry, Event, Kept, Model, ModelEntry, Outcome, Subject, Suite, Suites, Task,
        Threshold, detector_file, run_model,
    },
};
use undetected_theory::{Proportion, Streams};

const DIM: usize = 16;
const SIGMA: f64 = 0.05;
/// Confidence of the tests' own intervals: a true claim fails once in ten thousand.
const SURE: f64 = 0.9999;

/// Two Gaussians around 1/2 whose means are `distance` standard deviations apart.
fn means(distance: f64) -> DMatrix<f64> {
    let half = distance * SIGMA / 2.0 / (DIM as f64).sqrt();
    DMatrix::from_fn(DIM, 2, |_, class| 0.5 + if class == 0 { half } else { -half })
}

/// Draws around the classes' means, of standard deviation `scale` SIGMA.
fn draws(name: &str, distance: f64, scale: f64, count: usize) -> Images {
    let (means, standard) = (means(distance), Normal::standard());
    let streams = Streams::new(2, name);
    let pixel = |image: usize, row: usize, u: f64| {
        (means[(row, image % 2)] + scale * SIGMA * standard.inverse_cdf(u)) as f32
    };
    let image = |image: usize| {
        let uniform = streams.get(image as u64).sample_iter::<f64, _>(StandardUniform).take(DIM);
        uniform.enumerate().map(move |(row, u)| pixel(image, row, u)).collect::<Vec<_>>()
    };
    Images {
        name: name.to_owned(),
        path: None,
        shape: GaussianModel::new(means.clone(), SIGMA).spec().image,
        pixels: Pixels::Unit((0..count).flat_map(image).collect()),
        labels: Some((0..count).map(|image| image % 2).collect()),
    }
}

fn entry(folder: &Path, images: &Images) -> DataEntry {
    let path = folder.join(format!("{}.npz", images.name));
    images.write_npz(&path).unwrap();
    DataEntry { name: Some(images.name.clone()), images: path, labels: None, limit: None }
}

/// Real images, and others three times as spread out.
fn suite(folder: &Path, distance: f64, count: usize) -> Suite {
    let model = ModelEntry { path: "unused".into(), contract: Default::default() };
    let data = entry(folder, &draws("real", distance, 1.0, count));
    let mut suite = Suite::new("test".to_owned(), vec![model], data);
    suite.out_of_distribution = vec![entry(folder, &draws("wide", distance, 1.5, count))];
    suite.interpolate.alphas = 5;
    suite.interpolate.pairs = 20.try_into().ok();
    suite
}

fn subject(model: &mut dyn ConditionalModel) -> Subject<'_> {
    let engine =
        EngineInfo { name: "exact".to_owned(), version: "1".to_owned(), device: Device::Cpu };
    Subject { model: Model::Values(model), engine, sha256: "abc".to_owned(), pad: 0 }
}

/// The outcome, and every row that the events carried, as text.
fn run(suite: &Suite, model: &mut dyn ConditionalModel, batch: usize) -> (Outcome, Vec<String>) {
    let mut rows = Vec::new();
    let outcome = run_model(suite, subject(model), batch, Kept::default(), &mut |event| {
        match event {
            Event::Started { .. } | Event::Seen(_) => (),
            row => rows.push(format!("{row:?}")),
        }
        Ok(())
    });
    (outcome.unwrap(), rows)
}

fn gaussian(distance: f64) -> GaussianModel {
    GaussianModel::new(means(distance), SIGMA)
}

fn find<'a>(
    outcome: &'a Outcome,
    dataset: &str,
    task: Task,
    statistic: Option<StatisticKind>,
    metric: &str,
    unit: &str,
) -> &'a Row {
    let statistic = statistic.map(StatisticKind::name);
    let wanted = |row: &&Row| {
        row.dataset == dataset
            && row.task == task.name()
            && row.statistic == statistic
            && row.metric == metric
            && row.unit == unit
    };
    let mut found = outcome.rows.iter().filter(wanted);
    let row = found.next().unwrap_or_else(|| panic!("no {task:?} {metric} of {dataset}"));
    assert!(found.next().is_none(), "two rows {row:?}");
    row
}

/// Whether the 99 % interval, made half as wide again, holds the exact value: a true one is missed
/// about once in ten thousand.
fn assert_near(row: &Row, exact: f64) {
    let half = 1.5 * (row.high.unwrap() - row.low.unwrap()) / 2.0;
    assert!((row.value - exact).abs() <= half, "{row:?}, exactly {exact}");
}

/// Far classes: given its own class, log p(x given y) is -r²/(2 sigma²) with r²/sigma² chi squared, 9/4
/// as large for the wide images. AUROC is then P(X/Y < 9/4) of an F distribution, and what a
/// threshold accepts a chi-squared probability.
#[test]
fn detection_and_separation_are_those_of_chi_squared_scores() {
    let folder = tempfile::tempdir().unwrap();
    let (suite, mut model) = (suite(folder.path(), 30.0, 1200), gaussian(30.0));
    let (outcome, _) = run(&suite, &mut model, 64);
    let freedom = DIM as f64;
    let exact = FisherSnedecor::new(freedom, freedom).unwrap().cdf(2.25);
    let chi = ChiSquared::new(freedom).unwrap();
    for kind in [StatisticKind::Marginal, StatisticKind::Joint, StatisticKind::GivenPredicted] {
        let get = |dataset: &str, task, metric: &str, unit: &str| {
            find(&outcome, dataset, task, Some(kind), metric, unit)
        };
        assert_near(get("wide", Task::OutOfDistribution, "auroc", "area"), exact);
        let threshold = get("real", Task::Detect, "threshold", "nats").value;
        let prior = if kind == StatisticKind::GivenPredicted { 0.0 } else { 2.0_f64.ln() };
        let ln_peak = -0.5 * freedom * (std::f64::consts::TAU * SIGMA * SIGMA).ln();
        let radius = 2.0 * (ln_peak - prior - threshold);
        for (dataset, scale) in [("real", 1.0), ("wide", 2.25)] {
            let accepted = get(dataset, Task::Detect, "accepted", "share");
            let exact = chi.cdf(radius / scale);
            let counted = Proportion {
                successes: (accepted.value * accepted.n as f64).round() as u64,
                trials: accepted.n,
            };
            let interval = counted.interval(SURE);
            assert!(interval.low < exact && exact < interval.high, "{accepted:?}, exactly {exact}");
        }
        // The positive group changes the number, and both follow from the same distribution.
        let fooled = get("wide", Task::OutOfDistribution, "fpr95_in_positive", "share");
        assert_near(fooled, chi.cdf(chi.inverse_cdf(0.95) / 2.25));
        let lost = get("wide", Task::OutOfDistribution, "fpr95_out_positive", "share");
        assert_near(lost, 1.0 - chi.cdf(chi.inverse_cdf(0.05) * 2.25));
    }
    assert_eq!(outcome.detectors.len(), 5);
    // Four other data sets, five statistics, and their figures.
    assert_eq!((outcome.separations.len(), outcome.likelihoods.len()), (20, 4));
    for curve in &outcome.separations {
        let (first, last) = (&curve.roc[0], &curve.roc[curve.roc.len() - 1]);
        assert!(curve.roc.len() <= 512 && first.tpr == 0.0 && (last.tpr, last.fpr) == (1.0, 1.0));
    }
}

/// Near classes: the gap is normal, of mean d²/2 and deviation d for means d deviations apart; it is
/// above 0 where the image is classified correctly; and the two terms of the objective sum to
/// -E log p(x, y) of the truth.
#[test]
fn class_gap_and_objective_are_those_of_two_gaussians() {
    let folder = tempfile::tempdir().unwrap();
    let distance = 2.0;
    let mut suite = suite(folder.path(), distance, 2000);
    suite.tasks = vec![Task::Classify, Task::ClassGap, Task::Objective];
    let (outcome, events) = run(&suite, &mut gaussian(distance), 64);
    assert!(outcome.rows.iter().all(|row| row.dataset == "real"), "no task looks at other data");
    assert_eq!(events.iter().filter(|row| row.starts_with("Gap")).count(), 2000);
    let get = |task, metric: &str, unit: &str| find(&outcome, "real", task, None, metric, unit);
    assert_near(get(Task::ClassGap, "mean_gap", "nats"), distance.powi(2) / 2.0);
    let deviation = get(Task::ClassGap, "deviation_gap", "nats").value;
    // Five standard errors, 1/sqrt(2 n) relative.
    assert!((deviation / distance - 1.0).abs() < 5.0 / 4000_f64.sqrt(), "{deviation}");
    let accuracy = get(Task::Classify, "accuracy", "share");
    assert_near(accuracy, Normal::standard().cdf(distance / 2.0));
    assert_eq!(get(Task::ClassGap, "label_leads", "share").value, accuracy.value);
    // With two classes the best wrong class is the only one to draw.
    for metric in ["mislabelled_auroc", "mislabelled_detected"] {
        let unit = if metric.ends_with("auroc") { "area" } else { "share" };
        let best = get(Task::ClassGap, &format!("{metric}_best_wrong"), unit);
        let random = get(Task::ClassGap, &format!("{metric}_random_wrong"), unit);
        assert_eq!((best.value, best.low), (random.value, random.low));
    }
    let terms = ["marginal_term", "class_term"].map(|metric| get(Task::Objective, metric, "nats"));
    let entropy = 0.5 * DIM as f64 * (1.0 + (std::f64::consts::TAU * SIGMA * SIGMA).ln());
    let exact = entropy + 2.0_f64.ln() + DIM as f64 * 256.0_f64.ln();
    // Five standard errors of half a chi squared's mean.
    let tolerance = 5.0 * (DIM as f64 / 2.0 / 2000.0).sqrt();
    assert!((terms[0].value + terms[1].value - exact).abs() < tolerance, "{terms:?}, {exact}");
    let uniform = get(Task::Objective, "class_term_of_uniform", "nats").value;
    assert_eq!(uniform, 2.0_f64.ln());
    // The model is the truth, so it is calibrated, but for the noise of 15 bins.
    assert!(get(Task::Objective, "expected_calibration_error", "share").value < 0.05);
    assert_eq!(outcome.reliability.as_ref().unwrap().bins().len(), 15);
}

/// Far apart, no midpoint is accepted or likely; the selection is of images that fit nothing.
#[test]
fn paths_between_far_classes_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = suite(folder.path(), 30.0, 200);
    suite.tasks = vec![Task::Interpolate];
    let (outcome, events) = run(&suite, &mut gaussian(30.0), 64);
    let found = outcome.interpolation.as_ref().unwrap();
    assert_eq!((found.selection.pairs.len(), found.examples.len()), (20, 3));
    let share = |metric: &str| find(&outcome, "real", Task::Interpolate, None, metric, "share");
    assert_eq!((share("midpoints_accepted").value, share("midpoints_likelier").value), (0.0, 0.0));
    assert_eq!(share("paths_accepted").value, 0.0);
    let auroc = find(&outcome, "real", Task::Interpolate, None, "midpoint_auroc", "area");
    assert_eq!(auroc.value, 1.0);
    let example = &found.examples[0];
    assert_eq!((example.images.len(), example.alphas[4]), (9, 0.5));
    let ends: Vec<String> = events
        .iter()
        .filter(|row| row.starts_with("Point") && row.contains("path: 0,"))
        .cloned()
        .collect();
    assert_eq!(ends.len(), 5, "the midpoint is on a grid of five");
    let rows = outcome.path_curve_rows();
    assert_eq!((rows.len(), rows[2].alpha, rows[2].accepted_share), (5, 0.5, 0.0));
    // Samples come in the order of the images: those of pairs must be of the test half.
    let samples: Vec<&String> = events.iter().filter(|row| row.starts_with("Sample")).collect();
    for image in found.selection.pairs.iter().flat_map(|pair| pair.images) {
        assert!(samples[image].contains("split: \"test\""), "{}", samples[image]);
    }
}

#[test]
fn nothing_depends_on_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = suite(folder.path(), 3.0, 160);
    suite.detect.per_class = false;
    let (whole, events) = run(&suite, &mut gaussian(3.0), 1000);
    assert!(!whole.rows.is_empty() && events.len() > 5 * 160);
    for batch in [1, 7, 64] {
        let (other, other_events) = run(&suite, &mut gaussian(3.0), batch);
        assert_eq!(other.rows, whole.rows, "batches of {batch}");
        assert_eq!(other_events, events, "batches of {batch}");
        assert_eq!(other.path_curve_rows(), whole.path_curve_rows());
        assert_eq!(other.roc_rows(), whole.roc_rows());
        assert_eq!(other.histogram_rows(), whole.histogram_rows());
        assert_eq!(other.reliability_rows(), whole.reliability_rows());
    }
    suite.seed = 1;
    assert_ne!(run(&suite, &mut gaussian(3.0), 64).1, events);
}

fn save(outcome: &Outcome, folder: &Path) {
    let folder = folder.join(&outcome.spec.name);
    fs::create_dir_all(&folder).unwrap();
    for saved in &outcome.detectors {
        saved.save(&folder.join(detector_file(saved.detector.statistic().kind()))).unwrap();
    }
}

/// Saved detectors decide as they did, and on the data that they were fitted on the same images
/// measure. On other data all do.
#[test]
fn saved_detectors_are_reused() {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = suite(folder.path(), 3.0, 200);
    suite.tasks = vec![Task::Detect];
    let (fitted, events) = run(&suite, &mut gaussian(3.0), 64);
    save(&fitted, folder.path());
    suite.threshold = Threshold::Detectors(folder.path().to_owned());
    let (reused, reused_events) = run(&suite, &mut gaussian(3.0), 64);
    assert_eq!((reused.rows, reused_events), (fitted.rows, events));
    assert_eq!(reused.detectors, fitted.detectors);

    suite.data = entry(folder.path(), &draws("fresh", 3.0, 1.0, 100));
    let (fresh, _) = run(&suite, &mut gaussian(3.0), 64);
    let kind = Some(StatisticKind::Marginal);
    assert_eq!(find(&fresh, "fresh", Task::Detect, kind, "rejected", "share").n, 100);
}

#[test]
fn thresholds_for_each_class_and_fixed_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = suite(folder.path(), 30.0, 300);
    suite.tasks = vec![Task::Detect, Task::OutOfDistribution];
    suite.detect.per_class = true;
    suite.detect.statistics = vec![StatisticKind::Marginal, StatisticKind::Typicality];
    let (outcome, _) = run(&suite, &mut gaussian(30.0), 64);
    let kind = Some(StatisticKind::Marginal);
    for metric in ["threshold_class_0", "threshold_class_1"] {
        find(&outcome, "real", Task::Detect, kind, metric, "bits/dim");
    }
    assert_eq!((outcome.detectors.len(), outcome.separations.len()), (2, 8));

    suite.detect.per_class = false;
    suite.threshold = Threshold::BitsPerDim(3.0);
    let (outcome, events) = run(&suite, &mut gaussian(30.0), 64);
    let threshold = find(&outcome, "real", Task::Detect, kind, "threshold", "bits/dim");
    assert!((threshold.value - 3.0).abs() < 1e-12 && threshold.n == 0);
    assert!(events.iter().all(|row| row.contains("split: \"test\"")), "nothing was fitted");
    // Separation needs no threshold; only typicality needs a fit.
    assert_eq!((outcome.detectors.len(), outcome.separations.len()), (1, 16));
}

/// A model that gives no density to every fifth image.
struct Holes(GaussianModel);

impl ConditionalModel for Holes {
    fn spec(&self) -> &ModelSpec {
        self.0.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        let mut log_prob = self.0.log_prob(batch)?;
        for (mut column, x) in log_prob.column_iter_mut().zip(batch.x.column_iter()) {
            if ((x[0] * 1e4) as u32).is_multiple_of(5) {
                column.fill(f64::NAN);
            }
        }
        Ok(log_prob)
    }
}

#[test]
fn images_without_a_density_are_counted_apart_and_never_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = suite(folder.path(), 3.0, 400);
    suite.threshold = Threshold::Nats(-1e9);
    let (outcome, events) = run(&suite, &mut Holes(gaussian(3.0)), 64);
    let samples = || events.iter().filter(|row| row.starts_with("Sample"));
    let lost = samples().filter(|row| row.contains("log_px_nats: NaN")).count();
    assert!(lost > 100, "{lost}");
    for row in samples() {
        let accepted = row.contains("accepted_marginal: Some(true)");
        assert_eq!(accepted, !row.contains("log_px_nats: NaN"), "{row}");
    }
    for task in [Task::Likelihood, Task::ClassGap, Task::Objective] {
        let row = find(&outcome, "real", task, None, "not_finite", "share");
        assert!(row.n == 400 && row.value > 0.1 && row.value < 0.4, "{row:?}");
    }
    assert!(outcome.rows.iter().all(|row| row.value.is_finite()), "NaN is no result");
    let without = find(&outcome, "real", Task::Interpolate, None, "not_finite", "images");
    assert!(without.value > 0.0);
}

/// A model that must not be asked.
struct Untouchable(GaussianModel);

impl ConditionalModel for Untouchable {
    fn spec(&self) -> &ModelSpec {
        self.0.spec()
    }

    fn log_prob(&mut self, _: &Batch) -> Result<DMatrix<f64>> {
        panic!("the run must be refused before anything is computed")
    }
}

#[test]
fn impossible_settings_are_refused_before_anything_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let good = suite(folder.path(), 3.0, 60);
    let refused = |change: &dyn Fn(&mut Suite), means: DMatrix<f64>, expected: &[&str]| {
        let mut suite = good.clone();
        change(&mut suite);
        let mut model = Untouchable(GaussianModel::new(means, SIGMA));
        let text =
            message(run_model(&suite, subject(&mut model), 8, Kept::default(), &mut |_| Ok(())));
        for part in expected {
            assert!(text.contains(part), "'{part}' is not in: {text}");
        }
    };
    let two = || means(3.0);
    refused(&|suite| suite.models.clear(), two(), &["[[model]]"]);
    refused(&|suite| suite.tasks.clear(), two(), &["tasks", "leave it out"]);
    let pairs = |suite: &mut Suite| suite.interpolate.pairs = 40.try_into().ok();
    refused(&pairs, two(), &["interpolate.pairs = 40", "fewer"]);
    refused(&|suite| suite.interpolate.alphas = 1, two(), &["interpolate.alphas", "both ends"]);
    refused(&|suite| suite.class_gap.bins = 1, two(), &["class_gap.bins"]);
    refused(&|suite| suite.synthetic.noise = vec![0.0], two(), &["synthetic.noise = 0", "above 0"]);
    let rate = |rate| move |suite: &mut Suite| suite.threshold = Threshold::FalseAlarmRate(rate);
    refused(&rate(1.5), two(), &["1.5", "between 0 and 1"]);
    refused(&rate(0.01), two(), &["detector 'marginal'", "at least 99 calibration images"]);
    refused(&|suite| suite.threshold = Threshold::Nats(f64::NAN), two(), &["must be finite"]);
    let fixed_per_class = |suite: &mut Suite| {
        suite.threshold = Threshold::Nats(0.0);
        suite.detect.per_class = true;
    };
    refused(&fixed_per_class, two(), &["detect.per_class", "false_alarm_rate"]);
    let without_marginal = |suite: &mut Suite| {
        suite.detect.statistics = vec![StatisticKind::Joint];
    };
    refused(&without_marginal, two(), &["detect.statistics", "interpolate"]);
    let elsewhere = |suite: &mut Suite| suite.threshold = Threshold::Detectors("nowhere".into());
    refused(&elsewhere, two(), &["nowhere"]);
    refused(&|_| (), DMatrix::from_element(DIM, 1, 0.5), &["label", "class"]);
    let unlabelled = |suite: &mut Suite| {
        let images = Images { labels: None, ..draws("bare", 3.0, 1.0, 60) };
        suite.data = entry(folder.path(), &images);
    };
    refused(&unlabelled, two(), &["has no labels"]);
}

/// Every key of a suite file, and the line of each mistake in it.
#[test]
fn suite_files_name_the_line_at_fault() {
    let text = r#"
        name = "s"
        tasks = ["likelihood", "class_gap"]
        [[model]]
        path = "m.onnx"
        [data]
        images = "images"
        [threshold]
        detectors = "saved"
        [detect]
        statistics = ["joint", "marginal"]
        [synthetic]
        noise = [0.1, 0.2]
        constant = false
        [interpolate]
        pairs = 7
        [class_gap]
        bins = 20
        [objective]
        bins = 10
    "#;
    let (folder, path) = file("s.toml", text.as_bytes());
    let suite = Suites::read(&path).unwrap().first().clone();
    assert_eq!(suite.tasks, [Task::Likelihood, Task::ClassGap]);
    assert_eq!(suite.threshold, Threshold::Detectors(folder.path().join("saved")));
    assert_eq!(suite.detect.statistics, [StatisticKind::Joint, StatisticKind::Marginal]);
    assert!(suite.synthetic.uniform && !suite.synthetic.constant);
    assert_eq!((suite.synthetic.noise.len(), suite.interpolate.alphas), (2, 100));
    assert_eq!((suite.class_gap.bins, suite.objective.bins.get()), (20, 10));
    for (from, to, expected) in [
        ("\"class_gap\"", "\"gap\"", [":3:", "unknown variant `gap`"]),
        ("detectors = \"saved\"", "false_alarm_rate = 1.5", [":9:", "between 0 and 1"]),
        ("detectors = \"saved\"", "bits_per_dim = inf", [":9:", "must be finite"]),
        ("\"joint\"", "\"joint_\"", [":11:", "Did you mean `joint`?"]),
        ("0.2", "-0.2", [":13:23: synthetic.noise = -0.2", "above 0"]),
        ("pairs = 7", "pairs = 0", [":16:", "nonzero"]),
        ("pairs = 7", "alphas = 1", [":16:", "at least 2"]),
        ("pairs = 7", "pair = 7", [":16:", "Did you mean `pairs`?"]),
        ("bins = 20", "bins = 1", [":18:", "at least 2"]),
        ("bins = 10", "bins = 0", [":20:", "nonzero"]),
        ("\"likelihood\", \"class_gap\"", "", [":3:17: tasks", "is empty"]),
        (
            "[detect]",
            "[detect]\nper_class = true",
            [":11:13: detect.per_class", "false_alarm_rate"],
        ),
    ] {
        let (_folder, path) = file("s.toml", text.replace(from, to).as_bytes());
        let found = message(Suites::read(&path));
        for part in expected.iter().chain(&["s.toml"]) {
            assert!(found.contains(part), "'{part}' is not in: {found}");
        }
    }
}
