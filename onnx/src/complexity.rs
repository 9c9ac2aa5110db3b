//! How long a lossless code of an image is: the complexity that detectors correct for.

use std::f64::consts::LN_2;

use miniz_oxide::deflate::compress_to_vec;

use crate::{
    dataset::{Images, Pixels},
    model::ImageShape,
};

/// Names the code; another code or another version of it is another name.
///
/// PNG's, without the container: each row of each channel is filtered by PNG's Paeth predictor, and
/// all of them are one raw DEFLATE stream, miniz_oxide's at level 9. That is called directly: which
/// compressor stands behind flate2 is decided by the features of any other crate in the build.
pub const CODEC: &str = "paeth-deflate-9";

const LEVEL: u8 = 9;

/// Code length of image `index` in nats, 8 ln 2 for each byte of [`CODEC`].
///
/// Real pixels v on \[0, 1\] are coded as the 8-bit ⌊256 v⌋, at most 255: a dequantised image has the
/// length of its original.
///
/// # Numerics
/// Whole bytes. No header of a file is counted; a stream's own costs are (a constant image of any
/// shape takes about a dozen bytes), nearly the same for all images of one shape, so that a
/// threshold fitted on scores absorbs them.
///
/// # Panics
/// If `index` leaves the data set.
///
/// # Examples
/// ```
/// use undetected_onnx::{complexity, dataset::{Images, Pixels}, model::ImageShape};
/// let shape = ImageShape { channels: 1, height: 28, width: 28 };
/// let noise = Images::uniform_noise(shape, 1, 0);
/// let black = Images { pixels: Pixels::Bytes(vec![0; 784]), ..noise.clone() };
/// // Noise has 784 bytes of information, and DEFLATE stores it as it is.
/// let bytes = |images| complexity::nats(images, 0) / 256_f64.ln();
/// assert!(bytes(&noise) > 783.9 && bytes(&noise) < 800.0);
/// assert!(bytes(&black) < 20.0);
/// ```
pub fn nats(images: &Images, index: usize) -> f64 {
    let range = index * images.shape.len()..(index + 1) * images.shape.len();
    let filtered = match &images.pixels {
        Pixels::Bytes(bytes) => filter(&bytes[range], images.shape),
        Pixels::Unit(values) => {
            let bytes: Vec<u8> = values[range].iter().map(|value| (value * 256.0) as u8).collect();
            filter(&bytes, images.shape)
        }
    };
    compress_to_vec(&filtered, LEVEL).len() as f64 * 8.0 * LN_2
}

/// Each value less PNG's prediction from its left, upper and upper left neighbours (0 outside).
fn filter(image: &[u8], shape: ImageShape) -> Vec<u8> {
    let (width, plane) = (shape.width, shape.width * shape.height);
    let mut filtered = Vec::with_capacity(image.len());
    for place in 0..image.len() {
        let (has_left, has_up) = (place % width > 0, place % plane >= width);
        let at = |exists: bool, back: usize| if exists { image[place - back] } else { 0 };
        let (left, up) = (at(has_left, 1), at(has_up, width));
        let up_left = at(has_left && has_up, width + 1);
        filtered.push(image[place].wrapping_sub(paeth(left, up, up_left)));
    }
    filtered
}

/// The neighbour nearest to left + up - `up_left`, in this order among equals (PNG, section 9.4).
fn paeth(left: u8, up: u8, up_left: u8) -> u8 {
    let target = i16::from(left) + i16::from(up) - i16::from(up_left);
    let nearest = |one: u8, other: u8| {
        let distance = |value: u8| (target - i16::from(value)).abs();
        if distance(one) <= distance(other) { one } else { other }
    };
    nearest(left, nearest(up, up_left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Images;

    /// A PNG encoder writes the same filtered bytes, each row led by its filter's number (4, Paeth).
    #[test]
    fn filters_as_png_does() {
        let shape = ImageShape { channels: 1, height: 9, width: 13 };
        let images = Images::uniform_noise(shape, 1, 5);
        let Pixels::Bytes(bytes) = &images.pixels else { unreachable!() };
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 13, 9);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_filter(png::Filter::Paeth);
        encoder.write_header().unwrap().write_image_data(bytes).unwrap();
        // One IDAT chunk follows the signature and IHDR (8 + 25 bytes): length, type, zlib stream.
        let length = u32::from_be_bytes(file[33..37].try_into().unwrap()) as usize;
        assert_eq!(&file[37..41], b"IDAT");
        let stream = &file[41..41 + length];
        let rows = miniz_oxide::inflate::decompress_to_vec_zlib(stream).unwrap();
        let found = filter(bytes, shape);
        for (row, expected) in found.chunks(13).zip(rows.chunks(14)) {
            assert_eq!((4, row), (expected[0], &expected[1..]));
        }
    }

    /// Fitted thresholds depend on these lengths: a change of them needs another name of the codec.
    #[test]
    fn lengths_are_stable_and_survive_dequantisation() {
        let shape = ImageShape { channels: 3, height: 8, width: 8 };
        let ramp: Vec<u8> = (0..192_u32).map(|place| (place * place / 150) as u8).collect();
        let mut images = Images::uniform_noise(shape, 1, 0);
        images.pixels = Pixels::Bytes(ramp.clone());
        let bytes = nats(&images, 0) / (8.0 * LN_2);
        assert_eq!(bytes.round(), STABLE_BYTES);
        let inside = |&k: &u8| (f32::from(k) + 0.7) / 256.0;
        images.pixels = Pixels::Unit(ramp.iter().map(inside).collect());
        assert_eq!(nats(&images, 0) / (8.0 * LN_2), bytes);
    }

    const STABLE_BYTES: f64 = 79.0;
}
