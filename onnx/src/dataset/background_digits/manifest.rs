//! What is written down beside a made data set, so that it can be made again and told apart.

use std::{fs, path::Path};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::backgrounds::Source;
use crate::{
    error::{Error, Result},
    sha256,
};

/// A file and its checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSum {
    /// Its path in the folder that was given.
    pub file: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl FileSum {
    /// Of bytes in memory.
    pub fn of(file: impl Into<String>, bytes: &[u8]) -> Self {
        Self { file: file.into(), sha256: sha256::hex(Sha256::new_with_prefix(bytes)) }
    }

    /// Of a file in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read.
    pub fn read(folder: &Path, file: impl Into<String>) -> Result<Self> {
        let file = file.into();
        let path = folder.join(&file);
        let bytes = fs::read(&path).map_err(Error::io(path))?;
        Ok(Self::of(file, &bytes))
    }
}

/// How a data set of background digits was made.
#[derive(Debug, Clone, Serialize)]
pub struct Manifest {
    /// What it is.
    pub dataset: &'static str,
    /// The version of this crate.
    pub version: &'static str,
    /// Seed of the split and of every draw.
    pub seed: u64,
    /// Standard deviation of the backgrounds' Gaussian blur, in pixels.
    pub blur: f64,
    /// How digit and background become one image.
    pub overlay: &'static str,
    /// The digits' files.
    pub digits: Vec<FileSum>,
    /// The backgrounds' files.
    pub backgrounds: Source,
    /// The parts of the data set.
    pub parts: Vec<PartRecord>,
    /// The files beside this one.
    pub files: Vec<FileSum>,
}

/// What is known of one part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartRecord {
    /// `train` or `t10k`, as in the file names.
    pub part: &'static str,
    /// Number of images.
    pub images: usize,
    /// Pictures that the backgrounds were drawn from.
    pub pictures: usize,
    /// Mean grey value of the backgrounds, without digits.
    pub background_mean: f64,
    /// Standard deviation of the same, over all pixels of all images.
    pub background_sd: f64,
}
