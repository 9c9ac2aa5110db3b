//! The norm of log p(x)'s gradient: where it is exact, by differences, and as a detector of whole runs.

mod common;

use common::*;
use nalgebra::{DMatrix, DVector};
use undetected_onnx::{
    Result,
    contract::Overrides,
    dataset::{Images, Pixels},
    detect::{Statistic, StatisticKind},
    engine::{Device, EngineChoice, EngineInfo, EngineOptions},
    gaussian::GaussianModel,
    gradient::{DifferentiableCheckpoint, GradientOptions},
    gradient_norm,
    likelihood::ln_marginal,
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
    suite::{
        DataEntry, Event, Kept, Model, ModelEntry, Outcome, Subject, Suite, Task, Threshold,
        detector_file, run_model,
    },
};

const DIM: usize = 12;
const SIGMA: f64 = 0.05;

/// Two Gaussians, `distance` standard deviations apart in every pixel.
fn gaussian(distance: f64) -> GaussianModel {
    let half = distance * SIGMA / 2.0;
    let side = |class: usize| if class == 0 { half } else { -half };
    GaussianModel::new(DMatrix::from_fn(DIM, 2, |_, class| 0.5 + side(class)), SIGMA)
}

/// Points at about a standard deviation from the means, by a sequence that fills an interval evenly.
fn points(count: usize) -> DMatrix<f32> {
    let golden = |index: usize| (0.5 + index as f64 * 0.618_033_988_749_895).fract();
    DMatrix::from_fn(DIM, count, |dim, image| {
        let place = golden(dim + 13 * image) - 0.5;
        (0.5 + 0.1 * place * (1.0 + image as f64 / count as f64)) as f32
    })
}

fn batch(x: DMatrix<f32>) -> Batch {
    Batch { noise: DMatrix::zeros(0, x.ncols()), x }
}

fn norms(model: &mut dyn Differentiable, batch: &Batch) -> Vec<Option<f64>> {
    let log_prob = model.log_prob(batch).unwrap();
    gradient_norm::of(model, batch, &log_prob).unwrap()
}

/// d log p(x)/dx = (E\[mean given x\] - x)/sigma², with the posterior of two classes a logistic function.
#[test]
fn norm_of_a_mixture_is_its_distance_to_the_posterior_mean() {
    for distance in [0.3, 1.0, 8.0] {
        let mut model = gaussian(distance);
        let x = points(20);
        let found = norms(&mut model, &batch(x.clone()));
        for (found, x) in found.iter().zip(x.column_iter()) {
            let half = distance * SIGMA / 2.0;
            let shift: f64 = x.iter().map(|&x| f64::from(x) - 0.5).sum();
            // The log-odds of class 0 are 2 half shift / sigma².
            let lean = (half * shift / SIGMA.powi(2)).tanh();
            let squares: f64 = x.iter().map(|&x| (0.5 + half * lean - f64::from(x)).powi(2)).sum();
            let exact = squares.sqrt() / SIGMA.powi(2);
            let found = found.unwrap();
            // Slopes are float32.
            assert!((found / exact - 1.0).abs() < 1e-6, "{distance}: {found}, exactly {exact}");
        }
    }
}

/// A Gaussian model whose pixels run from -1 to 3.
struct Wide(GaussianModel, ModelSpec);

impl Wide {
    fn new(distance: f64) -> Self {
        let model = gaussian(distance);
        let spec = ModelSpec { pixel_range: (-1.0, 3.0), ..model.spec().clone() };
        Self(model, spec)
    }

    fn inner(batch: &Batch) -> Batch {
        Batch { x: batch.x.map(|x| (x + 1.0) / 4.0), noise: batch.noise.clone() }
    }
}

impl ConditionalModel for Wide {
    fn spec(&self) -> &ModelSpec {
        &self.1
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        Ok(self.0.log_prob(&Self::inner(batch))?.map(|log_p| log_p - DIM as f64 * 4.0_f64.ln()))
    }
}

impl Differentiable for Wide {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        let (_, gradient) = self.0.log_prob_and_gradient(&Self::inner(batch), cotangent)?;
        Ok((self.log_prob(batch)?, gradient / 4.0))
    }
}

