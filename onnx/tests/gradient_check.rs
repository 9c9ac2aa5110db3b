//! The check of a gradient at load: planted faults are caught, sound gradients never refused.

mod common;

use std::path::PathBuf;

use common::*;
use nalgebra::DMatrix;
use undetected_onnx::{
    Error, Result,
    contract::Overrides,
    engine::{EngineChoice, EngineOptions},
    gaussian::GaussianModel,
    gradient::{DifferentiableCheckpoint, GradientOptions},
    gradient_check::{Flag, check},
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
    proto::{ModelProto, tensor_proto::DataType},
};

const ENGINES: [EngineChoice; 2] = [EngineChoice::Ort, EngineChoice::Tract];

/// What can be wrong with a gradient.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Sign,
    Twice,
    /// Every second pixel's is missing.
    HalfOfThePixels,
    /// What the classes do not share is missing: the smallest part of all.
    Class,
    /// That of another image.
    Constant,
    Zero,
    Nan,
}

const FAULTS: [Fault; 7] = [
    Fault::Sign,
    Fault::Twice,
    Fault::HalfOfThePixels,
    Fault::Class,
    Fault::Constant,
    Fault::Zero,
    Fault::Nan,
];

struct Faulty<'a>(&'a mut dyn Differentiable, Fault);

impl ConditionalModel for Faulty<'_> {
    fn spec(&self) -> &ModelSpec {
        self.0.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        self.0.log_prob(batch)
    }
}

impl Differentiable for Faulty<'_> {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        let (log_prob, mut gradient) = self.0.log_prob_and_gradient(batch, cotangent)?;
        match self.1 {
            Fault::None => {}
            Fault::Sign => gradient *= -1.0,
            Fault::Twice => gradient *= 2.0,
            Fault::HalfOfThePixels => {
                gradient.row_iter_mut().step_by(2).for_each(|mut row| row.fill(0.0));
            }
            Fault::Class => {
                let (classes, n) = cotangent.shape();
                let shared = DMatrix::from_fn(classes, n, |_, image| {
                    cotangent.column(image).sum() / classes as f64
                });
                gradient = self.0.log_prob_and_gradient(batch, &shared)?.1;
            }
            Fault::Constant => {
                let grey = Batch { x: batch.x.map(|_| 0.5), noise: batch.noise.clone() };
                gradient = self.0.log_prob_and_gradient(&grey, cotangent)?.1;
            }
            Fault::Zero => gradient.fill(0.0),
            Fault::Nan => gradient[(0, 0)] = f32::NAN,
        }
        Ok((log_prob, gradient))
    }
}

fn catches_every_fault(model: &mut dyn Differentiable, batch: &Batch) {
    let sound = check(&mut Faulty(model, Fault::None), batch).unwrap();
    assert_eq!(sound.flag, Flag::Agrees, "{sound:?}");
    for fault in FAULTS {
        let found = check(&mut Faulty(model, fault), batch).unwrap();
        assert_eq!(found.flag, Flag::Wrong, "{fault:?}: {found:?}");
    }
}

#[test]
fn faults_of_an_analytic_model_are_caught() {
    let means = DMatrix::from_fn(64, 3, |dim, class| ((dim * 5 + class * 11) % 13) as f64 / 13.0);
    let x = DMatrix::from_fn(64, 2, |dim, image| ((dim * 3 + image) % 7) as f32 / 7.0);
    let batch = Batch { x, noise: DMatrix::zeros(0, 2) };
    catches_every_fault(&mut GaussianModel::new(means, 0.3), &batch);
}

fn open(
    path: &std::path::Path,
    choice: EngineChoice,
    options: GradientOptions,
) -> Result<DifferentiableCheckpoint> {
    let engine = EngineOptions { choice, ..EngineOptions::default() };
    let opened = DifferentiableCheckpoint::open(path, &Overrides::default(), &engine, options);
    if let Err(error @ Error::RuntimeLibrary { .. }) = &opened {
        panic!("this test needs ONNX Runtime: {error}");
    }
    opened
}

fn parity_batch(opened: &DifferentiableCheckpoint) -> Batch {
    let (spec, parity) = (opened.spec(), opened.checkpoint.contract.parity.as_ref().unwrap());
    Batch {
        x: DMatrix::from_column_slice(spec.image.len(), parity.count, &parity.x),
        noise: DMatrix::from_column_slice(spec.noise_len, parity.count, &parity.noise),
    }
}

/// The shipped checkpoints that have a gradient: a PixelCNN++ rounds its input first.
fn flows() -> Vec<PathBuf> {
    let files = std::fs::read_dir(shipped("checkpoints")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let is_flow = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("glow-") && name.ends_with(".onnx")
    };
    let found: Vec<_> = paths.filter(is_flow).collect();
    assert_eq!(found.len(), 9, "{found:?}");
    found
}

