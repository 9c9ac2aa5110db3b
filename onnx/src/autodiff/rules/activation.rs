//! Activations of neural networks.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::{Rule, arithmetic::spread, same};
use crate::autodiff::call::{Call, Gradients};

pub const RULES: &[Rule] = &[
    // The mask is taken from the output, so that an engine can still fuse Conv and Relu.
    Rule::new("Relu", "dy where y > 0", same, |call| {
        call.first(call.masked_where_positive(call.output(0), call.dy()?))
    })
    .at_kinks("0 at x = 0"),
    Rule::new("LeakyRelu", "dy where x > 0, else alpha dy", same, |call| {
        let slope = call.float("alpha", 0.01);
        call.first(call.mul(call.dy()?, &two_slopes(call, &call.positive(call.input(0)), slope)))
    })
    .at_kinks("alpha at x = 0"),
    Rule::new("PRelu", "dy where x > 0, else s dy; by s: x dy where x <= 0", same, prelu)
        .at_kinks("s at x = 0"),
    Rule::new("ThresholdedRelu", "dy where x > alpha", same, |call| {
        let above = call.greater(call.input(0), &call.number(call.float("alpha", 1.0)));
        call.first(call.masked(&above, call.dy()?))
    })
    .at_kinks("0 at x = alpha"),
    Rule::new("Elu", "dy where x > 0, else alpha exp(x) dy", same, |call| {
        call.first(exponential_tail(call, call.float("alpha", 1.0), 1.0, 1.0)?)
    })
    .at_kinks("alpha at x = 0"),
    Rule::new("Celu", "dy where x > 0, else exp(x/alpha) dy", same, |call| {
        call.first(exponential_tail(call, 1.0, 1.0, 1.0 / call.float("alpha", 1.0))?)
    })
    .at_kinks("1 at x = 0"),
    Rule::new("Selu", "gamma dy where x > 0, else gamma alpha exp(x) dy", same, |call| {
        let alpha = call.float("alpha", 1.673_263_2);
        call.first(exponential_tail(call, alpha, call.float("gamma", 1.050_701), 1.0)?)
    })
    .at_kinks("gamma alpha at x = 0"),
    Rule::new(
        "Gelu",
        "(Phi(x) + x phi(x)) dy; for `tanh`, the derivative of that form",
        same,
        gelu,
    ),
    Rule::new("HardSigmoid", "alpha dy where 0 < y < 1", same, |call| {
        let dy = call.scale(call.dy()?, call.float("alpha", 0.2));
        call.first(call.masked(&inside(call, call.output(0), 0.0, 1.0), &dy))
    })
    .at_kinks("0 where y is 0 or 1"),
    Rule::new("HardSwish", "0 for x <= -3, dy for x >= 3, else (x/3 + 1/2) dy", same, hard_swish)
        .at_kinks("0 at x = -3, 1 at x = 3"),
    Rule::new("Mish", "(t + x (1-t^2) sigmoid(x)) dy, t = tanh(softplus(x))", same, |call| {
        let x = call.input(0);
        let t = call.op("Tanh", &[&call.op("Softplus", &[x])]);
        let bent = call.sub(&call.number(1.0), &call.mul(&t, &t));
        let rest = call.mul(&call.mul(x, &bent), &call.op("Sigmoid", &[x]));
        call.first(call.mul(call.dy()?, &call.add(&t, &rest)))
    }),
    Rule::new("Softsign", "dy/(1+|x|)^2", same, |call| {
        let root = call.shift(&call.op("Abs", &[call.input(0)]), 1.0);
        call.first(call.div(&call.div(call.dy()?, &root), &root))
    }),
];

/// 1 where the condition holds, else `slope`.
fn two_slopes(call: &Call<'_>, condition: &str, slope: f64) -> String {
    call.shift(&call.scale(&call.indicator(condition), 1.0 - slope), slope)
}

/// low < x < high.
fn inside(call: &Call<'_>, x: &str, low: f64, high: f64) -> String {
    let above = call.greater(x, &call.number(low));
    call.op("And", &[&above, &call.op("Less", &[x, &call.number(high)])])
}

fn prelu(call: &Call<'_>) -> Gradients {
    let (dy, x, slope) = (call.dy()?, call.input(0), call.input(1));
    let positive = call.positive(x);
    call.each(|input| match input {
        0 => Ok(call.select(&positive, dy, &call.mul(dy, slope))),
        _ => {
            let product = call.mul(dy, x);
            spread(call, &call.select(&positive, &call.number(0.0), &product), 1)
        }
    })
}

/// The derivative of gamma x for x > 0 and of gamma alpha/rate (exp(rate x) - 1) below, times dy.
///
/// gamma (alpha exp(rate min(x, 0)) + (1 - alpha) \[x > 0\]): nothing overflows, no selection.
fn exponential_tail(call: &Call<'_>, alpha: f64, gamma: f64, rate: f64) -> crate::Result<String> {
    let x = call.input(0);
    let below = call.op("Min", &[x, &call.number(0.0)]);
    let mut slope = call.scale(&call.op("Exp", &[&call.scale(&below, rate)]), alpha);
    if alpha != 1.0 {
        let above = call.indicator(&call.positive(x));
        slope = call.add(&slope, &call.scale(&above, 1.0 - alpha));
    }
    Ok(call.mul(call.dy()?, &call.scale(&slope, gamma)))
}

fn gelu(call: &Call<'_>) -> Gradients {
    let slope = match call.text("approximate", "none").as_str() {
        "tanh" => gelu_tanh_slope(call),
        _ => gelu_slope(call),
    };
    call.first(call.mul(call.dy()?, &slope))
}

fn gelu_slope(call: &Call<'_>) -> String {
    let x = call.input(0);
    let erf = call.op("Erf", &[&call.scale(x, FRAC_1_SQRT_2)]);
    let normal = call.scale(&call.shift(&erf, 1.0), 0.5);
    let density = call.op("Exp", &[&call.scale(&call.mul(x, x), -0.5)]);
    call.add(&normal, &call.mul(x, &call.scale(&density, 1.0 / (2.0 * PI).sqrt())))
}

/// y = x/2 (1 + t), t = tanh(b (x + c x³)): y' = (1 + t)/2 + x/2 (1 - t²) b (1 + 3 c x²).
fn gelu_tanh_slope(call: &Call<'_>) -> String {
    const C: f64 = 0.044_715;
    let (x, b) = (call.input(0), (2.0 / PI).sqrt());
    let square = call.mul(x, x);
    let inner = call.mul(x, &call.shift(&call.scale(&square, C), 1.0));
    let t = call.op("Tanh", &[&call.scale(&inner, b)]);
    let bent = call.sub(&call.number(1.0), &call.mul(&t, &t));
    let stretch = call.scale(&call.shift(&call.scale(&square, 3.0 * C), 1.0), 0.5 * b);
    let first = call.scale(&call.shift(&t, 1.0), 0.5);
    call.add(&first, &call.mul(&call.mul(x, &bent), &stretch))
}

fn hard_swish(call: &Call<'_>) -> Gradients {
    let (dy, x) = (call.dy()?, call.input(0));
    let line = call.shift(&call.scale(x, 1.0 / 3.0), 0.5);
    let below = call.op("Less", &[x, &call.number(3.0)]);
    let slope = call.select(&below, &line, &call.number(1.0));
    let above = call.greater(x, &call.number(-3.0));
    call.first(call.mul(dy, &call.select(&above, &slope, &call.number(0.0))))
}
