//! Data sets that are read block by block, as often as wanted: their pixels are never in memory at
//! once.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{Images, Kind, Pixels, cifar10, idx, kind};
use crate::{
    error::{Error, Result},
    model::ImageShape,
};

/// A data set whose labels are in memory and whose pixels are read when they are looked at.
///
/// IDX and CIFAR-10 files are read from the disk in every pass. NPZ archives and images that are
/// made are kept whole.
#[derive(Debug, Clone)]
pub struct ImageStream {
    /// Everything but the pixels.
    head: Images,
    len: usize,
    origin: Origin,
    /// The shape as it is stored, and the pixels to add on each side.
    stored: (ImageShape, usize),
}

#[derive(Debug, Clone)]
enum Origin {
    Memory(Pixels),
    Idx(PathBuf),
    Cifar10(PathBuf),
}

impl From<Images> for ImageStream {
    fn from(mut images: Images) -> Self {
        let (len, shape) = (images.len(), images.shape);
        let pixels = std::mem::replace(&mut images.pixels, Pixels::Bytes(vec![]));
        Self { head: images, len, origin: Origin::Memory(pixels), stored: (shape, 0) }
    }
}

impl ImageStream {
    /// Opens a data set as [`Images::open`] does, and reads it once to see that it is whole.
    ///
    /// # Errors
    /// Those of [`Images::open`].
    pub fn open(path: &Path, labels: Option<&Path>) -> Result<Self> {
        let path = super::file(path);
        let (head, len, origin) = match (kind(&path)?, labels) {
            (Kind::Idx, labels) => {
                let (head, len) = idx::head(&path, labels)?;
                (head, len, Origin::Idx(path.clone()))
            }
            (Kind::Cifar10, None) => {
                let (head, len) = cifar10::head(&path)?;
                (head, len, Origin::Cifar10(path.clone()))
            }
            _ => return Images::open(&path, labels).map(Self::from),
        };
        if len == 0 {
            return Err(Error::dataset(path, "images", "at least one", "none"));
        }
        let stored = (head.shape, 0);
        Ok(Self { head: Images { path: Some(path), ..head }, len, origin, stored })
    }

