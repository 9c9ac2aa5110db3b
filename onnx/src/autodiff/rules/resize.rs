//! Enlarging and shrinking images.

use super::{
    Rule,
    gather::{add_back, along},
};
use crate::{
    autodiff::{
        call::{Call, Gradients},
        facts::Facts,
        site::Site,
        size::Size,
    },
    error::Result,
};

pub const RULES: &[Rule] = &[Rule::new(
    "Resize",
    "dy, added up where it came from (`nearest`), or with the weights of `linear`",
    facts,
    gradient,
)];

/// New size and scale of every axis.
fn targets(site: &Site<'_>) -> Option<Vec<(Option<i64>, f64)>> {
    let shape = site.shape(0)?;
    let rank = shape.len();
    let axes: Vec<usize> = match site.ints("axes") {
        Some(axes) => axes.iter().map(|&axis| Site::axis(axis, rank)).collect::<Option<_>>()?,
        None => (0..rank).collect(),
    };
    let mut targets: Vec<(Option<i64>, f64)> =
        shape.iter().map(|size| (size.value(), 1.0)).collect();
    if let Some(scales) = site.constant(2).filter(|scales| !scales.bytes.is_empty()) {
        for (&axis, scale) in axes.iter().zip(scales.to_floats()?) {
            if scale != 1.0 {
                targets[axis] = (Some((targets[axis].0? as f64 * scale).floor() as i64), scale);
            }
        }
        return Some(targets);
    }
    for (&axis, size) in axes.iter().zip(site.sizes(3)?) {
        // The batch keeps its size.
        if size.as_ref() == Some(&shape[axis]) {
            continue;
        }
        let (old, new) = (targets[axis].0?, size.as_ref()?.value()?);
        targets[axis] = (Some(new), new as f64 / old as f64);
    }
    Some(targets)
}

fn facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let shape = site.shape(0)?;
    let resized = |(size, target): (&Size, (Option<i64>, f64))| match target {
        (_, 1.0) => size.clone(),
        (new, _) => new.map_or_else(|| site.analysis.fresh(), Size::fixed),
    };
    site.shaped(Some(shape.iter().zip(targets(site)?).map(resized).collect()))
}

fn gradient(call: &Call<'_>) -> Gradients {
    let mode = call.text("mode", "nearest");
    let keeps = call.text("keep_aspect_ratio_policy", "stretch");
    if mode == "cubic" || call.int("antialias", 0) != 0 || keeps != "stretch" {
        return Err(call.error(
            "its rule covers the modes nearest and linear without antialias",
            "Re-export the model, or extend rules/resize.rs",
        ));
    }
    let targets = targets(call).ok_or_else(|| call.unknown("its scales or sizes"))?;
    let mut dy = call.dy()?.to_owned();
    for (axis, &(new, scale)) in targets.iter().enumerate() {
        if scale == 1.0 {
            continue;
        }
        let old = call.known_size(0, axis)?;
        let new = new.ok_or_else(|| call.unknown("its sizes"))?;
        if old < 1 || new < 1 {
            return Err(call.error(
                format!("it resizes an axis of {old} to {new}"),
                "The model is damaged: export it again",
            ));
        }
        call.room_for(Some(new))?;
        let places = places(call, old, new, scale)?;
        dy = match mode.as_str() {
            "nearest" => {
                let nearest: Vec<i64> =
                    places.iter().map(|&place| nearest(call, place, old)).collect();
                add_back(call, &dy, targets.len(), axis, old, &nearest)?
            }
            _ => along(call, &dy, targets.len(), axis, &linear(call, &places, old)?),
        };
    }
    call.first(dy)
}

/// Where the new elements lie among the old ones.
fn places(call: &Call<'_>, old: i64, new: i64, scale: f64) -> Result<Vec<f64>> {
    let mode = call.text("coordinate_transformation_mode", "half_pixel");
    let half_pixel = |index: f64| (index + 0.5) / scale - 0.5;
    let place = |index: i64| {
        let index = index as f64;
        match mode.as_str() {
            "half_pixel" => Some(half_pixel(index)),
            "pytorch_half_pixel" => Some(if new > 1 { half_pixel(index) } else { 0.0 }),
            "asymmetric" => Some(index / scale),
            "align_corners" if new == 1 => Some(0.0),
            "align_corners" => Some(index * (old - 1) as f64 / (new - 1) as f64),
            _ => None,
        }
    };
    let places: Option<Vec<f64>> = (0..new).map(place).collect();
    places.ok_or_else(|| {
        call.error(
            format!("its rule does not cover coordinate_transformation_mode '{mode}'"),
            "Re-export the model, or extend rules/resize.rs",
        )
    })
}

fn nearest(call: &Call<'_>, place: f64, size: i64) -> i64 {
    let rounded = match call.text("nearest_mode", "round_prefer_floor").as_str() {
        "floor" => place.floor(),
        "ceil" => place.ceil(),
        "round_prefer_ceil" => (place + 0.5).floor(),
        _ => (place - 0.5).ceil(),
    };
    (rounded as i64).clamp(0, size - 1)
}

/// The weights of the old elements in the new ones, \[new, old\].
fn linear(call: &Call<'_>, places: &[f64], size: i64) -> Result<String> {
    call.room_for(size.checked_mul(places.len() as i64))?;
    let mut matrix = vec![0.0; places.len() * size as usize];
    for (row, &place) in places.iter().enumerate() {
        let place = place.clamp(0.0, (size - 1) as f64);
        let (low, part) = (place.floor(), place.fract());
        let column = row * size as usize + low as usize;
        matrix[column] += 1.0 - part;
        if part > 0.0 {
            matrix[column + 1] += part;
        }
    }
    Ok(call.floats(&[places.len() as i64, size], &matrix))
}
