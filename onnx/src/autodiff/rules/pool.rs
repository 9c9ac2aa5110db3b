//! Averages and maxima over windows.

use super::{Rule, window::Window};
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
    Rule::new("AveragePool", "dy/n, added up over the windows", facts, average),
    Rule::new("MaxPool", "dy to the window's largest", max_facts, max)
        .at_kinks("the first of equal values, as in PyTorch"),
    Rule::new("GlobalAveragePool", "dy/n, repeated", global_facts, |call| {
        let axes: Vec<usize> = (2..call.known_rank(0)?).collect();
        let share = call.div(call.dy()?, &call.count_along(0, &axes)?);
        call.first(call.expand_like(&share, 0, &axes)?)
    }),
    Rule::new("GlobalMaxPool", "dy to the largest", global_facts, global_max)
        .at_kinks("the first of equal values, as in PyTorch"),
];

/// Nodes that the gradient of one pool may take before operator set 16.
const MOST_PARTS: i64 = 1024;

fn window(site: &Site<'_>) -> Option<Window> {
    Window::of(site, site.ints("kernel_shape")?.to_vec())
}

fn facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let channels = site.shape(0)?.get(1)?.clone();
    site.shaped(window(site)?.output(site, channels))
}

fn max_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let pooled = facts(site)?.remove(0);
    let indices = Facts::new(Some(DataType::Int64 as i32), pooled.shape.clone());
    Some(vec![pooled, indices])
}

fn global_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let mut shape = site.shape(0)?.clone();
    shape.iter_mut().skip(2).for_each(|size| *size = Size::fixed(1));
    site.shaped(Some(shape))
}

fn spatial(call: &Call<'_>) -> Result<(Window, Vec<i64>)> {
    let window = window(call).ok_or_else(|| call.unknown("its padding"))?;
    let sizes = (2..call.known_rank(0)?).map(|axis| call.known_size(0, axis));
    let sizes: Vec<i64> = sizes.collect::<Result<_>>()?;
    let fits = |(axis, &size): (usize, &i64)| window.windows(axis, size) >= 1;
    if sizes.len() != window.kernel.len() || !sizes.iter().enumerate().all(fits) {
        return Err(call.error(
            format!("its window {:?} does not fit {sizes:?}", window.kernel),
            "The model is damaged: export it again",
        ));
    }
    Ok((window, sizes))
}

/// Every channel as an image of its own, convolved backwards with a kernel of ones.
fn average(call: &Call<'_>) -> Gradients {
    let (window, sizes) = spatial(call)?;
    let windows: Vec<i64> =
        sizes.iter().enumerate().map(|(axis, &size)| window.windows(axis, size)).collect();
    call.room_for(product(&windows))?;
    let shared = call.div(call.dy()?, &counts(call, &window, &sizes));
    let images = call.emit.reshape(&shared, &[&[-1, 1], windows.as_slice()].concat());
    call.room_for(product(&window.kernel))?;
    let ones = vec![1.0; window.kernel.iter().product::<i64>() as usize];
    let kernel = call.floats(&[&[1, 1], window.kernel.as_slice()].concat(), &ones);
    let attributes = vec![
        emit::ints("kernel_shape", &window.kernel),
        emit::ints("strides", &window.strides),
        emit::ints("dilations", &window.dilations),
    ];
    let spread = call.emit.node("ConvTranspose", &[&images, &kernel], attributes);
    // Now with the padding, and without what no window reached.
    let (mut before, mut after) = (vec![0, 0], vec![0, 0]);
    for (axis, &size) in sizes.iter().enumerate() {
        let reached = window.strides[axis] * (windows[axis] - 1) + window.extent(axis);
        before.push(-window.before[axis]);
        after.push(size + window.before[axis] - reached);
    }
    call.first(call.reshape_like(&call.emit.pad(&spread, &before, &after), 0))
}

fn product(sizes: &[i64]) -> Option<i64> {
    sizes.iter().try_fold(1i64, |product, &size| product.checked_mul(size))
}

