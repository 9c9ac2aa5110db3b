//! Input gradients: a forward graph in, a graph that also returns a gradient out.
//!
//! [`with_input_gradient`] adds to a model an input `cotangent` and an output
//! `gradient` = d<output, cotangent>/d input, by reverse-mode differentiation of the ONNX graph
//! itself. The forward nodes stay as they are and are shared, so that any engine computes value and
//! gradient in one run. `README.md` in this folder lists the rules.

mod bounds;
mod call;
mod compose;
pub(crate) mod emit;
mod facts;
mod logistic;
mod replace;
mod rules;
mod site;
mod size;
mod softplus;
mod tape;
mod tensor;

pub(crate) use emit::Emitter;
pub(crate) use facts::Analysis;
pub(crate) use logistic::simplify;
pub(crate) use replace::replaced;
pub(crate) use rules::{TurnedOver, convolution_window};
pub(crate) use site::Site;
pub(crate) use size::Size;
#[cfg(test)]
pub(crate) use tensor::Constant;

pub use compose::{append, prune};
pub(crate) use rules::find as rule_of;
pub use rules::{Derivative, FAMILIES, Rule};
pub use tape::{COTANGENT, GRADIENT, Obstacles, Options, WithGradient, differentiate, obstacles};

use crate::{error::Result, proto::ModelProto};

/// `model` with an input [`COTANGENT`] of the shape of `output`, and an output [`GRADIENT`] of the
/// shape of `input`: d<output, cotangent>/d input.
///
/// # Errors
/// [`Error::Gradient`](crate::Error::Gradient) names the first node that cannot be differentiated,
/// or the port that is missing.
pub fn with_input_gradient(model: &ModelProto, output: &str, input: &str) -> Result<ModelProto> {
    differentiate(model, output, input, &Options::default()).map(|found| found.model)
}
