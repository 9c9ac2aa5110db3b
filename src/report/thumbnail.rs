//! A model's input as an image to look at.

use anyhow::ensure;
use undetected_onnx::model::{Batch, ImageShape, ModelSpec};

/// An image of 8-bit colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    pub(super) width: usize,
    /// Row by row.
    pub(super) pixels: Vec<[u8; 3]>,
}

impl Thumbnail {
    /// Every column of a batch, as the model sees it: what the pixels' range maps to 0..256, rounded
    /// down, so that dequantisation noise within a bin is not seen.
    ///
    /// # Errors
    /// Where the images have neither one channel (grey) nor three (red, green, blue), or a pixel is
    /// NaN or infinite.
    pub fn of_batch(spec: &ModelSpec, batch: &Batch) -> anyhow::Result<Vec<Thumbnail>> {
        let ImageShape { channels, width, height } = spec.image;
        ensure!(
            (channels == 1 || channels == 3) && batch.x.nrows() == spec.image.len(),
            "images of {} with {} numbers cannot be shown; 1 channel (grey) or 3 (RGB) can",
            spec.image,
            batch.x.nrows()
        );
        let (low, high) = spec.pixel_range;
        let byte = |x: f32| ((f64::from(x) - low) / (high - low) * 256.0).floor() as u8;
        let shown = |image: &[f32]| {
            ensure!(image.iter().all(|x| x.is_finite()), "an image has a pixel that is not finite");
            let plane = width * height;
            let pixel = |i| [0, 1, 2].map(|channel| byte(image[channel % channels * plane + i]));
            Ok(Thumbnail { width, pixels: (0..plane).map(pixel).collect() })
        };
        batch.x.column_iter().map(|image| shown(image.as_slice())).collect()
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width as u32
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        (self.pixels.len() / self.width) as u32
    }

    /// Red, green and blue.
    pub(super) fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }

    /// As a file.
    pub(super) fn png(&self) -> anyhow::Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width(), self.height());
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(file)
    }
}
