//! Blocks of pixels to channels and back.

use super::Rule;
use crate::autodiff::{
    call::{Call, Gradients},
    emit,
    facts::Facts,
    site::Site,
    size::{Shape, Size},
};

pub const RULES: &[Rule] = &[
    Rule::new("DepthToSpace", "dy, pixels back to channels", |site| facts(site, true), to_depth),
    Rule::new(
        "SpaceToDepth",
        "dy, channels back to pixels",
        |site| facts(site, false),
        |call| {
            let block = emit::int("blocksize", call.int("blocksize", 1));
            call.first(call.emit.node("DepthToSpace", &[call.dy()?], vec![block]))
        },
    ),
];

fn facts(site: &Site<'_>, to_space: bool) -> Option<Vec<Facts>> {
    let block = Size::fixed(site.int("blocksize", 1));
    let area = block.times(&block)?;
    let scaled = |size: &Size, larger: bool, by: &Size| {
        if larger { size.times(by) } else { size.over(by) }
    };
    let shape = || -> Option<Shape> {
        let [n, c, h, w] = site.shape(0)?.as_slice() else { return None };
        let (c, h) = (scaled(c, !to_space, &area)?, scaled(h, to_space, &block)?);
        Some(vec![n.clone(), c, h, scaled(w, to_space, &block)?])
    };
    site.shaped(shape())
}

/// SpaceToDepth, whose channels are in the order of the mode DCR; CRD moves them.
fn to_depth(call: &Call<'_>) -> Gradients {
    let block = call.int("blocksize", 1);
    let deep = call.emit.node("SpaceToDepth", &[call.dy()?], vec![emit::int("blocksize", block)]);
    if call.text("mode", "DCR") != "CRD" {
        return call.first(deep);
    }
    let area = block.checked_mul(block).filter(|area| *area > 0);
    let area = area.ok_or_else(|| {
        let problem = format!("its blocksize is {block}");
        call.error(problem, "The model is damaged: export it again")
    })?;
    let channels = call.known_size(0, 1)? / area;
    let (height, width) = (call.known_size(0, 2)?, call.known_size(0, 3)?);
    let apart = call.emit.reshape(&deep, &[0, area, channels, height, width]);
    let moved = call.emit.transpose(&apart, &[0, 2, 1, 3, 4]);
    call.first(call.reshape_like(&moved, 0))
}
