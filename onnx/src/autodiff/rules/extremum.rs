//! The larger and the smaller of several values.

use super::{Rule, arithmetic::spread, broadcast};
use crate::autodiff::call::{Call, Gradients};

pub const RULES: &[Rule] = &[
    Rule::new("Max", "dy to the larger", broadcast, |call| gradient(call, "Greater"))
        .at_kinks("half to each of two equal values; more than two are compared in order"),
    Rule::new("Min", "dy to the smaller", broadcast, |call| gradient(call, "Less"))
        .at_kinks("half to each of two equal values; more than two are compared in order"),
];

/// Share of the first of two values: 1 where it wins, 1/2 at a tie, else 0.
fn share(call: &Call<'_>, wins: &str, a: &str, b: &str) -> String {
    let (won, lost) = (call.op(wins, &[a, b]), call.op(wins, &[b, a]));
    let difference = call.sub(&call.indicator(&won), &call.indicator(&lost));
    call.shift(&call.scale(&difference, 0.5), 0.5)
}

/// Max(a, b, c) is max(max(a, b), c): the cotangent goes back through the running extrema.
fn gradient(call: &Call<'_>, wins: &str) -> Gradients {
    let inputs = &call.node.input;
    let mut running = vec![inputs[0].clone()];
    for input in &inputs[1..] {
        let last = running.last().expect("one at least").clone();
        running.push(call.op(call.node.op_type(), &[&last, input]));
    }
    let mut dy = call.dy()?.to_owned();
    let mut gradients = vec![None; inputs.len()];
    for index in (1..inputs.len()).rev() {
        let earlier = share(call, wins, &running[index - 1], &inputs[index]);
        if call.wants(index) {
            let later = call.sub(&call.number(1.0), &earlier);
            gradients[index] = Some(spread(call, &shared(call, &dy, &later), index)?);
        }
        dy = shared(call, &dy, &earlier);
    }
    if call.wants(0) {
        gradients[0] = Some(spread(call, &dy, 0)?);
    }
    Ok(gradients)
}

fn shared(call: &Call<'_>, dy: &str, share: &str) -> String {
    let product = call.mul(dy, share);
    match call.finite() {
        true => product,
        // An infinite cotangent times a share of 0.
        false => call.select(&call.positive(share), &product, &call.number(0.0)),
    }
}
