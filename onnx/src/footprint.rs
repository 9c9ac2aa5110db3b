//! What a graph takes to run, as far as that is certain before it does: the bytes of every value and
//! the multiplications of every node for one image.
//!
//! A graph whose every shape follows from its inputs' shapes, without loops and branches, is bounded
//! by them. Any other may take more memory, or longer, than there is: nothing but running it shows.

use crate::{
    autodiff::{Analysis, Site, Size, rule_of},
    error::{Error, Result},
    graph::{ModelFile, subgraphs},
    limits,
    proto::{NodeProto, tensor_proto::DataType},
};

/// What a bounded graph takes for one image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of all its values.
    pub bytes: u64,
    /// Multiplications, or comparisons of pooling.
    pub operations: u64,
}

/// What is certain of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bounds {
    /// All of it.
    Known(Footprint),
    /// Not what it takes, and why.
    Unknown(String),
}

/// Bytes of all values above which a graph's memory is not taken for granted.
const MODEST_BYTES: u64 = 2 << 30;
/// Operations above which a graph's time is not: a minute or two on one core.
const MODEST_OPERATIONS: u64 = 1 << 40;

/// What is certain of a model's graph.
///
/// # Errors
/// [`Error::Limit`] where it is certain that a value exceeds [`limits::TENSOR`], or that a loop does not
/// end.
pub fn bounds(file: &ModelFile) -> Result<Bounds> {
    let graph = file.graph();
    crate::endless::refuse(file)?;
    if !file.model.functions.is_empty() {
        return Ok(Bounds::Unknown("it brings functions of its own".to_owned()));
    }
    let (analysis, batch) = Analysis::of_inputs(graph, file.opset().unwrap_or(0));
    let mut total = Footprint::default();
    let mut unknown = None;
    for node in &graph.node {
        match of_node(file, node, &analysis, &batch)? {
            Ok(one) => {
                total.bytes = total.bytes.saturating_add(one.bytes);
                total.operations = total.operations.saturating_add(one.operations);
            }
            // The nodes behind it may still be certain to be too large.
            Err(reason) => unknown = unknown.or(Some(reason)),
        }
    }
    Ok(match unknown {
        Some(reason) => Bounds::Unknown(reason),
        None if total.bytes > MODEST_BYTES => {
            Bounds::Unknown(format!("its values take {} bytes for one image", total.bytes))
        }
        None if total.operations > MODEST_OPERATIONS => {
            Bounds::Unknown(format!("it takes {} operations for one image", total.operations))
        }
        None => Bounds::Known(total),
    })
}

/// What one node takes, or why that is not known.
fn of_node(
    file: &ModelFile,
    node: &NodeProto,
    analysis: &Analysis<'_>,
    batch: &Size,
) -> Result<std::result::Result<Footprint, String>> {
    let site = Site::new(node, analysis);
    let named = || format!("{} '{}'", node.op_type(), site.name());
    if subgraphs(node).next().is_some() {
        return Ok(Err(format!("{} holds a graph that runs under a condition", named())));
    }
    if rule_of(node).is_none() {
        return Ok(Err(format!("nothing is known here of the operator of {}", named())));
    }
    let mut taken = Footprint::default();
    for name in node.output.iter().filter(|name| !name.is_empty()) {
        let Some(count) = count(analysis, name, batch) else {
            return Ok(Err(format!("the shape of {}'s '{name}' shows when it runs", named())));
        };
        let bytes = count.saturating_mul(width(analysis.facts(name).element));
        if bytes > limits::TENSOR {
            return Err(Error::Limit {
                path: file.path.clone(),
                what: format!("output '{name}' of {}", named()),
                found: format!("{bytes} bytes for one image"),
                limit: format!("{} bytes for one tensor", limits::TENSOR),
                remedy: "Export a model with smaller values",
            });
        }
        taken.bytes = taken.bytes.saturating_add(bytes);
    }
    match operations(&site, analysis, batch) {
        Some(operations) => Ok(Ok(Footprint { operations, ..taken })),
        None => Ok(Err(format!("how long {} takes shows when it runs", named()))),
    }
}

/// Elements of a value for one image.
fn count(analysis: &Analysis<'_>, name: &str, batch: &Size) -> Option<u64> {
    product(analysis.facts(name).shape.as_ref()?, batch)
}

fn product(sizes: &[Size], batch: &Size) -> Option<u64> {
    sizes.iter().try_fold(1u64, |product, size| {
        Some(product.saturating_mul(size.with_one(batch)?.try_into().ok()?))
    })
}

/// Bytes of an element; those of the widest where its type is not known.
fn width(element: Option<i32>) -> u64 {
    let element = element.and_then(|element| DataType::try_from(element).ok());
    element.map_or(16, limits::width)
}

/// Multiplications of a node for one image; for all but convolutions, matrix products and pools the
/// elements that go in and out.
fn operations(site: &Site<'_>, analysis: &Analysis<'_>, batch: &Size) -> Option<u64> {
    let elements = |name: &String| count(analysis, name, batch);
    let known = |names: &[String]| -> Option<Vec<u64>> {
        names.iter().filter(|name| !name.is_empty()).map(elements).collect()
    };
    let (inputs, outputs) = (known(&site.node.input)?, known(&site.node.output)?);
    let output = outputs.first().copied().unwrap_or(0);
    let kernel = || product(site.shape(1)?.get(1..)?, batch);
    match site.node.op_type() {
        "Conv" => Some(output.saturating_mul(kernel()?)),
        "ConvTranspose" => Some(inputs.first()?.saturating_mul(kernel()?)),
        "MatMul" => Some(output.saturating_mul(product(site.shape(0)?.last_chunk::<1>()?, batch)?)),
        "Gemm" => {
            let columns = product(analysis.facts(site.output(0)).shape.as_ref()?.get(1..)?, batch)?;
            Some(inputs.first()?.saturating_mul(columns))
        }
        "MaxPool" | "AveragePool" => {
            let mut window = site.ints("kernel_shape")?.iter();
            window.try_fold(output, |product, &size| {
                Some(product.saturating_mul(size.try_into().ok()?))
            })
        }
        "Einsum" => Some(inputs.iter().fold(1, |product, &count| product.saturating_mul(count))),
        _ => Some(inputs.iter().chain(&outputs).fold(0, |sum, &count| sum.saturating_add(count))),
    }
}
