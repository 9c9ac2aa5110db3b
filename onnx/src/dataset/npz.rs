//! NPZ archives as NumPy writes them: images under `x` or `images`, labels under `y` or `labels`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use ndarray::{Array1, ArrayView4};
use ndarray_npy::NpzWriter;
use zip::ZipArchive;

use super::{Images, Pixels, npy::Npy};
use crate::{
    error::{Error, Result},
    limits,
    model::ImageShape,
};

const IMAGES: [&str; 5] = ["x", "images", "x_test", "data", "arr_0"];
const LABELS: [&str; 5] = ["y", "labels", "y_test", "label", "arr_1"];

type Archive = ZipArchive<File>;

pub(super) fn read(path: &Path) -> Result<Images> {
    let file = File::open(path).map_err(Error::io(path))?;
    let mut archive = Archive::new(file)
        .map_err(|error| Error::dataset(path, "NPZ archive", "a zip of .npy arrays", error))?;
    let names = archive.file_names().map(|name| name.map(|name| name.into_owned()));
    let names: Vec<String> = names
        .collect::<std::result::Result<_, _>>()
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

/// The bytes of an array; set aside as they come, not as they are announced.
fn bytes_of(path: &Path, archive: &mut Archive, name: &str) -> Result<Vec<u8>> {
    let what = || format!("array '{name}'");
    let damaged = |error: String| Error::dataset(path, what(), "what the archive announces", error);
    let entry = archive.by_name(name).map_err(|error| damaged(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = entry.take(limits::DATA + 1).read_to_end(&mut bytes);
    read.map_err(|error| damaged(error.to_string()))?;
    if bytes.len() as u64 > limits::DATA {
        let expected = format!("at most {} bytes", limits::DATA);
        return Err(Error::dataset(path, what(), expected, "more"));
    }
    Ok(bytes)
}

fn read_images(path: &Path, archive: &mut Archive, name: &str) -> Result<(Vec<usize>, Pixels)> {
    let bytes = bytes_of(path, archive, name)?;
    let what = || format!("array '{name}'");
    let wrong = |error| Error::dataset(path, what(), "uint8 or float32", error);
    let array = Npy::parse(&bytes).map_err(wrong)?;
    if array.is::<u8>() {
        let pixels = Pixels::Bytes(array.elements().map_err(wrong)?);
        return Ok((array.dims, pixels));
    }
    let values: Vec<f32> = array.elements().map_err(wrong)?;
    if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(Error::dataset(path, what(), "float32 pixels on [0, 1]", value));
    }
    Ok((array.dims, Pixels::Unit(values)))
}

fn image_shape(path: &Path, name: &str, dims: &[usize]) -> Result<ImageShape> {
    let shape = match *dims {
        [_, height, width] => Some(ImageShape { channels: 1, height, width }),
        // Three or one channel last is NumPy's other habit, and would be read as garbage.
        [_, height, width, 1 | 3] if height != 1 && height != 3 && width > 3 => None,
        [_, channels, height, width] => Some(ImageShape { channels, height, width }),
        _ => None,
    };
    shape.filter(|shape| shape.is_possible()).ok_or_else(|| {
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
    let bytes = bytes_of(path, archive, name)?;
    let wrong = |error| Error::dataset(path, what(), "int64, int32 or uint8 labels", error);
    let array = Npy::parse(&bytes).map_err(wrong)?;
    let numbers: Vec<i64> = if array.is::<u8>() {
        array.elements::<u8>().map_err(wrong)?.into_iter().map(i64::from).collect()
    } else if array.is::<i32>() {
        array.elements::<i32>().map_err(wrong)?.into_iter().map(i64::from).collect()
    } else {
        array.elements().map_err(wrong)?
    };
    if array.dims != [images] {
        let expected = format!("{images} labels, one per image");
        return Err(Error::dataset(path, what(), expected, format!("{:?}", array.dims)));
    }
    let label = |&number: &i64| {
        usize::try_from(number).map_err(|_| Error::dataset(path, what(), "labels from 0", number))
    };
    numbers.iter().map(label).collect()
}
