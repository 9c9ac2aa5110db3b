//! exp(c - softplus(z)) as e^c sigmoid(-z): a flow's scale where nothing asks for its logarithm.

use super::{Emitter, Site, facts::Analysis, replace::replaced, softplus, tape, tensor::Constant};
use crate::{
    error::Result,
    proto::{ModelProto, NodeProto},
};

/// `model` with the exponentials of a constant less a softplus as logistic functions: three nodes in
/// place of nine where nothing else reads the softplus, once [`prune`](super::prune) has taken off what
/// computed it.
///
/// # Numerics
/// Some engines bound sigmoid from below, around 1e-8: nothing beside what a flow adds to the product,
/// but wrong under a logarithm.
///
/// # Errors
/// [`Error::Gradient`](crate::Error::Gradient) for an operator set that is not one of ours.
pub fn simplify(model: &ModelProto) -> Result<ModelProto> {
    let (graph, opset) = tape::checked(model)?;
    let analysis = Analysis::new(graph, opset);
    let emit = Emitter::new("logistic", graph, opset);
    Ok(replaced(model, &analysis, emit, scaled_sigmoid).unwrap_or_else(|| model.clone()))
}

/// The product that takes the place of an exponential; what it reads is written before it.
fn scaled_sigmoid(site: &Site<'_>, emit: &Emitter) -> Option<NodeProto> {
    let exponent = site.producer(0).filter(|_| site.is("Exp"))?;
    let sum = exponent.producer(1).filter(|_| exponent.is("Sub"))?;
    let z = if sum.is("Softplus") { sum.input(0) } else { softplus::argument(&sum)? };
    // More axes than z has would be the result's.
    let c =
        exponent.constant(0).filter(|c| c.dims.len() <= exponent.shape(1).map_or(0, Vec::len))?;
    let scale = Constant::floats(c.element, &c.dims, &[c.scalar()?.exp()])?;
    let negated = match site.analysis.producer(z).map(|node| Site::new(node, site.analysis)) {
        Some(difference) if difference.is("Sub") => {
            emit.node("Sub", &[difference.input(1), difference.input(0)], vec![])
        }
        _ => emit.node("Neg", &[z], vec![]),
    };
    let mut node = site.node.clone();
    node.op_type = Some("Mul".to_owned());
    node.input = vec![emit.node("Sigmoid", &[&negated], vec![]), emit.constant(scale)];
    Some(node)
}
