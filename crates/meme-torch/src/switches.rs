//! Switches of libtorch that change how it computes: autocast, determinism, TF32, layout.

use crate::error::Error;
use crate::ffi;
use std::marker::PhantomData;
use tch::{Device, Kind, Tensor};

/// While it lives, operations on one type of device cast their inputs as `torch.autocast` does:
/// convolutions and matrix products compute in the given dtype, norms and losses in float32.
///
/// It belongs to the thread that made it; guards nest.
#[derive(Debug)]
#[must_use = "autocast ends where the guard is dropped"]
pub struct Autocast {
    device: i32,
    was_enabled: i32,
    previous_kind: i32,
    // Autocast is a state of the thread.
    _of_this_thread: PhantomData<*const ()>,
}

impl Autocast {
    /// Begins autocast for the type of `device`, in bfloat16 or float16.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another dtype or a device that is neither CPU nor CUDA.
    pub fn enter(device: Device, kind: Kind) -> Result<Self, Error> {
        let number = match kind {
            Kind::Half => 5,
            Kind::BFloat16 => 15,
            other => {
                return Err(Error::Invalid {
                    what: "autocast".to_owned(),
                    rule: format!("the dtype must be BFloat16 or Half, it is {other:?}"),
                });
            }
        };
        // c10::DeviceType.
        let device = match device {
            Device::Cpu => 0,
            Device::Cuda(_) => 1,
            other => {
                return Err(Error::Invalid {
                    what: "autocast".to_owned(),
                    rule: format!("the device must be CPU or CUDA, it is {other:?}"),
                });
            }
        };
        let (mut was_enabled, mut previous_kind) = (0, 0);
        // SAFETY: the shim writes two numbers.
        ffi::check("begin autocast", unsafe {
            ffi::meme_autocast_enter(device, number, &raw mut was_enabled, &raw mut previous_kind)
        })?;
        Ok(Self { device, was_enabled, previous_kind, _of_this_thread: PhantomData })
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: plain numbers that libtorch gave us.
        let answer =
            unsafe { ffi::meme_autocast_leave(self.device, self.was_enabled, self.previous_kind) };
        if let Err(error) = ffi::check("end autocast", answer) {
            tracing::error!(%error, "autocast could not be ended");
        }
    }
}

/// Makes operations without a deterministic implementation fail (or, with `warn_only`, warn), and
/// has cuDNN and oneDNN choose deterministic ones. The CPU's are so anyway at a fixed number of
/// threads. CUDA's matrix products moreover need `CUBLAS_WORKSPACE_CONFIG=:4096:8` in the
/// environment when the program starts.
///
/// # Errors
/// [`Error::Torch`], which libtorch has no reason for today.
pub fn set_deterministic(on: bool, warn_only: bool) -> Result<(), Error> {
    // SAFETY: plain numbers.
    ffi::check("set determinism", unsafe {
        ffi::meme_set_deterministic(i32::from(on), i32::from(warn_only))
    })
}

/// Whether [`set_deterministic`] is on.
///
/// # Errors
/// As there.
pub fn deterministic() -> Result<bool, Error> {
    let mut on = 0;
    // SAFETY: the shim writes one number.
    ffi::check("read determinism", unsafe { ffi::meme_deterministic(&raw mut on) })?;
    Ok(on != 0)
}

/// Allows CUDA's float32 matrix products and convolutions to round their inputs to TF32 (10 bits of
/// mantissa). libtorch's own default allows it for convolutions only; the CPU has no TF32.
///
/// # Errors
/// As [`set_deterministic`].
pub fn set_tf32(on: bool) -> Result<(), Error> {
    // SAFETY: a plain number.
    ffi::check("set TF32", unsafe { ffi::meme_set_tf32(i32::from(on)) })
}

/// Whether TF32 is allowed for both, matrix products and convolutions.
///
/// # Errors
/// As [`set_deterministic`].
pub fn tf32() -> Result<bool, Error> {
    let mut on = 0;
    // SAFETY: the shim writes one number.
    ffi::check("read TF32", unsafe { ffi::meme_tf32(&raw mut on) })?;
    Ok(on != 0)
}

/// Has cuDNN time its algorithms for each new shape and keep the fastest. Faster, but which one
/// wins may differ from run to run, and with it the last bits.
///
/// # Errors
/// As [`set_deterministic`].
pub fn set_cudnn_benchmark(on: bool) -> Result<(), Error> {
    // SAFETY: a plain number.
    ffi::check("set cuDNN's benchmark", unsafe { ffi::meme_set_cudnn_benchmark(i32::from(on)) })
}

/// The same values, `[B, C, H, W]`, with the channels of a pixel beside each other in memory: the
/// layout in which convolutions are fastest. A tensor that lies so already is not copied.
///
/// # Errors
/// [`Error::Torch`] for a tensor that does not have four dimensions.
pub fn channels_last(x: &Tensor) -> Result<Tensor, Error> {
    // SAFETY: the handle is live during the call; the shim writes one new handle.
    ffi::made("channels last", |output| unsafe { ffi::meme_channels_last(x.as_ptr(), output) })
}