#[test]
fn shipped_checkpoints_are_never_refused_and_their_faults_are_caught() {
    for path in flows() {
        for choice in ENGINES {
            let mut opened = open(&path, choice, GradientOptions::default()).unwrap();
            assert_eq!(opened.health.flag, Flag::Agrees, "{}", path.display());
            if choice == EngineChoice::Ort {
                let batch = parity_batch(&opened);
                catches_every_fault(&mut opened, &batch);
            }
        }
    }
}

/// A model whose own gradient is `factor` times the true one, m_y - x.
fn with_own_gradient(factor: f32) -> ModelProto {
    let mut graph = gaussian_graph();
    let transposed: Vec<f32> = MEANS.concat();
    graph.initializer.push(floats("means", &[3, 4], &transposed));
    graph.initializer.push(floats("factor", &[1], &[factor]));
    graph.input.push(port("weights_of_classes", DataType::Float, &[None, Some(3)]));
    graph.node.push(node("MatMul", &["weights_of_classes", "means"], "pull"));
    graph.node.push(node("ReduceSum", &["weights_of_classes", "axes"], "total"));
    graph.node.push(node("Mul", &["flat", "total"], "drag"));
    graph.node.push(node("Sub", &["pull", "drag"], "slope"));
    graph.node.push(node("Mul", &["slope", "factor"], "scaled"));
    graph.node.push(node("Shape", &["x"], "shape_of_x"));
    graph.node.push(node("Reshape", &["scaled", "shape_of_x"], "own"));
    graph.output.push(port("own", DataType::Float, &[None, Some(1), Some(2), Some(2)]));
    let mut model = model(graph, &METADATA);
    set_metadata(&mut model, "gradient", "own");
    set_metadata(&mut model, "cotangent", "weights_of_classes");
    model
}

#[test]
fn an_own_gradient_is_used_and_checked() {
    let (_folder, right) = onnx(&with_own_gradient(1.0));
    let (_other, wrong) = onnx(&with_own_gradient(1.5));
    for choice in ENGINES {
        let mut opened = open(&right, choice, GradientOptions::default()).unwrap();
        let x = DMatrix::from_fn(4, 2, |dim, image| (dim + image) as f32 / 8.0);
        let batch = Batch { x, noise: DMatrix::zeros(0, 2) };
        let weights = DMatrix::from_row_slice(3, 2, &[0.0, 0.5, 1.0, 0.0, 0.0, 0.5]);
        let (log_prob, gradient) = opened.log_prob_and_gradient(&batch, &weights).unwrap();
        let means = DMatrix::from_fn(4, 3, |dim, class| f64::from(MEANS[class][dim]));
        let exact = GaussianModel::new(means, 1.0).log_prob_and_gradient(&batch, &weights).unwrap();
        assert!((log_prob - exact.0).amax() < 1e-5);
        assert!((gradient - exact.1).amax() < 1e-5);

        let text = message(open(&wrong, choice, GradientOptions::default()));
        assert!(text.contains("gradient wrong"), "{text}");
        let accepted = GradientOptions { accept_unsound: true, ..GradientOptions::default() };
        assert_eq!(open(&wrong, choice, accepted).unwrap().health.flag, Flag::Wrong);
    }
}

/// A model that rounds: zero gradient by name, or the straight-through estimate when asked for.
#[test]
fn a_model_that_rounds_its_input_has_no_gradient_but_an_estimate() {
    let mut graph = gaussian_graph();
    graph.node[0].input[0] = "levels".to_owned();
    graph.node.insert(0, node("Mul", &["x", "scale"], "scaled"));
    graph.node.insert(1, node("Floor", &["scaled"], "floor"));
    graph.node.insert(2, node("Div", &["floor", "scale"], "levels"));
    graph.initializer.push(floats("scale", &[1], &[4.0]));
    let (_folder, path) = onnx(&model(graph, &METADATA));
    for choice in ENGINES {
        let text = message(open(&path, choice, GradientOptions::default()));
        assert!(text.contains("gradient"), "{text}");
        let estimate = GradientOptions { straight_through: true, ..GradientOptions::default() };
        let mut opened = open(&path, choice, estimate).unwrap();
        assert_eq!(opened.health.flag, Flag::Estimate);
        let x = DMatrix::from_element(4, 1, 0.3);
        let batch = Batch { x, noise: DMatrix::zeros(0, 1) };
        let weights = DMatrix::from_column_slice(3, 1, &[1.0, 0.0, 0.0]);
        let gradient = opened.log_prob_and_gradient(&batch, &weights).unwrap().1;
        // m_0 = 0, and the level of 0.3 is 0.25.
        assert!(gradient.iter().all(|slope| (slope + 0.25).abs() < 1e-6), "{gradient}");
    }
}
