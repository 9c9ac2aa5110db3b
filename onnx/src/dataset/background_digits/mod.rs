//! BG-MNIST (section 4.5): digits on natural images in place of black.
//!
//! A digit's non-black pixels stay as they are and its black ones take a background's:
//!
//! ```text
//! x_i = m_i        where m_i > 0
//! x_i = B_b(g)_i   where m_i = 0
//! ```
//!
//! with the digit m, a grey background g and the Gaussian blur [`Blur`] of bandwidth b. This is what
//! the paper says ("we simply replaced the black backgrounds") and what it claims for the result:
//! the class is "predictable from the same set of pixels as in standard MNIST", whose values no
//! background can change. A pixelwise maximum or blending would lose strokes on bright skies. Here
//! the dark edge that a stroke has in MNIST outlines it there.
//!
//! The blur reaches the background alone, before the digit is laid over it. Background i of a part
//! comes from stream (seed, "bg-digits/" and the part, i): neither the blur, nor threads, nor the
//! number of images changes which picture, scale and place is drawn.

mod backgrounds;
mod blur;
mod grey;
mod manifest;
mod photograph;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use undetected_theory::Streams;

pub use backgrounds::{Backgrounds, LONG_SIDE, SCALES, Source, Split, SplitBy, TEST_ONE_IN};
pub use blur::Blur;
pub use grey::{Grey, Window, luma, rounded};
pub use manifest::{FileSum, Manifest, PartRecord};
pub use photograph::decode;

use super::{Images, Pixels};
use crate::error::{Error, Result};

/// Beside the data.
pub const MANIFEST: &str = "manifest.json";

/// Labelled grey digits of 8 bits: training and test.
#[derive(Debug, Clone)]
pub struct Digits {
    /// The training images.
    pub train: Images,
    /// The test images.
    pub test: Images,
    files: Vec<FileSum>,
}

impl Digits {
    /// Reads the four IDX files of the MNIST family from `folder`, plain or gzipped.
    ///
    /// # Errors
    /// [`Error::Dataset`] where one is missing or damaged, or the images are not square.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let [train, test] = ["train", "t10k"].map(|part| {
            let [images, labels] = ["images-idx3", "labels-idx1"].map(|kind| {
                let path = find(folder, &format!("{part}-{kind}-ubyte"))?;
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                files.push(FileSum::read(folder, name)?);
                Ok(path)
            });
            Images::open(&images?, Some(&labels?))
        });
        let (train, test) = (train?, test?);
        let shape = train.shape;
        if shape.channels != 1 || shape.height != shape.width || test.shape != shape {
            let found = format!("{} and {}", shape, test.shape);
            return Err(Error::dataset(folder, "images", "square digits, all of one size", found));
        }
        Ok(Self { train, test, files })
    }

    /// Pixels of a side.
    pub fn side(&self) -> usize {
        self.train.shape.width
    }
}

fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let plain = folder.join(name);
    let zipped = folder.join(format!("{name}.gz"));
    [&plain, &zipped].into_iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let expected = "this file, plain or .gz (`python -m undetected_exporter fetch mnist --out \
                        DATA` brings the digits to DATA/mnist)";
        Error::dataset(&plain, "digits", expected, "none")
    })
}

/// A data set of background digits.
#[derive(Debug, Clone)]
pub struct BackgroundDigits {
    /// The training images.
    pub train: Images,
    /// The test images.
    pub test: Images,
    manifest: Manifest,
}

