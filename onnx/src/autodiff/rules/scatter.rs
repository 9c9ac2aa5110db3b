//! Writing by index.

use super::{Rule, same};
use crate::{
    autodiff::{
        call::{Call, Gradients},
        emit,
    },
    error::Result,
};

pub const RULES: &[Rule] = &[
    Rule::new("ScatterElements", "dy, 0 where overwritten; dy at the indices", same, |call| {
        scatter(call, "GatherElements", vec![emit::int("axis", call.int("axis", 0))])
    })
    .at_kinks("indices that occur twice are undefined without `add`, as in ONNX"),
    Rule::new("ScatterND", "dy, 0 where overwritten; dy at the indices", same, |call| {
        scatter(call, "GatherND", vec![])
    })
    .at_kinks("indices that occur twice are undefined without `add`, as in ONNX"),
];

fn scatter(
    call: &Call<'_>,
    inverse: &str,
    attributes: Vec<crate::proto::AttributeProto>,
) -> Gradients {
    let reduction = call.text("reduction", "none");
    if !matches!(reduction.as_str(), "none" | "add") {
        return Err(call.error(
            format!("its rule does not cover reduction '{reduction}'"),
            "Extend rules/scatter.rs, or re-export the model",
        ));
    }
    call.each(|input| match input {
        0 if reduction == "add" => Ok(call.dy()?.to_owned()),
        0 => cleared(call, &attributes),
        _ => Ok(call.emit.node(inverse, &[call.dy()?, call.input(1)], attributes.clone())),
    })
}

fn cleared(call: &Call<'_>, attributes: &[crate::proto::AttributeProto]) -> Result<String> {
    let zeros = call.zeros_like(call.input(2));
    let inputs = [call.dy()?, call.input(1), &zeros];
    Ok(call.emit.node(call.node.op_type(), &inputs, attributes.to_vec()))
}
