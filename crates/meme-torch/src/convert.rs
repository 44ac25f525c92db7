//! Tensors from and to slices, arrays and bytes.

use crate::error::{Context, Error};
use crate::ffi;
use meme_checkpoint::{Dtype, TensorData};
use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use tch::{Device, Kind, Tensor};

/// A float32 tensor of these values in row-major order.
///
/// # Errors
/// [`Error::Invalid`] when the number of values is not the product of `shape`.
pub fn from_f32(values: &[f32], shape: &[i64], device: Device) -> Result<Tensor, Error> {
    from_elements(values, shape, device)
}

/// A float64 tensor of these values in row-major order.
///
/// # Errors
/// As [`from_f32`].
pub fn from_f64(values: &[f64], shape: &[i64], device: Device) -> Result<Tensor, Error> {
    from_elements(values, shape, device)
}

/// An int64 tensor of these values in row-major order.
///
/// # Errors
/// As [`from_f32`].
pub fn from_i64(values: &[i64], shape: &[i64], device: Device) -> Result<Tensor, Error> {
    from_elements(values, shape, device)
}

fn from_elements<T: tch::kind::Element>(
    values: &[T],
    shape: &[i64],
    device: Device,
) -> Result<Tensor, Error> {
    let count =
        shape.iter().try_fold(
            1_i64,
            |count, &length| {
                if length < 0 { None } else { count.checked_mul(length) }
            },
        );
    if count != i64::try_from(values.len()).ok() {
        return Err(Error::Invalid {
            what: "tensor from a slice".to_owned(),
            rule: format!("{} values cannot have the shape {shape:?}", values.len()),
        });
    }
    Tensor::f_from_slice(values)
        .and_then(|flat| flat.f_view(shape))
        .and_then(|tensor| tensor.f_to_device(device))
        .during("tensor from a slice")
}

/// The values in row-major order as float32, from any device and floating-point or integer type.
///
/// # Errors
/// [`Error::Torch`] if the device cannot be read.
pub fn to_f32_vec(tensor: &Tensor) -> Result<Vec<f32>, Error> {
    to_elements(tensor, Kind::Float, 0.0)
}

/// The values in row-major order as float64, from any device and type.
///
/// # Errors
/// As [`to_f32_vec`].
pub fn to_f64_vec(tensor: &Tensor) -> Result<Vec<f64>, Error> {
    to_elements(tensor, Kind::Double, 0.0)
}

/// The values in row-major order as int64, from any device; floating-point values are cut off.
///
/// # Errors
/// As [`to_f32_vec`].
pub fn to_i64_vec(tensor: &Tensor) -> Result<Vec<i64>, Error> {
    to_elements(tensor, Kind::Int64, 0)
}

fn to_elements<T: tch::kind::Element + Copy>(
    tensor: &Tensor,
    kind: Kind,
    zero: T,
) -> Result<Vec<T>, Error> {
    let here = tensor
        .detach()
        .f_to_device(Device::Cpu)
        .and_then(|tensor| tensor.f_to_kind(kind))
        .and_then(|tensor| tensor.f_contiguous())
        .during("read a tensor")?;
    let mut values = vec![zero; here.numel()];
    here.f_copy_data(&mut values, here.numel()).during("read a tensor")?;
    Ok(values)
}

/// A float32 tensor of an array's shape and values.
///
/// # Errors
/// [`Error::Torch`] when memory runs out.
pub fn from_array<S: Data<Elem = f32>, D: Dimension>(
    array: &ArrayBase<S, D>,
    device: Device,
) -> Result<Tensor, Error> {
    let shape: Vec<i64> = array.shape().iter().map(|&length| length as i64).collect();
    let standard = array.as_standard_layout();
    match standard.as_slice() {
        Some(values) => from_f32(values, &shape, device),
        None => from_f32(&standard.iter().copied().collect::<Vec<_>>(), &shape, device),
    }
}

/// An array of a tensor's shape and values, read as [`to_f32_vec`] reads them.
///
/// # Errors
/// As [`to_f32_vec`].
pub fn to_array(tensor: &Tensor) -> Result<ArrayD<f32>, Error> {
    let shape: Vec<usize> = tensor.size().iter().map(|&length| length as usize).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), to_f32_vec(tensor)?).map_err(|error| Error::Invalid {
        what: "array from a tensor".to_owned(),
        rule: error.to_string(),
    })
}

/// A tensor's bytes, dtype and shape, from any device and layout.
///
/// # Errors
/// [`Error::Invalid`] for a dtype that files do not hold, [`Error::Torch`] if the device cannot be
/// read.
pub fn tensor_to_data(tensor: &Tensor) -> Result<TensorData, Error> {
    let dtype = dtype_of(tensor)?;
    let here = tensor
        .detach()
        .f_to_device(Device::Cpu)
        .and_then(|tensor| tensor.f_contiguous())
        .during("read a tensor")?;
    let mut bytes = vec![0_u8; here.numel() * dtype.size()];
    here.f_copy_data_u8(&mut bytes, here.numel()).during("read a tensor")?;
    let shape = here.size().iter().map(|&length| length as usize).collect();
    Ok(TensorData { dtype, shape, bytes })
}

