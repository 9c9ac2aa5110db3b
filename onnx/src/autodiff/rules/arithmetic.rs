//! Sums, differences, products, quotients.

use super::{Rule, same};
use crate::{
    autodiff::{
        call::{Call, Gradients},
        facts::Facts,
        site::Site,
        size::Size,
    },
    error::Result,
};

pub const RULES: &[Rule] = &[
    Rule::new(
        "Add",
        "dy, dy",
        |site| integers(site, |a, b| a.zip(b, i64::checked_add)),
        |call| call.each(|input| spread(call, call.dy()?, input)),
    ),
    Rule::new("Sub", "dy, -dy", |site| integers(site, |a, b| a.zip(b, i64::checked_sub)), sub),
    Rule::new("Mul", "b dy, a dy", |site| integers(site, Size::times), mul)
        .at_kinks("0 where dy = 0, also for an infinite factor"),
    Rule::new("Div", "dy/b, -dy y/b", |site| integers(site, quotient), div)
        .at_kinks("0 where dy = 0, also for b = 0"),
    Rule::new("Neg", "-dy", same, |call| call.first(call.neg(call.dy()?))),
    Rule::new("Sum", "dy for every input", super::broadcast, |call| {
        call.each(|input| spread(call, call.dy()?, input))
    }),
    Rule::new("Mean", "dy/n for every one of n inputs", super::broadcast, |call| {
        let share = call.scale(call.dy()?, 1.0 / call.node.input.len() as f64);
        call.each(|input| spread(call, &share, input))
    }),
];

/// `gradient` of the output's shape, summed to that of an input.
pub fn spread(call: &Call<'_>, gradient: &str, input: usize) -> Result<String> {
    call.unbroadcast(gradient, call.output(0), input)
}

/// Two inputs broadcast; where both are small integers, the result's elements too.
fn integers(site: &Site<'_>, operation: fn(&Size, &Size) -> Option<Size>) -> Option<Vec<Facts>> {
    let ints = site.sizes(0).zip(site.sizes(1)).map(|(a, b)| {
        let at = |list: &[Option<Size>], index: usize| {
            list.get(if list.len() == 1 { 0 } else { index }).cloned().flatten()
        };
        let element = |index| operation(&at(a, index)?, &at(b, index)?);
        (0..a.len().max(b.len())).map(element).collect()
    });
    let facts = super::broadcast(site)?.remove(0);
    Some(vec![facts.with_ints(ints)])
}

/// Integers divide as ONNX says, towards zero.
fn quotient(a: &Size, b: &Size) -> Option<Size> {
    a.over(b).or_else(|| a.zip(b, i64::checked_div))
}

fn sub(call: &Call<'_>) -> Gradients {
    let dy = call.dy()?;
    call.each(|input| match input {
        0 => spread(call, dy, 0),
        // The sum first: it is the smaller tensor to negate.
        _ => Ok(call.neg(&spread(call, dy, 1)?)),
    })
}

fn mul(call: &Call<'_>) -> Gradients {
    let dy = call.dy()?;
    call.each(|input| {
        let factor = call.input(usize::from(input == 0));
        let product = call.guarded_unless(call.analysis.regular(factor), dy, call.mul(dy, factor));
        spread(call, &product, input)
    })
}

/// d(a/b) = da/b - (a/b) db/b.
fn div(call: &Call<'_>) -> Gradients {
    let (dy, b) = (call.dy()?, call.input(1));
    let (low, high) = call.bounds(1);
    let quotient = call.guarded_unless(low > 0.0 || high < 0.0, dy, call.div(dy, b));
    call.each(|input| match input {
        0 => spread(call, &quotient, 0),
        _ => Ok(call.neg(&spread(call, &call.mul(&quotient, call.output(0)), 1)?)),
    })
}
