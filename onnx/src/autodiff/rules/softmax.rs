//! Softmax and its logarithm.

use super::{Rule, same};
use crate::autodiff::{
    call::{Call, Gradients},
    site::Site,
};

pub const RULES: &[Rule] = &[
    Rule::new("Softmax", "y (dy - sum(y dy))", same, |call| {
        let (dy, y) = (call.dy()?, call.output(0));
        let sum = call.emit.reduce("ReduceSum", &call.mul(dy, y), &axes(call)?, true);
        call.first(call.mul(y, &call.sub(dy, &sum)))
    }),
    Rule::new("LogSoftmax", "dy - exp(y) sum(dy)", same, log_softmax),
];

fn log_softmax(call: &Call<'_>) -> Gradients {
    let dy = call.dy()?;
    let sum = call.emit.reduce("ReduceSum", dy, &axes(call)?, true);
    call.first(call.sub(dy, &call.mul(&call.op("Exp", &[call.output(0)]), &sum)))
}

/// The normalised axes: one, or before operator set 13 all from it on.
fn axes(call: &Call<'_>) -> crate::Result<Vec<usize>> {
    let (rank, old) = (call.known_rank(0)?, call.opset() < 13);
    let axis = Site::axis(call.int("axis", if old { 1 } else { -1 }), rank)
        .ok_or_else(|| call.unknown("its axis"))?;
    Ok(if old { (axis..rank).collect() } else { vec![axis] })
}
