//! IDX files, as MNIST and Fashion-MNIST come: a big-endian header, then unsigned bytes.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

use super::{Images, Pixels};
use crate::{
    error::{Error, Result},
    limits,
    model::ImageShape,
};

/// Reads images, and their labels from `labels` or from the file usually named beside them.
pub(super) fn read(path: &Path, labels: Option<&Path>) -> Result<Images> {
    let (dims, pixels) = read_bytes(path, 3)?;
    let head = described(path, labels, &dims)?;
    Ok(Images { pixels: Pixels::Bytes(pixels), ..head })
}

/// Everything of [`read`] but the pixels, which are seen to be there, and how many images there are.
pub(super) fn head(path: &Path, labels: Option<&Path>) -> Result<(Images, usize)> {
    let (dims, expected, file) = open(path, 3)?;
    check_size(path, &dims, expected, count(&mut file.take(expected as u64 + 1)))?;
    Ok((described(path, labels, &dims)?, dims[0]))
}

/// A reader of the pixels.
pub(super) fn pixels(path: &Path) -> Result<Box<dyn Read>> {
    open(path, 3).map(|(_, _, file)| file)
}

fn described(path: &Path, labels: Option<&Path>, dims: &[usize]) -> Result<Images> {
    let shape = ImageShape { channels: 1, height: dims[1], width: dims[2] };
    if !shape.is_possible() {
        let expected = format!("1 to {} pixels", limits::IMAGE);
        return Err(Error::dataset(path, "image shape", expected, shape));
    }
    let found = labels.map(Path::to_owned).or_else(|| labels_beside(path));
    let labels = match &found {
        None => None,
        Some(file) => {
            let (dims_of_labels, labels) = read_bytes(file, 1)?;
            if dims_of_labels[0] != dims[0] {
                let expected = format!("{}, as many as images in {}", dims[0], path.display());
                return Err(Error::dataset(file, "labels", expected, dims_of_labels[0]));
            }
            Some(labels.into_iter().map(usize::from).collect())
        }
    };
    let name = name_of(path);
    Ok(Images { name, path: None, shape, pixels: Pixels::Bytes(vec![]), labels })
}

/// Writes images and labels as plain files.
pub(super) fn write(images: &Images, images_path: &Path, labels_path: &Path) -> Result<()> {
    let refused = |found: String| {
        Error::dataset(images_path, "IDX images", "one channel of 8 bits, with labels", found)
    };
    let (Pixels::Bytes(pixels), Some(labels), 1) =
        (&images.pixels, &images.labels, images.shape.channels)
    else {
        return Err(refused(format!("{} of shape {}", images.name, images.shape)));
    };
    let labels: Vec<u8> = labels
        .iter()
        .map(|&label| u8::try_from(label).map_err(|_| refused(format!("label {label}"))))
        .collect::<Result<_>>()?;
    let shape = images.shape;
    write_bytes(images_path, &[images.len(), shape.height, shape.width], pixels)?;
    write_bytes(labels_path, &[labels.len()], &labels)
}

fn write_bytes(path: &Path, dims: &[usize], bytes: &[u8]) -> Result<()> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    for &dim in dims {
        let dim = u32::try_from(dim).map_err(|_| {
            Error::dataset(path, "dimensions", "sizes below 2^32", format!("{dims:?}"))
        })?;
        file.extend(dim.to_be_bytes());
    }
    file.extend(bytes);
    fs::write(path, file).map_err(Error::io(path))
}

/// `mnist-t10k-500` for `mnist-t10k-500-images-idx3-ubyte.gz`; `mnist/t10k` for
/// `mnist/t10k-images-idx3-ubyte`, since MNIST and its successors name their files alike.
fn name_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.split("-images").next().unwrap_or_default().trim_end_matches(".gz");
    let folder = path.parent().and_then(Path::file_name);
    match (stem, folder) {
        ("t10k" | "train", Some(folder)) => format!("{}/{stem}", folder.to_string_lossy()),
        _ => stem.to_owned(),
    }
}

pub(super) fn labels_beside(path: &Path) -> Option<PathBuf> {
    let file = path.file_name()?.to_string_lossy();
    let labels = file.replace("images", "labels").replace("idx3", "idx1");
    let beside = path.with_file_name(&labels);
    (labels != file && beside.is_file()).then_some(beside)
}

/// The dimensions and the bytes of a file of `rank` dimensions.
fn read_bytes(path: &Path, rank: u8) -> Result<(Vec<usize>, Vec<u8>)> {
    let (dims, expected, file) = open(path, rank)?;
    if expected as u64 > limits::DATA {
        let most = format!("at most {} bytes", limits::DATA);
        return Err(Error::dataset(path, "dimensions", most, format!("{dims:?}")));
    }
    let mut bytes = Vec::new();
    // One byte more than announced is enough to see that there is more.
    let read = file.take(expected as u64 + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| format!("{} before: {error}", bytes.len()));
    check_size(path, &dims, expected, read)?;
    Ok((dims, bytes))
}

fn count(file: &mut dyn Read) -> std::result::Result<usize, String> {
    let (mut buffer, mut found) = (vec![0; 1 << 16], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(found),
            Ok(bytes) => found += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(format!("{found} before: {error}")),
        }
    }
}

fn check_size(
    path: &Path,
    dims: &[usize],
    expected: usize,
    found: std::result::Result<usize, String>,
) -> Result<()> {
    let found = match found {
        Ok(found) if found == expected => return Ok(()),
        Ok(found) if found > expected => format!("more than {expected}"),
        Ok(found) => found.to_string(),
        Err(error) => error,
    };
    let what = "bytes after the header";
    Err(Error::dataset(path, what, format!("{expected} for {dims:?}"), found))
}

/// The dimensions of a file of `rank` dimensions, the bytes that they announce, and their reader.
fn open(path: &Path, rank: u8) -> Result<(Vec<usize>, usize, Box<dyn Read>)> {
    let io = |error| Error::io(path)(error);
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut start = [0; 2];
    file.read_exact(&mut start).map_err(io)?;
    let all = io::Cursor::new(start).chain(file);
    let mut all: Box<dyn Read> = match start {
        [0x1f, 0x8b] => Box::new(GzDecoder::new(all)),
        _ => Box::new(all),
    };
    let (dims, expected) = header(path, &mut all, rank)?;
    Ok((dims, expected, all))
}

fn header(path: &Path, file: &mut dyn Read, rank: u8) -> Result<(Vec<usize>, usize)> {
    let mut header = vec![0; 4 + 4 * usize::from(rank)];
    file.read_exact(&mut header).map_err(|error| {
        Error::dataset(path, "IDX header", format!("{} bytes", header.len()), error)
    })?;
    if header[..4] != [0, 0, 8, rank] {
        let expected = format!("00 00 08 {rank:02} (unsigned bytes, {rank} dimensions)");
        return Err(Error::dataset(path, "IDX mark", expected, format!("{:02x?}", &header[..4])));
    }
    let dims: Vec<usize> = header[4..]
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&bytes| u32::from_be_bytes(bytes) as usize)
        .collect();
    let expected =
        dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim)).ok_or_else(
            || Error::dataset(path, "dimensions", "a size in memory", format!("{dims:?}")),
        )?;
    Ok((dims, expected))
}
