//! Reverse mode: the nodes between input and output, from the output back.

use std::collections::{HashMap, HashSet};

use super::{
    call::Call,
    emit::Emitter,
    facts::{Analysis, Facts},
    rules::{self, Derivative},
    site::Site,
    softplus,
};
use crate::{
    error::{Error, Result},
    proto::{
        GraphProto, ModelProto, NodeProto, TensorShapeProto, TypeProto, ValueInfoProto,
        tensor_proto::DataType,
        tensor_shape_proto::{Dimension, dimension},
        type_proto,
    },
};

/// Name of the added input.
pub const COTANGENT: &str = "cotangent";
/// Name of the added output.
pub const GRADIENT: &str = "gradient";
/// Operator sets that the rules are written for.
const OPSETS: std::ops::RangeInclusive<i64> = 11..=22;
/// The first format of files whose constants need not be inputs.
const IR_VERSION: i64 = 4;

/// How to differentiate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Take the identity for the derivative of Floor, Ceil and Round, which is zero.
    ///
    /// Not a gradient but an estimate of one, for models that round their input to grey levels.
    pub straight_through: bool,
}

/// A differentiated model.
#[derive(Debug, Clone)]
pub struct WithGradient {
    /// The model with the ports [`COTANGENT`] and [`GRADIENT`].
    pub model: ModelProto,
    /// Whether a path of the gradient leads from output to input. Without one it is zero.
    pub connected: bool,
}

/// What stands between a model and its gradient.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Obstacles {
    /// Name and operator of the nodes without a rule.
    pub without_rule: Vec<(String, String)>,
    /// Name and operator of the nodes whose gradient is zero everywhere.
    pub zero: Vec<(String, String)>,
}

/// The nodes between `input` and `output` that have no rule or no gradient, without differentiating.
///
/// # Errors
/// [`Error::Gradient`] where the model has no such ports or no operator set of ours.
pub fn obstacles(model: &ModelProto, output: &str, input: &str) -> Result<Obstacles> {
    let (graph, opset) = checked(model)?;
    check_ports(graph, output, input)?;
    let analysis = Analysis::new(graph, opset);
    let path = Path::between(&analysis, input, output);
    let mut found = Obstacles::default();
    for node in graph.node.iter().filter(|node| path.holds(node)) {
        let name = Site::new(node, &analysis).name().to_owned();
        let entry = (name, node.op_type().to_owned());
        match rules::find(node).map(|rule| &rule.derivative) {
            None => found.without_rule.push(entry),
            Some(Derivative::Zero) => found.zero.push(entry),
            Some(_) => {}
        }
    }
    Ok(found)
}

/// See [`with_input_gradient`](super::with_input_gradient).
///
/// # Errors
/// [`Error::Gradient`] where a node between the two cannot be differentiated, or a port is missing.
pub fn differentiate(
    model: &ModelProto,
    output: &str,
    input: &str,
    options: &Options,
) -> Result<WithGradient> {
    let (graph, opset) = checked(model)?;
    check_ports(graph, output, input)?;
    for name in [COTANGENT, GRADIENT] {
        if uses(graph, name) {
            let problem = format!("the model has a value named '{name}' already");
            return Err(refusal(name, problem, "Rename it in the export"));
        }
    }
    let analysis = Analysis::new(graph, opset);
    let mut tape = Tape {
        path: Path::between(&analysis, input, output),
        analysis: &analysis,
        emit: Emitter::new(GRADIENT, graph, opset),
        options: *options,
        cotangents: HashMap::new(),
        infinite: HashSet::new(),
    };
    let connected = tape.run(output, input)?;
    let (nodes, constants) = tape.emit.finish();
    let ports = [
        port(COTANGENT, analysis.facts(output), declared(&graph.output, output)),
        port(GRADIENT, analysis.facts(input), declared(&graph.input, input)),
    ];
    let mut model = model.clone();
    model.ir_version = Some(model.ir_version().max(IR_VERSION));
    let graph = model.graph.as_mut().expect("checked");
    graph.node.extend(nodes);
    graph.initializer.extend(constants);
    let [cotangent, gradient] = ports;
    graph.input.push(cotangent);
    graph.output.push(gradient);
    Ok(WithGradient { model, connected })
}

fn refusal(node: &str, problem: impl Into<String>, remedy: &str) -> Error {
    Error::Gradient {
        node: node.to_owned(),
        operator: "graph".to_owned(),
        problem: problem.into(),
        remedy: remedy.to_owned(),
    }
}

