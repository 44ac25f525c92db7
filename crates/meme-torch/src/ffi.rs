//! The raw side of the shim (`shim/shim.h`), and the two helpers through which all else calls it.

use crate::Error;
use std::ffi::{CStr, c_char, c_int, c_void};
use tch::Tensor;
use torch_sys::C_tensor;

pub(crate) type Handle = *const C_tensor;

unsafe extern "C" {
    fn meme_free(message: *mut c_char);
    pub(crate) fn meme_adamw(
        fused: c_int,
        count: usize,
        parameters: *const Handle,
        gradients: *const Handle,
        first: *const Handle,
        second: *const Handle,
        steps: *const f64,
        learning_rate: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        epsilon: f64,
    ) -> *mut c_char;
    pub(crate) fn meme_lerp(
        count: usize,
        averages: *const Handle,
        parameters: *const Handle,
        weight: f64,
    ) -> *mut c_char;
    pub(crate) fn meme_copy(count: usize, to: *const Handle, from: *const Handle) -> *mut c_char;
    pub(crate) fn meme_swap(count: usize, left: *const Handle, right: *const Handle)
    -> *mut c_char;
    pub(crate) fn meme_clip(
        count: usize,
        gradients: *const Handle,
        max_norm: f64,
        norm: *mut f64,
    ) -> *mut c_char;
    pub(crate) fn meme_set_gradient_to_none(count: usize, parameters: *const Handle)
    -> *mut c_char;
    pub(crate) fn meme_autocast_enter(
        device_type: c_int,
        kind: c_int,
        was_enabled: *mut c_int,
        previous_kind: *mut c_int,
    ) -> *mut c_char;
    pub(crate) fn meme_autocast_leave(
        device_type: c_int,
        was_enabled: c_int,
        previous_kind: c_int,
    ) -> *mut c_char;
    pub(crate) fn meme_set_deterministic(on: c_int, warn_only: c_int) -> *mut c_char;
    pub(crate) fn meme_deterministic(on: *mut c_int) -> *mut c_char;
    pub(crate) fn meme_set_tf32(on: c_int) -> *mut c_char;
    pub(crate) fn meme_tf32(on: *mut c_int) -> *mut c_char;
    pub(crate) fn meme_set_cudnn_benchmark(on: c_int) -> *mut c_char;
    pub(crate) fn meme_init_thread(threads: c_int) -> *mut c_char;
    pub(crate) fn meme_threads(threads: *mut c_int) -> *mut c_char;
    pub(crate) fn meme_channels_last(input: Handle, output: *mut *mut C_tensor) -> *mut c_char;
    pub(crate) fn meme_set_allocator(
        take: unsafe extern "C" fn(usize, usize) -> *mut c_void,
        give_back: unsafe extern "C" fn(*mut c_void),
    ) -> *mut c_char;
    pub(crate) fn meme_tensor_over(
        data: *mut c_void,
        dims: usize,
        shape: *const i64,
        kind: c_int,
        owner: *mut c_void,
        release: unsafe extern "C" fn(*mut c_void),
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn meme_describe(what: c_int, text: *mut *mut c_char) -> *mut c_char;
}

/// The handles of tensors, in order; valid while the tensors live.
pub(crate) fn handles<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<Handle> {
    tensors.into_iter().map(Tensor::as_ptr).collect()
}

/// Turns the shim's answer into a result and frees the message.
pub(crate) fn check(operation: &'static str, answer: *mut c_char) -> Result<(), Error> {
    match take(answer) {
        None => Ok(()),
        Some(message) => Err(Error::Torch { operation, message }),
    }
}

/// One of the shim's descriptions; the numbers stand in `context.cpp`.
pub(crate) fn describe(what: c_int) -> Result<String, Error> {
    let mut text = std::ptr::null_mut();
    // SAFETY: the shim writes one pointer, which `take` frees.
    check("describe libtorch", unsafe { meme_describe(what, &raw mut text) })?;
    Ok(take(text).unwrap_or_default())
}

fn take(message: *mut c_char) -> Option<String> {
    if message.is_null() {
        return None;
    }
    // SAFETY: the shim returns NUL-terminated memory that belongs to the caller.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
    // SAFETY: the same pointer, freed once.
    unsafe { meme_free(message) };
    Some(text)
}

/// The tensor that a call of the shim made. The call must write its place whenever it succeeds.
pub(crate) fn made(
    operation: &'static str,
    call: impl FnOnce(*mut *mut C_tensor) -> *mut c_char,
) -> Result<Tensor, Error> {
    let mut output = std::ptr::null_mut();
    check(operation, call(&raw mut output))?;
    if output.is_null() {
        let message = "the shim made no tensor".to_owned();
        return Err(Error::Torch { operation, message });
    }
    // SAFETY: the shim made this handle for us, and nobody else has it.
    Ok(unsafe { Tensor::from_ptr(output) })
}
