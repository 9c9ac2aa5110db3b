//! Images that nobody took: noise, single colours, and noise on images.

use rand::{Rng, RngExt, distr::StandardUniform};
use statrs::distribution::{ContinuousCDF, Normal};
use undetected_theory::Streams;

use super::{Images, Pixels};
use crate::model::ImageShape;

impl Images {
    /// `count` images of independent uniform 8-bit values, image i drawn from stream (seed,
    /// "uniform-noise", i).
    pub fn uniform_noise(shape: ImageShape, count: usize, seed: u64) -> Self {
        let streams = Streams::new(seed, "uniform-noise");
        let mut pixels = vec![0; count * shape.len()];
        for (index, image) in pixels.chunks_exact_mut(shape.len().max(1)).enumerate() {
            streams.get(index as u64).fill_bytes(image);
        }
        made("uniform noise".to_owned(), shape, pixels)
    }

    /// `count` images of one colour each: every channel has one uniform 8-bit value, image i drawn
    /// from stream (seed, "constant-image", i).
    pub fn constant(shape: ImageShape, count: usize, seed: u64) -> Self {
        let streams = Streams::new(seed, "constant-image");
        let mut pixels = Vec::with_capacity(count * shape.len());
        for index in 0..count {
            let mut stream = streams.get(index as u64);
            for _ in 0..shape.channels {
                let value = stream.random::<u8>();
                pixels.extend(std::iter::repeat_n(value, shape.height * shape.width));
            }
        }
        made("constant".to_owned(), shape, pixels)
    }

    /// The same images with independent Gaussian noise of standard deviation `deviation` on each
    /// pixel, the pixels' range being 1.
    ///
    /// An 8-bit k becomes k + 256 `deviation` z rounded, a real v becomes v + `deviation` z; what
    /// leaves the pixels' range becomes its end, as in a camera. Image i draws its z from stream
    /// (seed, "added-noise", i).
    pub fn with_noise(&self, deviation: f64, seed: u64) -> Self {
        let (streams, standard) = (Streams::new(seed, "added-noise"), Normal::standard());
        let normal = (0..self.len()).flat_map(|index| {
            let uniform = streams.get(index as u64).sample_iter::<f64, _>(StandardUniform);
            uniform.take(self.shape.len()).map(|u| deviation * standard.inverse_cdf(u))
        });
        let pixels = match &self.pixels {
            Pixels::Bytes(bytes) => {
                let noisy = |(k, z): (&u8, f64)| (f64::from(*k) + 256.0 * z).round() as u8;
                Pixels::Bytes(bytes.iter().zip(normal).map(noisy).collect())
            }
            Pixels::Unit(values) => {
                let noisy = |(v, z): (&f32, f64)| (f64::from(*v) + z).clamp(0.0, 1.0) as f32;
                Pixels::Unit(values.iter().zip(normal).map(noisy).collect())
            }
        };
        let name = format!("{} + noise {deviation}", self.name);
        Self { name, path: None, shape: self.shape, pixels, labels: None }
    }
}

fn made(name: String, shape: ImageShape, pixels: Vec<u8>) -> Images {
    Images { name, path: None, shape, pixels: Pixels::Bytes(pixels), labels: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 3, height: 20, width: 10 };

    fn bytes(images: &Images) -> &[u8] {
        let Pixels::Bytes(bytes) = &images.pixels else { panic!("8-bit values are expected") };
        bytes
    }

    #[test]
    fn constant_images_have_one_value_a_channel() {
        let images = Images::constant(SHAPE, 40, 5);
        let planes: Vec<_> = bytes(&images).chunks(200).collect();
        assert_eq!(planes.len(), 120);
        assert!(planes.iter().all(|plane| plane.iter().all(|value| *value == plane[0])));
        assert!(planes.windows(2).filter(|pair| pair[0] != pair[1]).count() > 100);
        assert_ne!(images, Images::constant(SHAPE, 40, 6));
        // An image's colour is its own.
        assert_eq!(bytes(&images)[..1200], *bytes(&Images::constant(SHAPE, 2, 5)));
    }

    #[test]
    fn added_noise_has_its_deviation_and_follows_the_image() {
        let grey =
            Images { pixels: Pixels::Bytes(vec![128; 2 * 600]), ..Images::constant(SHAPE, 2, 0) };
        let noisy = grey.with_noise(0.05, 7);
        assert_eq!((noisy.len(), noisy.name.as_str()), (2, "constant + noise 0.05"));
        let squares = |value: &u8| (f64::from(*value) - 128.0).powi(2);
        let found = (bytes(&noisy).iter().map(squares).sum::<f64>() / 1200.0).sqrt() / 256.0;
        // Rounding adds 1/12 to a variance of 164; the sample's own error is 1/sqrt(2400).
        assert!((found / 0.05 - 1.0).abs() < 4.0 / 2400_f64.sqrt() + 1e-3, "{found}");
        let mut first = grey.clone();
        first.truncate(1);
        assert_eq!(bytes(&first.with_noise(0.05, 7)), &bytes(&noisy)[..600]);
        assert_ne!(&bytes(&noisy)[..600], &bytes(&noisy)[600..]);

        let unit = Images { pixels: Pixels::Unit(vec![0.9; 600]), ..grey };
        let Pixels::Unit(values) = unit.with_noise(0.5, 7).pixels else { panic!("real") };
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)) && values.contains(&1.0));
    }
}
