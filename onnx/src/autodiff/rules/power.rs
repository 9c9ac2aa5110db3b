//! Powers and roots.

use super::{Rule, arithmetic::spread, broadcast, same};
use crate::autodiff::call::{Call, Gradients};

pub const RULES: &[Rule] = &[
    Rule::new("Pow", "p x^(p-1) dy, y ln(x) dy", broadcast, pow)
        .at_kinks("0 where p = 0 or dy = 0; by p: 0 where x = 0 and p >= 0"),
    Rule::new("Sqrt", "dy/(2y)", same, |call| {
        let dy = call.dy()?;
        let gradient = call.div(&call.scale(dy, 0.5), call.output(0));
        let bounded = call.bounds(0).0 > 0.0;
        call.first(if bounded { gradient } else { call.guarded_vertical(dy, gradient) })
    })
    .at_kinks("infinite at x = 0 unless dy = 0"),
    Rule::new("Reciprocal", "-y^2 dy", same, |call| {
        let (dy, y) = (call.dy()?, call.output(0));
        let (low, high) = call.bounds(0);
        let gradient = call.neg(&call.mul(&call.mul(dy, y), y));
        call.first(call.guarded_unless(low > 0.0 || high < 0.0, dy, gradient))
    })
    .at_kinks("0 where dy = 0, also for x = 0"),
];

fn pow(call: &Call<'_>) -> Gradients {
    call.each(|input| match input {
        0 => spread(call, &by_base(call)?, 0),
        _ => spread(call, &by_exponent(call)?, 1),
    })
}

fn by_base(call: &Call<'_>) -> crate::Result<String> {
    let (dy, x) = (call.dy()?, call.input(0));
    match call.scalar(1) {
        Some(0.0) => Ok(call.scale(dy, 0.0)),
        Some(1.0) => Ok(dy.to_owned()),
        Some(2.0) => Ok(call.mul(dy, &call.scale(x, 2.0))),
        Some(3.0) => Ok(call.mul(dy, &call.scale(&call.mul(x, x), 3.0))),
        Some(p) => {
            let slope = call.scale(&call.op("Pow", &[x, &call.number(p - 1.0)]), p);
            let gradient = call.mul(dy, &slope);
            Ok(if p > 1.0 { gradient } else { call.guarded_vertical(dy, gradient) })
        }
        None => by_base_of_any_power(call),
    }
}

fn by_base_of_any_power(call: &Call<'_>) -> crate::Result<String> {
    let (dy, x, zero) = (call.dy()?, call.input(0), call.number(0.0));
    let p = call.cast(call.input(1), call.kind());
    let slope = call.mul(&p, &call.op("Pow", &[x, &call.shift(&p, -1.0)]));
    let gradient = call.guarded_vertical(dy, call.mul(dy, &slope));
    Ok(call.select(&call.op("Equal", &[&p, &zero]), &zero, &gradient))
}

/// The logarithm's argument is made harmless where its result is not used.
fn by_exponent(call: &Call<'_>) -> crate::Result<String> {
    let (dy, x, p, zero) = (call.dy()?, call.input(0), call.input(1), call.number(0.0));
    let negative = call.op("Less", &[p, &zero]);
    let masked = call.op("And", &[&call.op("Equal", &[x, &zero]), &call.op("Not", &[&negative])]);
    let logarithm = call.op("Log", &[&call.select(&masked, &call.number(1.0), x)]);
    Ok(call.guarded_vertical(dy, call.mul(dy, &call.mul(call.output(0), &logarithm))))
}
