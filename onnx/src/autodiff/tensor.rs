//! Constants of a graph: reading, reordering and writing them at build time.

use crate::proto::{TensorProto, tensor_proto::DataType};

/// A constant with its numbers as little-endian bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Constant {
    /// Element type, as [`DataType`] numbers it.
    pub element: i32,
    /// Sizes of its axes.
    pub dims: Vec<i64>,
    /// The elements in C order.
    pub bytes: Vec<u8>,
}

/// Bytes of one element, for the types whose numbers are read.
fn width(element: i32) -> Option<usize> {
    match DataType::try_from(element).ok()? {
        DataType::Float | DataType::Int32 => Some(4),
        DataType::Double | DataType::Int64 => Some(8),
        DataType::Float16 | DataType::Bfloat16 => Some(2),
        DataType::Bool => Some(1),
        _ => None,
    }
}

fn bytes_of<const W: usize, T>(data: &[T], bytes: impl Fn(&T) -> [u8; W]) -> Vec<u8> {
    data.iter().flat_map(bytes).collect()
}

fn chunks<const W: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; W]> {
    bytes.chunks_exact(W).map(|chunk| chunk.try_into().expect("exact"))
}

impl Constant {
    /// Reads a tensor; `None` where its numbers lie outside the file or are of another kind.
    pub fn read(tensor: &TensorProto) -> Option<Self> {
        let (element, dims) = (tensor.data_type(), tensor.dims.clone());
        let width = width(element)?;
        let bytes = match &tensor.raw_data {
            Some(raw) => raw.clone(),
            None => match DataType::try_from(element).ok()? {
                DataType::Float => bytes_of(&tensor.float_data, |value| value.to_le_bytes()),
                DataType::Double => bytes_of(&tensor.double_data, |value| value.to_le_bytes()),
                DataType::Int64 => bytes_of(&tensor.int64_data, |value| value.to_le_bytes()),
                DataType::Int32 => bytes_of(&tensor.int32_data, |value| value.to_le_bytes()),
                DataType::Bool => tensor.int32_data.iter().map(|&value| value as u8).collect(),
                _ => return None,
            },
        };
        let count = dims
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(usize::try_from(size).ok()?))?;
        (Some(bytes.len()) == count.checked_mul(width)).then_some(Self { element, dims, bytes })
    }

    /// 64-bit integers.
    pub fn ints(dims: &[i64], values: &[i64]) -> Self {
        let bytes = bytes_of(values, |value| value.to_le_bytes());
        Self { element: DataType::Int64 as i32, dims: dims.to_vec(), bytes }
    }

    /// Numbers of the floating-point type `element`, rounded to it; `None` for another type.
    pub fn floats(element: i32, dims: &[i64], values: &[f64]) -> Option<Self> {
        let bytes = match DataType::try_from(element).ok()? {
            DataType::Float => bytes_of(values, |&value| (value as f32).to_le_bytes()),
            DataType::Double => bytes_of(values, |value| value.to_le_bytes()),
            _ => return None,
        };
        Some(Self { element, dims: dims.to_vec(), bytes })
    }

    /// The elements as f64, for the types that have a value there.
    pub fn to_floats(&self) -> Option<Vec<f64>> {
        match DataType::try_from(self.element).ok()? {
            DataType::Float => {
                Some(chunks(&self.bytes).map(|c| f64::from(f32::from_le_bytes(c))).collect())
            }
            DataType::Double => Some(chunks(&self.bytes).map(f64::from_le_bytes).collect()),
            _ => Some(self.to_ints()?.into_iter().map(|value| value as f64).collect()),
        }
    }

    /// The elements of an integer or boolean tensor.
    pub fn to_ints(&self) -> Option<Vec<i64>> {
        match DataType::try_from(self.element).ok()? {
            DataType::Int64 => Some(chunks(&self.bytes).map(i64::from_le_bytes).collect()),
            DataType::Int32 => {
                Some(chunks(&self.bytes).map(|c| i64::from(i32::from_le_bytes(c))).collect())
            }
            DataType::Bool => Some(self.bytes.iter().map(|&byte| i64::from(byte)).collect()),
            _ => None,
        }
    }

    /// The single element of a tensor of one element.
    pub fn scalar(&self) -> Option<f64> {
        (self.dims.iter().product::<i64>() == 1).then(|| self.to_floats())?.map(|one| one[0])
    }

    /// The same elements with other axes.
    pub fn reshaped(self, dims: &[i64]) -> Self {
        debug_assert_eq!(dims.iter().product::<i64>(), self.dims.iter().product::<i64>());
        Self { dims: dims.to_vec(), ..self }
    }

    /// Axis i of the result is axis `perm[i]` of this, walked backwards where `flip[i]`.
    pub fn permuted(&self, perm: &[usize], flip: &[bool]) -> Self {
        let width = width(self.element).expect("checked when it was read");
        let dims: Vec<i64> = perm.iter().map(|&axis| self.dims[axis]).collect();
        if self.bytes.is_empty() {
            // The other sizes may be any, and their product beyond 64 bits.
            return Self { element: self.element, dims, bytes: vec![] };
        }
        let mut strides = vec![width as i64; self.dims.len()];
        for axis in (1..self.dims.len()).rev() {
            strides[axis - 1] = strides[axis] * self.dims[axis];
        }
        let step =
            |axis: usize| if flip[axis] { -strides[perm[axis]] } else { strides[perm[axis]] };
        let steps: Vec<i64> = (0..perm.len()).map(step).collect();
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut index = vec![0; dims.len()];
        let start: i64 =
            (0..perm.len()).filter(|&i| flip[i]).map(|i| -steps[i] * (dims[i] - 1)).sum();
        let mut place = start;
        while bytes.len() < self.bytes.len() {
            bytes.extend_from_slice(&self.bytes[place as usize..place as usize + width]);
            for axis in (0..dims.len()).rev() {
                index[axis] += 1;
                place += steps[axis];
                if index[axis] < dims[axis] {
                    break;
                }
                index[axis] = 0;
                place -= steps[axis] * dims[axis];
            }
        }
        Self { element: self.element, dims, bytes }
    }

    /// As it is stored in a graph.
    pub fn into_proto(self, name: String) -> TensorProto {
        TensorProto {
            name: Some(name),
            dims: self.dims,
            data_type: Some(self.element),
            raw_data: Some(self.bytes),
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permuting_moves_and_flips_axes() {
        let constant = Constant::ints(&[2, 3], &[0, 1, 2, 3, 4, 5]);
        let transposed = constant.permuted(&[1, 0], &[false, false]);
        assert_eq!(transposed, Constant::ints(&[3, 2], &[0, 3, 1, 4, 2, 5]));
        let flipped = constant.permuted(&[1, 0], &[true, false]);
        assert_eq!(flipped, Constant::ints(&[3, 2], &[2, 5, 1, 4, 0, 3]));
    }

    #[test]
    fn a_tensor_that_lies_about_its_size_is_not_read() {
        let mut tensor = Constant::ints(&[2], &[1, 2]).into_proto("two".to_owned());
        assert!(Constant::read(&tensor).is_some());
        tensor.dims = vec![3];
        assert!(Constant::read(&tensor).is_none());
        tensor.dims = vec![i64::MAX, i64::MAX];
        assert!(Constant::read(&tensor).is_none());
    }
}
