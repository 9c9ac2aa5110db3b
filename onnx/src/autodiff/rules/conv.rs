//! Convolution.

use super::{Rule, window::Window};
use crate::{
    autodiff::{
        call::{Call, Gradients},
        emit,
        facts::Facts,
        site::Site,
        size,
        tensor::Constant,
    },
    error::Result,
    proto::AttributeProto,
};

pub const RULES: &[Rule] = &[Rule::new(
    "Conv",
    "dy convolved with the kernel turned over, input and output channels exchanged (stride 1); \
     ConvTranspose of dy otherwise",
    facts,
    gradient,
)];

/// The window of a node whose kernel is input 1.
pub fn window(site: &Site<'_>) -> Option<Window> {
    let kernel = size::numbers(site.shape(1)?.get(2..)?)?;
    Window::of(site, kernel)
}

fn facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let channels = site.shape(1)?.first()?.clone();
    site.shaped(window(site)?.output(site, channels))
}

fn gradient(call: &Call<'_>) -> Gradients {
    call.must_not_depend(&[1, 2], "kernel or offset")?;
    let window = window(call).ok_or_else(|| call.unknown("its kernel's size or its padding"))?;
    call.first(match TurnedOver::of(call, &window) {
        Some(TurnedOver { kernel, attributes }) => {
            let inputs = [call.dy()?, &call.emit.constant(kernel)];
            call.emit.node("Conv", &inputs, attributes)
        }
        None => transposed(call, &window)?,
    })
}

/// A kernel turned over, input and output channels exchanged: with it and these attributes, Conv gives
/// the gradient of the convolution, and ConvTranspose the convolution itself.
pub struct TurnedOver {
    /// Every spatial axis walked backwards.
    pub kernel: Constant,
    /// Kernel size, dilations, pads and group.
    pub attributes: Vec<AttributeProto>,
}

impl TurnedOver {
    /// Of a convolution with stride 1, a constant kernel and no padding beyond its reach.
    pub fn of(site: &Site<'_>, window: &Window) -> Option<Self> {
        let dense = window.strides.iter().all(|&stride| stride == 1);
        let (before, after): (Vec<i64>, Vec<i64>) = (0..window.kernel.len())
            .map(|axis| {
                let reach = window.extent(axis) - 1;
                (reach - window.before[axis], reach - window.after[axis])
            })
            .unzip();
        let within = before.iter().chain(&after).all(|&pad| pad >= 0);
        let group = site.int("group", 1);
        let kernel = site.constant(1).filter(|kernel| can_turn_over(kernel, group))?;
        (dense && within).then(|| Self {
            kernel: turned_over(&kernel, group),
            attributes: vec![
                emit::ints("kernel_shape", &window.kernel),
                emit::ints("dilations", &window.dilations),
                emit::ints("pads", &[before, after].concat()),
                emit::int("group", group),
            ],
        })
    }
}

/// Whether a kernel has elements, and whole groups of outputs.
fn can_turn_over(kernel: &Constant, group: i64) -> bool {
    group >= 1 && kernel.dims[0] % group == 0 && !kernel.bytes.is_empty()
}

/// \[O, I/g, k\] to \[I, O/g, k\], every spatial axis walked backwards.
fn turned_over(kernel: &Constant, group: i64) -> Constant {
    let (outputs, inputs) = (kernel.dims[0], kernel.dims[1]);
    let spatial = kernel.dims[2..].to_vec();
    let grouped = [&[group, outputs / group, inputs], spatial.as_slice()].concat();
    let perm: Vec<usize> = [0, 2, 1].into_iter().chain(3..grouped.len()).collect();
    let flip: Vec<bool> = (0..grouped.len()).map(|axis| axis >= 3).collect();
    let result = [&[group * inputs, outputs / group], spatial.as_slice()].concat();
    kernel.clone().reshaped(&grouped).permuted(&perm, &flip).reshaped(&result)
}

fn transposed(call: &Call<'_>, window: &Window) -> Result<String> {
    let missing = (0..window.kernel.len()).map(|axis| {
        let size = match window.strides[axis] {
            // Every element is in some window.
            1 => return Ok(0),
            _ => call.known_size(0, axis + 2)?,
        };
        let room = size + window.before[axis] + window.after[axis] - window.extent(axis);
        Ok(room % window.strides[axis])
    });
    let missing = missing.collect::<Result<Vec<i64>>>()?;
    let attributes = vec![
        emit::ints("kernel_shape", &window.kernel),
        emit::ints("strides", &window.strides),
        emit::ints("dilations", &window.dilations),
        emit::ints("pads", &[window.before.clone(), window.after.clone()].concat()),
        emit::ints("output_padding", &missing),
        emit::int("group", call.int("group", 1)),
    ];
    Ok(call.emit.node("ConvTranspose", &[call.dy()?, call.input(1)], attributes))
}
