//! Putting one graph behind another.

use std::collections::HashSet;

use crate::{
    error::{Error, Result},
    proto::{GraphProto, ModelProto},
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
