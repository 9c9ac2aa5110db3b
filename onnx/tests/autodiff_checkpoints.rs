//! Input gradients of the shipped checkpoints against PyTorch autograd, on both engines. A PixelCNN++
//! rounds its input: there both give the straight-through estimate.

mod common;
#[path = "common/gradients.rs"]
mod gradients;

use std::ops::Range;

use common::shipped;
use gradients::*;
use ndarray::{ArrayD, Axis};
use undetected_onnx::{
    autodiff::{COTANGENT, GRADIENT, Options, differentiate, obstacles},
    engine::EngineChoice,
    graph::ModelFile,
};

/// What the rewritten graph promises in float32.
const TOLERANCE: f64 = 1e-4;

/// What was recorded of one checkpoint, images first.
struct Case {
    name: String,
    x: ArrayD<f64>,
    noise: Option<ArrayD<f64>>,
    log_prob: ArrayD<f64>,
    /// Of every class and, behind them, of log p(x).
    gradient: ArrayD<f64>,
}

impl Case {
    fn read(recorded: &mut Recorded, name: &str) -> Self {
        let noise = format!("{name}/noise");
        let has_noise = recorded.names().iter().any(|known| known.starts_with(&noise));
        let mut array = |part: &str| recorded.floats(&format!("{name}/{part}"));
        Self {
            name: name.to_owned(),
            x: array("x"),
            noise: has_noise.then(|| array("noise")),
            log_prob: array("log_prob"),
            gradient: array("gradient"),
        }
    }

    fn classes(&self) -> usize {
        self.log_prob.shape()[1]
    }

    fn open(&self, choice: EngineChoice) -> Session {
        let file = ModelFile::read(&shipped(&format!("checkpoints/{}.onnx", self.name))).unwrap();
        let rounds = obstacles(&file.model, "log_prob", "x").unwrap();
        let rounds = rounds.zero.iter().any(|(_, operator)| operator == "Floor");
        // Where the model rounds, the estimate is what an attack follows, and what was recorded.
        let options = Options { straight_through: rounds };
        let found = differentiate(&file.model, "log_prob", "x", &options).unwrap();
        assert!(found.connected, "{}", self.name);
        let image = |array: &ArrayD<f64>| array.shape()[1..].to_vec();
        let mut ports = vec![("x", image(&self.x))];
        ports.extend(self.noise.iter().map(|noise| ("noise", image(noise))));
        ports.push((COTANGENT, vec![self.classes()]));
        let ports: Vec<(&str, &[usize])> =
            ports.iter().map(|(name, shape)| (*name, shape.as_slice())).collect();
        Session::open(&found.model, choice, &ports, &["log_prob", GRADIENT]).unwrap()
    }

    /// The weights that make the gradient of `target` of d<log_prob, weights>.
    fn cotangent(&self, target: usize) -> ArrayD<f64> {
        match target < self.classes() {
            true => ArrayD::from_shape_fn(self.log_prob.raw_dim(), |at| f64::from(at[1] == target)),
            false => posterior(&self.log_prob),
        }
    }

    /// Values and gradient of `target` at some of the images.
    fn check(&self, session: &mut Session, target: usize, images: Range<usize>) {
        let of = |array: &ArrayD<f64>| array.slice_axis(Axis(0), images.clone().into()).to_owned();
        let (cotangent, noise) = (self.cotangent(target), self.noise.as_ref().map(of));
        let (x, cotangent) = (of(&self.x), of(&cotangent));
        let inputs: Vec<&ArrayD<f64>> =
            [Some(&x), noise.as_ref(), Some(&cotangent)].into_iter().flatten().collect();
        let found = session.run(&inputs).unwrap();
        let values = relative_error(&found[0], &of(&self.log_prob));
        let gradient = of(&self.gradient);
        let error = relative_error(&found[1], gradient.index_axis(Axis(1), target));
        let what = format!("{}, target {target}, images {images:?}", self.name);
        assert!(values < TOLERANCE, "{what}: values differ by {values}");
        assert!(error < TOLERANCE, "{what}: gradients differ by {error}");
    }
}

/// p(y|x) under a uniform prior: the cotangent that makes log p(x) of log p(x|y).
fn posterior(log_prob: &ArrayD<f64>) -> ArrayD<f64> {
    let mut posterior = log_prob.clone();
    for mut row in posterior.axis_iter_mut(Axis(0)) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.mapv_inplace(|value| (value - largest).exp());
        let sum = row.sum();
        row.mapv_inplace(|weight| weight / sum);
    }
    posterior
}

/// Every shipped checkpoint by its name.
fn checkpoints() -> Vec<String> {
    let files = std::fs::read_dir(shipped("checkpoints")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let models = paths.filter(|path| path.extension().is_some_and(|end| end == "onnx"));
    let name = |path: std::path::PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let found: Vec<String> = models.map(name).collect();
    assert!(found.len() >= 11, "{found:?}");
    found
}

/// log p(x|y) of every class and log p(x), each image by itself and all as a batch; data and noise.
#[test]
fn gradients_of_shipped_checkpoints_are_those_of_autograd() {
    let mut recorded = Recorded::open(&shipped("tests/reference/autodiff_checkpoints.npz"));
    for name in checkpoints() {
        let case = Case::read(&mut recorded, &name);
        let images = case.x.shape()[0];
        for choice in ENGINES {
            let mut session = case.open(choice);
            for target in targets(&case, choice) {
                (0..images).for_each(|one| case.check(&mut session, target, one..one + 1));
                case.check(&mut session, target, 0..images);
            }
        }
    }
}

/// All of them on ONNX Runtime. tract takes five times as long; it runs the same graph, so two classes
/// and log p(x), which weighs all ten, show that its operators agree.
fn targets(case: &Case, choice: EngineChoice) -> Vec<usize> {
    let last = case.classes();
    match choice {
        EngineChoice::Tract => vec![0, last - 1, last],
        _ => (0..=last).collect(),
    }
}
