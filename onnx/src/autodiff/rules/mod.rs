//! The rules, one file per family of operators: what an operator's outputs are, and how a cotangent
//! of its outputs becomes one of its inputs.

mod activation;
mod arithmetic;
mod conv;
mod conv_transpose;
mod cumulative;
mod depth;
mod einsum;
mod exponential;
mod extremum;
mod gather;
mod integer;
mod join;
mod layout;
mod matmul;
mod normalisation;
mod pad;
mod pool;
mod power;
mod reduce;
mod repeat;
mod resize;
mod scatter;
mod select;
mod slice;
mod softmax;
mod step;
mod trigonometry;
mod window;

pub(crate) use conv::{TurnedOver, window as convolution_window};

use super::{
    call::{Call, Gradients},
    facts::Facts,
    site::Site,
};
use crate::proto::{NodeProto, tensor_proto::DataType};

/// Every rule by its file in `onnx/src/autodiff/rules/`.
pub const FAMILIES: [(&str, &[Rule]); 27] = [
    ("activation", activation::RULES),
    ("arithmetic", arithmetic::RULES),
    ("conv", conv::RULES),
    ("conv_transpose", conv_transpose::RULES),
    ("cumulative", cumulative::RULES),
    ("depth", depth::RULES),
    ("einsum", einsum::RULES),
    ("exponential", exponential::RULES),
    ("extremum", extremum::RULES),
    ("gather", gather::RULES),
    ("integer", integer::RULES),
    ("join", join::RULES),
    ("layout", layout::RULES),
    ("matmul", matmul::RULES),
    ("normalisation", normalisation::RULES),
    ("pad", pad::RULES),
    ("pool", pool::RULES),
    ("power", power::RULES),
    ("reduce", reduce::RULES),
    ("repeat", repeat::RULES),
    ("resize", resize::RULES),
    ("scatter", scatter::RULES),
    ("select", select::RULES),
    ("slice", slice::RULES),
    ("softmax", softmax::RULES),
    ("step", step::RULES),
    ("trigonometry", trigonometry::RULES),
];

/// How an operator is differentiated.
pub enum Derivative {
    /// By writing nodes.
    Rule(fn(&Call<'_>) -> Gradients),
    /// It is piecewise constant: the gradient is zero wherever it exists.
    Zero,
    /// Its outputs are shapes, indices or truth values, or do not depend on values: nothing to differentiate.
    Nothing,
}

/// One operator.
pub struct Rule {
    /// Its name in ONNX.
    pub operator: &'static str,
    /// The gradient, with x the input, y the output and dy the cotangent.
    pub formula: &'static str,
    /// What happens where the derivative does not exist.
    pub kinks: &'static str,
    /// What its outputs are; `None` where the inputs are not known well enough.
    pub facts: fn(&Site<'_>) -> Option<Vec<Facts>>,
    /// Its derivative.
    pub derivative: Derivative,
}

impl Rule {
    /// A rule that writes nodes.
    const fn new(
        operator: &'static str,
        formula: &'static str,
        facts: fn(&Site<'_>) -> Option<Vec<Facts>>,
        gradient: fn(&Call<'_>) -> Gradients,
    ) -> Self {
        Self { operator, formula, kinks: "", facts, derivative: Derivative::Rule(gradient) }
    }

    /// An operator whose gradient is zero.
    const fn zero(operator: &'static str, facts: fn(&Site<'_>) -> Option<Vec<Facts>>) -> Self {
        Self { operator, formula: "0", kinks: "", facts, derivative: Derivative::Zero }
    }

    /// An operator without a gradient.
    const fn nothing(operator: &'static str, facts: fn(&Site<'_>) -> Option<Vec<Facts>>) -> Self {
        Self { operator, formula: "none", kinks: "", facts, derivative: Derivative::Nothing }
    }

    /// The convention at kinks.
    const fn at_kinks(mut self, kinks: &'static str) -> Self {
        self.kinks = kinks;
        self
    }
}

/// The rule of a node; `None` for an unknown operator or one of another domain.
pub fn find(node: &NodeProto) -> Option<&'static Rule> {
    if !matches!(node.domain(), "" | "ai.onnx") {
        return None;
    }
    let rules = FAMILIES.iter().flat_map(|(_, rules)| rules.iter());
    rules.into_iter().find(|rule| rule.operator == node.op_type())
}

/// An output like input 0.
fn same(site: &Site<'_>) -> Option<Vec<Facts>> {
    site.like_input()
}

/// All inputs broadcast, of input 0's type.
fn broadcast(site: &Site<'_>) -> Option<Vec<Facts>> {
    site.shaped(site.broadcast(0..site.node.input.len()))
}

/// All inputs broadcast to truth values.
fn truth(site: &Site<'_>) -> Option<Vec<Facts>> {
    site.typed(DataType::Bool, site.broadcast(0..site.node.input.len()))
}
