//! Activation checkpointing: feature maps are computed again instead of being kept.

use crate::error::Error;
use crate::ffi;
use std::ffi::{c_char, c_int, c_void};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

unsafe extern "C" {
    fn meme_checkpoint_begin(
        again: unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> c_int,
        forget: unsafe extern "C" fn(*mut c_void),
        data: *mut c_void,
        begun: *mut c_int,
    ) -> *mut c_char;
    fn meme_checkpoint_end() -> *mut c_char;
}

/// What is called in the backward pass, whatever it captured.
type Again = Box<dyn FnMut() -> Result<(), String>>;

/// Runs `forward` without keeping what its gradient needs, and `again` in the backward pass, which
/// must do the same operations on the same tensors in the same order (Chen et al., arXiv 1604.06174,
/// a region at a time). Gradients have the same bits as without it, where the operations have.
///
/// What `again` holds is what stays in memory: the inputs of the region. It is dropped when the
/// gradient is known, or with the graph. Autocast is as it was in the first pass. Inside another
/// region, or where no gradients are recorded, this is `forward()` alone.
///
/// `again` runs while the thread that called `backward` waits for it; on CUDA that may be another
/// thread. An error there, a panic even, is an error of `backward`.
///
/// # Errors
/// What `forward` returns, and [`Error::Torch`] when memory runs out.
///
/// ```
/// use meme_torch::{checkpoint, silu, tch::{Device, Kind, Tensor}};
///
/// let x = Tensor::ones([4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
/// let input = x.shallow_clone();
/// let y = checkpoint(|| silu(&silu(&x)?), move || silu(&silu(&input)?))?;
/// y.sum(Kind::Float).backward();
/// let checkpointed = x.grad().copy();
///
/// let mut x = x;
/// x.zero_grad();
/// silu(&silu(&x)?)?.sum(Kind::Float).backward();
/// assert_eq!(x.grad(), checkpointed);
/// # Ok::<(), meme_torch::Error>(())
/// ```
pub fn checkpoint<T, E: From<Error>, R, F: Display>(
    forward: impl FnOnce() -> Result<T, E>,
    mut again: impl FnMut() -> Result<R, F> + 'static,
) -> Result<T, E> {
    let again: Again = Box::new(move || match again() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    });
    let data = Box::into_raw(Box::new(again)).cast();
    let mut begun = 0;
    // SAFETY: both functions fit `data`, which the shim owns from here on, also when it fails.
    let answer = unsafe { meme_checkpoint_begin(run_again, forget, data, &raw mut begun) };
    ffi::check("begin a checkpointed region", answer)?;
    let end = (begun != 0).then_some(End);
    let result = forward();
    drop(end);
    result
}

/// Ends a region, also when `forward` panics.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        // SAFETY: no arguments; this thread began the region.
        if let Err(error) =
            ffi::check("end a checkpointed region", unsafe { meme_checkpoint_end() })
        {
            tracing::error!(%error, "a checkpointed region could not be ended");
        }
    }
}

/// # Safety
/// `data` is the box that `checkpoint` made, `message` has room for `capacity` bytes.
unsafe extern "C" fn run_again(data: *mut c_void, message: *mut c_char, capacity: usize) -> c_int {
    // SAFETY: the shim calls this with the pointer it was given, from one thread at a time.
    let again = unsafe { &mut *data.cast::<Again>() };
    let failure = match catch_unwind(AssertUnwindSafe(again)) {
        Ok(Ok(())) => return 0,
        Ok(Err(failure)) => failure,
        Err(_) => "it panicked".to_owned(),
    };
    let length = failure.len().min(capacity.saturating_sub(1));
    // SAFETY: `length` bytes and the end fit into `capacity`; the shim has filled the rest with 0.
    unsafe { std::ptr::copy_nonoverlapping(failure.as_ptr().cast(), message, length) };
    1
}

/// # Safety
/// `data` is the box that `checkpoint` made, and nobody uses it any more.
unsafe extern "C" fn forget(data: *mut c_void) {
    // SAFETY: called once, when the region goes.
    let again = unsafe { Box::from_raw(data.cast::<Again>()) };
    if catch_unwind(AssertUnwindSafe(move || drop(again))).is_err() {
        tracing::error!("what a checkpointed region held panicked when it was dropped");
    }
}
