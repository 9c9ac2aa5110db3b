//! Exponentials, logarithms, and what is built from them.

use std::f64::consts::PI;

use super::{Rule, same};
use crate::autodiff::{
    bounds::LARGEST_EXPONENT,
    call::{Call, Gradients},
};

pub const RULES: &[Rule] = &[
    Rule::new("Exp", "y dy", same, exp).at_kinks("0 where dy = 0, also where y overflows"),
    Rule::new("Log", "dy/x", same, log).at_kinks("0 where dy = 0, also for x = 0"),
    Rule::new("Softplus", "sigmoid(x) dy", same, |call| {
        call.first(call.mul(call.dy()?, &call.op("Sigmoid", &[call.input(0)])))
    }),
    Rule::new("Sigmoid", "y (1-y) dy", same, |call| {
        let y = call.output(0);
        let slope = call.mul(y, &call.sub(&call.number(1.0), y));
        call.first(call.mul(call.dy()?, &slope))
    }),
    Rule::new("Tanh", "(1-y^2) dy", same, |call| {
        let y = call.output(0);
        let slope = call.sub(&call.number(1.0), &call.mul(y, y));
        call.first(call.mul(call.dy()?, &slope))
    }),
    Rule::new("Erf", "2/sqrt(pi) exp(-x^2) dy", same, |call| {
        let x = call.input(0);
        let slope = call.op("Exp", &[&call.neg(&call.mul(x, x))]);
        call.first(call.mul(call.dy()?, &call.scale(&slope, 2.0 / PI.sqrt())))
    }),
];

fn exp(call: &Call<'_>) -> Gradients {
    let dy = call.dy()?;
    let bounded = call.bounds(0).1 < LARGEST_EXPONENT;
    // An exponential of what nothing bounds may overflow in a branch that a mask leaves out.
    call.first(call.guarded_unless(bounded, dy, call.mul(dy, call.output(0))))
}

fn log(call: &Call<'_>) -> Gradients {
    let dy = call.dy()?;
    let bounded = call.bounds(0).0 > 0.0;
    call.first(call.guarded_unless(bounded, dy, call.div(dy, call.input(0))))
}
