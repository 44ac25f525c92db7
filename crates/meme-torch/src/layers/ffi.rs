//! The raw side of the shim's layers (`shim/norm.cpp`, `shim/maps.cpp`, `shim/packed.cpp`).

use crate::Error;
pub(super) use crate::ffi::made;
use crate::ffi::{Handle, check};
use std::ffi::{c_char, c_int};
use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    pub(super) fn meme_group_norm(
        x: Handle,
        weight: Handle,
        bias: Handle,
        groups: i64,
        epsilon: f64,
        silu: c_int,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(super) fn meme_max_around(x: Handle, output: *mut *mut C_tensor) -> *mut c_char;
    pub(super) fn meme_norm_affine(
        count: usize,
        maps: *const Handle,
        weight: Handle,
        bias: Handle,
        groups: i64,
        epsilon: f64,
        add: Handle,
        scale: Handle,
        shift: Handle,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(super) fn meme_affine(
        count: usize,
        maps: *const Handle,
        affine: Handle,
        first: i64,
        channels: i64,
        activation: c_int,
        in_place: c_int,
        output: *mut *mut C_tensor,
        copy: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(super) fn meme_max3(
        map: Handle,
        affine: Handle,
        first: i64,
        channels: i64,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(super) fn meme_pool(
        map: Handle,
        affine: Handle,
        first: i64,
        channels: i64,
        window: i64,
        maximum: c_int,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(super) fn meme_depthwise(
        count: usize,
        maps: *const Handle,
        factors: *const i64,
        height: i64,
        width: i64,
        weight: Handle,
        activation: c_int,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(super) fn meme_interleave(
        maps: *const Handle,
        height: i64,
        width: i64,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn meme_packed_available(bfloat16: c_int, available: *mut c_int) -> *mut c_char;
    pub(super) fn meme_pack_conv(
        weight: Handle,
        padding: i64,
        stride: i64,
        groups: i64,
        input_size: *const i64,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(super) fn meme_packed_conv(
        x: Handle,
        weight: Handle,
        bias: Handle,
        padding: i64,
        stride: i64,
        groups: i64,
        activation: c_int,
        sum: Handle,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// The handle of a tensor that may be absent.
pub(super) fn handle(tensor: Option<&Tensor>) -> Handle {
    tensor.map_or(std::ptr::null(), Tensor::as_ptr)
}

/// Whether libtorch has oneDNN's packed convolutions, for bfloat16 on this processor or float32.
pub(super) fn packed_available(bfloat16: bool) -> Result<bool, Error> {
    let mut available = 0;
    // SAFETY: the shim writes one number.
    check("look for oneDNN", unsafe {
        meme_packed_available(c_int::from(bfloat16), &raw mut available)
    })?;
    Ok(available != 0)
}
