//! Loops that certainly do not end: counted to a number beyond all patience, by a body that never stops
//! them.

use crate::{
    error::{Error, Result},
    graph::{ModelFile, subgraphs},
    limits,
    proto::{AttributeProto, GraphProto, NodeProto, TensorProto},
};

/// Refuses them, in the graph and in every graph that a node holds.
///
/// # Errors
/// [`Error::Limit`] naming the loop and its count.
pub fn refuse(file: &ModelFile) -> Result<()> {
    within(file, file.graph(), &[])
}

/// `around` are the graphs around `graph`, whose values it sees.
fn within(file: &ModelFile, graph: &GraphProto, around: &[&GraphProto]) -> Result<()> {
    let seen = [around, &[graph]].concat();
    for node in &graph.node {
        if let Some(rounds) = rounds(node, &seen).filter(|rounds| *rounds > limits::ROUNDS) {
            let found = match rounds {
                u64::MAX => "goes round without end".to_owned(),
                rounds => format!("goes round {rounds} times"),
            };
            return Err(Error::Limit {
                path: file.path.clone(),
                what: format!("node '{}' (Loop)", node.name()),
                found,
                limit: format!("{} rounds", limits::ROUNDS),
                remedy: "Export the model with a shorter loop, or unrolled",
            });
        }
        subgraphs(node).try_for_each(|inner| within(file, inner, &seen))?;
    }
    Ok(())
}

/// How often a loop goes round that its own condition never stops; `None` for any other node.
fn rounds(node: &NodeProto, seen: &[&GraphProto]) -> Option<u64> {
    if node.op_type() != "Loop" {
        return None;
    }
    let body = node.attribute.iter().find(|attribute| attribute.name() == "body")?.g.as_ref()?;
    let input =
        |index: usize| node.input.get(index).map(String::as_str).filter(|name| !name.is_empty());
    let starts = input(1).is_none_or(|name| is_true(name, seen));
    let goes_on = goes_on(body, seen);
    if !(starts && goes_on) {
        return None;
    }
    match input(0) {
        None => Some(u64::MAX),
        Some(name) => u64::try_from(number(name, seen)?).ok(),
    }
}

/// Whether a body's condition is that it was given, or true.
fn goes_on(body: &GraphProto, around: &[&GraphProto]) -> bool {
    let (Some(given), Some(next)) = (body.input.get(1), body.output.first()) else { return false };
    let mut name = next.name();
    // No chain of Identity is longer than the body.
    for _ in 0..=body.node.len() {
        if name == given.name() || is_true(name, &[around, &[body]].concat()) {
            return true;
        }
        let copies = |node: &&NodeProto| {
            node.op_type() == "Identity" && node.output.iter().any(|output| output == name)
        };
        match body.node.iter().find(copies).and_then(|node| node.input.first()) {
            Some(source) => name = source,
            None => return false,
        }
    }
    false
}

fn is_true(name: &str, seen: &[&GraphProto]) -> bool {
    number(name, seen).is_some_and(|number| number != 0)
}

/// The integer or truth value that a constant holds, of the innermost graph that has one of the name.
fn number(name: &str, seen: &[&GraphProto]) -> Option<i64> {
    let tensor = seen.iter().rev().find_map(|graph| constant(graph, name))?;
    let whole = tensor.raw_data.as_deref();
    let raw = whole.and_then(|raw| match raw.len() {
        1 => Some(i64::from(raw[0])),
        _ => raw.try_into().ok().map(i64::from_le_bytes),
    });
    raw.or_else(|| tensor.int64_data.first().copied())
        .or_else(|| tensor.int32_data.first().copied().map(i64::from))
}

fn constant<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a TensorProto> {
    let stored = graph.initializer.iter().find(|tensor| tensor.name() == name);
    stored.or_else(|| {
        let makes = |node: &&NodeProto| {
            node.op_type() == "Constant" && node.output.iter().any(|output| output == name)
        };
        let value = |attribute: &&AttributeProto| attribute.name() == "value";
        graph.node.iter().find(makes)?.attribute.iter().find(value)?.t.as_ref()
    })
}
