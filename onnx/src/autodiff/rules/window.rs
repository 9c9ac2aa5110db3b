//! The windows of convolutions and pools.

use crate::autodiff::{
    site::Site,
    size::{Shape, Size},
};

/// Sizes by spatial axis.
pub struct Window {
    /// Extent of the kernel.
    pub kernel: Vec<i64>,
    /// Distance between windows.
    pub strides: Vec<i64>,
    /// Distance between the elements of a window.
    pub dilations: Vec<i64>,
    /// Padding before the first element.
    pub before: Vec<i64>,
    /// Padding behind the last.
    pub after: Vec<i64>,
    ceil: bool,
}

/// Numbers that a window has at most; larger ones are damage, and their products would leave 64 bits.
const LARGEST: i64 = 1 << 20;

impl Window {
    /// Of a node with these kernel sizes; `None` where `auto_pad` needs an unknown size, or where one
    /// of its numbers cannot be meant.
    pub fn of(site: &Site<'_>, kernel: Vec<i64>) -> Option<Self> {
        let axes = kernel.len();
        let list = |name: &str| {
            site.ints(name)
                .filter(|list| list.len() == axes)
                .map_or_else(|| vec![1; axes], <[i64]>::to_vec)
        };
        let pads = site.ints("pads").filter(|list| list.len() == 2 * axes);
        let pads = pads.map_or_else(|| vec![0; 2 * axes], <[i64]>::to_vec);
        let mut window = Self {
            kernel,
            strides: list("strides"),
            dilations: list("dilations"),
            before: pads[..axes].to_vec(),
            after: pads[axes..].to_vec(),
            ceil: site.int("ceil_mode", 0) != 0,
        };
        let positive = [&window.kernel, &window.strides, &window.dilations];
        let positive = positive.into_iter().flatten().all(|size| (1..=LARGEST).contains(size));
        let pads = [&window.before, &window.after];
        let padded = pads.into_iter().flatten().all(|pad| (-LARGEST..=LARGEST).contains(pad));
        if !(positive && padded) {
            return None;
        }
        match site.text("auto_pad", "NOTSET").as_str() {
            "SAME_UPPER" => window.pad_alike(site, false)?,
            "SAME_LOWER" => window.pad_alike(site, true)?,
            "VALID" => (window.before, window.after) = (vec![0; axes], vec![0; axes]),
            _ => {}
        }
        Some(window)
    }

    /// Pads so that there is a window for every `stride` elements.
    fn pad_alike(&mut self, site: &Site<'_>, lower: bool) -> Option<()> {
        let shape = site.shape(0)?;
        for axis in 0..self.kernel.len() {
            let size = shape.get(axis + 2)?.value()?;
            let windows = (size + self.strides[axis] - 1) / self.strides[axis];
            let needed = (windows - 1) * self.strides[axis] + self.extent(axis) - size;
            let (small, large) = (needed.max(0) / 2, needed.max(0) - needed.max(0) / 2);
            (self.before[axis], self.after[axis]) =
                if lower { (large, small) } else { (small, large) };
        }
        Some(())
    }

    /// Elements that one window spans.
    pub fn extent(&self, axis: usize) -> i64 {
        self.dilations[axis] * (self.kernel[axis] - 1) + 1
    }

    /// Number of windows along an axis of `size`.
    pub fn windows(&self, axis: usize, size: i64) -> i64 {
        let room = size + self.before[axis] + self.after[axis] - self.extent(axis);
        let stride = self.strides[axis];
        if !self.ceil {
            return room / stride + 1;
        }
        let windows = (room + stride - 1) / stride + 1;
        // No window begins in the padding behind.
        windows - i64::from((windows - 1) * stride >= size + self.before[axis])
    }

    /// Batch and `channels` with the windows of input 0's spatial axes.
    pub fn output(&self, site: &Site<'_>, channels: Size) -> Option<Shape> {
        let shape = site.shape(0)?;
        let spatial = (0..self.kernel.len()).map(|axis| {
            let size = shape.get(axis + 2)?.value();
            Some(size.map_or_else(
                || site.analysis.fresh(),
                |size| Size::fixed(self.windows(axis, size)),
            ))
        });
        let spatial: Shape = spatial.collect::<Option<_>>()?;
        Some([vec![shape.first()?.clone(), channels], spatial].concat())
    }
}
