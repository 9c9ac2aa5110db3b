//! Running differentiated graphs, and reading what PyTorch recorded.
#![allow(dead_code)] // each test binary uses its part

use std::{fs::File, path::Path};

use ndarray::{ArrayD, IxDyn};
use ndarray_npy::NpzReader;
use prost::Message;
use undetected_onnx::{
    Error, Result,
    autodiff::{COTANGENT, GRADIENT},
    engine::{self, Engine, EngineChoice, EngineOptions, Signature},
    graph::ModelFile,
    proto::ModelProto,
};

pub const ENGINES: [EngineChoice; 2] = [EngineChoice::Ort, EngineChoice::Tract];

/// Arrays by name.
pub struct Recorded(NpzReader<File>);

impl Recorded {
    pub fn open(path: &Path) -> Self {
        Self(NpzReader::new(File::open(path).expect("recorded values")).expect("an npz file"))
    }

    pub fn names(&mut self) -> Vec<String> {
        self.0.names().expect("names")
    }

    pub fn floats(&mut self, name: &str) -> ArrayD<f64> {
        let single: std::result::Result<ArrayD<f32>, _> = self.0.by_name(name);
        match single {
            Ok(array) => array.mapv(f64::from),
            Err(_) => self.0.by_name(name).unwrap_or_else(|error| panic!("{name}: {error}")),
        }
    }

    pub fn bytes(&mut self, name: &str) -> Vec<u8> {
        let array: ArrayD<u8> =
            self.0.by_name(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        array.into_iter().collect()
    }
}

/// A model as a file that an engine opens from memory.
pub fn in_memory(model: &ModelProto) -> ModelFile {
    ModelFile {
        path: "made.onnx".into(),
        bytes: model.encode_to_vec(),
        model: model.clone(),
        sha256: String::new(),
        has_external_data: false,
    }
}

/// A model opened on an engine.
pub struct Session(Box<dyn Engine>);

impl Session {
    /// With inputs by name and per-image shape.
    pub fn open(
        model: &ModelProto,
        choice: EngineChoice,
        inputs: &[(&str, &[usize])],
        outputs: &[&str],
    ) -> Result<Self> {
        let named = |(name, shape): &(&str, &[usize])| ((*name).to_owned(), shape.to_vec());
        let signature = Signature {
            inputs: inputs.iter().map(named).collect(),
            outputs: outputs.iter().map(|name| (*name).to_owned()).collect(),
        };
        let options = EngineOptions { choice, threads: 1, ..EngineOptions::default() };
        let opened = engine::open(&in_memory(model), &signature, &options);
        if let Err(error @ Error::RuntimeLibrary { .. }) = &opened {
            panic!("this test needs ONNX Runtime: {error}");
        }
        Ok(Self(opened?.engine))
    }

    /// The outputs, flat, for inputs with the batch first.
    pub fn run(&mut self, inputs: &[&ArrayD<f64>]) -> Result<Vec<Vec<f64>>> {
        let single = |x: &&ArrayD<f64>| x.iter().map(|&value| value as f32).collect();
        let single: Vec<Vec<f32>> = inputs.iter().map(single).collect();
        let slices: Vec<&[f32]> = single.iter().map(Vec::as_slice).collect();
        self.0.run(inputs[0].shape()[0], &slices)
    }
}

/// (value, gradient) of a differentiated model with the one input `x`.
pub fn value_and_gradient(
    model: &ModelProto,
    choice: EngineChoice,
    x: &ArrayD<f64>,
    output: &str,
    cotangent: &ArrayD<f64>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let inputs = [("x", &x.shape()[1..]), (COTANGENT, &cotangent.shape()[1..])];
    let mut session = Session::open(model, choice, &inputs, &[output, GRADIENT])?;
    let [value, gradient] = session.run(&[x, cotangent])?.try_into().expect("two outputs");
    Ok((value, gradient))
}

/// |a - b| / |b|; with b = 0, |a|.
pub fn relative_error<'a>(
    found: impl IntoIterator<Item = &'a f64>,
    expected: impl IntoIterator<Item = &'a f64>,
) -> f64 {
    let (mut difference, mut norm) = (0.0, 0.0);
    for (found, expected) in found.into_iter().zip(expected) {
        // Equal infinities differ by nothing.
        difference += if found == expected { 0.0 } else { (found - expected).powi(2) };
        norm += if expected.is_finite() { expected * expected } else { 0.0 };
    }
    if norm == 0.0 { difference.sqrt() } else { (difference / norm).sqrt() }
}

pub fn array(shape: &[usize], value: impl FnMut(usize) -> f64) -> ArrayD<f64> {
    let count = shape.iter().product();
    ArrayD::from_shape_vec(IxDyn(shape), (0..count).map(value).collect())
        .expect("the shape's count")
}

/// The derivative of <y, cotangent> along a direction, by the gradient and from either side.
#[derive(Debug)]
pub struct Directional {
    norm: f64,
    expected: f64,
    left: f64,
    right: f64,
}

impl Directional {
    const STEP: f64 = 2e-3;

    /// Along the gradient's direction plus `shift`, of a differentiated model from `x` to `y`.
    pub fn measure(
        model: &ModelProto,
        choice: EngineChoice,
        x: &ArrayD<f64>,
        cotangent: &ArrayD<f64>,
        shift: &ArrayD<f64>,
    ) -> Self {
        let ports = [("x", &x.shape()[1..]), (COTANGENT, &cotangent.shape()[1..])];
        let mut session = Session::open(model, choice, &ports, &["y", GRADIENT]).unwrap();
        let gradient = session.run(&[x, cotangent]).unwrap().pop().expect("two outputs");
        let norm = gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
        let gradient = array(x.shape(), |index| gradient[index]);
        let direction = &gradient / norm.max(1e-3) + shift;
        let mut product = |step: f64| -> f64 {
            let moved = x + &direction * step;
            let y = session.run(&[&moved, cotangent]).unwrap().remove(0);
            y.iter().zip(cotangent).map(|(y, weight)| y * weight).sum()
        };
        let (ahead, here, behind) = (product(Self::STEP), product(0.0), product(-Self::STEP));
        let (right, left) = ((ahead - here) / Self::STEP, (here - behind) / Self::STEP);
        Self { norm, expected: (&gradient * &direction).sum(), left, right }
    }

    /// Between the one-sided slopes, which a kink sets apart; float32 of values of order ten leaves
    /// 1e-6/STEP.
    pub fn agrees(&self) -> bool {
        let slack = 1e-2 * (self.norm + self.expected.abs()) + 5e-3;
        self.expected >= self.right.min(self.left) - slack
            && self.expected <= self.right.max(self.left) + slack
    }
}