    /// Shown in tables.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// Gives it another name.
    pub fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.head.name);
    }

    /// Shape of one image.
    pub fn shape(&self) -> ImageShape {
        self.head.shape
    }

    /// One class index per image, where there are labels.
    pub fn labels(&self) -> Option<&[usize]> {
        self.head.labels.as_deref()
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no image.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps the first `count` images.
    pub fn truncate(&mut self, count: usize) {
        self.len = self.len.min(count);
        if let Some(labels) = &mut self.head.labels {
            labels.truncate(count);
        }
    }

    /// As [`Images::check_labels`].
    ///
    /// # Errors
    /// [`Error::Dataset`] naming the first label that is no class.
    pub fn check_labels(&self, classes: usize) -> Result<()> {
        self.head.check_labels(classes)
    }

    /// As [`Images::fit`], of each block when it is read.
    ///
    /// # Errors
    /// [`Error::Dataset`] where the shape does not fit.
    pub fn fit(mut self, shape: ImageShape, pad: usize) -> Result<Self> {
        let stored = self.head.shape;
        self.head = self.head.fit(shape, pad)?;
        self.stored = (stored, pad);
        Ok(self)
    }

    /// Shows every image to `look`, `size` at a time and in order, with the index of the first.
    ///
    /// # Errors
    /// Where the file cannot be read any more, or `look` fails; [`Error::Dataset`] where it was cut
    /// since it was opened.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn for_each_block(
        &self,
        size: usize,
        look: &mut dyn FnMut(usize, Images) -> Result<()>,
    ) -> Result<()> {
        let mut reader = self.reader()?;
        for first in (0..self.len).step_by(size) {
            let count = size.min(self.len - first);
            let pixels = match &self.origin {
                Origin::Memory(pixels) => self.part(pixels, first, count),
                Origin::Idx(path) => self.read(path, &mut reader, (first, count), 0)?,
                Origin::Cifar10(path) => self.read(path, &mut reader, (first, count), 1)?,
            };
            let labels = self.head.labels.as_ref().map(|all| all[first..first + count].to_vec());
            let (shape, pad) = self.stored;
            let block = Images { shape, pixels, labels, ..self.head.clone_without_labels() };
            look(first, block.fit(self.head.shape, pad)?)?;
        }
        Ok(())
    }

    /// The images of `indices`, in that order, in memory.
    ///
    /// # Errors
    /// Where the file cannot be read any more.
    ///
    /// # Panics
    /// If an index leaves the data set.
    pub fn pick(&self, indices: &[usize]) -> Result<Images> {
        const BLOCK: usize = 256;
        let len = self.head.shape.len();
        let mut places: Vec<(usize, usize)> = indices.iter().copied().zip(0..).collect();
        places.sort_unstable();
        let mut picked: Option<Pixels> = None;
        let mut rest = places.as_slice();
        self.for_each_block(BLOCK, &mut |first, block| {
            let here = rest.partition_point(|(index, _)| *index < first + block.len());
            let (now, later) = rest.split_at(here);
            rest = later;
            let into = picked.get_or_insert_with(|| zeros(&block.pixels, indices.len() * len));
            for (index, place) in now {
                copy(&block.pixels, index - first, into, *place, len);
            }
            Ok(())
        })?;
        assert!(rest.is_empty(), "image {rest:?} is not among {}", self.len);
        let labels = self.head.labels.as_ref();
        let labels = labels.map(|all| indices.iter().map(|index| all[*index]).collect());
        let pixels = picked.unwrap_or(Pixels::Bytes(vec![]));
        Ok(Images { pixels, labels, ..self.head.clone_without_labels() })
    }

    fn reader(&self) -> Result<Box<dyn Read>> {
        match &self.origin {
            Origin::Memory(_) => Ok(Box::new(io::empty())),
            Origin::Idx(path) => idx::pixels(path),
            Origin::Cifar10(path) => {
                Ok(Box::new(BufReader::new(File::open(path).map_err(Error::io(path))?)))
            }
        }
    }

    fn part(&self, pixels: &Pixels, first: usize, count: usize) -> Pixels {
        let len = self.stored.0.len();
        let range = first * len..(first + count) * len;
        match pixels {
            Pixels::Bytes(bytes) => Pixels::Bytes(bytes[range].to_vec()),
            Pixels::Unit(values) => Pixels::Unit(values[range].to_vec()),
        }
    }

    /// `count` records, the first of them that of image `first`, of an image behind `skip` bytes each.
    fn read(
        &self,
        path: &Path,
        reader: &mut dyn Read,
        (first, count): (usize, usize),
        skip: usize,
    ) -> Result<Pixels> {
        let len = self.stored.0.len();
        let mut bytes = vec![0; count * (len + skip)];
        reader.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::dataset(
                path,
                "pixels",
                format!("those of {} images, as when the file was opened", self.len),
                format!(
                    "its end among those of images {first} to {}. Something has cut it since; \
                     restore it and repeat the command",
                    first + count - 1
                ),
            ),
            _ => Error::io(path)(error),
        })?;
        let bytes = match skip {
            0 => bytes,
            _ => {
                bytes.chunks_exact(len + skip).flat_map(|record| &record[skip..]).copied().collect()
            }
        };
        Ok(Pixels::Bytes(bytes))
    }
}

impl Images {
    /// Name, path and shape.
    fn clone_without_labels(&self) -> Self {
        Self {
            name: self.name.clone(),
            path: self.path.clone(),
            shape: self.shape,
            pixels: Pixels::Bytes(vec![]),
            labels: None,
        }
    }
}

fn zeros(like: &Pixels, len: usize) -> Pixels {
    match like {
        Pixels::Bytes(_) => Pixels::Bytes(vec![0; len]),
        Pixels::Unit(_) => Pixels::Unit(vec![0.0; len]),
    }
}

/// Image `place` of `from` into place `into_place` of `into`, which is of the same kind.
fn copy(from: &Pixels, place: usize, into: &mut Pixels, into_place: usize, len: usize) {
    let (here, there) = (place * len..(place + 1) * len, into_place * len..(into_place + 1) * len);
    match (from, into) {
        (Pixels::Bytes(from), Pixels::Bytes(into)) => into[there].copy_from_slice(&from[here]),
        (Pixels::Unit(from), Pixels::Unit(into)) => into[there].copy_from_slice(&from[here]),
        _ => unreachable!("a data set has pixels of one kind"),
    }
}
