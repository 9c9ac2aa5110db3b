//! Graphs that nobody exports: whatever numbers a file has in its attributes, constants and shapes,
//! differentiating returns. Every recorded operator is changed in every place, one at a time; `fuzz/`
//! goes further.

mod common;
#[path = "common/gradients.rs"]
mod gradients;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use common::*;
use gradients::Recorded;
use prost::Message;
use undetected_onnx::{
    autodiff::{Options, differentiate, obstacles, prune},
    footprint,
    graph::ModelFile,
    proto::{
        AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto,
        attribute_proto::AttributeType, tensor_proto::DataType,
        tensor_shape_proto::dimension::Value as DimValue, type_proto,
    },
};

/// Where sizes, axes and counts go wrong.
const NUMBERS: [i64; 12] = [
    0,
    -1,
    2,
    7,
    4097,
    1 << 20,
    i32::MAX as i64,
    1 << 40,
    1 << 62,
    i64::MAX,
    i64::MIN,
    i64::MIN + 1,
];

fn recorded() -> Vec<(String, ModelProto)> {
    let mut all = Recorded::open(&shipped("tests/reference/autodiff_operators.npz"));
    let names = all.names();
    let cases = names.iter().filter_map(|name| name.strip_suffix("/model"));
    cases
        .map(|name| {
            let bytes = all.bytes(&format!("{name}/model"));
            (name.to_owned(), ModelProto::decode(bytes.as_slice()).expect("a model"))
        })
        .collect()
}

/// All that reads a graph before an engine does; a panic fails the test.
fn look_at(model: &ModelProto) {
    for straight_through in [false, true] {
        let _ = differentiate(model, "y", "x", &Options { straight_through });
    }
    let _ = obstacles(model, "y", "x");
    let _ = prune(model, &["y"]);
    let _ = footprint::bounds(&in_memory(model));
}

fn in_memory(model: &ModelProto) -> ModelFile {
    gradients::in_memory(model)
}

/// Shows `look` the graph after each change of one number in it.
fn for_each_change(model: &ModelProto, look: &mut dyn FnMut(&ModelProto)) {
    let graph = model.graph.as_ref().unwrap();
    let mut changed = model.clone();
    let mut with = |change: &mut dyn FnMut(&mut GraphProto)| {
        changed.clone_from(model);
        change(changed.graph.as_mut().unwrap());
        look(&changed);
    };
    for (place, node) in graph.node.iter().enumerate() {
        for (at, attribute) in node.attribute.iter().enumerate() {
            for number in NUMBERS {
                with(&mut |graph| graph.node[place].attribute[at].i = Some(number));
                for index in 0..attribute.ints.len() {
                    with(&mut |graph| graph.node[place].attribute[at].ints[index] = number);
                }
                with(&mut |graph| graph.node[place].attribute[at].ints.push(number));
            }
            with(&mut |graph| graph.node[place].attribute[at].ints.truncate(1));
            with(&mut |graph| drop(graph.node[place].attribute.remove(at)));
        }
        for at in 0..node.input.len() {
            with(&mut |graph| drop(graph.node[place].input.remove(at)));
            with(&mut |graph| graph.node[place].input[at] = "x".to_owned());
        }
        with(&mut |graph| graph.node[place].input.push("x".to_owned()));
        with(&mut |graph| graph.node[place].output.push("more".to_owned()));
        with(&mut |graph| graph.node[place].output.clear());
    }
    for (place, tensor) in graph.initializer.iter().enumerate() {
        let numbers = match DataType::try_from(tensor.data_type()) {
            Ok(DataType::Int64) => tensor.raw_data.as_ref().map_or(0, |raw| raw.len() / 8),
            _ => 0,
        };
        for number in NUMBERS {
            for at in 0..numbers {
                with(&mut |graph| {
                    let raw = graph.initializer[place].raw_data.as_mut().unwrap();
                    raw[8 * at..8 * at + 8].copy_from_slice(&number.to_le_bytes());
                });
            }
            for at in 0..tensor.dims.len() {
                with(&mut |graph| graph.initializer[place].dims[at] = number);
            }
        }
        with(&mut |graph| graph.initializer[place].dims.truncate(1));
        with(&mut |graph| graph.initializer[place].dims.push(1));
        with(&mut |graph| drop(graph.initializer.remove(place)));
    }
    for axis in 0..graph.input[0].r#type.as_ref().map_or(0, |_| rank(graph)) {
        for number in NUMBERS {
            with(&mut |graph| dims(graph)[axis].value = Some(DimValue::DimValue(number)));
        }
        with(&mut |graph| drop(dims(graph).remove(axis)));
    }
    with(&mut |graph| dims(graph).clear());
}

