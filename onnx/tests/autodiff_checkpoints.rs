//! Input gradients of the shipped checkpoints against PyTorch autograd, on both engines.

mod common;
#[path = "common/gradients.rs"]
mod gradients;

use common::shipped;
use gradients::*;
use ndarray::{ArrayD, Axis};
use undetected_onnx::{
    autodiff::{COTANGENT, GRADIENT, with_input_gradient},
    graph::ModelFile,
};

/// What the rewritten graph promises in float32.
const TOLERANCE: f64 = 1e-4;
const CHECKPOINTS: [&str; 1] = ["glow-mnist-reweight-small"];

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

/// log p(x|y) of every class and log p(x), each image by itself and all as a batch; data and noise.
#[test]
fn gradients_of_shipped_checkpoints_are_those_of_autograd() {
    let mut recorded = Recorded::open(&shipped("tests/reference/autodiff_checkpoints.npz"));
    for name in CHECKPOINTS {
        let file = ModelFile::read(&shipped(&format!("checkpoints/{name}.onnx"))).unwrap();
        let model = with_input_gradient(&file.model, "log_prob", "x").unwrap();
        let mut array = |part: &str| recorded.floats(&format!("{name}/{part}"));
        let (x, noise, log_prob, expected) =
            (array("x"), array("noise"), array("log_prob"), array("gradient"));
        let classes = log_prob.shape()[1];
        let ports = [
            ("x", &x.shape()[1..]),
            ("noise", &noise.shape()[1..]),
            (COTANGENT, &log_prob.shape()[1..]),
        ];
        for choice in ENGINES {
            let outputs = ["log_prob", GRADIENT];
            let mut session = Session::open(&model, choice, &ports, &outputs).unwrap();
            for class in 0..=classes {
                let one_hot =
                    ArrayD::from_shape_fn(log_prob.raw_dim(), |at| f64::from(at[1] == class));
                let cotangent = if class < classes { one_hot } else { posterior(&log_prob) };
                let mut check = |images: std::ops::Range<usize>| {
                    let of = |array: &ArrayD<f64>| {
                        array.slice_axis(Axis(0), images.clone().into()).to_owned()
                    };
                    let inputs = [&of(&x), &of(&noise), &of(&cotangent)];
                    let found = session.run(&inputs).unwrap();
                    assert!(relative_error(&found[0], &of(&log_prob)) < TOLERANCE);
                    let expected = of(&expected);
                    let error = relative_error(&found[1], expected.index_axis(Axis(1), class));
                    assert!(error < TOLERANCE, "{name}, {choice:?}, {class}, {images:?}: {error}");
                };
                (0..x.shape()[0]).for_each(|image| check(image..image + 1));
                check(0..x.shape()[0]);
            }
        }
    }
}
