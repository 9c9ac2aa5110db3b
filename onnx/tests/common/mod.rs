//! Small ONNX files, made here, whose values are known in closed form.
#![allow(dead_code)] // each test binary uses its part

use std::path::{Path, PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use prost::Message;
use undetected_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

/// Class means of [`gaussian`]: three classes in four dimensions.
pub const MEANS: [[f32; 4]; 3] =
    [[0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.5, 0.0], [0.25, 1.0, 1.0, -1.0]];

/// A dimension: `None` is dynamic.
pub type Shape<'a> = &'a [Option<i64>];

pub fn port(name: &str, element: DataType, shape: Shape<'_>) -> ValueInfoProto {
    let dim = shape
        .iter()
        .map(|size| Dimension {
            denotation: None,
            value: Some(match size {
                Some(size) => dimension::Value::DimValue(*size),
                None => dimension::Value::DimParam("N".to_owned()),
            }),
        })
        .collect();
    let tensor = type_proto::Tensor {
        elem_type: Some(element as i32),
        shape: Some(TensorShapeProto { dim }),
    };
    let kind = TypeProto { denotation: None, value: Some(type_proto::Value::TensorType(tensor)) };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(kind), ..Default::default() }
}

pub fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(operator.to_owned()),
        name: Some(format!("{output}_node")),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Default::default()
    }
}

pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::Float as i32),
        raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        ..Default::default()
    }
}

pub fn graph_attribute(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Graph as i32),
        g: Some(graph),
        ..Default::default()
    }
}

pub fn model(graph: GraphProto, metadata: &[(&str, &str)]) -> ModelProto {
    let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
        key: Some(format!("undetected.{key}")),
        value: Some((*value).to_owned()),
    };
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(17) }],
        graph: Some(graph),
        metadata_props: metadata.iter().map(entry).collect(),
        ..Default::default()
    }
}

/// The metadata that a contract cannot do without.
pub const METADATA: [(&str, &str); 4] = [
    ("contract", "1"),
    ("pixel_range", "0,1"),
    ("prior", "uniform"),
    ("dequantisation", "uniform"),
];

/// x as \[N, 1, 2, 2\]; log p(x given y) = x·m_y - |x|²/2 - |m_y|²/2 - 2 ln(2 pi): unit Gaussians
/// around [`MEANS`].
pub fn gaussian_graph() -> GraphProto {
    let mut weights = vec![0.0; 12];
    let mut offsets = vec![0.0; 3];
    for (class, mean) in MEANS.iter().enumerate() {
        for (dim, value) in mean.iter().enumerate() {
            weights[dim * 3 + class] = *value;
        }
        let squares: f32 = mean.iter().map(|value| value * value).sum();
        offsets[class] = -squares / 2.0 - 2.0 * std::f32::consts::TAU.ln();
    }
    let axes = TensorProto {
        name: Some("axes".to_owned()),
        dims: vec![1],
        data_type: Some(DataType::Int64 as i32),
        int64_data: vec![1],
        ..Default::default()
    };
    GraphProto {
        name: Some("gaussian".to_owned()),
        node: vec![
            node("Flatten", &["x"], "flat"),
            node("MatMul", &["flat", "weights"], "products"),
            node("Mul", &["flat", "flat"], "squares"),
            node("ReduceSum", &["squares", "axes"], "norm"),
            node("Mul", &["norm", "half"], "half_norm"),
            node("Sub", &["products", "half_norm"], "centred"),
            node("Add", &["centred", "offsets"], "log_prob"),
        ],
        initializer: vec![
            floats("weights", &[4, 3], &weights),
            floats("offsets", &[3], &offsets),
            floats("half", &[1], &[0.5]),
            axes,
        ],
        input: vec![port("x", DataType::Float, &[None, Some(1), Some(2), Some(2)])],
        output: vec![port("log_prob", DataType::Float, &[None, Some(3)])],
        ..Default::default()
    }
}

/// [`gaussian_graph`] with the metadata it needs.
pub fn gaussian() -> ModelProto {
    model(gaussian_graph(), &METADATA)
}

pub fn set_metadata(model: &mut ModelProto, key: &str, value: &str) {
    model.metadata_props.push(StringStringEntryProto {
        key: Some(format!("undetected.{key}")),
        value: Some(value.to_owned()),
    });
}

/// Parity vectors in the contract's form.
pub fn parity(count: usize, x: &[f32], log_prob: &[f64]) -> String {
    let x: Vec<u8> = x.iter().flat_map(|value| value.to_le_bytes()).collect();
    let log_prob: Vec<u8> = log_prob.iter().flat_map(|value| value.to_le_bytes()).collect();
    format!(
        r#"{{"count": {count}, "x": "{}", "log_prob": "{}", "relative_tolerance": 1e-4}}"#,
        BASE64_STANDARD.encode(x),
        BASE64_STANDARD.encode(log_prob)
    )
}

/// A folder that goes when the test ends, with `bytes` written to `name` in it.
pub fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    (folder, path)
}

pub fn onnx(model: &ModelProto) -> (tempfile::TempDir, PathBuf) {
    file("model.onnx", &model.encode_to_vec())
}

/// The message of an error that must be one.
pub fn message<T>(result: undetected_onnx::Result<T>) -> String {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error.to_string(),
    }
}

/// A file of this repository.
pub fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
