//! Padding with a constant, the edge, a reflection or the opposite side.

use super::Rule;
use crate::autodiff::{
    call::{Call, Gradients},
    facts::Facts,
    site::Site,
    size::{LARGEST, Size},
};

pub const RULES: &[Rule] = &[Rule::new(
    "Pad",
    "dy, cut; for `edge`, `reflect` and `wrap` the padding's dy is added where it came from",
    facts,
    gradient,
)];

/// Padding before and after every axis.
fn pads(site: &Site<'_>, rank: usize) -> Option<(Vec<i64>, Vec<i64>)> {
    let given = site.list(1, "pads")?;
    if !given.iter().all(|pad| (-LARGEST..=LARGEST).contains(pad)) {
        return None;
    }
    let axes: Vec<usize> = match site.numbers(3) {
        Some(axes) => axes.iter().map(|&axis| Site::axis(axis, rank)).collect::<Option<_>>()?,
        None if site.input(3).is_empty() => (0..rank).collect(),
        None => return None,
    };
    let (front, back) = given.split_at_checked(axes.len())?;
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for (index, &axis) in axes.iter().enumerate() {
        before[axis] = *front.get(index)?;
        after[axis] = *back.get(index)?;
    }
    Some((before, after))
}

fn facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let shape = site.shape(0)?;
    let Some((before, after)) = pads(site, shape.len()) else {
        return site.shaped(Some(shape.iter().map(|_| site.analysis.fresh()).collect()));
    };
    let padded = |axis: usize| match (before[axis] + after[axis], shape[axis].value()) {
        (0, _) => shape[axis].clone(),
        (more, Some(size)) => Size::fixed(size + more),
        _ => site.analysis.fresh(),
    };
    site.shaped(Some((0..shape.len()).map(padded).collect()))
}

fn gradient(call: &Call<'_>) -> Gradients {
    let rank = call.known_rank(0)?;
    let (before, after) = pads(call, rank).ok_or_else(|| call.unknown("its padding"))?;
    call.must_not_depend(&[2], "padding value")?;
    let mode = call.text("mode", "constant");
    if mode == "constant" {
        let negated = |pads: &[i64]| pads.iter().map(|&pad| -pad).collect::<Vec<_>>();
        return call.first(call.emit.pad(call.dy()?, &negated(&before), &negated(&after)));
    }
    let mut dy = call.dy()?.to_owned();
    for axis in (0..rank).filter(|&axis| (before[axis], after[axis]) != (0, 0)) {
        let size = call.known_size(0, axis)?;
        if size == 0 {
            return Err(call.error(
                format!("axis {axis}, which it pads, is empty"),
                "The model is damaged: export it again",
            ));
        }
        call.room_for(Some(before[axis] + size + after[axis]))?;
        let source: Vec<i64> =
            (-before[axis]..size + after[axis]).map(|place| origin(&mode, place, size)).collect();
        dy = super::gather::add_back(call, &dy, rank, axis, size, &source)?;
    }
    call.first(dy)
}

/// The index that index `place` of the padded axis is a copy of.
fn origin(mode: &str, place: i64, size: i64) -> i64 {
    match mode {
        "edge" => place.clamp(0, size - 1),
        "wrap" => place.rem_euclid(size),
        // Mirrored at the first and last element, which are not repeated.
        _ => {
            let period = (2 * (size - 1)).max(1);
            let place = place.rem_euclid(period);
            place.min(period - place)
        }
    }
}
