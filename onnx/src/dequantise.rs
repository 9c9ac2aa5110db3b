//! From stored pixels to what a model takes: dequantisation and padding noise, from the seed.

use std::ops::Range;

use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use undetected_theory::Streams;

use crate::{
    dataset::{Images, Pixels},
    model::{Batch, Dequantisation, ModelSpec},
};

/// Images `first` to `first + count - 1` as the model of `spec` takes them.
///
/// An 8-bit k becomes lo + (hi - lo)(k + u)/256 with u uniform (`uniform`) or 1/2 (`centre`), or
/// lo + (hi - lo) k/255 (`none`); real values v on \[0, 1\] become lo + (hi - lo) v. Image i draws
/// its u from stream (seed, "dequantise", i) and its padding noise from (seed, "padding-noise", i):
/// no value depends on the batch it is in.
///
/// # Shapes
/// `images` must have the model's shape ([`Images::fit`]); the batch holds `count` columns.
///
/// # Numerics
/// u is a multiple of 2^-16, so that k + u is exact in f32 and never reaches k + 1.
///
/// # Panics
/// If the images are of another shape, or the range leaves the data set.
pub fn batch(images: &Images, spec: &ModelSpec, first: usize, count: usize, seed: u64) -> Batch {
    part(images, spec, first..first + count, 0, seed)
}

/// The images of `range`, where image i of them is image `before` + i of its data set.
pub(crate) fn part(
    images: &Images,
    spec: &ModelSpec,
    range: Range<usize>,
    before: usize,
    seed: u64,
) -> Batch {
    let before = before as u64;
    of(images, spec, range.map(|index| (index, before + index as u64)), seed)
}

/// Single images, each with the index in its data set that keys its streams.
pub(crate) fn of(
    images: &Images,
    spec: &ModelSpec,
    chosen: impl ExactSizeIterator<Item = (usize, u64)>,
    seed: u64,
) -> Batch {
    let count = chosen.len();
    assert_eq!(images.shape, spec.image, "images must be fitted to the model");
    let len = spec.image.len();
    let (positions, padding) =
        (Streams::new(seed, "dequantise"), Streams::new(seed, "padding-noise"));
    let mut x = Vec::with_capacity(count * len);
    let mut noise = Vec::with_capacity(count * spec.noise_len);
    for (index, key) in chosen {
        image(images, spec, index, positions.get(key), &mut x);
        let mut stream = padding.get(key);
        noise.extend((0..spec.noise_len).map(|_| stream.random::<f32>()));
    }
    Batch {
        x: DMatrix::from_vec(len, count, x),
        noise: DMatrix::from_vec(spec.noise_len, count, noise),
    }
}

/// Appends image `index` to `x`, its u drawn from `stream`.
pub(crate) fn image(
    images: &Images,
    spec: &ModelSpec,
    index: usize,
    stream: impl Rng,
    x: &mut Vec<f32>,
) {
    let len = spec.image.len();
    let range = index * len..(index + 1) * len;
    match &images.pixels {
        Pixels::Bytes(bytes) => dequantise(&bytes[range], spec, stream, x),
        Pixels::Unit(values) => {
            x.extend(values[range].iter().map(|&value| in_range(spec, f64::from(value))));
        }
    }
}

fn in_range(spec: &ModelSpec, unit: f64) -> f32 {
    let (low, high) = spec.pixel_range;
    (low + (high - low) * unit) as f32
}

fn dequantise(bytes: &[u8], spec: &ModelSpec, mut stream: impl Rng, x: &mut Vec<f32>) {
    match spec.dequantisation {
        Dequantisation::None => {
            x.extend(bytes.iter().map(|&k| in_range(spec, f64::from(k) / 255.0)));
        }
        Dequantisation::Centre => {
            x.extend(bytes.iter().map(|&k| in_range(spec, (f64::from(k) + 0.5) / 256.0)));
        }
        Dequantisation::Uniform => {
            let mut positions = vec![0; 2 * bytes.len()];
            stream.fill_bytes(&mut positions);
            let positions = positions.as_chunks::<2>().0;
            x.extend(bytes.iter().zip(positions).map(|(&k, &position)| {
                let u = f64::from(u16::from_le_bytes(position)) / 65536.0;
                in_range(spec, (f64::from(k) + u) / 256.0)
            }));
        }
    }
}
