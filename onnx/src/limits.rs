//! How much a file may ask for before it is refused unread, or unrun: files are not trusted.
//!
//! Each limit is far above what a model or data set of the paper's needs, and what is refused names it.

use crate::proto::tensor_proto::DataType;

/// Bytes of a model file: protobuf's own limit is 2 GiB, so that no valid file is larger.
pub const FILE: u64 = 2 << 30;
/// Bytes of one array of data that is kept in memory.
pub const DATA: u64 = 8 << 30;
/// Bytes of one tensor, declared or computed, for one image.
pub const TENSOR: u64 = 8 << 30;
/// Bytes of all files of external weights together.
pub const EXTERNAL: u64 = 16 << 30;
/// Rounds of a loop that nothing but its count stops.
pub const ROUNDS: u64 = 1_000_000_000;
/// Numbers in one image, or in one image's noise: 1 GiB of float32.
pub const IMAGE: usize = 1 << 28;
/// Pixels added on each side of an image.
pub const PAD: usize = 1 << 12;
/// Classes.
pub const CLASSES: usize = 1 << 20;

/// The product of sizes, where it is at most `limit`.
///
/// # Examples
/// ```
/// use undetected_onnx::limits::product;
/// assert_eq!(product(&[3, 32, 32], 10_000), Some(3072));
/// assert_eq!(product(&[3, 32, 32], 1000), None);
/// assert_eq!(product(&[usize::MAX, usize::MAX, 0], 1000), None);
/// ```
pub fn product(sizes: &[usize], limit: usize) -> Option<usize> {
    let product = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    product.filter(|&product| product <= limit)
}

/// Bytes of an element; of types that are packed or of any length, one.
pub fn width(element: DataType) -> u64 {
    match element {
        DataType::Complex128 => 16,
        DataType::Double | DataType::Int64 | DataType::Uint64 | DataType::Complex64 => 8,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16 => 2,
        _ => 1,
    }
}
