//! CIFAR-10's binary layout: records of one label byte and 3 x 32 x 32 pixel bytes.

use std::{fs, path::Path};

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
    let (records, rest) = bytes.as_chunks::<RECORD>();
    if !rest.is_empty() {
        let expected = format!("a multiple of {RECORD} bytes (label and 3x32x32 pixels)");
        let found = format!("{} bytes, {} too many", bytes.len(), rest.len());
        return Err(Error::dataset(path, "CIFAR-10 records", expected, found));
    }
    if let Some(index) = records.iter().position(|record| record[0] >= CLASSES) {
        let found = records[index][0];
        return Err(Error::dataset(path, format!("label of record {index}"), "0 to 9", found));
    }
    let labels = records.iter().map(|record| usize::from(record[0])).collect();
    let pixels = records.iter().flat_map(|record| &record[1..]).copied().collect();
    Ok(Images {
        name: "cifar-10".to_owned(),
        path: None,
        shape: SHAPE,
        pixels: Pixels::Bytes(pixels),
        labels: Some(labels),
    })
}