fn dims(graph: &mut GraphProto) -> &mut Vec<undetected_onnx::proto::tensor_shape_proto::Dimension> {
    match graph.input[0].r#type.as_mut().unwrap().value.as_mut().unwrap() {
        type_proto::Value::TensorType(tensor) => &mut tensor.shape.as_mut().unwrap().dim,
        other => panic!("{other:?}"),
    }
}

fn rank(graph: &GraphProto) -> usize {
    dims(&mut graph.clone()).len()
}

#[test]
fn every_operator_with_any_number_in_any_place() {
    let (mut cases, mut changes) = (0, 0);
    let mut panics = BTreeSet::new();
    for (name, model) in recorded() {
        for_each_change(&model, &mut |changed| {
            if catch_unwind(AssertUnwindSafe(|| look_at(changed))).is_err() {
                panics.insert(name.clone());
            }
            changes += 1;
        });
        cases += 1;
    }
    assert!(panics.is_empty(), "changed in some place, these panic: {panics:?}");
    assert!(cases > 200 && changes > 10_000, "{cases} cases, {changes} changes");
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: vec![values.len() as i64],
        data_type: Some(DataType::Int64 as i32),
        int64_data: values.to_vec(),
        ..Default::default()
    }
}

fn chain(nodes: Vec<NodeProto>, stored: Vec<TensorProto>, image: &[i64]) -> ModelProto {
    let shape: Vec<Option<i64>> =
        std::iter::once(None).chain(image.iter().copied().map(Some)).collect();
    let mut graph = gaussian_graph();
    graph.node = nodes;
    graph.initializer = stored;
    graph.input = vec![port("x", DataType::Float, &shape)];
    graph.output = vec![port("y", DataType::Float, &[None])];
    model(graph, &METADATA)
}

fn list(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..Default::default()
    }
}

/// Every node reads the one before twice or more: what is looked at once for each path from the end
/// would be looked at 2^200 times.
#[test]
fn values_that_are_read_many_times() {
    for (operator, times) in [("Add", 2), ("Mul", 2), ("Max", 2), ("Concat", 9)] {
        let named = |index: usize| if index == 0 { "x".to_owned() } else { format!("v{index}") };
        let mut nodes: Vec<NodeProto> = (0..200)
            .map(|index| {
                let read = named(index);
                node(operator, &vec![read.as_str(); times], &named(index + 1))
            })
            .collect();
        nodes.push(node("Exp", &["v200"], "y"));
        look_at(&chain(nodes, vec![], &[2, 2]));
    }
}

/// Lists of sizes and products of symbols that double with every node.
#[test]
fn sizes_that_grow_with_every_node() {
    for operator in ["Concat", "Mul"] {
        let mut nodes = vec![node("Shape", &["x"], "s0")];
        for index in 0..80 {
            let read = format!("s{index}");
            nodes.push(node(operator, &[&read, &read], &format!("s{}", index + 1)));
        }
        nodes.push(node("Expand", &["x", "s80"], "y"));
        look_at(&chain(nodes, vec![], &[2, 2]));
    }
}

/// Constants that the gradient would have to write into the model, larger than the model is.
#[test]
fn constants_that_no_file_justifies() {
    let mut pool = node("AveragePool", &["x"], "y");
    pool.attribute = vec![list("kernel_shape", &[1 << 14, 1 << 14])];
    let reflect = {
        let mut pad = node("Pad", &["x", "pads"], "y");
        pad.attribute = vec![AttributeProto {
            name: Some("mode".to_owned()),
            r#type: Some(AttributeType::String as i32),
            s: Some(b"wrap".to_vec()),
            ..Default::default()
        }];
        pad
    };
    let pads = ints("pads", &[0, 0, 0, 0, 0, 0, 0, 1 << 30]);
    let side = 1 << 15;
    for (model, part) in [
        (chain(vec![pool], vec![], &[1, side, side]), "a constant of 268468225 numbers"),
        (chain(vec![reflect], vec![pads], &[1, 2, 2]), "a constant of 1073741826 numbers"),
        (
            chain(vec![node("GlobalMaxPool", &["x"], "y")], vec![], &[1, side, side]),
            "a constant of 1073741824 numbers",
        ),
    ] {
        let text = message(differentiate(&model, "y", "x", &Options::default()));
        assert!(text.contains(part) && text.contains("y_node"), "{text}");
    }
}

/// What is wrong is named.
#[test]
fn nodes_that_contradict_themselves() {
    let mut transpose = node("Transpose", &["x"], "y");
    transpose.attribute = vec![list("perm", &[0, 0, -1, 9])];
    let gather = node("Gather", &["x", "places"], "y");
    for (nodes, stored, part) in [
        (vec![transpose], vec![], "does not name every axis once"),
        (vec![gather], vec![ints("places", &[5])], "not known"),
    ] {
        let text = message(differentiate(
            &chain(nodes, stored, &[1, 2, 2]),
            "y",
            "x",
            &Options::default(),
        ));
        assert!(text.contains(part), "{text}");
    }
}
