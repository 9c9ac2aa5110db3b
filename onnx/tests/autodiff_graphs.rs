//! What the transformation refuses, cuts and composes; random graphs by directional derivatives.

mod common;
#[path = "common/gradients.rs"]
mod gradients;

use common::*;
use gradients::*;
use proptest::prelude::*;
use undetected_onnx::{
    autodiff::{COTANGENT, GRADIENT, append, differentiate, obstacles, prune, with_input_gradient},
    proto::{GraphProto, ModelProto, NodeProto, tensor_proto::DataType},
};

fn floor_then(operator: &str) -> ModelProto {
    let graph = GraphProto {
        node: vec![node("Floor", &["x"], "f"), node(operator, &["f"], "y")],
        input: vec![port("x", DataType::Float, &[None, Some(3)])],
        output: vec![port("y", DataType::Float, &[None, Some(3)])],
        ..Default::default()
    };
    model(graph, &[])
}

#[test]
fn an_operator_without_a_rule_is_named_with_the_file_to_write() {
    let unknown = floor_then("Det");
    let text = message(with_input_gradient(&unknown, "y", "x"));
    for part in ["y_node", "Det", "onnx/src/autodiff/rules/det.rs"] {
        assert!(text.contains(part), "{text}");
    }
    let found = obstacles(&unknown, "y", "x").unwrap();
    assert_eq!(found.without_rule, [("y_node".to_owned(), "Det".to_owned())]);
    assert_eq!(found.zero, [("f_node".to_owned(), "Floor".to_owned())]);
}

/// A branch reads `f` from the graph around it, without naming it as an input: no rule, and never a
/// gradient that leaves the branch out.
#[test]
fn a_branch_or_loop_on_the_way_is_refused() {
    let body = |operator: &str, output: &str| GraphProto {
        node: vec![node(operator, &["f"], output)],
        output: vec![port(output, DataType::Float, &[None, Some(3)])],
        ..Default::default()
    };
    let attributes = [("then_branch", "Relu"), ("else_branch", "Neg"), ("body", "Exp")];
    for (operator, inputs, held) in
        [("If", &["yes"][..], &attributes[..2]), ("Loop", &["trips", "yes", "f"], &attributes[2..])]
    {
        let mut with_body = floor_then("Exp");
        let nodes = &mut with_body.graph.as_mut().unwrap().node;
        nodes[0] = node("Tanh", &["x"], "f");
        nodes[1] = node(operator, inputs, "y");
        nodes[1].attribute =
            held.iter().map(|(name, inner)| graph_attribute(name, body(inner, name))).collect();
        let text = message(with_input_gradient(&with_body, "y", "x"));
        let file = format!("onnx/src/autodiff/rules/{}.rs", operator.to_lowercase());
        for part in ["y_node", operator, &file] {
            assert!(text.contains(part), "{text}");
        }
        let found = obstacles(&with_body, "y", "x").unwrap();
        assert_eq!(found.without_rule, [("y_node".to_owned(), operator.to_owned())]);
    }
}

