//! A contact sheet: some images of a data set on one page, to look at.

use std::{fs::File, io::BufWriter, path::Path};

use anyhow::Context;
use undetected_onnx::dataset::{Images, Pixels};

/// Columns of the sheet: classes 0 to 9.
const CLASSES: usize = 10;
/// Images of each class and data set.
const ROWS: usize = 5;
/// Each pixel becomes a square of this side.
const ZOOM: usize = 3;
/// Pixels between images, and between data sets.
const GAP: usize = 4;
const GAP_BETWEEN: usize = 20;
const PAPER: u8 = 255;

/// A grey picture under construction.
struct Sheet {
    width: usize,
    pixels: Vec<u8>,
}

/// Writes a PNG with the first five images of each of the classes 0 to 9, a column for each class,
/// of every data set, one under the other. A class with fewer images leaves places empty.
///
/// # Errors
/// Where the file cannot be written.
///
/// # Panics
/// Unless the data sets are of 8-bit grey images of one size, with labels.
pub fn write(path: &Path, data_sets: &[&Images]) -> anyhow::Result<()> {
    let sheet = draw(data_sets);
    let save = || -> anyhow::Result<()> {
        let height = sheet.pixels.len() / sheet.width;
        let file = BufWriter::new(File::create(path)?);
        let mut encoder =
            png::Encoder::new(file, u32::try_from(sheet.width)?, u32::try_from(height)?);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&sheet.pixels)?;
        Ok(writer.finish()?)
    };
    save().with_context(|| format!("cannot write {}", path.display()))
}

fn draw(data_sets: &[&Images]) -> Sheet {
    let shape = data_sets[0].shape;
    let (across, down) = (ZOOM * shape.width + GAP, ZOOM * shape.height + GAP);
    let width = CLASSES * across + GAP;
    let block = ROWS * down + GAP_BETWEEN;
    let height = data_sets.len() * block - GAP_BETWEEN + GAP;
    let mut sheet = Sheet { width, pixels: vec![PAPER; width * height] };
    for (place, images) in data_sets.iter().enumerate() {
        for class in 0..CLASSES {
            for (row, image) in of_class(images, class).into_iter().enumerate() {
                let top = place * block + row * down + GAP;
                sheet.put(class * across + GAP, top, image, shape.width);
            }
        }
    }
    sheet
}

fn of_class(images: &Images, class: usize) -> Vec<&[u8]> {
    let (Pixels::Bytes(bytes), Some(labels)) = (&images.pixels, &images.labels) else {
        panic!("a contact sheet shows labelled 8-bit images");
    };
    let all = bytes.chunks_exact(images.shape.len()).zip(labels);
    all.filter(|(_, label)| **label == class).map(|(image, _)| image).take(ROWS).collect()
}

impl Sheet {
    fn put(&mut self, left: usize, top: usize, image: &[u8], side: usize) {
        for (row, line) in image.chunks_exact(side).enumerate() {
            let zoomed: Vec<u8> =
                line.iter().flat_map(|&pixel| std::iter::repeat_n(pixel, ZOOM)).collect();
            for copy in 0..ZOOM {
                let start = (top + ZOOM * row + copy) * self.width + left;
                self.pixels[start..start + zoomed.len()].copy_from_slice(&zoomed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use undetected_onnx::model::ImageShape;

    /// Every image is where its class and rank say, enlarged; the rest is paper.
    #[test]
    fn images_stand_under_their_class() {
        let images = Images {
            name: "a".to_owned(),
            path: None,
            shape: ImageShape { channels: 1, height: 2, width: 2 },
            pixels: Pixels::Bytes(vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            labels: Some(vec![1, 0, 1]),
        };
        let sheet = draw(&[&images, &images]);
        assert_eq!(sheet.width, 10 * 10 + 4);
        assert_eq!(sheet.pixels.len(), sheet.width * (2 * 5 * 10 + 20 + 4));
        let at = |x: usize, y: usize| sheet.pixels[y * sheet.width + x];
        for block in [0, 70] {
            assert_eq!([at(4, block + 4), at(9, block + 9)], [5, 8]);
            assert_eq!([at(14, block + 4), at(17, block + 6), at(16, block + 7)], [1, 2, 3]);
            assert_eq!(at(14, block + 14), 9);
            assert_eq!([at(13, block + 4), at(4, block + 14), at(24, block + 4)], [PAPER; 3]);
        }
        let drawn = sheet.pixels.iter().filter(|&&pixel| pixel != PAPER).count();
        assert_eq!(drawn, 2 * 3 * 4 * ZOOM * ZOOM);
    }
}