impl BackgroundDigits {
    /// Lays `digits` over blurred `backgrounds`. `report` hears of every finished image, from many
    /// threads.
    pub fn make(
        digits: Digits,
        backgrounds: &Split,
        blur: &Blur,
        seed: u64,
        report: &(dyn Fn() + Sync),
    ) -> Self {
        let part = |part: &'static str, digits: Images, backgrounds: &Backgrounds| {
            let streams = Streams::new(seed, &format!("bg-digits/{part}"));
            let (mut images, moments) = overlaid(digits, backgrounds, blur, &streams, report);
            images.name = format!("bg-digits-{}/{part}", blur.bandwidth());
            let record = PartRecord {
                part,
                images: images.len(),
                pictures: backgrounds.len(),
                background_mean: moments.mean(),
                background_sd: moments.sd(),
            };
            (images, record)
        };
        let (train, of_train) = part("train", digits.train, &backgrounds.train);
        let (test, of_test) = part("t10k", digits.test, &backgrounds.test);
        let manifest = Manifest {
            dataset: "bg-digits",
            version: env!("CARGO_PKG_VERSION"),
            seed,
            blur: blur.bandwidth(),
            overlay: "the digit where it is not black, else the background",
            digits: digits.files,
            backgrounds: backgrounds.source.clone(),
            parts: vec![of_train, of_test],
            files: vec![],
        };
        Self { train, test, manifest }
    }

    /// How it was made.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Writes the four IDX files under MNIST's names, `train.npz` and `test.npz` where `npz` asks
    /// for them, and [`MANIFEST`] into an empty folder.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written.
    pub fn write(&self, folder: &Path, npz: bool) -> Result<Manifest> {
        let mut manifest = self.manifest.clone();
        let mut names = Vec::new();
        for (part, npz_name, images) in
            [("train", "train.npz", &self.train), ("t10k", "test.npz", &self.test)]
        {
            let of_images = format!("{part}-images-idx3-ubyte");
            let of_labels = format!("{part}-labels-idx1-ubyte");
            images.write_idx(&folder.join(&of_images), &folder.join(&of_labels))?;
            names.extend([of_images, of_labels]);
            if npz {
                images.write_npz(&folder.join(npz_name))?;
                names.push(npz_name.to_owned());
            }
        }
        for name in names {
            manifest.files.push(FileSum::read(folder, name)?);
        }
        let text = serde_json::to_string_pretty(&manifest).expect("plain data") + "\n";
        let path = folder.join(MANIFEST);
        fs::write(&path, text).map_err(Error::io(path))?;
        Ok(manifest)
    }
}

/// Digit i over the background of stream i, and the moments of the backgrounds.
fn overlaid(
    mut digits: Images,
    backgrounds: &Backgrounds,
    blur: &Blur,
    streams: &Streams,
    report: &(dyn Fn() + Sync),
) -> (Images, Moments) {
    let (side, size) = (digits.shape.width, digits.shape.len());
    let Pixels::Bytes(bytes) = &mut digits.pixels else {
        unreachable!("IDX files hold bytes");
    };
    let moments = bytes.par_chunks_exact_mut(size).enumerate().map(|(index, image)| {
        let drawn = backgrounds.draw(&mut streams.get(index as u64));
        let background = rounded(&blur.apply(drawn, side));
        overlay(image, &background);
        report();
        Moments::of(&background)
    });
    let moments = moments.reduce(Moments::default, Moments::and);
    (digits, moments)
}

/// Puts `background` where `digit` is black.
pub fn overlay(digit: &mut [u8], background: &[u8]) {
    for (pixel, behind) in digit.iter_mut().zip(background) {
        if *pixel == 0 {
            *pixel = *behind;
        }
    }
}

/// Sums over pixels: exact, so that the order of threads does not matter.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: u64,
    sum: u64,
    squares: u64,
}

impl Moments {
    fn of(pixels: &[u8]) -> Self {
        let one = |pixel: u64| Self { count: 1, sum: pixel, squares: pixel * pixel };
        pixels.iter().map(|&pixel| one(u64::from(pixel))).fold(Self::default(), Self::and)
    }

    fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
        }
    }

    fn mean(self) -> f64 {
        self.sum as f64 / self.count as f64
    }

    fn sd(self) -> f64 {
        // The squares of bytes stand far above the rounding of their mean.
        (self.squares as f64 / self.count as f64 - self.mean().powi(2)).max(0.0).sqrt()
    }
}