/// The unit is per pixel range: where the pixels lie changes nothing.
#[test]
fn norm_does_not_depend_on_the_pixel_range() {
    let (mut model, mut wide) = (gaussian(1.0), Wide::new(1.0));
    let x = points(10);
    let moved = batch(x.map(|x| 4.0 * x - 1.0));
    for (one, other) in norms(&mut model, &batch(x)).iter().zip(norms(&mut wide, &moved)) {
        // The moved pixels are rounded to float32: 1e-7 of a pixel at slopes of 1/sigma².
        assert!((one.unwrap() - other.unwrap()).abs() < 1e-3, "{one:?}, {other:?}");
    }
}

/// A model whose gradient is infinite at every third image, and whose density is none at the first.
struct Broken(GaussianModel);

impl ConditionalModel for Broken {
    fn spec(&self) -> &ModelSpec {
        self.0.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        let mut log_prob = self.0.log_prob(batch)?;
        log_prob.column_mut(0).fill(f64::NAN);
        Ok(log_prob)
    }
}

impl Differentiable for Broken {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        assert!(cotangent.iter().all(|weight| weight.is_finite()), "no NaN goes into a model");
        let (log_prob, mut gradient) = self.0.log_prob_and_gradient(batch, cotangent)?;
        for (place, value) in [(2, f32::INFINITY), (5, f32::NAN), (8, f32::NEG_INFINITY)] {
            gradient[(3, place)] = value;
        }
        Ok((log_prob, gradient))
    }
}

#[test]
fn what_has_no_finite_norm_has_none() {
    let found = norms(&mut Broken(gaussian(1.0)), &batch(points(9)));
    let without: Vec<usize> = (0..9).filter(|image| found[*image].is_none()).collect();
    assert_eq!(without, [0, 2, 5, 8]);
}

fn checkpoint() -> DifferentiableCheckpoint {
    let options = EngineOptions { choice: EngineChoice::Tract, threads: 1, ..Default::default() };
    DifferentiableCheckpoint::open(
        &shipped("checkpoints/glow-mnist-reweight-small.onnx"),
        &Overrides::default(),
        &options,
        GradientOptions::default(),
    )
    .unwrap()
}

/// The shipped flow's parity images: along the gradient, log p(x) rises by its norm.
#[test]
fn norm_of_a_shipped_flow_is_the_slope_along_its_gradient() {
    let mut model = checkpoint();
    let parity = model.checkpoint.contract.parity.clone().unwrap();
    let spec = model.spec().clone();
    let one = Batch {
        x: DMatrix::from_column_slice(spec.image.len(), 1, &parity.x[..spec.image.len()]),
        noise: DMatrix::from_column_slice(spec.noise_len, 1, &parity.noise[..spec.noise_len]),
    };
    let norm = norms(&mut model, &one)[0].unwrap();
    let log_prob = model.log_prob(&one).unwrap();
    let log_px = ln_marginal(&spec.ln_prior, log_prob.as_slice());
    let posterior = DMatrix::from_fn(10, 1, |y, _| (spec.ln_prior[y] + log_prob[y] - log_px).exp());
    let gradient = model.log_prob_and_gradient(&one, &posterior).unwrap().1;
    let direction: DVector<f64> = gradient.column(0).map(f64::from).normalize();
    let mut at = |step: f64| {
        let moved = one.x.column(0).map(f64::from) + step * &direction;
        let x = DMatrix::from_column_slice(moved.len(), 1, moved.map(|x| x as f32).as_slice());
        let log_prob = model.log_prob(&Batch { x, noise: one.noise.clone() }).unwrap();
        ln_marginal(&spec.ln_prior, log_prob.as_slice())
    };
    // The best of several steps: coarse ones see curvature, fine ones float32's 1e-4 nats.
    let steps = [3e-3, 1e-3, 3e-4, 1e-4];
    let slopes = steps.map(|step| (at(step) - at(-step)) / (2.0 * step));
    let nearest =
        slopes.iter().map(|slope| (slope / norm - 1.0).abs()).fold(f64::INFINITY, f64::min);
    // As the check at load: 3 %.
    assert!(nearest < 0.03, "norm {norm}, slopes {slopes:?}");
}