/// A tensor of these bytes, in their own dtype.
///
/// # Errors
/// [`Error::Invalid`] when the number of bytes does not follow from dtype and shape.
pub fn data_to_tensor(data: &TensorData, device: Device) -> Result<Tensor, Error> {
    check_length(data)?;
    Tensor::f_from_data_size(&data.bytes, &shape_of(data), kind_of(data.dtype))
        .and_then(|tensor| tensor.f_to_device(device))
        .during("tensor from bytes")
}

/// Tensors on the CPU that take over these bytes, in their own dtypes: nothing is copied.
///
/// # Errors
/// As [`data_to_tensor`].
pub fn into_tensors(data: BTreeMap<String, TensorData>) -> Result<BTreeMap<String, Tensor>, Error> {
    let tensor = |(name, data)| Ok((name, data_into_tensor(data)?));
    data.into_iter().map(tensor).collect()
}

fn data_into_tensor(data: TensorData) -> Result<Tensor, Error> {
    check_length(&data)?;
    // Allocators align large blocks to more than any element needs, but they do not have to.
    if !data.bytes.as_ptr().addr().is_multiple_of(data.dtype.size()) {
        return data_to_tensor(&data, Device::Cpu);
    }
    let shape = shape_of(&data);
    let mut bytes = data.bytes;
    let place = bytes.as_mut_ptr();
    // SAFETY: as many bytes as the shape needs, which stay where they are while the vector lives.
    unsafe { tensor_over(place, &shape, data.dtype, bytes) }
}

/// A tensor over bytes that lie somewhere already. `owner` is dropped with the last tensor that looks
/// at them, or at once where there is an error.
///
/// # Safety
/// `place` is aligned for the dtype, and as many bytes as the shape needs may be read and written
/// there by any thread until `owner` is dropped, by nobody else meanwhile.
pub(crate) unsafe fn tensor_over<O: Send + 'static>(
    place: *mut u8,
    shape: &[i64],
    dtype: Dtype,
    owner: O,
) -> Result<Tensor, Error> {
    unsafe extern "C" fn release<O>(owner: *mut c_void) {
        // SAFETY: the box that was given away below, once.
        drop(unsafe { Box::from_raw(owner.cast::<O>()) });
    }
    let owner = Box::into_raw(Box::new(owner)).cast();
    let (place, dims, kind) = (place.cast(), shape.len(), c10_kind(dtype));
    // SAFETY: what the caller promises; the shim calls `release` once.
    ffi::made("tensor over bytes", |output| unsafe {
        ffi::meme_tensor_over(place, dims, shape.as_ptr(), kind, owner, release::<O>, output)
    })
}

fn check_length(data: &TensorData) -> Result<(), Error> {
    let count = data.shape.iter().try_fold(1_usize, |count, &length| count.checked_mul(length));
    let length = count.and_then(|count| count.checked_mul(data.dtype.size()));
    if length == Some(data.bytes.len()) {
        return Ok(());
    }
    let TensorData { dtype, shape, bytes } = data;
    Err(Error::Invalid {
        what: "tensor from bytes".to_owned(),
        rule: format!("{} bytes cannot hold {dtype} of shape {shape:?}", bytes.len()),
    })
}

/// libtorch's name of a file's dtype.
#[must_use]
pub fn kind_of(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Bool => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::F16 => Kind::Half,
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::I32 => Kind::Int,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::I64 => Kind::Int64,
    }
}

/// `c10::ScalarType` of a file's dtype.
fn c10_kind(dtype: Dtype) -> c_int {
    match dtype {
        Dtype::U8 => 0,
        Dtype::I8 => 1,
        Dtype::I16 => 2,
        Dtype::I32 => 3,
        Dtype::I64 => 4,
        Dtype::F16 => 5,
        Dtype::F32 => 6,
        Dtype::F64 => 7,
        Dtype::Bool => 11,
        Dtype::Bf16 => 15,
    }
}

/// The dtype of a tensor as files name it.
///
/// # Errors
/// [`Error::Invalid`] for complex, quantised and 8-bit floating-point tensors.
pub fn dtype_of(tensor: &Tensor) -> Result<Dtype, Error> {
    let kind = tensor.f_kind().during("dtype of a tensor")?;
    Dtype::ALL.into_iter().find(|&dtype| kind_of(dtype) == kind).ok_or_else(|| Error::Invalid {
        what: "tensor to bytes".to_owned(),
        rule: format!("files do not hold {kind:?}"),
    })
}

pub(crate) fn shape_of(data: &TensorData) -> Vec<i64> {
    lengths(&data.shape)
}

pub(crate) fn lengths(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&length| i64::try_from(length).unwrap_or(i64::MAX)).collect()
}
