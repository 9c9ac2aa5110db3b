//! Sums, means, norms, extrema over axes.

use super::Rule;
use crate::{
    autodiff::{
        call::{Call, Gradients},
        facts::Facts,
        site::Site,
        size::{Shape, Size},
    },
    error::Result,
};

pub const RULES: &[Rule] = &[
    Rule::new("ReduceSum", "dy, repeated", facts, |call| {
        call.first(repeated(call, &kept(call, call.dy()?)?)?)
    }),
    Rule::new("ReduceMean", "dy/n, repeated", facts, |call| {
        let count = call.count_along(0, &axes(call)?)?;
        call.first(repeated(call, &call.div(&kept(call, call.dy()?)?, &count))?)
    }),
    Rule::new("ReduceMax", "dy to the largest", facts, extremum)
        .at_kinks("shared equally among equal values, as torch.amax has it"),
    Rule::new("ReduceMin", "dy to the smallest", facts, extremum)
        .at_kinks("shared equally among equal values, as torch.amin has it"),
    Rule::new("ReduceProd", "dy times the product of the others", facts, product)
        .at_kinks("exact where one or more factors are 0"),
    Rule::new("ReduceL1", "sign(x) dy", facts, |call| {
        call.first(call.mul(&kept(call, call.dy()?)?, &call.op("Sign", &[call.input(0)])))
    })
    .at_kinks("0 at x = 0"),
    Rule::new("ReduceL2", "x dy/y", facts, norm).at_kinks("0 where y = 0"),
    Rule::new("ReduceSumSquare", "2x dy", facts, |call| {
        let twice = call.scale(&kept(call, call.dy()?)?, 2.0);
        call.first(call.mul(&twice, call.input(0)))
    }),
    Rule::new("ReduceLogSum", "dy/sum(x), repeated", facts, |call| {
        let sum = call.emit.reduce("ReduceSum", call.input(0), &axes(call)?, true);
        let dy = kept(call, call.dy()?)?;
        call.first(repeated(call, &call.guarded(&dy, call.div(&dy, &sum)))?)
    }),
    Rule::new("ReduceLogSumExp", "exp(x-y) dy", facts, log_sum_exp)
        .at_kinks("0 where y is -infinity"),
];

/// The reduced axes of an input whose shape is known.
fn site_axes(site: &Site<'_>) -> Option<Vec<usize>> {
    let rank = site.shape(0)?.len();
    match site.list(1, "axes") {
        Some(axes) if !axes.is_empty() => {
            let mut axes: Vec<usize> =
                axes.iter().map(|&axis| Site::axis(axis, rank)).collect::<Option<_>>()?;
            axes.sort_unstable();
            Some(axes)
        }
        None if !site.input(1).is_empty() => None,
        _ if site.int("noop_with_empty_axes", 0) == 1 => Some(vec![]),
        _ => Some((0..rank).collect()),
    }
}

fn axes(call: &Call<'_>) -> Result<Vec<usize>> {
    call.known_shape(0)?;
    site_axes(call).ok_or_else(|| call.unknown("which axes it reduces"))
}

fn facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let keep = site.int("keepdims", 1) == 1;
    let shape = || -> Option<Shape> {
        let (shape, axes) = (site.shape(0)?, site_axes(site)?);
        let reduced = |(axis, size): (usize, &Size)| match axes.contains(&axis) {
            true => keep.then(|| Size::fixed(1)),
            false => Some(size.clone()),
        };
        Some(shape.iter().enumerate().filter_map(reduced).collect())
    };
    let ints = || match (site.node.op_type(), site.sizes(0)?.as_slice()) {
        // Number of elements from a list of sizes.
        ("ReduceProd", sizes) => Some(vec![
            sizes.iter().try_fold(Size::fixed(1), |product, size| product.times(size.as_ref()?)),
        ]),
        (_, [one]) => Some(vec![one.clone()]),
        _ => None,
    };
    Some(vec![Facts::new(site.element(0), shape()).with_ints(ints())])
}

/// A value of the output's shape with the reduced axes back as 1.
fn kept(call: &Call<'_>, value: &str) -> Result<String> {
    match call.int("keepdims", 1) {
        1 => Ok(value.to_owned()),
        _ => Ok(call.emit.unsqueeze(value, &axes(call)?)),
    }
}

fn repeated(call: &Call<'_>, value: &str) -> Result<String> {
    call.expand_like(value, 0, &axes(call)?)
}

fn extremum(call: &Call<'_>) -> Gradients {
    let equal = call.op("Equal", &[call.input(0), &kept(call, call.output(0))?]);
    let ties = call.emit.reduce("ReduceSum", &call.indicator(&equal), &axes(call)?, true);
    let share = call.div(&kept(call, call.dy()?)?, &ties);
    call.first(call.masked(&equal, &share))
}

fn norm(call: &Call<'_>) -> Gradients {
    let (y, zero) = (kept(call, call.output(0))?, call.number(0.0));
    let none = call.op("Equal", &[&y, &zero]);
    let safe = call.select(&none, &call.number(1.0), &y);
    let share = call.select(&none, &zero, &call.div(&kept(call, call.dy()?)?, &safe));
    call.first(call.mul(&share, call.input(0)))
}

/// With one 0 only its own factor has a gradient, with two none has.
fn product(call: &Call<'_>) -> Gradients {
    let (x, axes, zero, one) = (call.input(0), axes(call)?, call.number(0.0), call.number(1.0));
    let is_zero = call.op("Equal", &[x, &zero]);
    let safe = call.select(&is_zero, &one, x);
    let rest = call.emit.reduce("ReduceProd", &safe, &axes, true);
    let zeros = call.emit.reduce("ReduceSum", &call.indicator(&is_zero), &axes, true);
    let alone = call.op("Equal", &[&zeros, &one]);
    let at_zero = call.select(&alone, &rest, &zero);
    let elsewhere = call.select(&call.positive(&zeros), &zero, &call.div(&rest, &safe));
    let slope = call.select(&is_zero, &at_zero, &elsewhere);
    call.first(call.mul(&kept(call, call.dy()?)?, &slope))
}

fn log_sum_exp(call: &Call<'_>) -> Gradients {
    let y = kept(call, call.output(0))?;
    // All inputs -infinity: nothing to share, and x - y would be NaN.
    let finite = call.greater(&y, &call.number(f64::from(f32::MIN)));
    let difference = call.sub(call.input(0), &call.select(&finite, &y, &call.number(0.0)));
    let weight = call.op("Exp", &[&difference]);
    call.first(call.mul(&kept(call, call.dy()?)?, &weight))
}
