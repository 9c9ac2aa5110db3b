//! The 8-bit images that an attack's answer would be stored as.

use crate::model::{Dequantisation, ModelSpec};

/// The 8-bit image nearest to `x`, dequantised as `original` was.
///
/// The original's pixel k becomes lo + R (k + u)/256 with a u of its own (`uniform`, `centre`), and
/// the perturbation is what is rounded: the result is lo + R (k' + u)/256 with the k' from 0 to 255
/// that brings it closest to x. Without dequantisation it is lo + R k'/255.
///
/// # Panics
/// If the lengths differ.
pub fn round(spec: &ModelSpec, original: &[f32], x: &[f32]) -> Vec<f32> {
    assert_eq!(original.len(), x.len(), "an image and its original have the same pixels");
    let (low, high) = spec.pixel_range;
    let scale = high - low;
    let levels = match spec.dequantisation {
        Dequantisation::None => 255.0,
        Dequantisation::Uniform | Dequantisation::Centre => 256.0,
    };
    let position = |original: f32| match spec.dequantisation {
        Dequantisation::None => 0.0,
        _ => {
            let place = (f64::from(original) - low) / scale * levels;
            place - place.floor().clamp(0.0, 255.0)
        }
    };
    let pixels = original.iter().zip(x);
    pixels
        .map(|(&original, &x)| {
            let u = position(original);
            let level = ((f64::from(x) - low) / scale * levels - u).round().clamp(0.0, 255.0);
            (low + scale * ((level + u) / levels)) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::{Images, Pixels},
        dequantise,
        model::{ConditionalModel, ImageShape},
    };

    fn spec(dequantisation: Dequantisation) -> ModelSpec {
        let model = crate::gaussian::GaussianModel::new(nalgebra::DMatrix::zeros(256, 2), 1.0);
        ModelSpec { dequantisation, pixel_range: (-0.5, 0.5), ..model.spec().clone() }
    }

    /// Every level dequantised, then moved by whole levels and a bit: the bit goes.
    #[test]
    fn levels_come_back() {
        for kind in [Dequantisation::Uniform, Dequantisation::Centre, Dequantisation::None] {
            let spec = spec(kind);
            let images = |bytes: Vec<u8>| Images {
                name: String::new(),
                path: None,
                shape: ImageShape { channels: 1, height: 1, width: 256 },
                pixels: Pixels::Bytes(bytes),
                labels: None,
            };
            let batch = |bytes| dequantise::batch(&images(bytes), &spec, 0, 1, 7).x;
            let original = batch((0..=255).collect());
            let moved = batch((0..=255u8).map(|k| k.saturating_add(3)).collect());
            for bit in [-0.4 / 256.0, 0.0, 0.4 / 256.0] {
                let x: Vec<f32> = moved.iter().map(|x| x + bit as f32).collect();
                assert_eq!(round(&spec, original.as_slice(), &x), moved.as_slice(), "{kind:?}");
            }
        }
    }

    #[test]
    fn what_leaves_the_range_is_brought_to_its_end() {
        let spec = spec(Dequantisation::None);
        assert_eq!(round(&spec, &[0.1, 0.2], &[-2.0, 2.0]), [-0.5, 0.5]);
    }
}
