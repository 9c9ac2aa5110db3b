//! Repeating along axes.

use super::{Rule, arithmetic::spread};
use crate::autodiff::{
    call::{Call, Gradients},
    facts::Facts,
    site::Site,
    size::{Shape, Size},
};

pub const RULES: &[Rule] = &[
    Rule::new("Expand", "dy, summed over what is repeated", expand_facts, |call| {
        call.first(spread(call, call.dy()?, 0)?)
    }),
    Rule::new("Tile", "dy, summed over the repetitions", tile_facts, tile),
];

fn expand_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let shape = || {
        let target: Shape = site
            .sizes(1)?
            .iter()
            .map(|size| size.clone().unwrap_or_else(|| site.analysis.fresh()))
            .collect();
        Some(site.broadcast_pair(site.shape(0)?, &target))
    };
    let ints = site.sizes(0).filter(|ints| ints.len() == 1).cloned();
    let shape = shape();
    let repeated = ints.and_then(|ints| {
        let count = crate::autodiff::size::count(shape.as_ref()?)?
            .value()
            .filter(|n| (0..=64).contains(n))?;
        Some(vec![ints[0].clone(); count as usize])
    });
    Some(vec![Facts::new(site.element(0), shape).with_ints(repeated)])
}

fn tile_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let (shape, repeats) = (site.shape(0)?, site.numbers(1)?);
    let tiled = shape.iter().zip(repeats).map(|(size, times)| size.times(&Size::fixed(times)));
    site.shaped(tiled.collect())
}

/// \[.., r d, ..\] is \[.., r, d, ..\], summed over r.
fn tile(call: &Call<'_>) -> Gradients {
    let shape = call.known_shape(0)?;
    let repeats = call.numbers(1).filter(|repeats| repeats.len() == shape.len());
    let repeats = repeats.ok_or_else(|| call.unknown("its repetitions, one for each axis,"))?;
    let (mut dims, mut summed) = (vec![], vec![]);
    for (axis, size) in shape.iter().enumerate() {
        if repeats[axis] != 1 {
            summed.push(dims.len());
            dims.push(repeats[axis]);
        }
        dims.push(size.value().unwrap_or(-1));
    }
    if summed.is_empty() {
        return call.first(call.dy()?.to_owned());
    }
    if dims.iter().filter(|&&size| size == -1).count() > 1 {
        return Err(call.unknown("all but one of its axes"));
    }
    let apart = call.emit.reshape(call.dy()?, &dims);
    call.first(call.emit.reduce("ReduceSum", &apart, &summed, false))
}
