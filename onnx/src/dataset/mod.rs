//! Images with labels: IDX, CIFAR-10 binary and NPZ files, synthetic images, background digits.

pub mod background_digits;
mod cifar10;
mod idx;
mod npy;
mod npz;
mod stream;
mod synthetic;

pub use stream::ImageStream;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    model::ImageShape,
};

/// Pixel values of a data set, image after image in C, H, W order.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// 8-bit values, to be dequantised as the model asks.
    Bytes(Vec<u8>),
    /// Real values on [0, 1], taken as they are.
    Unit(Vec<f32>),
}

/// A data set in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    /// Shown in tables.
    pub name: String,
    /// Where it was read from; `None` for synthetic images.
    pub path: Option<PathBuf>,
    /// Shape of one image.
    pub shape: ImageShape,
    /// The images.
    pub pixels: Pixels,
    /// One class index per image, where there are labels.
    pub labels: Option<Vec<usize>>,
}

/// The file of a data set that is named by its folder.
pub(crate) fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(cifar10::TEST_FILE) } else { path.to_owned() }
}

/// Every file that a data set is read from.
///
/// # Errors
/// [`Error::Io`] where the images cannot be read, [`Error::Dataset`] where they are of no known kind.
pub(crate) fn files(images: &Path, labels: Option<&Path>) -> Result<Vec<PathBuf>> {
    let images = file(images);
    let beside = match kind(&images)? {
        Kind::Idx => idx::labels_beside(&images),
        Kind::Npz | Kind::Cifar10 => None,
    };
    let labels = labels.map(Path::to_owned).or(beside);
    Ok(std::iter::once(images).chain(labels).collect())
}

impl Images {
    /// Reads a data set, its kind told by its content: IDX (plain or gzip, the label file found
    /// beside it by its usual name), CIFAR-10 binary (a file or the folder holding
    /// `test_batch.bin`), NPZ.
    ///
    /// # Errors
    /// [`Error::Dataset`] names what was expected and found in a damaged or unknown file.
    pub fn open(path: &Path, labels: Option<&Path>) -> Result<Self> {
        let path = file(path);
        let kind = kind(&path)?;
        let mut images = match kind {
            Kind::Idx => idx::read(&path, labels),
            Kind::Npz => npz::read(&path),
            Kind::Cifar10 => cifar10::read(&path),
        }?;
        if labels.is_some() && !matches!(kind, Kind::Idx) {
            return Err(Error::setting("labels", "are a file of their own for IDX data only"));
        }
        if images.is_empty() {
            return Err(Error::dataset(path, "images", "at least one", "none"));
        }
        images.path = Some(path);
        Ok(images)
    }

    /// Writes 8-bit grey images and their labels as two plain IDX files.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written, [`Error::Dataset`] where IDX cannot hold the
    /// images: they have colours, other values than bytes, no labels or labels above 255.
    pub fn write_idx(&self, images: &Path, labels: &Path) -> Result<()> {
        idx::write(self, images, labels)
    }

    /// Writes images under `x` (uint8 or float32, N x C x H x W) and labels, where there are any,
    /// under `y` (int64), compressed.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write_npz(&self, path: &Path) -> Result<()> {
        npz::write(self, path)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        let numbers = match &self.pixels {
            Pixels::Bytes(bytes) => bytes.len(),
            Pixels::Unit(values) => values.len(),
        };
        numbers / self.shape.len()
    }

    /// Whether it holds no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first `count` images.
    pub fn truncate(&mut self, count: usize) {
        let numbers = count.saturating_mul(self.shape.len());
        match &mut self.pixels {
            Pixels::Bytes(bytes) => bytes.truncate(numbers),
            Pixels::Unit(values) => values.truncate(numbers),
        }
        if let Some(labels) = &mut self.labels {
            labels.truncate(count);
        }
    }

    /// The images at a model's shape: as they are, or with `pad` pixels of value 0 added on each
    /// side.
    ///
    /// # Errors
    /// [`Error::Dataset`] where neither fits: nothing is resized silently.
    pub fn fit(mut self, shape: ImageShape, pad: usize) -> Result<Self> {
        if self.shape == shape {
            return Ok(self);
        }
        let padded = ImageShape {
            channels: self.shape.channels,
            height: self.shape.height + 2 * pad,
            width: self.shape.width + 2 * pad,
        };
        if padded != shape {
            let path = self.path.unwrap_or_else(|| self.name.into());
            let found = format!("{} (with the model's padding of {pad}: {padded})", self.shape);
            let expected = format!("{shape}, as the model takes them (padding: --set pad=PIXELS)");
            return Err(Error::dataset(path, "image shape", expected, found));
        }
        self.pixels = match self.pixels {
            Pixels::Bytes(bytes) => Pixels::Bytes(zero_pad(&bytes, self.shape, pad)),
            Pixels::Unit(values) => Pixels::Unit(zero_pad(&values, self.shape, pad)),
        };
        self.shape = shape;
        Ok(self)
    }

    /// Checks that every label names one of `classes` classes.
    ///
    /// # Errors
    /// [`Error::Dataset`] naming the first label that does not.
    pub fn check_labels(&self, classes: usize) -> Result<()> {
        let labels = self.labels.iter().flatten().enumerate();
        match labels.into_iter().find(|(_, label)| **label >= classes) {
            None => Ok(()),
            Some((index, label)) => Err(Error::dataset(
                self.path.clone().unwrap_or_default(),
                format!("label of image {index}"),
                format!("a class of the model, 0 to {}", classes - 1),
                label,
            )),
        }
    }
}

fn zero_pad<T: Copy + Default>(pixels: &[T], shape: ImageShape, pad: usize) -> Vec<T> {
    let width = shape.width + 2 * pad;
    let plane = (shape.height + 2 * pad) * width;
    let planes = pixels.len() / (shape.height * shape.width);
    let mut padded = vec![T::default(); planes * plane];
    for (index, row) in pixels.chunks_exact(shape.width).enumerate() {
        let (of_plane, of_row) = (index / shape.height, index % shape.height);
        let start = of_plane * plane + (of_row + pad) * width + pad;
        padded[start..start + shape.width].copy_from_slice(row);
    }
    padded
}

enum Kind {
    Idx,
    Npz,
    Cifar10,
}

fn kind(path: &Path) -> Result<Kind> {
    let mut start = [0; 4];
    let mut file = File::open(path).map_err(Error::io(path))?;
    let read = file.read(&mut start).map_err(Error::io(path))?;
    let is_bin = path.extension().is_some_and(|extension| extension == "bin");
    match &start[..read] {
        [0x1f, 0x8b, ..] | [0, 0, 8, _] => Ok(Kind::Idx),
        [b'P', b'K', ..] => Ok(Kind::Npz),
        // The format has no mark of its own; its size is checked when it is read.
        _ if is_bin => Ok(Kind::Cifar10),
        found => Err(Error::dataset(
            path,
            "file kind",
            "IDX (plain or gzip), NPZ, or CIFAR-10 binary (*.bin)",
            format!("a file that starts with {found:02x?}"),
        )),
    }
}
