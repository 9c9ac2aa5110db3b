//! Joining and cutting along an axis.

use super::Rule;
use crate::autodiff::{
    call::{Call, Gradients},
    facts::{Facts, MOST_INTEGERS},
    site::Site,
    size::{LARGEST, Shape, Size},
};

pub const RULES: &[Rule] = &[
    Rule::new("Concat", "dy, cut into the inputs' pieces", concat_facts, concat),
    Rule::new("Split", "the pieces' dy, joined", split_facts, split),
];

fn concat_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let inputs = 0..site.node.input.len();
    let ints: Option<Vec<&Vec<Option<Size>>>> =
        inputs.clone().map(|index| site.sizes(index)).collect();
    let few =
        |lists: &Vec<&Vec<_>>| lists.iter().map(|list| list.len()).sum::<usize>() <= MOST_INTEGERS;
    let joined = |lists: Vec<&Vec<Option<Size>>>| lists.into_iter().flatten().cloned().collect();
    let shape = || {
        let mut shape = site.shape(0)?.clone();
        let axis = Site::axis(site.int("axis", 0), shape.len())?;
        let total = inputs.map(|index| site.shape(index)?.get(axis)?.value()).sum::<Option<i64>>();
        shape[axis] = total.map_or_else(|| site.analysis.fresh(), Size::fixed);
        Some(shape)
    };
    let facts = Facts::new(site.element(0), shape());
    Some(vec![facts.with_ints(ints.filter(few).map(joined))])
}

fn concat(call: &Call<'_>) -> Gradients {
    let count = call.node.input.len();
    let axis = Site::axis(call.int("axis", 0), call.known_rank(0)?)
        .ok_or_else(|| call.unknown("its axis"))?;
    let sizes =
        (0..count).map(|index| call.known_size(index, axis)).collect::<Result<Vec<_>, _>>()?;
    let pieces = call.emit.split(call.dy()?, axis, &sizes);
    call.each(|input| Ok(pieces[input].clone()))
}

/// Sizes of the pieces, one for each output, from whichever place the operator set keeps them.
fn piece_sizes(site: &Site<'_>, whole: Option<i64>) -> Option<Vec<i64>> {
    let pieces = site.node.output.len() as i64;
    let sizes = site.list(1, "split").filter(|sizes| !sizes.is_empty()).or_else(|| {
        let whole = whole.filter(|_| pieces > 0)?;
        // The last piece is the smaller one where the division leaves a remainder.
        let size = (whole + pieces - 1) / pieces;
        Some((0..pieces).map(|piece| size.min(whole - piece * size)).collect())
    })?;
    let possible = sizes.iter().all(|size| (0..=LARGEST).contains(size));
    (possible && sizes.len() as i64 == pieces).then_some(sizes)
}

fn split_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let shape = site.shape(0)?;
    let axis = Site::axis(site.int("axis", 0), shape.len())?;
    let sizes = piece_sizes(site, shape[axis].value())?;
    let piece = |size: &i64| {
        let mut shape: Shape = shape.clone();
        shape[axis] = Size::fixed(*size);
        Facts::new(site.element(0), Some(shape))
    };
    Some(sizes.iter().map(piece).collect())
}

/// Pieces without a cotangent are zero; at the ends they are padded on.
fn split(call: &Call<'_>) -> Gradients {
    let rank = call.known_rank(0)?;
    let axis = Site::axis(call.int("axis", 0), rank).ok_or_else(|| call.unknown("its axis"))?;
    let pieces = call.node.output.len();
    let has = |index: &usize| call.cotangent(*index).is_some();
    let first = (0..pieces).find(has).unwrap_or(0);
    let last = (0..pieces).rev().find(has).unwrap_or(0);
    let joined: Vec<String> = (first..=last)
        .map(|index| match call.cotangent(index) {
            Some(dy) => dy.to_owned(),
            None => call.zeros_like(call.output(index)),
        })
        .collect();
    let joined = call.emit.concat(&joined, axis);
    if (first, last) == (0, pieces - 1) {
        return call.first(joined);
    }
    let sizes = piece_sizes(call, call.known_size(0, axis).ok())
        .ok_or_else(|| call.unknown("the pieces' sizes"))?;
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    before[axis] = sizes[..first].iter().sum();
    after[axis] = sizes[last + 1..].iter().sum();
    call.first(call.emit.pad(&joined, &before, &after))
}
