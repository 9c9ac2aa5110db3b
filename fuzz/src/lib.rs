//! What the fuzz targets share.

mod allocation;
mod mutation;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;
use undetected_onnx::dataset::{ImageStream, Images};

pub use mutation::mutated_model;

/// A file of these bytes in this process's own folder, for readers that take a path.
pub fn written(name: &str, bytes: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("written");
    path
}

/// Reads a data set both ways, which must agree on whether it is one and on every pixel of it.
pub fn read_data(path: &Path) {
    let (whole, stream) = (Images::open(path, None), ImageStream::open(path, None));
    let (Ok(whole), Ok(stream)) = (&whole, &stream) else {
        assert!(whole.is_err() && stream.is_err(), "{whole:?}\n{stream:?}");
        return;
    };
    assert_eq!(whole.len(), stream.len());
    let all: Vec<usize> = (0..whole.len()).collect();
    assert_eq!(&stream.pick(&all).expect("the file is as it was"), whole);
    let _ = whole.check_labels(10);
}
