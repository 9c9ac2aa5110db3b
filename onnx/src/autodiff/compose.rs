//! Putting one graph behind another, and taking off what is not needed.

use std::collections::HashSet;

use crate::{
    error::{Error, Result},
    proto::{GraphProto, ModelProto, NodeProto},
};

/// Appends `tail` to a model: inputs of `tail` that have the name of a value of the model read that
/// value, its other inputs and all its outputs become the model's.
///
/// With it a loss over `log_prob`, written as ONNX nodes, is differentiated together with the model,
/// and one run gives loss and gradient.
///
/// # Errors
/// [`Error::Gradient`] where `tail` names a value as the model does.
pub fn append(model: &ModelProto, tail: GraphProto) -> Result<ModelProto> {
    let mut model = model.clone();
    let graph = model.graph.get_or_insert_default();
    let inputs = graph.input.iter().map(|port| port.name().to_owned());
    let stored = graph.initializer.iter().map(|tensor| tensor.name().to_owned());
    let computed = graph.node.iter().flat_map(|node| node.output.iter().cloned());
    let known: HashSet<String> = inputs.chain(stored).chain(computed).collect();
    let made = tail.node.iter().flat_map(|node| node.output.iter().map(String::as_str));
    let kept = tail.initializer.iter().map(|tensor| tensor.name());
    if let Some(name) = made.chain(kept).find(|name| known.contains(*name)) {
        return Err(Error::Gradient {
            node: name.to_owned(),
            operator: "graph".to_owned(),
            problem: "the model and what is appended both have a value of that name".to_owned(),
            remedy: "Rename the appended one".to_owned(),
        });
    }
    graph.input.extend(tail.input.into_iter().filter(|port| !known.contains(port.name())));
    graph.node.extend(tail.node);
    graph.initializer.extend(tail.initializer);
    graph.output.extend(tail.output);
    Ok(model)
}

/// The part of a model that computes `outputs`.
pub fn prune(model: &ModelProto, outputs: &[&str]) -> ModelProto {
    let mut model = model.clone();
    let graph = model.graph.get_or_insert_default();
    graph.output.retain(|port| outputs.contains(&port.name()));
    let mut needed: HashSet<String> = outputs.iter().map(|&name| name.to_owned()).collect();
    let mut kept: Vec<NodeProto> = vec![];
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|name| needed.contains(name)) {
            read_by(&node, &mut needed);
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.input.retain(|port| needed.contains(port.name()));
    graph.initializer.retain(|tensor| needed.contains(tensor.name()));
    model
}

/// The values that a node reads, its subgraphs included.
fn read_by(node: &NodeProto, names: &mut HashSet<String>) {
    names.extend(node.input.iter().cloned());
    for graph in
        node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
    {
        graph.node.iter().for_each(|node| read_by(node, names));
        names.extend(graph.output.iter().map(|port| port.name().to_owned()));
    }
}
