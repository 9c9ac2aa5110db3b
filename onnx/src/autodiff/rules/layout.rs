//! The same elements under other axes, names or types.

use super::{Rule, same};
use crate::{
    autodiff::{
        call::{Call, Gradients},
        facts::Facts,
        site::Site,
        size::{self, Shape, Size},
    },
    proto::tensor_proto::DataType,
};

pub const RULES: &[Rule] = &[
    Rule::new("Reshape", "dy, reshaped", |site| moved(site, reshaped(site)), like_input),
    Rule::new("Flatten", "dy, reshaped", |site| moved(site, flattened(site)), like_input),
    Rule::new("Squeeze", "dy, reshaped", |site| moved(site, squeezed(site)), like_input),
    Rule::new("Unsqueeze", "dy, reshaped", |site| moved(site, unsqueezed(site)), like_input),
    Rule::new("Transpose", "dy, axes moved back", transposed, transpose),
    Rule::new("Identity", "dy", as_it_is, |call| call.first(call.dy()?.to_owned())),
    Rule::new("Dropout", "dy (inference)", dropout_facts, dropout),
    Rule::new("Cast", "dy, cast back; none through an integer type", cast_facts, |call| {
        let element = call.element(0).unwrap_or(DataType::Float as i32);
        call.first(call.cast(call.dy()?, element))
    }),
    Rule::new("CastLike", "dy, cast back", same, |call| {
        let element = call.element(0).unwrap_or(DataType::Float as i32);
        call.first(call.cast(call.dy()?, element))
    }),
];

fn like_input(call: &Call<'_>) -> Gradients {
    Ok(vec![Some(call.reshape_like(call.dy()?, 0)), None])
}

/// Elements do not change when axes do.
fn moved(site: &Site<'_>, shape: Option<Shape>) -> Option<Vec<Facts>> {
    Some(vec![Facts::new(site.element(0), shape).with_ints(site.sizes(0).cloned())])
}

fn as_it_is(site: &Site<'_>) -> Option<Vec<Facts>> {
    Some(vec![site.facts(0).clone()])
}

fn reshaped(site: &Site<'_>) -> Option<Shape> {
    let input = site.shape(0);
    let total = input.and_then(|shape| size::count(shape));
    let keeps_zero = site.int("allowzero", 0) == 0;
    let mut wildcard = None;
    let mut result: Shape = vec![];
    for (axis, target) in site.sizes(1)?.iter().enumerate() {
        result.push(match target {
            Some(target) if target.is(-1) => {
                wildcard = Some(axis);
                Size::fixed(1)
            }
            Some(target) if target.is(0) && keeps_zero => input?.get(axis)?.clone(),
            Some(target) => target.clone(),
            None => site.analysis.fresh(),
        });
    }
    if let Some(axis) = wildcard {
        let rest = size::count(&result);
        let size = total.zip(rest).and_then(|(total, rest)| total.over(&rest));
        result[axis] = size.unwrap_or_else(|| site.analysis.fresh());
    }
    Some(result)
}

fn flattened(site: &Site<'_>) -> Option<Shape> {
    let shape = site.shape(0)?;
    let axis = site.int("axis", 1);
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
    let (front, back) = shape.split_at_checked(usize::try_from(axis).ok()?)?;
    Some(vec![size::count(front)?, size::count(back)?])
}

fn squeezed(site: &Site<'_>) -> Option<Shape> {
    let shape = site.shape(0)?;
    let axes: Option<Vec<usize>> = site
        .list(1, "axes")
        .map(|axes| axes.iter().map(|&axis| Site::axis(axis, shape.len())).collect())
        .unwrap_or_else(|| {
            // Without axes every 1 goes; a symbol might be one.
            let known = site.input(1).is_empty() && shape.iter().all(|size| size.value().is_some());
            known.then(|| (0..shape.len()).filter(|&axis| shape[axis].is(1)).collect())
        });
    let axes = axes?;
    let kept = shape.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    Some(kept.map(|(_, size)| size.clone()).collect())
}

fn unsqueezed(site: &Site<'_>) -> Option<Shape> {
    let shape = site.shape(0)?;
    let axes = site.list(1, "axes")?;
    let rank = shape.len() + axes.len();
    let axes: Vec<usize> =
        axes.iter().map(|&axis| Site::axis(axis, rank)).collect::<Option<_>>()?;
    let mut sizes = shape.iter().cloned();
    (0..rank)
        .map(|axis| if axes.contains(&axis) { Some(Size::fixed(1)) } else { sizes.next() })
        .collect()
}

/// Which axis of the input each axis of the output is; `None` where one is missing or none at all.
fn permutation(site: &Site<'_>, rank: usize) -> Option<Vec<usize>> {
    let perm: Vec<usize> = match site.ints("perm") {
        Some(perm) if !perm.is_empty() => {
            perm.iter().map(|&axis| usize::try_from(axis)).collect::<Result<_, _>>().ok()?
        }
        _ => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..rank).then_some(perm)
}

fn transposed(site: &Site<'_>) -> Option<Vec<Facts>> {
    let shape = site.shape(0)?;
    let perm = permutation(site, shape.len())?;
    site.shaped(perm.iter().map(|&axis| shape.get(axis).cloned()).collect())
}

fn transpose(call: &Call<'_>) -> Gradients {
    let rank = match call.ints("perm") {
        Some(perm) if !perm.is_empty() => perm.len(),
        _ => call.known_rank(0)?,
    };
    let perm = permutation(call, rank).ok_or_else(|| {
        call.error(
            "its perm does not name every axis once",
            "The model is damaged: export it again",
        )
    })?;
    let mut inverse = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(axis, &from)| inverse[from] = axis);
    call.first(call.emit.transpose(call.dy()?, &inverse))
}

fn dropout_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let mask = Facts::new(Some(DataType::Bool as i32), site.shape(0).cloned());
    Some(vec![site.facts(0).clone(), mask])
}

fn dropout(call: &Call<'_>) -> Gradients {
    let training = call.input(2);
    if !training.is_empty() && call.scalar(2) != Some(0.0) {
        return Err(call.error(
            format!("it drops at random unless '{training}' is false, which is not constant"),
            "Export the model in inference mode (model.eval())",
        ));
    }
    call.first(call.dy()?.to_owned())
}

fn cast_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let element = site.int("to", i64::from(DataType::Float as i32)) as i32;
    let integer = matches!(
        DataType::try_from(element),
        Ok(DataType::Int64 | DataType::Int32 | DataType::Bool)
    );
    let ints = site.sizes(0).filter(|_| integer).cloned();
    Some(vec![Facts::new(Some(element), site.shape(0).cloned()).with_ints(ints)])
}
