//! NPZ archives as NumPy writes them: images under `x` or `images`, labels under `y` or `labels`.

use std::{fs::File, io, path::Path};

use ndarray::{Array1, ArrayD, ArrayView4, IxDyn, OwnedRepr};
use ndarray_npy::{NpzReader, NpzWriter, ReadableElement};

use super::{Images, Pixels};
use crate::{
    error::{Error, Result},
    model::ImageShape,
};

const IMAGES: [&str; 5] = ["x", "images", "x_test", "data", "arr_0"];
const LABELS: [&str; 5] = ["y", "labels", "y_test", "label", "arr_1"];

type Archive = NpzReader<File>;

pub(super) fn read(path: &Path) -> Result<Images> {
    let file = File::open(path).map_err(Error::io(path))?;
    let mut archive = NpzReader::new(file)
        .map_err(|error| Error::dataset(path, "NPZ archive", "a zip of .npy arrays", error))?;
    let names = archive
        .names()
        .map_err(|error| Error::dataset(path, "NPZ archive", "array names", error))?;
    let pick = |wanted: &[&str]| {
        let stem = |name: &str| name.trim_end_matches(".npy").to_owned();
        names.iter().find(|name| wanted.contains(&stem(name).as_str())).cloned()
    };
    let images = pick(&IMAGES).ok_or_else(|| {
        Error::dataset(
            path,
            "arrays",
            format!("images under one of {IMAGES:?}"),
            format!("{names:?}"),
        )
    })?;
    let (dims, pixels) = read_images(path, &mut archive, &images)?;
    let shape = image_shape(path, &images, &dims)?;
    let labels = match pick(&LABELS) {
        Some(name) => Some(read_labels(path, &mut archive, &name, dims[0])?),
        None => None,
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Images { name, path: None, shape, pixels, labels })
}

/// Writes images and labels, compressed.
pub(super) fn write(images: &Images, path: &Path) -> Result<()> {
    let dims = (images.len(), images.shape.channels, images.shape.height, images.shape.width);
    let file = File::create(path).map_err(Error::io(path))?;
    let mut archive = NpzWriter::new_compressed(file);
    let whole = "pixels are whole images";
    let written = match &images.pixels {
        Pixels::Bytes(bytes) => {
            archive.add_array("x", &ArrayView4::from_shape(dims, bytes).expect(whole))
        }
        Pixels::Unit(values) => {
            archive.add_array("x", &ArrayView4::from_shape(dims, values).expect(whole))
        }
    };
    let labels = images.labels.iter().flatten().map(|&label| label as i64).collect::<Array1<i64>>();
    written
        .and_then(|()| match images.labels {
            Some(_) => archive.add_array("y", &labels),
            None => Ok(()),
        })
        .and_then(|()| archive.finish().map(drop))
        .map_err(|error| Error::io(path)(io::Error::other(error)))
}

fn array<T: ReadableElement>(archive: &mut Archive, name: &str) -> Option<ArrayD<T>> {
    archive.by_name::<OwnedRepr<T>, IxDyn>(name).ok()
}

fn read_images(path: &Path, archive: &mut Archive, name: &str) -> Result<(Vec<usize>, Pixels)> {
    if let Some(bytes) = array::<u8>(archive, name) {
        return Ok((bytes.shape().to_vec(), Pixels::Bytes(bytes.iter().copied().collect())));
    }
    let values = match archive.by_name::<OwnedRepr<f32>, IxDyn>(name) {
        Ok(values) => values,
        Err(error) => {
            return Err(Error::dataset(path, format!("array '{name}'"), "uint8 or float32", error));
        }
    };
    if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        let what = format!("array '{name}'");
        return Err(Error::dataset(path, what, "float32 pixels on [0, 1]", value));
    }
    Ok((values.shape().to_vec(), Pixels::Unit(values.iter().copied().collect())))
}

fn image_shape(path: &Path, name: &str, dims: &[usize]) -> Result<ImageShape> {
    let shape = match *dims {
        [_, height, width] => Some(ImageShape { channels: 1, height, width }),
        // Three or one channel last is NumPy's other habit, and would be read as garbage.
        [_, height, width, 1 | 3] if height != 1 && height != 3 && width > 3 => None,
        [_, channels, height, width] => Some(ImageShape { channels, height, width }),
        _ => None,
    };
    shape.filter(|shape| !shape.is_empty()).ok_or_else(|| {
        let expected = "N x H x W or N x C x H x W (channels first)";
        Error::dataset(path, format!("shape of array '{name}'"), expected, format!("{dims:?}"))
    })
}

fn read_labels(
    path: &Path,
    archive: &mut Archive,
    name: &str,
    images: usize,
) -> Result<Vec<usize>> {
    let what = || format!("array '{name}'");
    let numbers: ArrayD<i64> = array::<i64>(archive, name)
        .or_else(|| array::<i32>(archive, name).map(|labels| labels.mapv(i64::from)))
        .or_else(|| array::<u8>(archive, name).map(|labels| labels.mapv(i64::from)))
        .ok_or_else(|| {
            Error::dataset(path, what(), "int64, int32 or uint8 labels", "another type or damage")
        })?;
    if numbers.shape() != [images] {
        let expected = format!("{images} labels, one per image");
        return Err(Error::dataset(path, what(), expected, format!("{:?}", numbers.shape())));
    }
    let label = |&number: &i64| {
        usize::try_from(number).map_err(|_| Error::dataset(path, what(), "labels from 0", number))
    };
    numbers.iter().map(label).collect()
}
