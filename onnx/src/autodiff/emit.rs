//! Writing nodes and constants, in the spelling of the model's operator set.

use std::{cell::RefCell, collections::HashMap};

use super::tensor::Constant;
use crate::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, attribute_proto::AttributeType,
};

/// Behind the end of any axis.
pub const FAR: i64 = i32::MAX as i64;
/// Constants of more bytes are not compared with earlier ones.
const LARGE: usize = 4096;

/// An integer attribute.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

/// A floating-point attribute.
pub fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Float as i32),
        f: Some(value as f32),
        ..Default::default()
    }
}

/// A list of integers as an attribute.
pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..Default::default()
    }
}

/// A text attribute.
pub fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::String as i32),
        s: Some(value.as_bytes().to_vec()),
        ..Default::default()
    }
}

/// What has been written so far. Equal constants are stored once.
pub struct Emitter {
    prefix: String,
    opset: i64,
    written: RefCell<Written>,
}

#[derive(Default)]
struct Written {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    known: HashMap<Constant, String>,
    names: usize,
}

impl Emitter {
    /// Names of its values start with `what` and a slash, behind more underscores than any name of `graph`.
    pub fn new(what: &str, graph: &GraphProto, opset: i64) -> Self {
        let mut prefix = format!("{what}/");
        let nodes = graph.node.iter().flat_map(|node| node.output.iter().chain(&node.input));
        let ports = graph.input.iter().map(|value| value.name());
        let stored = graph.initializer.iter().map(|tensor| tensor.name());
        let names: Vec<&str> = nodes.map(String::as_str).chain(ports).chain(stored).collect();
        while names.iter().any(|name| name.starts_with(&prefix)) {
            prefix.insert(0, '_');
        }
        Self { prefix, opset, written: RefCell::default() }
    }

    /// Version of the operator set that is written.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    fn name(&self, hint: &str) -> String {
        let mut written = self.written.borrow_mut();
        written.names += 1;
        format!("{}{hint}_{}", self.prefix, written.names)
    }

    /// A node with one output, whose name is returned.
    pub fn node(&self, operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        self.node_with(operator, inputs, attributes, 1).remove(0)
    }

    /// A node with several outputs.
    pub fn node_with(
        &self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        outputs: usize,
    ) -> Vec<String> {
        let outputs: Vec<String> = (0..outputs).map(|_| self.name(operator)).collect();
        self.push(NodeProto {
            op_type: Some(operator.to_owned()),
            name: Some(format!("{}_node", outputs[0])),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: outputs.clone(),
            attribute: attributes,
            ..Default::default()
        });
        outputs
    }

    /// A node as it is.
    pub fn push(&self, node: NodeProto) {
        self.written.borrow_mut().nodes.push(node);
    }

    /// The name of a constant.
    pub fn constant(&self, constant: Constant) -> String {
        if let Some(name) = self.written.borrow().known.get(&constant) {
            return name.clone();
        }
        let name = self.name("constant");
        let mut written = self.written.borrow_mut();
        if constant.bytes.len() <= LARGE {
            written.known.insert(constant.clone(), name.clone());
        }
        written.constants.push(constant.into_proto(name.clone()));
        name
    }

    /// A list of integers.
    pub fn ints(&self, values: &[i64]) -> String {
        self.constant(Constant::ints(&[values.len() as i64], values))
    }

    /// Sum, mean, maximum, ... over `axes`.
    pub fn reduce(&self, operator: &str, x: &str, axes: &[usize], keep: bool) -> String {
        let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        let keep = int("keepdims", i64::from(keep));
        let first = if operator == "ReduceSum" { 13 } else { 18 };
        match self.opset >= first {
            true => self.node(operator, &[x, &self.ints(&axes)], vec![keep]),
            false => self.node(operator, &[x], vec![ints("axes", &axes), keep]),
        }
    }

    fn with_axes(&self, operator: &str, x: &str, axes: &[usize]) -> String {
        let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        match self.opset >= 13 {
            true => self.node(operator, &[x, &self.ints(&axes)], vec![]),
            false => self.node(operator, &[x], vec![ints("axes", &axes)]),
        }
    }

    /// Takes axes of size 1 away.
    pub fn squeeze(&self, x: &str, axes: &[usize]) -> String {
        if axes.is_empty() { x.to_owned() } else { self.with_axes("Squeeze", x, axes) }
    }

    /// Puts axes of size 1 in; `axes` count in the result.
    pub fn unsqueeze(&self, x: &str, axes: &[usize]) -> String {
        if axes.is_empty() { x.to_owned() } else { self.with_axes("Unsqueeze", x, axes) }
    }

    /// Moves axes: axis i of the result is axis `perm[i]` of `x`.
    pub fn transpose(&self, x: &str, perm: &[usize]) -> String {
        if perm.iter().enumerate().all(|(index, &axis)| index == axis) {
            return x.to_owned();
        }
        let perm: Vec<i64> = perm.iter().map(|&axis| axis as i64).collect();
        self.node("Transpose", &[x], vec![ints("perm", &perm)])
    }

    /// Other axes for the same elements: 0 keeps an axis, -1 is what is left.
    pub fn reshape(&self, x: &str, dims: &[i64]) -> String {
        self.node("Reshape", &[x, &self.ints(dims)], vec![])
    }

    /// Every `step`-th index of `axis` from `start` to before `end`.
    pub fn slice(&self, x: &str, axis: usize, start: i64, end: i64, step: i64) -> String {
        let lists = [start, end, axis as i64, step].map(|value| self.ints(&[value]));
        let [start, end, axis, step] = lists.each_ref().map(String::as_str);
        self.node("Slice", &[x, start, end, axis, step], vec![])
    }

    /// Zeros before and after every axis; negative numbers cut.
    pub fn pad(&self, x: &str, before: &[i64], after: &[i64]) -> String {
        let mut x = x.to_owned();
        for axis in 0..before.len() {
            let (start, end) = (-before[axis].min(0), after[axis].min(0));
            if (start, end) != (0, 0) {
                let end = if end == 0 { FAR } else { end };
                x = self.slice(&x, axis, start, end, 1);
            }
        }
        let grown = |pads: &[i64]| pads.iter().map(|&pad| pad.max(0)).collect::<Vec<_>>();
        let pads = [grown(before), grown(after)].concat();
        match pads.iter().all(|&pad| pad == 0) {
            true => x,
            false => self.node("Pad", &[&x, &self.ints(&pads)], vec![]),
        }
    }

    /// Joins along `axis`.
    pub fn concat(&self, parts: &[String], axis: usize) -> String {
        let names: Vec<&str> = parts.iter().map(String::as_str).collect();
        match names.as_slice() {
            [one] => (*one).to_owned(),
            all => self.node("Concat", all, vec![int("axis", axis as i64)]),
        }
    }

    /// Cuts along `axis` into pieces of these sizes.
    pub fn split(&self, x: &str, axis: usize, sizes: &[i64]) -> Vec<String> {
        if sizes.len() == 1 {
            return vec![x.to_owned()];
        }
        let axis = int("axis", axis as i64);
        match self.opset >= 13 {
            true => self.node_with("Split", &[x, &self.ints(sizes)], vec![axis], sizes.len()),
            false => self.node_with("Split", &[x], vec![axis, ints("split", sizes)], sizes.len()),
        }
    }

    /// Everything written, nodes in order.
    pub fn finish(self) -> (Vec<NodeProto>, Vec<TensorProto>) {
        let written = self.written.into_inner();
        (written.nodes, written.constants)
    }
}