/// The graph and the version of its operator set, where it is one of ours.
pub fn checked(model: &ModelProto) -> Result<(&GraphProto, i64)> {
    let sets = model.opset_import.iter().find(|set| matches!(set.domain(), "" | "ai.onnx"));
    let opset = sets.map_or(0, |set| set.version());
    if !OPSETS.contains(&opset) {
        let problem = format!("operator set {opset} is not one of {OPSETS:?}");
        return Err(refusal("model", problem, "Convert it with onnx.version_converter"));
    }
    let graph = model.graph.as_ref();
    Ok((graph.ok_or_else(|| refusal("model", "it holds no graph", "Export it again"))?, opset))
}

fn declared<'a>(ports: &'a [ValueInfoProto], name: &str) -> Option<&'a ValueInfoProto> {
    ports.iter().find(|port| port.name() == name)
}

fn check_ports(graph: &GraphProto, output: &str, input: &str) -> Result<()> {
    let missing = |kind: &str, name: &str| {
        let problem = format!("the graph has no {kind} of that name");
        refusal(name, problem, "See `evaluate inspect` for its ports")
    };
    declared(&graph.output, output).ok_or_else(|| missing("output", output))?;
    declared(&graph.input, input).ok_or_else(|| missing("input", input))?;
    Ok(())
}

fn uses(graph: &GraphProto, name: &str) -> bool {
    let nodes = || graph.node.iter().flat_map(|node| node.output.iter());
    declared(&graph.input, name).is_some()
        || graph.initializer.iter().any(|tensor| tensor.name() == name)
        || nodes().any(|output| output == name)
}

/// A port as the forward graph declares the one it belongs to, or else as it was found to be.
fn port(name: &str, facts: &Facts, like: Option<&ValueInfoProto>) -> ValueInfoProto {
    let declared = like.and_then(|port| port.r#type.clone());
    let dims = facts.shape.iter().flatten().map(|size| Dimension {
        denotation: None,
        value: size.value().map(dimension::Value::DimValue),
    });
    let tensor = type_proto::Tensor {
        elem_type: facts.element.or(Some(DataType::Float as i32)),
        shape: facts.shape.as_ref().map(|_| TensorShapeProto { dim: dims.collect() }),
    };
    let found = TypeProto { denotation: None, value: Some(type_proto::Value::TensorType(tensor)) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: declared.or(Some(found)),
        ..Default::default()
    }
}

/// The values that depend on the input and on which the output depends.
struct Path<'a> {
    active: HashSet<&'a str>,
    needed: HashSet<&'a str>,
}

impl<'a> Path<'a> {
    fn between(analysis: &Analysis<'a>, input: &'a str, output: &'a str) -> Self {
        let nodes = &analysis.graph.node;
        let mut active = HashSet::from([input]);
        for node in nodes {
            let moved = reads(node).any(|name| active.contains(name));
            let differentiable = rules::find(node)
                .is_none_or(|rule| !matches!(rule.derivative, Derivative::Nothing));
            if moved && differentiable {
                let floats = node.output.iter().filter(|name| is_float(analysis.facts(name)));
                active.extend(floats.map(String::as_str));
            }
        }
        let mut needed = HashSet::from([output]);
        for node in nodes.iter().rev() {
            if node.output.iter().any(|name| needed.contains(name.as_str())) {
                needed.extend(reads(node));
            }
        }
        Self { active, needed }
    }

    fn wants(&self, name: &str) -> bool {
        self.active.contains(name)
    }

    fn holds(&self, node: &NodeProto) -> bool {
        reads(node).any(|name| self.wants(name))
            && node
                .output
                .iter()
                .any(|name| self.wants(name) && self.needed.contains(name.as_str()))
    }
}

/// The values that a node computes from: its inputs, and what its branches and loop bodies take from
/// the graph around them without naming it as an input.
fn reads(node: &NodeProto) -> Box<dyn Iterator<Item = &str> + '_> {
    let inside = crate::graph::subgraphs(node).flat_map(|graph| {
        let outputs = graph.output.iter().map(|port| port.name());
        graph.node.iter().flat_map(reads).chain(outputs)
    });
    Box::new(node.input.iter().map(String::as_str).chain(inside))
}

/// Whether a value can have a gradient; of an unknown type it may.
fn is_float(facts: &Facts) -> bool {
    facts.element.is_none_or(|element| {
        matches!(
            DataType::try_from(element),
            Ok(DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16)
        )
    })
}

