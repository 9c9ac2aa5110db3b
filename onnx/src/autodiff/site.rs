//! One node as a rule sees it: attributes by name, and what is known of its inputs.

use super::{
    facts::{Analysis, Facts},
    size::{self, Shape, Size},
    tensor::Constant,
};
use crate::{
    error::Error,
    proto::{AttributeProto, NodeProto, tensor_proto::DataType},
};

/// A node in its graph.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The node.
    pub node: &'a NodeProto,
    /// The graph with what is known of its values.
    pub analysis: &'a Analysis<'a>,
}

impl<'a> Site<'a> {
    /// `node` in its graph.
    pub fn new(node: &'a NodeProto, analysis: &'a Analysis<'a>) -> Self {
        Self { node, analysis }
    }

    /// Whether the node is an `operator` of ONNX itself.
    pub fn is(&self, operator: &str) -> bool {
        self.node.op_type() == operator && matches!(self.node.domain(), "" | "ai.onnx")
    }

    /// Version of the operator set.
    pub fn opset(&self) -> i64 {
        self.analysis.opset
    }

    /// Name of an input; empty where it is left out.
    pub fn input(&self, index: usize) -> &'a str {
        self.node.input.get(index).map_or("", String::as_str)
    }

    /// The node that computes an input.
    pub fn producer(&self, index: usize) -> Option<Self> {
        let node = self.analysis.producer(self.input(index))?;
        Some(Self::new(node, self.analysis))
    }

    /// Name of an output; empty where it is left out.
    pub fn output(&self, index: usize) -> &'a str {
        self.node.output.get(index).map_or("", String::as_str)
    }

    /// What is known of an input.
    pub fn facts(&self, index: usize) -> &'a Facts {
        self.analysis.facts(self.input(index))
    }

    /// Element type of an input.
    pub fn element(&self, index: usize) -> Option<i32> {
        self.facts(index).element
    }

    /// Shape of an input.
    pub fn shape(&self, index: usize) -> Option<&'a Shape> {
        self.facts(index).shape.as_ref()
    }

    /// An input that nothing changes.
    pub fn constant(&self, index: usize) -> Option<Constant> {
        self.analysis.constant(self.input(index))
    }

    /// The one number of a constant input.
    pub fn scalar(&self, index: usize) -> Option<f64> {
        self.constant(index)?.scalar()
    }

    /// The elements of a small integer input.
    pub fn sizes(&self, index: usize) -> Option<&'a Vec<Option<Size>>> {
        self.facts(index).ints.as_ref()
    }

    /// The elements of a small integer input, where all are numbers.
    pub fn numbers(&self, index: usize) -> Option<Vec<i64>> {
        self.sizes(index)?.iter().map(|size| size.as_ref()?.value()).collect()
    }

    fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name() == name)
    }

    /// An integer attribute.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, AttributeProto::i)
    }

    /// A floating-point attribute.
    pub fn float(&self, name: &str, default: f32) -> f64 {
        f64::from(self.attribute(name).map_or(default, AttributeProto::f))
    }

    /// A text attribute.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.attribute(name).map_or_else(
            || default.to_owned(),
            |attribute| String::from_utf8_lossy(attribute.s()).into_owned(),
        )
    }

    /// A list of integers.
    pub fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// The tensor of an attribute.
    pub fn tensor(&self, name: &str) -> Option<Constant> {
        Constant::read(self.attribute(name)?.t.as_ref()?)
    }

    /// A list that newer operator sets take as an input and older ones as an attribute.
    pub fn list(&self, input: usize, attribute: &str) -> Option<Vec<i64>> {
        match self.ints(attribute) {
            Some(values) => Some(values.to_vec()),
            None if self.input(input).is_empty() => None,
            None => self.numbers(input),
        }
    }

    /// `axis` counted from the front, of `rank` axes.
    pub fn axis(axis: i64, rank: usize) -> Option<usize> {
        let axis = if axis < 0 { axis + rank as i64 } else { axis };
        usize::try_from(axis).ok().filter(|&axis| axis < rank)
    }

    /// The refusal of this node.
    pub fn error(&self, problem: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::Gradient {
            node: self.name().to_owned(),
            operator: self.node.op_type().to_owned(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// The node's name, or its first output's where it has none.
    pub fn name(&self) -> &'a str {
        match self.node.name() {
            "" => self.output(0),
            name => name,
        }
    }

    // What most operators' outputs are.

    /// One output like input 0.
    pub fn like_input(&self) -> Option<Vec<Facts>> {
        Some(vec![Facts::new(self.element(0), self.shape(0).cloned())])
    }

    /// One output of input 0's type and the given shape.
    pub fn shaped(&self, shape: Option<Shape>) -> Option<Vec<Facts>> {
        Some(vec![Facts::new(self.element(0), shape)])
    }

    /// One output of another type and the given shape.
    pub fn typed(&self, element: DataType, shape: Option<Shape>) -> Option<Vec<Facts>> {
        Some(vec![Facts::new(Some(element as i32), shape)])
    }

    /// The shape to which all of `inputs` are broadcast.
    pub fn broadcast(&self, inputs: impl IntoIterator<Item = usize>) -> Option<Shape> {
        let mut result: Shape = vec![];
        for input in inputs {
            result = self.broadcast_pair(&result, self.shape(input)?);
        }
        Some(result)
    }

    /// The shape to which two shapes are broadcast.
    pub fn broadcast_pair(&self, a: &[Size], b: &[Size]) -> Shape {
        let rank = a.len().max(b.len());
        let one = Size::fixed(1);
        let at = |shape: &[Size], axis: usize| {
            let missing = rank - shape.len();
            if axis < missing { one.clone() } else { shape[axis - missing].clone() }
        };
        let join = |(a, b): (Size, Size)| match (a.value(), b.value()) {
            _ if a == b => a,
            (Some(1), _) => b,
            (_, Some(1)) => a,
            // One is a symbol: at run time it is 1 or the other.
            (Some(_), _) => a,
            (_, Some(_)) => b,
            _ => self.analysis.fresh(),
        };
        (0..rank).map(|axis| join((at(a, axis), at(b, axis)))).collect()
    }

    /// Number of elements of an input.
    pub fn count(&self, index: usize) -> Option<Size> {
        size::count(self.shape(index)?)
    }
}
