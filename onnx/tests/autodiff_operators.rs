//! Every rule against PyTorch autograd, as recorded by `reference/autodiff_operators.py`, and against
//! finite differences of the engine itself.

mod common;
#[path = "common/gradients.rs"]
mod gradients;

use std::collections::{BTreeMap, BTreeSet};

use common::shipped;
use gradients::*;
use ndarray::ArrayD;
use prost::Message;
use undetected_onnx::{
    autodiff::{Derivative, FAMILIES, with_input_gradient},
    engine::EngineChoice,
    proto::ModelProto,
};

/// Float32 against float64, of values of order one and sums of a few dozen terms.
const TOLERANCE: f64 = 1e-4;
/// Central differences of step [`STEP`]: the third derivative times the step's square, and rounding.
const DIFFERENCE_TOLERANCE: f64 = 2e-2;
const STEP: f64 = 1e-2;
/// Forward passes that tract 0.23.9 has wrong (Celu with an alpha other than 1) or does not run
/// (Pad with negative numbers).
const NOT_ON_TRACT: [&str; 2] = ["celu", "pad_cut"];

struct Case {
    model: ModelProto,
    x: ArrayD<f64>,
    cotangent: ArrayD<f64>,
    y: ArrayD<f64>,
    gradient: ArrayD<f64>,
}

fn cases() -> BTreeMap<String, Case> {
    let mut recorded = Recorded::open(&shipped("tests/reference/autodiff_operators.npz"));
    let names = recorded.names();
    let names: BTreeSet<&str> =
        names.iter().filter_map(|name| Some(name.split_once('/')?.0)).collect();
    let read = |name: &str| {
        let model = recorded.bytes(&format!("{name}/model"));
        let mut floats = |part: &str| recorded.floats(&format!("{name}/{part}"));
        let case = Case {
            model: ModelProto::decode(model.as_slice()).expect("a model"),
            x: floats("x"),
            cotangent: floats("cotangent"),
            y: floats("y"),
            gradient: floats("gradient"),
        };
        (name.to_owned(), case)
    };
    names.into_iter().map(read).collect()
}

/// What is wrong with a case on an engine.
fn failure(case: &Case, choice: EngineChoice) -> Option<String> {
    let model = match with_input_gradient(&case.model, "y", "x") {
        Ok(model) => model,
        Err(error) => return Some(error.to_string()),
    };
    let (value, gradient) = match value_and_gradient(&model, choice, &case.x, "y", &case.cotangent)
    {
        Ok(found) => found,
        Err(error) => return Some(error.to_string()),
    };
    if relative_error(&value, &case.y) > TOLERANCE {
        return Some(format!("value {value:?}, expected {:?}", case.y.as_slice()));
    }
    let error = relative_error(&gradient, &case.gradient);
    (gradient.len() != case.gradient.len() || error.is_nan() || error > TOLERANCE).then(|| {
        format!("error {error:.1e}: {gradient:?}, expected {:?}", case.gradient.as_slice())
    })
}

#[test]
fn every_operator_has_the_gradient_of_autograd() {
    let mut failures = vec![];
    for (name, case) in cases() {
        for choice in ENGINES {
            if choice == EngineChoice::Tract && NOT_ON_TRACT.contains(&name.as_str()) {
                continue;
            }
            failures.extend(failure(&case, choice).map(|what| {
                let short: String = what.chars().take(400).collect();
                format!("{name}, {choice:?}: {short}")
            }));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// d<y, c>/dx along a direction with signal: the gradient plus some noise.
#[test]
fn every_smooth_gradient_is_that_of_finite_differences() {
    for (name, case) in cases().into_iter().filter(|(name, _)| !name.starts_with("kink_")) {
        let norm = case.gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
        if norm == 0.0 {
            continue;
        }
        let wobble = array(case.x.shape(), |index| ((index * 7919 + 13) % 17) as f64 / 17.0 - 0.5);
        let direction = &case.gradient / norm + &wobble * (0.5 / (wobble.len() as f64).sqrt());
        let model = with_input_gradient(&case.model, "y", "x").unwrap();
        let product = |step: f64| -> f64 {
            let x = &case.x + &direction * step;
            let y =
                value_and_gradient(&model, EngineChoice::Ort, &x, "y", &case.cotangent).unwrap().0;
            y.iter().zip(&case.cotangent).map(|(y, c)| y * c).sum()
        };
        let found = (product(STEP) - product(-STEP)) / (2.0 * STEP);
        let expected: f64 = case.gradient.iter().zip(&direction).map(|(a, b)| a * b).sum();
        let scale = expected.abs().max(norm);
        assert!(
            (found - expected).abs() < DIFFERENCE_TOLERANCE * scale,
            "{name}: {found}, {expected}"
        );
    }
}

/// A rule without a case would be a rule that nobody has seen work.
#[test]
fn every_rule_has_a_case() {
    let cases = cases();
    let nodes = cases.values().flat_map(|case| &case.model.graph.as_ref().unwrap().node);
    let tested: BTreeSet<&str> = nodes.map(|node| node.op_type()).collect();
    let rules = FAMILIES.iter().flat_map(|(_, rules)| rules.iter());
    let missing: Vec<&str> = rules
        .filter(|rule| matches!(rule.derivative, Derivative::Rule(_) | Derivative::Zero))
        .map(|rule| rule.operator)
        .filter(|operator| !tested.contains(operator))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