/// Images around the means of [`gaussian`].
fn images(name: &str, spread: f64, count: usize) -> Images {
    let x = points(count).map(|x| (0.5 + spread * (f64::from(x) - 0.5)) as f32);
    Images {
        name: name.to_owned(),
        path: None,
        shape: gaussian(1.0).spec().image,
        pixels: Pixels::Unit(x.as_slice().to_vec()),
        labels: Some((0..count).map(|image| image % 2).collect()),
    }
}

fn entry(folder: &std::path::Path, images: &Images) -> DataEntry {
    let path = folder.join(format!("{}.npz", images.name));
    images.write_npz(&path).unwrap();
    DataEntry { name: Some(images.name.clone()), images: path, labels: None, limit: None }
}

fn suite(folder: &std::path::Path) -> Suite {
    let model = ModelEntry { path: "unused".into(), contract: Default::default() };
    let mut suite =
        Suite::new("test".to_owned(), vec![model], entry(folder, &images("real", 1.0, 120)));
    suite.out_of_distribution = vec![entry(folder, &images("far", 1.5, 90))];
    suite.tasks = vec![Task::Detect, Task::OutOfDistribution];
    suite.detect.statistics =
        vec![StatisticKind::Marginal, StatisticKind::GivenPredicted, StatisticKind::GradientNorm];
    suite
}

fn run(suite: &Suite, model: &mut dyn Differentiable, batch: usize) -> (Outcome, Vec<String>) {
    let mut samples = vec![];
    let outcome =
        run_model(suite, subject(Model::Gradients(model)), batch, Kept::default(), &mut |event| {
            if let Event::Sample(sample) = event {
                samples.push(format!("{sample:?}"));
            }
            Ok(())
        });
    (outcome.unwrap(), samples)
}

fn subject(model: Model<'_>) -> Subject<'_> {
    let engine =
        EngineInfo { name: "exact".to_owned(), version: "1".to_owned(), device: Device::Cpu };
    // The shipped flow's images are 32 x 32, those of MNIST 28 x 28.
    let pad = if model.spec().image.len() == 1024 { 2 } else { 0 };
    Subject { model, engine, sha256: "abc".to_owned(), pad }
}

fn save(outcome: &Outcome, folder: &std::path::Path) {
    let folder = folder.join(&outcome.spec.name);
    std::fs::create_dir_all(&folder).unwrap();
    for saved in &outcome.detectors {
        saved.save(&folder.join(detector_file(saved.detector.statistic().kind()))).unwrap();
    }
}

/// With one Gaussian |d log p/dx| = r/sigma² and log p = c - r²/(2 sigma²): both rank alike, and a
/// threshold on the one is a threshold on the other.
#[test]
fn detector_of_one_gaussian_is_that_of_its_density() {
    let folder = tempfile::tempdir().unwrap();
    let suite = suite(folder.path());
    let (outcome, _) = run(&suite, &mut gaussian(0.0), 32);
    let value = |kind: StatisticKind, metric: &str, unit: &str, dataset: &str| {
        let wanted = |row: &&undetected_onnx::record::Row| {
            row.statistic == Some(kind.name())
                && (row.metric.as_str(), row.unit, row.dataset.as_str()) == (metric, unit, dataset)
        };
        outcome.rows.iter().find(wanted).unwrap_or_else(|| panic!("no {metric}")).value
    };
    let (density, gradient) = (StatisticKind::Marginal, StatisticKind::GradientNorm);
    let areas = [density, gradient].map(|kind| value(kind, "auroc", "area", "far"));
    assert!(areas[0] > 0.6 && areas[0] < 1.0, "{areas:?}");
    assert_eq!(areas[0], areas[1]);
    for dataset in ["real", "far"] {
        let shares = [density, gradient].map(|kind| value(kind, "accepted", "share", dataset));
        assert_eq!(shares[0], shares[1]);
    }
    let peak = -0.5 * DIM as f64 * (std::f64::consts::TAU * SIGMA * SIGMA).ln();
    let radius = (2.0 * (peak - value(density, "threshold", "nats", "real"))).sqrt() * SIGMA;
    let threshold = value(gradient, "threshold", "nats/range", "real");
    assert!((threshold * SIGMA.powi(2) / -radius - 1.0).abs() < 1e-6, "{threshold}, {radius}");
    let no_bits = |row: &&undetected_onnx::record::Row| {
        row.statistic == Some(gradient.name()) && ["nats", "bits/dim"].contains(&row.unit)
    };
    assert_eq!(outcome.rows.iter().find(no_bits), None, "there is no such unit of it");
    for row in outcome.roc_rows() {
        let of_gradient = row.statistic == gradient.name();
        assert!(
            if of_gradient { row.threshold_nats } else { row.threshold_nats_per_range }.is_none()
        );
    }
    assert!(outcome.roc_rows().iter().any(|row| row.threshold_nats_per_range.is_some()));
}

/// A saved detector decides as it did; it has to be there, and the model has to have gradients.
#[test]
fn saved_detector_is_reused() {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = suite(folder.path());
    let (fitted, samples) = run(&suite, &mut gaussian(1.0), 32);
    save(&fitted, folder.path());
    let decided = samples.iter().filter(|row| row.contains("accepted_gradient_norm: Some(false)"));
    assert!(decided.count() > 10 && samples.iter().all(|row| !row.contains("range: None")));
    suite.threshold = Threshold::Detectors(folder.path().to_owned());
    let (reused, again) = run(&suite, &mut gaussian(1.0), 32);
    assert_eq!((reused.rows, again, reused.detectors), (fitted.rows, samples, fitted.detectors));

    let refused = |model: Model<'_>| {
        message(run_model(&suite, subject(model), 8, Kept::default(), &mut |_| Ok(())))
    };
    std::fs::remove_file(folder.path().join("gaussian/gradient_norm.json")).unwrap();
    assert!(refused(Model::Gradients(&mut gaussian(1.0))).contains("gradient_norm.json"));
    assert!(refused(Model::Values(&mut gaussian(1.0))).contains("not opened with gradients"));
}

