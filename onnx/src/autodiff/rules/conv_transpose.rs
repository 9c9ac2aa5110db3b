//! Transposed convolution.

use super::{Rule, conv::window};
use crate::autodiff::{
    call::{Call, Gradients},
    emit,
    facts::Facts,
    site::Site,
    size::{LARGEST, Size},
};

pub const RULES: &[Rule] =
    &[Rule::new("ConvTranspose", "dy convolved with the kernel", facts, gradient)];

fn facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let (shape, window) = (site.shape(0)?, window(site)?);
    let channels = site.shape(1)?.get(1)?.times(&Size::fixed(site.int("group", 1)))?;
    let mut result = vec![shape.first()?.clone(), channels];
    for axis in 0..window.kernel.len() {
        let more = site.ints("output_padding").and_then(|list| list.get(axis)).copied();
        let more = more.filter(|more| (0..=LARGEST).contains(more));
        let given = site.ints("output_shape").and_then(|list| list.get(axis)).copied();
        let computed = shape.get(axis + 2)?.value().map(|size| {
            let padding = window.before[axis] + window.after[axis];
            window.strides[axis] * (size - 1) + more.unwrap_or(0) + window.extent(axis) - padding
        });
        let size = given.or(computed);
        result.push(size.map_or_else(|| site.analysis.fresh(), Size::fixed));
    }
    site.shaped(Some(result))
}

fn gradient(call: &Call<'_>) -> Gradients {
    call.must_not_depend(&[1, 2], "kernel or offset")?;
    let automatic = !matches!(call.text("auto_pad", "NOTSET").as_str(), "NOTSET" | "VALID");
    if automatic || call.ints("output_shape").is_some() {
        return Err(call.error(
            "its rule does not cover auto_pad or output_shape",
            "Export it with explicit pads, or extend rules/conv_transpose.rs",
        ));
    }
    let window = window(call).ok_or_else(|| call.unknown("its kernel's size"))?;
    let attributes = vec![
        emit::ints("kernel_shape", &window.kernel),
        emit::ints("strides", &window.strides),
        emit::ints("dilations", &window.dilations),
        emit::ints("pads", &[window.before, window.after].concat()),
        emit::int("group", call.int("group", 1)),
    ];
    call.first(call.emit.node("Conv", &[call.dy()?, call.input(1)], attributes))
}
