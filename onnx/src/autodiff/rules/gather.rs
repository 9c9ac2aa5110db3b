//! Picking by index.

use super::Rule;
use crate::{
    autodiff::{
        call::{Call, Gradients},
        emit,
        facts::Facts,
        site::Site,
        size::{self, Size},
        tensor::Constant,
    },
    error::Result,
    proto::tensor_proto::DataType,
};

pub const RULES: &[Rule] = &[
    Rule::new("Gather", "dy, added up at the indices", gather_facts, gather),
    Rule::new("GatherElements", "dy, added up at the indices", elements_facts, gather_elements),
    Rule::new("GatherND", "dy, added up at the indices (operator set 16 on)", nd_facts, gather_nd),
];

fn gather_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let ints = || {
        let (elements, indices) = (site.sizes(0)?, site.numbers(1)?);
        let place = |index: i64| Site::axis(index, elements.len());
        indices.iter().map(|&index| elements.get(place(index)?).cloned()).collect()
    };
    let shape = || {
        let (data, indices) = (site.shape(0)?, site.shape(1)?);
        let axis = Site::axis(site.int("axis", 0), data.len())?;
        Some([&data[..axis], indices, &data[axis + 1..]].concat())
    };
    Some(vec![Facts::new(site.element(0), shape()).with_ints(ints())])
}

fn gather(call: &Call<'_>) -> Gradients {
    let rank = call.known_rank(0)?;
    let axis = Site::axis(call.int("axis", 0), rank).ok_or_else(|| call.unknown("its axis"))?;
    let size = call.known_size(0, axis)?;
    let indices = call.known_shape(1)?;
    let flat = flat_indices(call, axis, indices)?;
    let constant = call.constant(1).and_then(|constant| constant.to_ints());
    let gradient = match constant {
        Some(places) => {
            let places: Vec<i64> =
                places.iter().map(|&place| if place < 0 { place + size } else { place }).collect();
            add_back(call, &flat, rank, axis, size, &places)?
        }
        None => add_back_at_run_time(call, &flat, rank, axis, size)?,
    };
    call.first(gradient)
}

/// dy with the axes of the indices made one.
fn flat_indices(call: &Call<'_>, axis: usize, indices: &[Size]) -> Result<String> {
    let dy = call.dy()?;
    if indices.len() == 1 {
        return Ok(dy.to_owned());
    }
    if indices.is_empty() {
        return Ok(call.emit.unsqueeze(dy, &[axis]));
    }
    let shape = call.known_shape(0)?;
    let merged = size::count(indices).map_or(-1, |size| size.value().unwrap_or(-1));
    let mut dims = vec![0; axis];
    dims.push(merged);
    dims.extend(shape[axis + 1..].iter().map(|size| size.value().unwrap_or(-1)));
    match dims.iter().filter(|&&size| size == -1).count() <= 1 {
        true => Ok(call.emit.reshape(dy, &dims)),
        false => Err(call.unknown("all but one of its axes")),
    }
}

/// The adjoint of taking the indices `places` of an axis of `size`: index i of dy is added to index
/// `places[i]`.
///
/// A gather where no index occurs twice, a product with the matrix of zeros and ones otherwise.
///
/// # Errors
/// Where an index is none of the axis, or the matrix is too large.
pub fn add_back(
    call: &Call<'_>,
    dy: &str,
    rank: usize,
    axis: usize,
    size: i64,
    places: &[i64],
) -> Result<String> {
    if let Some(place) = places.iter().find(|place| !(0..size).contains(*place)) {
        return Err(call.error(
            format!("it takes index {place} of an axis of {size}"),
            "The model is damaged: export it again",
        ));
    }
    call.room_for(Some(size))?;
    let mut sources = vec![places.len() as i64; size as usize];
    let mut twice = false;
    for (source, &place) in places.iter().enumerate() {
        twice |= sources[place as usize] != places.len() as i64;
        sources[place as usize] = source as i64;
    }
    if twice {
        let columns = places.len();
        call.room_for(size.checked_mul(columns as i64))?;
        let mut matrix = vec![0.0; columns * size as usize];
        for (source, &place) in places.iter().enumerate() {
            matrix[source * size as usize + place as usize] = 1.0;
        }
        let matrix = call.floats(&[columns as i64, size], &matrix);
        return Ok(along(call, dy, rank, axis, &matrix));
    }
    let start = places.first().copied().unwrap_or(0);
    let consecutive =
        places.iter().enumerate().all(|(index, &place)| place == start + index as i64);
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    if consecutive {
        before[axis] = start;
        after[axis] = size - start - places.len() as i64;
        return Ok(call.emit.pad(dy, &before, &after));
    }
    // One zero behind the last index, for the places that nothing came from.
    after[axis] = 1;
    let padded = call.emit.pad(dy, &before, &after);
    let sources = call.emit.ints(&sources);
    Ok(call.emit.node("Gather", &[&padded, &sources], vec![emit::int("axis", axis as i64)]))
}

