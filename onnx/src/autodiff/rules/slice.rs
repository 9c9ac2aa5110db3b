//! Cutting out along axes, with steps in either direction.

use super::Rule;
use crate::autodiff::{
    call::{Call, Gradients},
    emit::FAR,
    facts::Facts,
    site::Site,
    size::{self, Size},
};

pub const RULES: &[Rule] = &[Rule::new("Slice", "dy, put back among zeros", facts, gradient)];

/// The indices start, start + step, ..., `count` of them, along one axis.
struct Cut {
    axis: usize,
    start: i64,
    step: i64,
    count: i64,
}

/// What is cut along each axis; `None` where that is not known.
fn cuts(site: &Site<'_>) -> Option<Vec<Cut>> {
    let shape = site.shape(0)?;
    let (starts, ends) = (site.list(1, "starts")?, site.list(2, "ends")?);
    let axes = match site.list(3, "axes") {
        Some(axes) => axes,
        None => (0..starts.len() as i64).collect(),
    };
    let steps = if site.input(4).is_empty() { vec![1; starts.len()] } else { site.numbers(4)? };
    let cuts: Option<Vec<Option<Cut>>> = (0..starts.len())
        .map(|index| {
            let axis = Site::axis(*axes.get(index)?, shape.len())?;
            let (start, end, step) = (starts[index], *ends.get(index)?, *steps.get(index)?);
            match shape[axis].value() {
                Some(size) => Some(cut(axis, size, start, end, step)),
                // All of an axis of unknown size: nothing is cut.
                None if (start, step) == (0, 1) && end >= i64::from(i32::MAX) => Some(None),
                None => None,
            }
        })
        .collect();
    Some(cuts?.into_iter().flatten().collect())
}

fn cut(axis: usize, size: i64, start: i64, end: i64, step: i64) -> Option<Cut> {
    if step == 0 {
        return None;
    }
    // A step out of the axis takes one index, however far it leads.
    let step = step.clamp(-size - 1, size + 1);
    if size == 0 {
        return Some(Cut { axis, start: 0, step, count: 0 });
    }
    let from_front = |place: i64| if place < 0 { place.saturating_add(size) } else { place };
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let start = from_front(start).clamp(low.max(0), high);
    let end = from_front(end).clamp(low, high);
    let count =
        if step > 0 { (end - start + step - 1) / step } else { (start - end - step - 1) / -step };
    Some(Cut { axis, start, step, count: count.max(0) })
}

fn facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let Some(cuts) = cuts(site) else {
        let unknown = |shape: &size::Shape| shape.iter().map(|_| site.analysis.fresh()).collect();
        return site.shaped(site.shape(0).map(unknown));
    };
    let mut shape = site.shape(0)?.clone();
    cuts.iter().for_each(|cut| shape[cut.axis] = Size::fixed(cut.count));
    let ints = || match cuts.as_slice() {
        [cut] => {
            let place = |index: i64| usize::try_from(cut.start + index * cut.step).ok();
            let elements = site.sizes(0)?;
            (0..cut.count).map(|index| elements.get(place(index)?).cloned()).collect()
        }
        _ => None,
    };
    Some(vec![Facts::new(site.element(0), Some(shape)).with_ints(ints())])
}

fn gradient(call: &Call<'_>) -> Gradients {
    let rank = call.known_rank(0)?;
    let mut cuts = cuts(call).ok_or_else(|| call.unknown("what it cuts"))?;
    // From the front: the axes behind the one that is spread out keep the output's sizes.
    cuts.sort_by_key(|cut| cut.axis);
    let mut dy = call.dy()?.to_owned();
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for cut in &cuts {
        let size = call.known_size(0, cut.axis)?;
        let mut step = cut.step;
        let mut start = cut.start;
        if step < 0 {
            dy = call.emit.slice(&dy, cut.axis, -1, -FAR, -1);
            start += step * (cut.count - 1);
            step = -step;
        }
        if step > 1 {
            dy = spread_out(call, &dy, rank, cut, step);
        }
        before[cut.axis] = start;
        after[cut.axis] = size - start - cut.count * step;
    }
    call.first(call.emit.pad(&dy, &before, &after))
}

/// `step` - 1 zeros after every index of the axis.
fn spread_out(call: &Call<'_>, dy: &str, rank: usize, cut: &Cut, step: i64) -> String {
    let apart = call.emit.unsqueeze(dy, &[cut.axis + 1]);
    let mut after = vec![0; rank + 1];
    after[cut.axis + 1] = step - 1;
    let padded = call.emit.pad(&apart, &vec![0; rank + 1], &after);
    merge(call, &padded, cut.axis, cut.count * step)
}

/// Merges axis and the one behind it into one of `size`; the axes before keep theirs.
fn merge(call: &Call<'_>, x: &str, axis: usize, size: i64) -> String {
    let shape = call.shape(0).expect("known rank");
    let behind = call.analysis.facts(call.output(0)).shape.clone();
    let behind = behind.unwrap_or_else(|| shape.clone());
    let mut dims = vec![0; axis];
    dims.push(size);
    let behind = behind.get(axis + 1..).map(|sizes| sizes.iter().map(Size::value));
    match behind {
        Some(sizes) if sizes.clone().filter(Option::is_none).count() <= 1 => {
            dims.extend(sizes.map(|size| size.unwrap_or(-1)));
        }
        _ => return merge_at_run_time(call, x, axis, size),
    }
    call.emit.reshape(x, &dims)
}

fn merge_at_run_time(call: &Call<'_>, x: &str, axis: usize, size: i64) -> String {
    let shape = call.op("Shape", &[x]);
    let front = call.emit.slice(&shape, 0, 0, axis as i64, 1);
    let back = call.emit.slice(&shape, 0, axis as i64 + 2, FAR, 1);
    let dims = call.emit.concat(&[front, call.emit.ints(&[size]), back], 0);
    call.op("Reshape", &[x, &dims])
}
