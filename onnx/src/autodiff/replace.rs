//! Nodes of a graph in place of others.

use super::{Emitter, Site, facts::Analysis};
use crate::proto::{ModelProto, NodeProto};

/// `model` with what `new` makes of its nodes in their places, where it makes something of them; what
/// the new ones read, they have put into the emitter. `None` where no node is replaced.
pub fn replaced(
    model: &ModelProto,
    analysis: &Analysis<'_>,
    emit: Emitter,
    new: impl Fn(&Site<'_>, &Emitter) -> Option<NodeProto>,
) -> Option<ModelProto> {
    let mut found = false;
    for node in &model.graph.as_ref()?.node {
        let new = new(&Site::new(node, analysis), &emit);
        found |= new.is_some();
        emit.push(new.unwrap_or_else(|| node.clone()));
    }
    let mut model = found.then(|| model.clone())?;
    let graph = model.graph.as_mut()?;
    let (nodes, constants) = emit.finish();
    graph.node = nodes;
    graph.initializer.extend(constants);
    Some(model)
}
