//! Circular and hyperbolic functions and their inverses.

use super::{Rule, same};
use crate::autodiff::call::Call;

pub const RULES: &[Rule] = &[
    Rule::new("Sin", "cos(x) dy", same, |call| {
        call.first(call.mul(call.dy()?, &call.op("Cos", &[call.input(0)])))
    }),
    Rule::new("Cos", "-sin(x) dy", same, |call| {
        call.first(call.neg(&call.mul(call.dy()?, &call.op("Sin", &[call.input(0)]))))
    }),
    Rule::new("Tan", "(1+y^2) dy", same, |call| {
        let y = call.output(0);
        call.first(call.mul(call.dy()?, &call.shift(&call.mul(y, y), 1.0)))
    }),
    Rule::new("Atan", "dy/(1+x^2)", same, |call| {
        call.first(call.div(call.dy()?, &call.shift(&square(call), 1.0)))
    }),
    Rule::new("Asin", "dy/sqrt(1-x^2)", same, |call| {
        let dy = call.dy()?;
        call.first(call.guarded_vertical(dy, call.div(dy, &co_root(call))))
    })
    .at_kinks("infinite at |x| = 1 unless dy = 0"),
    Rule::new("Acos", "-dy/sqrt(1-x^2)", same, |call| {
        let dy = call.dy()?;
        call.first(call.neg(&call.guarded_vertical(dy, call.div(dy, &co_root(call)))))
    })
    .at_kinks("infinite at |x| = 1 unless dy = 0"),
    Rule::new("Sinh", "cosh(x) dy", same, |call| {
        call.first(call.mul(call.dy()?, &call.op("Cosh", &[call.input(0)])))
    }),
    Rule::new("Cosh", "sinh(x) dy", same, |call| {
        call.first(call.mul(call.dy()?, &call.op("Sinh", &[call.input(0)])))
    }),
];

fn square(call: &Call<'_>) -> String {
    call.mul(call.input(0), call.input(0))
}

/// sqrt(1 - x²).
fn co_root(call: &Call<'_>) -> String {
    call.op("Sqrt", &[&call.sub(&call.number(1.0), &square(call))])
}