/// How many elements each window averages, \[1, 1, windows..\].
fn counts(call: &Call<'_>, window: &Window, sizes: &[i64]) -> String {
    let padded = call.int("count_include_pad", 0) != 0;
    let mut counts = vec![1.0];
    let mut dims = vec![1, 1];
    for (axis, &size) in sizes.iter().enumerate() {
        let (low, high) = match padded {
            true => (-window.before[axis], size + window.after[axis]),
            false => (0, size),
        };
        let along: Vec<f64> = (0..window.windows(axis, size))
            .map(|index| {
                let start = index * window.strides[axis] - window.before[axis];
                let (kernel, apart) = (window.kernel[axis], window.dilations[axis]);
                let before =
                    |place: i64| (place - start + apart - 1).div_euclid(apart).clamp(0, kernel);
                (before(high) - before(low)) as f64
            })
            .collect();
        dims.push(along.len() as i64);
        counts = counts.iter().flat_map(|&outer| along.iter().map(move |n| outer * n)).collect();
    }
    match counts.iter().all(|&count| count == counts[0]) {
        true => call.number(counts[0]),
        false => call.floats(&dims, &counts),
    }
}

/// The pool once more with the places of its maxima, to which dy is added.
fn max(call: &Call<'_>) -> Gradients {
    let (window, _) = spatial(call)?;
    let mut attributes = call.node.attribute.clone();
    attributes.retain(|attribute| attribute.name() != "storage_order");
    let places = call.emit.node_with("MaxPool", &[call.input(0)], attributes, 2).remove(1);
    let overlap =
        |axis: usize| (window.extent(axis) + window.strides[axis] - 1) / window.strides[axis];
    let overlaps: Vec<i64> = (0..window.kernel.len()).map(overlap).collect();
    let mut parts = vec![(call.dy()?.to_owned(), places)];
    if call.opset() < 16 {
        if product(&overlaps).is_none_or(|parts| parts > MOST_PARTS) {
            return Err(call.error(
                format!("before operator set 16 more than {MOST_PARTS} windows must not overlap"),
                "Export with a newer operator set",
            ));
        }
        // Scattering cannot add yet: windows far enough apart to share nothing are taken together.
        for (axis, apart) in overlaps.into_iter().enumerate().filter(|(_, apart)| *apart > 1) {
            let every = |x: &str, first| call.emit.slice(x, axis + 2, first, emit::FAR, apart);
            let part =
                |(dy, place): &(String, String), first| (every(dy, first), every(place, first));
            parts = parts
                .iter()
                .flat_map(|one| (0..apart).map(move |first| part(one, first)))
                .collect();
        }
    }
    let sums: Vec<String> = parts.iter().map(|(dy, places)| scattered(call, dy, places)).collect();
    let sum = sums.into_iter().reduce(|a, b| call.add(&a, &b)).expect("one part at least");
    call.first(call.reshape_like(&sum, 0))
}

/// dy added to zeros at places that count through the whole tensor.
fn scattered(call: &Call<'_>, dy: &str, places: &str) -> String {
    let shape = call.op("Shape", &[call.input(0)]);
    let count = call.emit.reduce("ReduceProd", &shape, &[0], true);
    let zeros = call.cast(&call.op("ConstantOfShape", &[&count]), call.kind());
    let flat = |x: &str| call.emit.reshape(x, &[-1]);
    let mut attributes = vec![emit::int("axis", 0)];
    if call.opset() >= 16 {
        attributes.push(emit::text("reduction", "add"));
    }
    call.emit.node("ScatterElements", &[&zeros, &flat(places), &flat(dy)], attributes)
}

fn global_max(call: &Call<'_>) -> Gradients {
    let shape = call.known_shape(0)?;
    let count = shape.get(2..).and_then(size::count).and_then(|size| size.value());
    let count = count.ok_or_else(|| call.unknown("its spatial size"))?;
    call.room_for(Some(count))?;
    let flat = |x: &str, size: i64| call.emit.reshape(x, &[0, 0, size]);
    let attributes = vec![emit::int("axis", 2), emit::int("keepdims", 1)];
    let place = call.emit.node("ArgMax", &[&flat(call.input(0), count)], attributes);
    let all: Vec<i64> = (0..count).collect();
    let all = call.emit.constant(Constant::ints(&[1, 1, count], &all));
    let mask = call.op("Equal", &[&place, &all]);
    call.first(call.reshape_like(&call.masked(&mask, &flat(call.dy()?, 1)), 0))
}
