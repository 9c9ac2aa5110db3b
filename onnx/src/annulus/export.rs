//! q as a checkpoint of the contract.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use prost::Message;
use undetected_theory::{Annulus, CounterExample, Region, Streams};

use super::{RANGE, densities, name};
use crate::{
    contract,
    proto::{
        AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
        StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
        attribute_proto::AttributeType,
        tensor_proto::DataType,
        tensor_shape_proto::{Dimension, dimension},
        type_proto,
    },
};

const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;
/// Points of the ball that the file is checked by when it is opened.
const PARITY_POINTS: usize = 2;
const PARITY_TOLERANCE: f64 = 1e-12;

/// The bytes of an ONNX file that computes log q(x|y) as [`super::AnnulusModel`] does.
///
/// With s = ‖x‖², the densities of the ball where s < 1, else of the shell where
/// s <= (1 + shell)², else of the outer annulus where 4 <= s <= 9, else -inf; all in float64 from
/// the float32 pixels. The density is piecewise constant in the radius, so its gradient is 0
/// wherever it exists. Points within rounding of a sphere may fall on either side of it, with a jump
/// of the density.
///
/// Parity vectors are points of the ball: elsewhere a density is -inf, and no difference from it is
/// small.
pub fn to_onnx(example: &CounterExample) -> Vec<u8> {
    let entry = |(key, value): (&str, String)| StringStringEntryProto {
        key: Some(format!("undetected.{key}")),
        value: Some(value),
    };
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("undetected".to_owned()),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(OPSET) }],
        graph: Some(graph(example)),
        metadata_props: metadata(example).into_iter().map(entry).collect(),
        ..Default::default()
    };
    model.encode_to_vec()
}

fn metadata(example: &CounterExample) -> Vec<(&'static str, String)> {
    let parameters = serde_json::json!({
        "dim": example.dim(),
        "shell": example.shell(),
        "ln_lambda1": example.ln_lambda1(),
        "ln_lambda2": example.ln_lambda2(),
    });
    vec![
        ("contract", contract::VERSION.to_owned()),
        ("name", name(example)),
        ("pixel_range", format!("{},{}", RANGE.0, RANGE.1)),
        ("n_dims", example.dim().to_string()),
        ("classes", r#"["0","1"]"#.to_owned()),
        ("prior", "uniform".to_owned()),
        ("dataset", "the annuli of section 2".to_owned()),
        ("dequantisation", "uniform".to_owned()),
        ("objective", "none: q of equations 9 and 10".to_owned()),
        ("training", parameters.to_string()),
        ("parity", parity(example)),
    ]
}

fn parity(example: &CounterExample) -> String {
    let ball = Annulus::new(example.dim(), 0.0, 1.0).expect("the dimension was checked");
    let streams = Streams::new(0, "annulus-parity");
    let (mut x, mut point) = (Vec::new(), vec![0.0; example.dim() as usize]);
    for index in 0..PARITY_POINTS {
        ball.fill_point(&mut streams.get(index as u64), &mut point);
        // Halved, so that rounding to float32 does not leave the ball.
        x.extend(point.iter().flat_map(|x| ((0.5 * x) as f32).to_le_bytes()));
    }
    let expected = [densities(example, Region::Ball); PARITY_POINTS];
    let log_prob: Vec<u8> = expected.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    serde_json::json!({
        "count": PARITY_POINTS,
        "x": BASE64_STANDARD.encode(x),
        "log_prob": BASE64_STANDARD.encode(log_prob),
        "relative_tolerance": PARITY_TOLERANCE,
    })
    .to_string()
}

fn graph(example: &CounterExample) -> GraphProto {
    let outer = (1.0 + example.shell()).powi(2);
    let of = |region| densities(example, region).to_vec();
    GraphProto {
        name: Some("annulus".to_owned()),
        node: vec![
            with_int(node("Cast", &["x"], "wide"), "to", DataType::Double as i64),
            node("Mul", &["wide", "wide"], "squares"),
            with_int(node("ReduceSum", &["squares", "axes"], "s"), "keepdims", 0),
            node("Less", &["s", "one"], "in_ball"),
            node("LessOrEqual", &["s", "shell_outer"], "up_to_shell"),
            node("GreaterOrEqual", &["s", "four"], "from_outer"),
            node("LessOrEqual", &["s", "nine"], "up_to_outer"),
            node("And", &["from_outer", "up_to_outer"], "in_outer"),
            node("Where", &["in_outer", "outer", "outside"], "beyond"),
            node("Where", &["up_to_shell", "shell", "beyond"], "around"),
            node("Where", &["in_ball", "ball", "around"], "log_prob"),
        ],
        initializer: vec![
            integers("axes", &[2, 3]),
            doubles("one", &[1], &[1.0]),
            doubles("shell_outer", &[1], &[outer]),
            doubles("four", &[1], &[4.0]),
            doubles("nine", &[1], &[9.0]),
            doubles("ball", &[1, 2], &of(Region::Ball)),
            doubles("shell", &[1, 2], &of(Region::Shell)),
            doubles("outer", &[1, 2], &of(Region::Outer)),
            doubles("outside", &[1, 2], &of(Region::Outside)),
        ],
        input: vec![port("x", DataType::Float, &[1, 1, example.dim() as i64])],
        output: vec![port("log_prob", DataType::Double, &[2])],
        ..Default::default()
    }
}

/// A port whose first dimension is the batch's.
fn port(name: &str, element: DataType, per_image: &[i64]) -> ValueInfoProto {
    let dimension = |value| Dimension { denotation: None, value: Some(value) };
    let batch = dimension(dimension::Value::DimParam("N".to_owned()));
    let fixed = per_image.iter().map(|size| dimension(dimension::Value::DimValue(*size)));
    let shape = TensorShapeProto { dim: std::iter::once(batch).chain(fixed).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(element as i32), shape: Some(shape) };
    let kind = TypeProto { denotation: None, value: Some(type_proto::Value::TensorType(tensor)) };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(kind), ..Default::default() }
}

fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(operator.to_owned()),
        name: Some(output.to_owned()),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Default::default()
    }
}

fn with_int(mut node: NodeProto, name: &str, value: i64) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    });
    node
}

fn doubles(name: &str, dims: &[i64], values: &[f64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::Double as i32),
        raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        ..Default::default()
    }
}

fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: vec![values.len() as i64],
        data_type: Some(DataType::Int64 as i32),
        raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        ..Default::default()
    }
}