#[test]
fn a_function_of_the_models_own_is_refused_with_what_to_do() {
    let mut own = floor_then("Twice");
    own.graph.as_mut().unwrap().node[1].domain = Some("own".to_owned());
    let text = message(with_input_gradient(&own, "y", "x"));
    for part in ["y_node", "Twice", "domain 'own'", "inline_local_functions"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn ports_operator_sets_and_names_that_do_not_fit() {
    let good = floor_then("Exp");
    assert!(message(with_input_gradient(&good, "z", "x")).contains("no output of that name"));
    assert!(message(with_input_gradient(&good, "y", "z")).contains("no input of that name"));
    let mut old = good.clone();
    old.opset_import[0].version = Some(9);
    assert!(message(with_input_gradient(&old, "y", "x")).contains("operator set 9"));
    let mut taken = good;
    taken.graph.as_mut().unwrap().node[0].output[0] = COTANGENT.to_owned();
    assert!(message(with_input_gradient(&taken, "y", "x")).contains("named 'cotangent'"));
}

#[test]
fn without_a_path_the_gradient_is_zero_and_said_to_be() {
    let found = differentiate(&floor_then("Exp"), "y", "x", &Default::default()).unwrap();
    assert!(!found.connected);
    let x = array(&[2, 3], |index| index as f64 / 2.0);
    for choice in ENGINES {
        let (_, gradient) = value_and_gradient(&found.model, choice, &x, "y", &x).unwrap();
        assert_eq!(gradient, vec![0.0; 6]);
    }
}

/// log(x) where x > 0, else 0: PyTorch's gradient is NaN at 0, ours is 0.
#[test]
fn branches_that_a_mask_leaves_out_add_nothing() {
    for (operators, expected) in [
        (&["Log"][..], [0.0, 0.0, 0.5]),
        (&["Reciprocal"], [0.0, 0.0, -0.25]),
        (&["Sqrt"], [0.0, 0.0, 0.5 / 2f64.sqrt()]),
        // x log x: the logarithm's infinity meets the zero cotangent in the product.
        (&["Log", "Mul"], [0.0, 0.0, 1.0 + 2f64.ln()]),
        (&["Log", "Exp"], [0.0, 0.0, 1.0]),
    ] {
        let mut nodes = vec![node("Greater", &["x", "zero"], "mask")];
        let mut last = "x".to_owned();
        for (index, operator) in operators.iter().enumerate() {
            let inputs = if *operator == "Mul" { vec![last.as_str(), "x"] } else { vec![&*last] };
            let output = format!("v{index}");
            nodes.push(node(operator, &inputs, &output));
            last = output;
        }
        nodes.push(node("Where", &["mask", &last, "zero"], "y"));
        let graph = GraphProto {
            node: nodes,
            initializer: vec![floats("zero", &[1], &[0.0])],
            input: vec![port("x", DataType::Float, &[None, Some(3)])],
            output: vec![port("y", DataType::Float, &[None, Some(3)])],
            ..Default::default()
        };
        let model = with_input_gradient(&model(graph, &[]), "y", "x").unwrap();
        let x = array(&[1, 3], |index| [-1.0, 0.0, 2.0][index]);
        let ones = array(&[1, 3], |_| 1.0);
        for choice in ENGINES {
            let found = value_and_gradient(&model, choice, &x, "y", &ones).unwrap().1;
            let error = relative_error(&found, &expected);
            assert!(error < 1e-6, "{operators:?}, {choice:?}: {found:?}");
        }
    }
}

/// sqrt(relu(x)) is finite where its slope is not: the mask before it leaves 0 there, as in PyTorch.
#[test]
fn a_mask_before_a_vertical_tangent_lets_no_infinity_through() {
    let graph = GraphProto {
        node: vec![node("Relu", &["x"], "masked"), node("Sqrt", &["masked"], "y")],
        input: vec![port("x", DataType::Float, &[None, Some(3)])],
        output: vec![port("y", DataType::Float, &[None, Some(3)])],
        ..Default::default()
    };
    let model = with_input_gradient(&model(graph, &[]), "y", "x").unwrap();
    let x = array(&[1, 3], |index| [-1.0, 0.0, 2.0][index]);
    let ones = array(&[1, 3], |_| 1.0);
    for choice in ENGINES {
        let found = value_and_gradient(&model, choice, &x, "y", &ones).unwrap().1;
        let error = relative_error(&found, &[0.0, 0.0, 0.5 / 2f64.sqrt()]);
        assert!(error < 1e-6, "{choice:?}: {found:?}");
    }
}

/// A margin loss over `log_prob`, appended before differentiating: one run gives both.
/// The largest float32 times the smallest normal one is 4, and a mask at most 1.
#[test]
fn a_mask_counts_the_smallest_normal_number_in_full() {
    let graph = GraphProto {
        node: vec![node("Relu", &["x"], "y")],
        input: vec![port("x", DataType::Float, &[None, Some(4)])],
        output: vec![port("y", DataType::Float, &[None, Some(4)])],
        ..Default::default()
    };
    let x = array(&[1, 4], |index| {
        [f64::from(f32::MIN_POSITIVE), 0.0, -1.0, f64::from(f32::MAX)][index]
    });
    let dy = array(&[1, 4], |index| index as f64 + 3.0);
    let model = with_input_gradient(&model(graph, &[]), "y", "x").unwrap();
    for choice in ENGINES {
        let (_, gradient) = value_and_gradient(&model, choice, &x, "y", &dy).unwrap();
        assert_eq!(gradient, [3.0, 0.0, 0.0, 6.0], "{choice:?}");
    }
}

/// max(x, 0) + ln(a + e^-|x'|).
fn written_out_softplus(a: &str, within: &str) -> ModelProto {
    let graph = GraphProto {
        node: vec![
            node("Relu", &["x"], "linear"),
            node("Sigmoid", &["x"], "other"),
            node("Abs", &[within], "abs"),
            node("Neg", &["abs"], "neg"),
            node("Exp", &["neg"], "exp"),
            node("Add", &["exp", a], "sum"),
            node("Log", &["sum"], "log"),
            node("Add", &["log", "linear"], "y"),
        ],
        input: vec![port("x", DataType::Float, &[None, Some(5)])],
        output: vec![port("y", DataType::Float, &[None, Some(5)])],
        initializer: vec![
            floats("one", &[], &[1.0]),
            floats("two", &[], &[2.0]),
            floats("ones", &[1, 1, 1], &[1.0]),
        ],
        ..Default::default()
    };
    model(graph, &[])
}

/// Its parts have kinks at 0 that the sum has not; what only looks like it is differentiated in parts.
#[test]
fn a_softplus_that_is_written_out_has_the_slope_of_a_softplus() {
    let inputs = [-90.0, -1.5, 0.0, 0.25, 90.0];
    let x = array(&[1, 5], |index| inputs[index]);
    let ones = array(&[1, 5], |_| 1.0);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let gradient = |model: &ModelProto, choice| {
        let differentiated = with_input_gradient(model, "y", "x").unwrap();
        value_and_gradient(&differentiated, choice, &x, "y", &ones).unwrap().1
    };
    for choice in ENGINES {
        for (found, x) in gradient(&written_out_softplus("one", "x"), choice).iter().zip(inputs) {
            assert!((found - sigmoid(x)).abs() < 1e-6, "{choice:?} at {x}: {found}");
        }
        // d/dx [max(x, 0) + ln(2 + e^-|x|)] = [x > 0] - sign(x) / (1 + 2 e^|x|), 0 at 0.
        for (found, x) in gradient(&written_out_softplus("two", "x"), choice).iter().zip(inputs) {
            let sign = if x == 0.0 { 0.0 } else { x.signum() };
            let expected = f64::from(x > 0.0) - sign / (1.0 + 2.0 * x.abs().exp());
            assert!((found - expected).abs() < 1e-6, "{choice:?} at {x}: {found}");
        }
        // With s = sigmoid(x): [x > 0] - s (1-s) / (1 + e^s).
        for (found, x) in gradient(&written_out_softplus("one", "other"), choice).iter().zip(inputs)
        {
            let s = sigmoid(x);
            let expected = f64::from(x > 0.0) - s * (1.0 - s) / (1.0 + s.exp());
            assert!((found - expected).abs() < 1e-6, "{choice:?} at {x}: {found}");
        }
    }
    let nodes = |one: &str| {
        let model = with_input_gradient(&written_out_softplus(one, "x"), "y", "x").unwrap();
        model.graph.unwrap().node.len()
    };
    assert!(nodes("one") < nodes("two"));
    // The sum has an axis more than x.
    assert!(nodes("ones") > nodes("one"));
}

#[test]
fn a_loss_is_differentiated_with_the_model() {
    let loss = GraphProto {
        node: vec![
            node("Mul", &["log_prob", "weights_of_classes"], "weighted"),
            node("ReduceSum", &["weighted", "loss_axes"], "loss"),
        ],
        initializer: vec![{
            let mut axes = gaussian_graph().initializer.pop().unwrap();
            axes.name = Some("loss_axes".to_owned());
            axes
        }],
        input: vec![
            port("log_prob", DataType::Float, &[None, Some(3)]),
            port("weights_of_classes", DataType::Float, &[None, Some(3)]),
        ],
        output: vec![port("loss", DataType::Float, &[None, Some(1)])],
        ..Default::default()
    };
    let whole = append(&gaussian(), loss.clone()).unwrap();
    assert!(message(append(&whole, loss)).contains("both have a value"));
    let whole = with_input_gradient(&whole, "loss", "x").unwrap();
    let x = array(&[2, 1, 2, 2], |index| index as f64 / 8.0);
    let weights = array(&[2, 3], |index| [1.0, -1.0, 0.0][index % 3]);
    let one = array(&[2, 1], |_| 1.0);
    let ports: [(&str, &[usize]); 3] =
        [("x", &[1, 2, 2]), ("weights_of_classes", &[3]), (COTANGENT, &[1])];
    for choice in ENGINES {
        let mut session = Session::open(&whole, choice, &ports, &["loss", GRADIENT]).unwrap();
        let found = session.run(&[&x, &weights, &one]).unwrap();
        // m_0 - m_1, whatever x is.
        let margin: Vec<f64> =
            (0..8).map(|index| f64::from(MEANS[0][index % 4] - MEANS[1][index % 4])).collect();
        assert!(relative_error(&found[1], &margin) < 1e-6, "{choice:?}: {found:?}");
    }
}

#[test]
fn pruning_takes_the_gradient_off_again() {
    let gaussian = gaussian();
    let pruned = prune(&with_input_gradient(&gaussian, "log_prob", "x").unwrap(), &["log_prob"]);
    let (pruned, graph) = (pruned.graph.unwrap(), gaussian.graph.unwrap());
    assert_eq!((pruned.node, pruned.input, pruned.output), (graph.node, graph.input, graph.output));
}

const UNARY: [&str; 8] = ["Tanh", "Sigmoid", "Sin", "Softplus", "Neg", "Erf", "Softmax", "Atan"];
const BINARY: [&str; 5] = ["Add", "Sub", "Mul", "Max", "Min"];

/// A graph of `steps`, each an operator on values made before; smooth but for Max and Min.
fn random_graph(steps: &[(usize, usize, usize)]) -> ModelProto {
    let mut values = vec!["x".to_owned(), "row".to_owned(), "column".to_owned()];
    let mut nodes: Vec<NodeProto> = vec![];
    for (index, &(operator, a, b)) in steps.iter().enumerate() {
        let output = format!("v{index}");
        let pick = |place: usize| values[place % values.len()].as_str();
        let made = match UNARY.get(operator) {
            Some(unary) => node(unary, &[pick(a)], &output),
            None => {
                node(BINARY[(operator - UNARY.len()) % BINARY.len()], &[pick(a), pick(b)], &output)
            }
        };
        // tract 0.23.9 loses its way, and says so, where several nodes compute the same.
        let same =
            |other: &NodeProto| (&other.op_type, &other.input) == (&made.op_type, &made.input);
        if !nodes.iter().any(same) {
            nodes.push(made);
            values.push(output);
        }
    }
    // Everything counts, and the result has the shape of x.
    let mut sum = "x".to_owned();
    for (index, value) in values.iter().enumerate().skip(3) {
        let next = format!("s{index}");
        nodes.push(node("Add", &[&sum, value], &next));
        sum = next;
    }
    nodes.push(node("MatMul", &[&sum, "square"], "y"));
    let numbers = |count: usize| -> Vec<f32> {
        (0..count).map(|index| ((index * 7 + 3) % 11) as f32 / 6.0 - 0.8).collect()
    };
    let graph = GraphProto {
        node: nodes,
        initializer: vec![
            floats("row", &[4], &numbers(4)),
            floats("column", &[3, 1], &numbers(3)),
            floats("square", &[4, 4], &numbers(16)),
        ],
        input: vec![port("x", DataType::Float, &[None, Some(3), Some(4)])],
        output: vec![port("y", DataType::Float, &[None, Some(3), Some(4)])],
        ..Default::default()
    };
    model(graph, &[])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// <gradient, d> is the derivative of <y, cotangent> along d, d the gradient and something else.
    #[test]
    fn random_graphs_by_directional_derivatives(
        steps in prop::collection::vec((0..13usize, 0..9usize, 0..9usize), 1..7),
        pixels in prop::collection::vec(-1.0..1.0f64, 12),
        weights in prop::collection::vec(-1.0..1.0f64, 12),
    ) {
        let model = with_input_gradient(&random_graph(&steps), "y", "x").unwrap();
        let x = array(&[1, 3, 4], |index| pixels[index]);
        let cotangent = array(&[1, 3, 4], |index| weights[index]);
        let shift = array(&[1, 3, 4], |index| pixels[11 - index]);
        for choice in ENGINES {
            let found = Directional::measure(&model, choice, &x, &cotangent, &shift);
            prop_assert!(found.agrees(), "{choice:?}: {found:?}");
        }
    }
}