struct Tape<'a> {
    path: Path<'a>,
    analysis: &'a Analysis<'a>,
    emit: Emitter,
    options: Options,
    /// What is to be added up, by value.
    cotangents: HashMap<&'a str, Vec<String>>,
    /// Values whose cotangents may be infinite where the output is finite.
    infinite: HashSet<&'a str>,
}

impl<'a> Tape<'a> {
    /// Writes the gradient; says whether there was a path for it.
    fn run(&mut self, output: &'a str, input: &'a str) -> Result<bool> {
        if self.path.wants(output) {
            self.cotangents.insert(output, vec![COTANGENT.to_owned()]);
        }
        for node in self.analysis.graph.node.iter().rev().filter(|node| !node.output.is_empty()) {
            if self.path.holds(node) {
                self.step(node)?;
            }
        }
        let gradient = self.taken(input);
        let connected = gradient.is_some();
        let gradient = gradient.unwrap_or_else(|| self.zeros(input));
        self.emit.push(NodeProto {
            op_type: Some("Identity".to_owned()),
            name: Some(format!("{GRADIENT}_node")),
            input: vec![gradient],
            output: vec![GRADIENT.to_owned()],
            ..Default::default()
        });
        Ok(connected)
    }

    fn step(&mut self, node: &'a NodeProto) -> Result<()> {
        let site = Site::new(node, self.analysis);
        let finite = !node.output.iter().any(|name| self.infinite.contains(name.as_str()));
        let cotangents: Vec<Option<String>> =
            node.output.iter().map(|name| self.taken(name)).collect();
        if cotangents.iter().all(Option::is_none) {
            return Ok(());
        }
        if let (Some(x), [Some(dy)]) = (softplus::argument(&site), cotangents.as_slice()) {
            let slope = self.emit.node("Sigmoid", &[x], vec![]);
            let gradient = self.emit.node("Mul", &[dy, &slope], vec![]);
            self.add(x, gradient, finite);
            return Ok(());
        }
        let wanted = node.input.iter().map(|name| self.path.wants(name)).collect();
        let call = Call::new(site, &self.emit, cotangents, wanted, finite);
        let Some(rule) = rules::find(node) else { return Err(without_rule(&site)) };
        let gradients = match rule.derivative {
            Derivative::Rule(gradient) => gradient(&call)?,
            Derivative::Zero if self.passes_through(node) => vec![Some(call.dy()?.to_owned())],
            Derivative::Zero | Derivative::Nothing => vec![],
        };
        let finite = call.finite();
        for (name, gradient) in node.input.iter().zip(gradients) {
            let Some(gradient) = gradient.filter(|_| self.path.wants(name)) else { continue };
            self.add(name, gradient, finite);
        }
        Ok(())
    }

    /// Adds to the cotangent of a value; `finite` where that is finite whenever the output is.
    fn add(&mut self, name: &'a str, gradient: String, finite: bool) {
        self.cotangents.entry(name).or_default().push(gradient);
        if !finite {
            self.infinite.insert(name);
        }
    }

    fn passes_through(&self, node: &NodeProto) -> bool {
        self.options.straight_through && matches!(node.op_type(), "Floor" | "Ceil" | "Round")
    }

    /// The sum of a value's cotangents; nothing else needs them.
    fn taken(&mut self, name: &str) -> Option<String> {
        let parts = self.cotangents.remove(name)?;
        parts.into_iter().reduce(|a, b| self.emit.node("Add", &[&a, &b], vec![]))
    }

    fn zeros(&self, input: &str) -> String {
        let shape = self.emit.node("Shape", &[input], vec![]);
        let zeros = self.emit.node("ConstantOfShape", &[&shape], vec![]);
        let element = self.analysis.facts(input).element.unwrap_or(DataType::Float as i32);
        let to = super::emit::int("to", i64::from(element));
        self.emit.node("Cast", &[&zeros], vec![to])
    }
}

fn without_rule(site: &Site<'_>) -> Error {
    let operator = site.node.op_type().to_lowercase();
    let known: usize = rules::FAMILIES.iter().map(|(_, rules)| rules.len()).sum();
    site.error(
        format!(
            "none of the {} rules differentiates this operator{}",
            known,
            match site.node.domain() {
                "" | "ai.onnx" => String::new(),
                domain => format!(" of domain '{domain}'"),
            }
        ),
        match site.node.domain() {
            "" | "ai.onnx" => format!(
                "Write onnx/src/autodiff/rules/{operator}.rs (its README.md says how), or re-export \
                 the model without it"
            ),
            _ => "Replace functions of the model's own by what they are made of, with \
                  onnx.inliner.inline_local_functions(model), or re-export the model without it"
                .to_owned(),
        },
    )
}
