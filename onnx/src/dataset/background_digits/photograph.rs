//! Photographs as JPEG and PNG files: finding and decoding them.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::grey::Grey;
use crate::error::{Error, Result};

const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The largest image that is decoded, in bytes of memory: a damaged header may ask for more.
const LARGEST: usize = 1 << 30;

const START_OF_SCAN: [u8; 2] = [0xff, 0xda];
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// A picture, or what is wrong with its file.
type Decoded = std::result::Result<Grey, String>;

/// The JPEG and PNG files, by extension, of a folder and the folders in it, sorted by path.
///
/// # Errors
/// [`Error::Io`] where a folder cannot be read.
pub fn find(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let path = entry.path();
        // A link to a folder may lead in circles; one to a file is as good as the file.
        if entry.file_type().map_err(Error::io(&path))?.is_dir() {
            found.extend(find(&path)?);
        } else if is_photograph(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_photograph(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|known| extension == *known)
}

/// The luma of a JPEG or PNG file. Colour profiles and the orientation that a camera notes are not
/// applied: a background needs neither.
///
/// # Errors
/// What is wrong with the file, without its name: it is of another kind, damaged, or transparent.
pub fn decode(bytes: &[u8]) -> Decoded {
    match bytes {
        [0xff, 0xd8, ..] => decode_jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes),
        _ => Err("neither JPEG nor PNG, whatever its name says".to_owned()),
    }
}

fn decode_jpeg(bytes: &[u8]) -> Decoded {
    // The decoder fills what a truncated file lacks with grey.
    if last_marker(bytes, END_OF_IMAGE) <= last_marker(bytes, START_OF_SCAN) {
        return Err("its end is missing".to_owned());
    }
    let options =
        DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let colours = decoder.decode().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("it has no header")?;
    Ok(Grey::from_rgb(usize::from(info.width), &colours))
}

/// Where a marker stands last; none counts as before everything. Compressed data holds no marker,
/// and the thumbnail that a header may hold lies before the image.
fn last_marker(bytes: &[u8], marker: [u8; 2]) -> Option<usize> {
    bytes.windows(2).rposition(|pair| pair == marker)
}

fn decode_png(bytes: &[u8]) -> Decoded {
    let text = |error: png::DecodingError| error.to_string();
    let limits = png::Limits { bytes: LARGEST };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(text)?;
    let size = reader.output_buffer_size().filter(|&size| size <= LARGEST);
    let mut samples = vec![0; size.ok_or_else(|| format!("it takes more than {LARGEST} bytes"))?];
    let frame = reader.next_frame(&mut samples).map_err(text)?;
    // What follows the last row is looked at as well: the checksums among it.
    reader.finish().map_err(text)?;
    samples.truncate(frame.buffer_size());
    grey_of(frame.width as usize, frame.color_type, samples)
}

fn grey_of(width: usize, colours: png::ColorType, samples: Vec<u8>) -> Decoded {
    use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let (samples, colours) = match colours {
        GrayscaleAlpha => (opaque::<2>(&samples)?, Grayscale),
        Rgba => (opaque::<4>(&samples)?, Rgb),
        Grayscale | Rgb | Indexed => (samples, colours),
    };
    match colours {
        Rgb => Ok(Grey::from_rgb(width, &samples)),
        _ => Ok(Grey::new(width, samples)),
    }
}

/// The samples without the last of each pixel, which says how opaque it is.
fn opaque<const SAMPLES: usize>(samples: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let (pixels, _) = samples.as_chunks::<SAMPLES>();
    if pixels.iter().any(|pixel| pixel[SAMPLES - 1] != u8::MAX) {
        return Err("it is transparent in places, as no photograph is".to_owned());
    }
    Ok(pixels.iter().flat_map(|pixel| &pixel[..SAMPLES - 1]).copied().collect())
}
