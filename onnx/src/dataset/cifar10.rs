//! CIFAR-10's binary layout: records of one label byte and 3 x 32 x 32 pixel bytes.

use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::Path,
};

use super::{Images, Pixels};
use crate::{
    error::{Error, Result},
    model::ImageShape,
};

/// The test images' file in `cifar-10-batches-bin`.
pub(super) const TEST_FILE: &str = "test_batch.bin";
const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
const RECORD: usize = 1 + 3 * 32 * 32;
const CLASSES: u8 = 10;

pub(super) fn read(path: &Path) -> Result<Images> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    check_size(path, bytes.len())?;
    let (records, _) = bytes.as_chunks::<RECORD>();
    let labels = labels(path, records.iter().map(|record| record[0]))?;
    let pixels = records.iter().flat_map(|record| &record[1..]).copied().collect();
    Ok(Images { pixels: Pixels::Bytes(pixels), ..described(labels) })
}

/// Everything of [`read`] but the pixels, and how many images there are.
pub(super) fn head(path: &Path) -> Result<(Images, usize)> {
    let io = |error| Error::io(path)(error);
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let bytes = usize::try_from(file.get_ref().metadata().map_err(io)?.len()).unwrap_or(usize::MAX);
    check_size(path, bytes)?;
    let mut record = [0; RECORD];
    let mut first = Vec::with_capacity(bytes / RECORD);
    for _ in 0..bytes / RECORD {
        file.read_exact(&mut record).map_err(io)?;
        first.push(record[0]);
    }
    let labels = labels(path, first.into_iter())?;
    let count = labels.len();
    Ok((described(labels), count))
}

fn described(labels: Vec<usize>) -> Images {
    Images {
        name: "cifar-10".to_owned(),
        path: None,
        shape: SHAPE,
        pixels: Pixels::Bytes(vec![]),
        labels: Some(labels),
    }
}

fn check_size(path: &Path, bytes: usize) -> Result<()> {
    if bytes.is_multiple_of(RECORD) {
        return Ok(());
    }
    let expected = format!("a multiple of {RECORD} bytes (label and 3x32x32 pixels)");
    let found = format!("{bytes} bytes, {} too many", bytes % RECORD);
    Err(Error::dataset(path, "CIFAR-10 records", expected, found))
}

fn labels(path: &Path, first: impl Iterator<Item = u8>) -> Result<Vec<usize>> {
    let label = |(index, label): (usize, u8)| match label < CLASSES {
        true => Ok(usize::from(label)),
        false => Err(Error::dataset(path, format!("label of record {index}"), "0 to 9", label)),
    };
    first.enumerate().map(label).collect()
}