/// dy times a matrix along one axis.
pub fn along(call: &Call<'_>, dy: &str, rank: usize, axis: usize, matrix: &str) -> String {
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(axis, rank - 1);
    let last = call.emit.transpose(dy, &perm);
    call.emit.transpose(&call.op("MatMul", &[&last, matrix]), &perm)
}

/// The same with the matrix made from the indices while the graph runs.
fn add_back_at_run_time(
    call: &Call<'_>,
    dy: &str,
    rank: usize,
    axis: usize,
    size: i64,
) -> Result<String> {
    let column = call.emit.reshape(call.input(1), &[-1, 1]);
    let matrix = call.indicator(&matches(call, &column, size, &[size])?);
    Ok(along(call, dy, rank, axis, &matrix))
}

/// Where an index of the last axis, of `size`, is the one that `indices` name from front or back.
fn matches(call: &Call<'_>, indices: &str, size: i64, dims: &[i64]) -> Result<String> {
    call.room_for(Some(size))?;
    let element = call.element(1).unwrap_or(DataType::Int64 as i32);
    let list = |offset: i64| {
        let values: Vec<i64> = (0..size).map(|value| value + offset).collect();
        let list = call.emit.constant(Constant::ints(dims, &values));
        if element == DataType::Int64 as i32 { list } else { call.cast(&list, element) }
    };
    let front = call.op("Equal", &[indices, &list(0)]);
    Ok(call.op("Or", &[&front, &call.op("Equal", &[indices, &list(-size)])]))
}

fn elements_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    site.shaped(site.shape(1).cloned())
}

/// Sum over the indexed axis' indices i of dy\[i\] where index i says j, for every j.
fn gather_elements(call: &Call<'_>) -> Gradients {
    let rank = call.known_rank(0)?;
    let axis = Site::axis(call.int("axis", 0), rank).ok_or_else(|| call.unknown("its axis"))?;
    if call.opset() >= 16 {
        let zeros = call.zeros_like(call.input(0));
        let attributes = vec![emit::int("axis", axis as i64), emit::text("reduction", "add")];
        let inputs = [zeros.as_str(), call.input(1), call.dy()?];
        return call.first(call.emit.node("ScatterElements", &inputs, attributes));
    }
    let (data, indices) = (call.known_shape(0)?, call.known_shape(1)?);
    let differ = |other: usize| indices.get(other) != Some(&data[other]);
    if indices.len() != rank || (0..rank).any(|other| other != axis && differ(other)) {
        return Err(call.error(
            "before operator set 16 its indices must cover the data's other axes",
            "Export with a newer operator set",
        ));
    }
    let size = call.known_size(0, axis)?;
    let mut dims = vec![1; rank + 1];
    dims[axis + 1] = size;
    let wide = |x: &str| call.emit.unsqueeze(x, &[axis + 1]);
    let condition = matches(call, &wide(call.input(1)), size, &dims)?;
    let spread = call.select(&condition, &wide(call.dy()?), &call.number(0.0));
    call.first(call.emit.reduce("ReduceSum", &spread, &[axis], false))
}

fn nd_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let (data, indices) = (site.shape(0)?, site.shape(1)?);
    let batch = usize::try_from(site.int("batch_dims", 0)).ok()?;
    let (depth, front) = indices.split_last()?;
    let picked = batch + usize::try_from(depth.value()?).ok()?;
    site.shaped(Some([front, data.get(picked..)?].concat()))
}

fn gather_nd(call: &Call<'_>) -> Gradients {
    if call.opset() < 16 || call.int("batch_dims", 0) != 0 {
        return Err(call.error(
            "its gradient is written for operator set 16 on and without batch_dims",
            "Export with a newer operator set, or extend rules/gather.rs",
        ));
    }
    let zeros = call.zeros_like(call.input(0));
    let inputs = [zeros.as_str(), call.input(1), call.dy()?];
    call.first(call.emit.node("ScatterND", &inputs, vec![emit::text("reduction", "add")]))
}
