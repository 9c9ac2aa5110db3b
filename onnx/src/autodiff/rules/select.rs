//! Choosing between values by a condition or by limits.

use super::{Rule, arithmetic::spread, same};
use crate::autodiff::{
    call::{Call, Gradients},
    facts::Facts,
    site::Site,
};

pub const RULES: &[Rule] = &[
    Rule::new("Where", "dy where the condition holds; dy where it does not", facts, where_)
        .at_kinks("the branch not taken gets exactly 0"),
    Rule::new("Clip", "dy where min < x < max", same, clip)
        .at_kinks("0 at the limits, as torch.clamp has it for limits that are numbers"),
    Rule::new("Abs", "sign(x) dy", same, |call| {
        call.first(call.mul(call.dy()?, &call.op("Sign", &[call.input(0)])))
    })
    .at_kinks("0 at x = 0"),
];

fn facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let ints = || {
        let choose = |index: usize| {
            let condition = site.sizes(0)?.get(index)?.as_ref()?.value()?;
            site.sizes(if condition != 0 { 1 } else { 2 })?.get(index).cloned().flatten()
        };
        Some((0..site.sizes(0)?.len()).map(choose).collect())
    };
    Some(vec![Facts::new(site.element(1), site.broadcast(0..3)).with_ints(ints())])
}

/// A selection, never a product: the other branch's cotangent may be anything but must come out 0.
fn where_(call: &Call<'_>) -> Gradients {
    let (dy, condition, zero) = (call.dy()?, call.input(0), call.number(0.0));
    call.each(|input| match input {
        0 => Ok(String::new()),
        1 => spread(call, &call.select(condition, dy, &zero), 1),
        _ => spread(call, &call.select(condition, &zero, dy), 2),
    })
}

fn clip(call: &Call<'_>) -> Gradients {
    call.must_not_depend(&[1, 2], "limit")?;
    let (dy, x) = (call.dy()?, call.input(0));
    let (low, high) = (call.input(1), call.input(2));
    let inside = match (low, high) {
        ("", "") => return call.first(dy.to_owned()),
        (low, "") => call.greater(x, low),
        ("", high) => call.op("Less", &[x, high]),
        (low, high) => call.op("And", &[&call.greater(x, low), &call.op("Less", &[x, high])]),
    };
    call.first(call.masked(&inside, dy))
}
