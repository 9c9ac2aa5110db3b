//! One NumPy array as `numpy.save` writes it: a header that names type, order and shape, then the
//! elements.
//!
//! What the header announces is compared with the bytes that there are before anything is made of it.

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use crate::limits;

/// An array whose elements are still bytes.
pub(super) struct Npy<'a> {
    /// Its type as NumPy names it, `|u1` or `<f4`.
    descr: &'a str,
    fortran: bool,
    /// Sizes of its axes.
    pub(super) dims: Vec<usize>,
    data: &'a [u8],
}

/// An element type that is read.
pub(super) trait Element: Copy {
    /// NumPy's letter and width.
    const NAME: &'static str;
    /// Of this many bytes, least significant first.
    fn from_le(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($kind:ty, $name:literal) => {
        impl Element for $kind {
            const NAME: &'static str = $name;
            fn from_le(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("as many bytes as the type has"))
            }
        }
    };
}

element!(u8, "u1");
element!(i32, "i4");
element!(i64, "i8");
element!(f32, "f4");

impl<'a> Npy<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let (length, rest) = match bytes {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, rest @ ..] => {
                (u32::from(u16::from_le_bytes([*a, *b])), rest)
            }
            [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, rest @ ..] => {
                (u32::from_le_bytes([*a, *b, *c, *d]), rest)
            }
            _ => return Err("no mark of a .npy array".to_owned()),
        };
        let (header, data) = rest
            .split_at_checked(length as usize)
            .ok_or_else(|| format!("a header of {length} bytes in {}", rest.len()))?;
        let header = std::str::from_utf8(header).map_err(|error| error.to_string())?;
        let shape = value(header, "shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let (shape, _) = shape.ok_or_else(|| format!("a header without a shape: {header}"))?;
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let sizes = sizes.map(|size| size.parse().map_err(|_| format!("an axis of size '{size}'")));
        Ok(Self {
            descr: quoted(value(header, "descr")?)?,
            fortran: value(header, "fortran_order")?.starts_with("True"),
            dims: sizes.collect::<Result<_, String>>()?,
            data,
        })
    }

    /// Whether its elements are of a type.
    pub(super) fn is<T: Element>(&self) -> bool {
        self.descr.trim_start_matches(['<', '>', '=', '|']) == T::NAME
    }

    /// The elements in C order.
    ///
    /// # Errors
    /// Where they are of another type, or more or fewer than the header announces.
    pub(super) fn elements<T: Element>(&self) -> Result<Vec<T>, String> {
        if !self.is::<T>() {
            return Err(format!("elements of type '{}'", self.descr));
        }
        let width = size_of::<T>();
        let count = limits::product(&self.dims, self.data.len() / width)
            .filter(|count| count * width == self.data.len());
        if count.is_none() {
            return Err(format!("{} bytes for {:?} of {}", self.data.len(), self.dims, T::NAME));
        }
        let swapped = self.descr.starts_with('>');
        let element = |bytes: &[u8]| match swapped {
            false => T::from_le(bytes),
            true => T::from_le(&bytes.iter().rev().copied().collect::<Vec<_>>()),
        };
        let stored: Vec<T> = self.data.chunks_exact(width).map(element).collect();
        if !self.fortran {
            return Ok(stored);
        }
        let array = ArrayD::from_shape_vec(IxDyn(&self.dims).f(), stored);
        Ok(array.map_err(|error| error.to_string())?.iter().copied().collect())
    }
}

/// What follows a key.
fn value<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let (_, rest) = header
        .split_once(&format!("'{key}':"))
        .ok_or_else(|| format!("a header without '{key}': {header}"))?;
    Ok(rest.trim_start())
}

fn quoted(text: &str) -> Result<&str, String> {
    let inside = text.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    inside.map(|(inside, _)| inside).ok_or_else(|| "elements of more than one field".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn orders_and_byte_orders() {
        let [c, f] =
            ["False", "True"].map(|order| npy("|u1", order, "(2, 3)", &[1, 2, 3, 4, 5, 6]));
        assert_eq!(Npy::parse(&c).unwrap().elements::<u8>().unwrap(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(Npy::parse(&f).unwrap().elements::<u8>().unwrap(), [1, 3, 5, 2, 4, 6]);
        let big = npy(">i4", "False", "(1,)", &[0, 0, 1, 2]);
        assert_eq!(Npy::parse(&big).unwrap().elements::<i32>().unwrap(), [258]);
        let scalar = npy("<i8", "False", "()", &7i64.to_le_bytes());
        assert_eq!(Npy::parse(&scalar).unwrap().elements::<i64>().unwrap(), [7]);
        assert!(Npy::parse(&scalar).unwrap().elements::<u8>().is_err());
    }

    /// Nothing is set aside for what is not there.
    #[test]
    fn headers_that_announce_what_is_not_there() {
        for shape in ["(100000000000,)", "(9999999999, 9999999999)", "(1, 2)", "(4)", "(0,)"] {
            let bytes = npy("|u1", "False", shape, &[1, 2, 3]);
            let error = Npy::parse(&bytes).unwrap().elements::<u8>().unwrap_err();
            assert!(error.contains("3 bytes for"), "{error}");
        }
        for shape in ["(-1,)", "(1.5,)", "2", "(99999999999999999999,)"] {
            assert!(Npy::parse(&npy("|u1", "False", shape, &[1])).is_err(), "{shape}");
        }
        let mut long = b"\x93NUMPY\x02\x00".to_vec();
        long.extend(u32::MAX.to_le_bytes());
        assert!(Npy::parse(&long).is_err());
    }
}