/// A fixed threshold is one of log p(x); separation needs none.
#[test]
fn separation_needs_no_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = suite(folder.path());
    suite.threshold = Threshold::Nats(0.0);
    let (outcome, _) = run(&suite, &mut gaussian(1.0), 32);
    let gradients = outcome.separations.iter();
    let gradients = gradients.filter(|one| one.statistic == Statistic::GradientNorm).count();
    // The file, uniform noise, constants, and images with noise.
    assert_eq!((outcome.detectors.len(), gradients), (1, 4));
    suite.detect.statistics = StatisticKind::OF_DENSITIES.to_vec();
    let (outcome, samples) = run(&suite, &mut gaussian(1.0), 32);
    assert!(outcome.separations.iter().all(|one| one.statistic != Statistic::GradientNorm));
    assert!(samples.iter().all(|row| row.contains("gradient_norm_nats_per_range: None")));
}

/// On tract, whose kernels do not depend on the batch, no number does: the shipped flow on shipped
/// images.
#[test]
fn nothing_depends_on_the_batch() {
    let mut opened = checkpoint();
    let folder = tempfile::tempdir().unwrap();
    let mut suite = suite(folder.path());
    let data = |name: &str| DataEntry {
        name: Some(name.to_owned()),
        images: shipped(&format!("data/{name}-t10k-500-images-idx3-ubyte.gz")),
        labels: None,
        limit: Some(24),
    };
    suite.data = data("mnist");
    suite.out_of_distribution = vec![data("fashion-mnist")];
    suite.synthetic.uniform = false;
    suite.synthetic.constant = false;
    suite.synthetic.noise.clear();
    suite.threshold = Threshold::FalseAlarmRate(0.2);
    let (whole, samples) = run(&suite, &mut opened, 24);
    assert_eq!(samples.len(), 48);
    for batch in [1, 7] {
        let (rows, other) = {
            let (outcome, other) = run(&suite, &mut opened, batch);
            (outcome.rows, other)
        };
        assert_eq!((&rows, &other), (&whole.rows, &samples), "batches of {batch}");
    }
}
