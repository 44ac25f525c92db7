//! Tensors as plain bytes with a type and a shape.

use crate::{Dtype, Error, Result};
use half::{bf16, f16};
use std::collections::BTreeMap;

/// A tensor at rest: element type, shape and little-endian bytes in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorData {
    /// Type of the elements.
    pub dtype: Dtype,
    /// Length of every dimension, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// `count * dtype.size()` bytes, little-endian, row-major.
    pub bytes: Vec<u8>,
}

/// Number of elements of a shape, or `None` where it does not fit in a `usize`.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length))
}

impl TensorData {
    /// A tensor of these bytes.
    ///
    /// # Errors
    /// [`Error::ByteCount`] unless there are exactly `product(shape) * dtype.size()` bytes.
    pub fn new(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Result<TensorData> {
        let tensor = TensorData { dtype, shape, bytes };
        if tensor.is_consistent() { Ok(tensor) } else { Err(tensor.contradiction()) }
    }

    /// An [`Dtype::F32`] tensor of these values in row-major order.
    ///
    /// # Errors
    /// [`Error::ByteCount`] when the number of values is not the product of `shape`.
    pub fn from_f32(values: &[f32], shape: &[usize]) -> Result<TensorData> {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        TensorData::new(Dtype::F32, shape.to_vec(), bytes)
    }

    /// An [`Dtype::F64`] tensor of these values in row-major order.
    ///
    /// # Errors
    /// [`Error::ByteCount`] when the number of values is not the product of `shape`.
    pub fn from_f64(values: &[f64], shape: &[usize]) -> Result<TensorData> {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        TensorData::new(Dtype::F64, shape.to_vec(), bytes)
    }

    /// An [`Dtype::I64`] tensor of these values in row-major order.
    ///
    /// # Errors
    /// [`Error::ByteCount`] when the number of values is not the product of `shape`.
    pub fn from_i64(values: &[i64], shape: &[usize]) -> Result<TensorData> {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        TensorData::new(Dtype::I64, shape.to_vec(), bytes)
    }

    /// Number of elements; a scalar has one.
    pub fn count(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }

    /// The elements as f32.
    ///
    /// Exact for `F32`, `F16` and `BF16`; `F64` is rounded to nearest.
    ///
    /// # Errors
    /// [`Error::Conversion`] for integers and booleans, [`Error::ByteCount`] when the fields
    /// contradict each other.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        self.check()?;
        match self.dtype {
            Dtype::F32 => Ok(self.elements(f32::from_le_bytes)),
            Dtype::F16 => Ok(self.elements(|b| f16::from_le_bytes(b).to_f32())),
            Dtype::Bf16 => Ok(self.elements(|b| bf16::from_le_bytes(b).to_f32())),
            Dtype::F64 => Ok(self.elements(|b| f64::from_le_bytes(b) as f32)),
            found => Err(Error::Conversion { found, wanted: "f32" }),
        }
    }

    /// The elements as f64, exact for all four floating-point types.
    ///
    /// # Errors
    /// As [`TensorData::to_f32`].
    pub fn to_f64(&self) -> Result<Vec<f64>> {
        self.check()?;
        match self.dtype {
            Dtype::F64 => Ok(self.elements(f64::from_le_bytes)),
            Dtype::F32 => Ok(self.elements(|b| f64::from(f32::from_le_bytes(b)))),
            Dtype::F16 => Ok(self.elements(|b| f16::from_le_bytes(b).to_f64())),
            Dtype::Bf16 => Ok(self.elements(|b| bf16::from_le_bytes(b).to_f64())),
            found => Err(Error::Conversion { found, wanted: "f64" }),
        }
    }

    /// The elements as i64, exact for every integer type and for booleans (0 and 1).
    ///
    /// # Errors
    /// [`Error::Conversion`] for floating-point tensors, [`Error::ByteCount`] when the fields
    /// contradict each other.
    pub fn to_i64(&self) -> Result<Vec<i64>> {
        self.check()?;
        match self.dtype {
            Dtype::I64 => Ok(self.elements(i64::from_le_bytes)),
            Dtype::I32 => Ok(self.elements(|b| i64::from(i32::from_le_bytes(b)))),
            Dtype::I16 => Ok(self.elements(|b| i64::from(i16::from_le_bytes(b)))),
            Dtype::I8 => Ok(self.elements(|b| i64::from(i8::from_le_bytes(b)))),
            Dtype::U8 | Dtype::Bool => Ok(self.elements(|[b]: [u8; 1]| i64::from(b))),
            found => Err(Error::Conversion { found, wanted: "i64" }),
        }
    }

    pub(crate) fn is_consistent(&self) -> bool {
        element_count(&self.shape).and_then(|count| count.checked_mul(self.dtype.size()))
            == Some(self.bytes.len())
    }

    fn check(&self) -> Result<()> {
        if self.is_consistent() { Ok(()) } else { Err(self.contradiction()) }
    }

    fn contradiction(&self) -> Error {
        Error::ByteCount { dtype: self.dtype, shape: self.shape.clone(), bytes: self.bytes.len() }
    }

    fn elements<T, const N: usize>(&self, convert: impl Fn([u8; N]) -> T) -> Vec<T> {
        self.bytes.as_chunks::<N>().0.iter().map(|&chunk| convert(chunk)).collect()
    }
}

/// What a safetensors file holds: tensors by name, and a map of strings.
///
/// Both are ordered by name, so that whatever is derived from them has one order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tensors {
    /// The tensors by name.
    pub tensors: BTreeMap<String, TensorData>,
    /// The header's `__metadata__`.
    pub metadata: BTreeMap<String, String>,
}

impl Tensors {
    /// The tensor of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchTensor`], which says what there is instead.
    pub fn get(&self, name: &str) -> Result<&TensorData> {
        self.tensors.get(name).ok_or_else(|| no_such_tensor(name, self.tensors.keys()))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Tensors in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TensorData)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Bytes of all tensors together.
    pub fn byte_count(&self) -> usize {
        self.tensors.values().map(|tensor| tensor.bytes.len()).sum()
    }
}

/// The error for a missing tensor, with enough of the present names to spot a wrong prefix.
pub(crate) fn no_such_tensor<'a>(
    name: &str,
    names: impl ExactSizeIterator<Item = &'a String>,
) -> Error {
    const SHOWN: usize = 4;
    let count = names.len();
    let first: Vec<String> = names.take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if count > SHOWN { ", ..." } else { "" };
    let available = match count {
        0 => "none".to_owned(),
        _ => format!("{count}: {}{more}", first.join(", ")),
    };
    Error::NoSuchTensor { tensor: name.to_owned(), available }
}
