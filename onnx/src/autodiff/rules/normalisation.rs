//! Normalisation by fixed statistics, and by those of the input itself.

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
    Rule::new("BatchNormalization", "scale/sqrt(var + epsilon) dy (inference)", same, batch),
    Rule::new(
        "InstanceNormalization",
        "(g - mean(g) - n mean(g n))/sigma, g = scale dy, n the normalised x",
        same,
        instance,
    ),
    Rule::new("LayerNormalization", "as InstanceNormalization", layer_facts, layer),
    Rule::new("GroupNormalization", "as InstanceNormalization, by group", same, group),
];

/// The axes of \[C, 1, ..\], C being what is left.
fn channel_axes(call: &Call<'_>) -> Result<Vec<i64>> {
    match call.known_rank(0)? {
        0 | 1 => {
            Err(call.error("its input has no channels", "The model is damaged: export it again"))
        }
        rank => Ok([vec![-1], vec![1; rank - 2]].concat()),
    }
}

/// One number per channel, against \[N, C, ..\].
fn per_channel(call: &Call<'_>, index: usize) -> Result<String> {
    let mut dims = channel_axes(call)?;
    Ok(match call.constant(index) {
        Some(constant) => {
            dims[0] = constant.dims.iter().product();
            call.emit.constant(constant.reshaped(&dims))
        }
        None => call.emit.reshape(call.input(index), &dims),
    })
}

fn batch(call: &Call<'_>) -> Gradients {
    call.must_not_depend(&[1, 2, 3, 4], "scale, offset or statistics")?;
    if call.int("training_mode", 0) != 0 {
        return Err(
            call.error("it is in training mode", "Export it in inference mode (model.eval())")
        );
    }
    let epsilon = call.float("epsilon", 1e-5);
    let folded = || {
        let (scale, var) = (call.constant(1)?.to_floats()?, call.constant(4)?.to_floats()?);
        let slopes: Vec<f64> =
            scale.iter().zip(&var).map(|(scale, var)| scale / (var + epsilon).sqrt()).collect();
        let mut dims = channel_axes(call).ok()?;
        dims[0] = slopes.len() as i64;
        Some(call.floats(&dims, &slopes))
    };
    let slope = match folded() {
        Some(slope) => slope,
        None => {
            let sigma = call.op("Sqrt", &[&call.shift(&per_channel(call, 4)?, epsilon)]);
            call.div(&per_channel(call, 1)?, &sigma)
        }
    };
    call.first(call.mul(call.dy()?, &slope))
}

/// x, centred and scaled over `axes`: (n, 1/sigma).
fn normalised(call: &Call<'_>, x: &str, axes: &[usize], epsilon: f64) -> (String, String) {
    let centred = call.sub(x, &call.emit.reduce("ReduceMean", x, axes, true));
    let variance = call.emit.reduce("ReduceMean", &call.mul(&centred, &centred), axes, true);
    let sigma = call.op("Sqrt", &[&call.shift(&variance, epsilon)]);
    let inverse = call.op("Reciprocal", &[&sigma]);
    (call.mul(&centred, &inverse), inverse)
}

/// The cotangent of x from that of n.
fn through(call: &Call<'_>, g: &str, n: &str, inverse: &str, axes: &[usize]) -> String {
    let mean = |x: &str| call.emit.reduce("ReduceMean", x, axes, true);
    let along = call.mul(n, &mean(&call.mul(g, n)));
    call.mul(&call.sub(&call.sub(g, &mean(g)), &along), inverse)
}

fn instance(call: &Call<'_>) -> Gradients {
    call.must_not_depend(&[1, 2], "scale or offset")?;
    let axes: Vec<usize> = (2..call.known_rank(0)?).collect();
    let (n, inverse) = normalised(call, call.input(0), &axes, call.float("epsilon", 1e-5));
    let g = call.mul(call.dy()?, &per_channel(call, 1)?);
    call.first(through(call, &g, &n, &inverse, &axes))
}

fn layer_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let shape = site.shape(0)?;
    let axis = Site::axis(site.int("axis", -1), shape.len())?;
    let mut statistics = shape.clone();
    statistics.iter_mut().skip(axis).for_each(|size| *size = Size::fixed(1));
    let statistics = Facts::new(site.element(0), Some(statistics));
    Some(vec![site.facts(0).clone(), statistics.clone(), statistics])
}

fn layer(call: &Call<'_>) -> Gradients {
    if call.cotangent(1).is_some() || call.cotangent(2).is_some() {
        return Err(call.error(
            "its rule does not cover the outputs Mean and InvStdDev",
            "Compute them by ReduceMean, or extend rules/normalisation.rs",
        ));
    }
    let rank = call.known_rank(0)?;
    let axis = Site::axis(call.int("axis", -1), rank).ok_or_else(|| call.unknown("its axis"))?;
    let axes: Vec<usize> = (axis..rank).collect();
    let (n, inverse) = normalised(call, call.input(0), &axes, call.float("epsilon", 1e-5));
    let dy = call.dy()?;
    call.each(|input| match input {
        0 => Ok(through(call, &call.mul(dy, call.input(1)), &n, &inverse, &axes)),
        1 => call.unbroadcast(&call.mul(dy, &n), call.input(0), 1),
        _ => call.unbroadcast(dy, call.input(0), 2),
    })
}

/// Every group as one axis; before operator set 21 scales are per group, from then on per channel.
fn group(call: &Call<'_>) -> Gradients {
    call.must_not_depend(&[1, 2], "scale or offset")?;
    let groups = call.int("num_groups", 1);
    let grouped = |x: &str| call.emit.reshape(x, &[0, groups, -1]);
    let g = match call.opset() >= 21 {
        true => grouped(&call.mul(call.dy()?, &per_channel(call, 1)?)),
        false => {
            let scale = call.emit.reshape(call.input(1), &[groups, 1]);
            call.mul(&grouped(call.dy()?), &scale)
        }
    };
    let epsilon = call.float("epsilon", 1e-5);
    let (n, inverse) = normalised(call, &grouped(call.input(0)), &[2], epsilon);
    call.first(call.reshape_like(&through(call, &g, &n, &inverse, &[2]), 0))
}
