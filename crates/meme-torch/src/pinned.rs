//! Pinned memory: what a device reads by itself while the processor goes on.
//!
//! What stands here about CUDA was compiled and never run.

use crate::error::{Context, Error};
use crate::ffi::{self, Handle};
use crate::streams::{Event, Stream};
use std::collections::BTreeMap;
use std::ffi::{c_char, c_int};
use tch::{Device, Tensor, no_grad};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn meme_pin(tensor: Handle, out: *mut *mut C_tensor) -> *mut c_char;
    fn meme_is_pinned(tensor: Handle, pinned: *mut c_int) -> *mut c_char;
}

/// A copy of a tensor on the CPU in memory that the kernel does not move, so that a GPU can copy it
/// while both go on; one that lies so already is not copied.
///
/// # Errors
/// [`Error::Torch`] with libtorch's sentence where there is no GPU, and for tensors that are not on
/// the CPU.
pub fn pin(tensor: &Tensor) -> Result<Tensor, Error> {
    let mut pinned = std::ptr::null_mut();
    // SAFETY: the handle is live during the call; the shim writes one new handle.
    ffi::check("pin memory", unsafe { meme_pin(tensor.as_ptr(), &raw mut pinned) })?;
    // SAFETY: the shim made this handle for us, and nobody else has it.
    Ok(unsafe { Tensor::from_ptr(pinned) })
}

/// Whether a tensor lies in pinned memory; never without a GPU.
///
/// # Errors
/// [`Error::Torch`], which libtorch has no reason for today.
pub fn is_pinned(tensor: &Tensor) -> Result<bool, Error> {
    let mut pinned = 0;
    // SAFETY: the handle is live during the call; the shim writes one number.
    ffi::check("ask for pinned memory", unsafe {
        meme_is_pinned(tensor.as_ptr(), &raw mut pinned)
    })?;
    Ok(pinned != 0)
}

/// A copy on `device` that is made beside what the processor does next, where the tensor is pinned;
/// otherwise the copy is there when this returns. Operations on the same stream wait for it by
/// themselves; the pinned tensor must stay unchanged until then.
///
/// # Errors
/// [`Error::Torch`] where the device is not there or its memory is full.
pub fn to_device_beside(tensor: &Tensor, device: Device) -> Result<Tensor, Error> {
    tensor.f_to_device_(device, tensor.kind(), true, false).during("copy to a device")
}

/// Brings tensors from the CPU to `device` while its standard stream works on: through pinned memory, on
/// a stream of its own. They are there when this returns, for whatever is put on the standard stream
/// from then on. For a thread that fetches what another one will need; to the CPU nothing is copied.
///
/// # Errors
/// [`Error::Torch`] where the device is not there or its memory is full.
pub fn bring_beside(
    tensors: BTreeMap<String, Tensor>,
    device: Device,
) -> Result<BTreeMap<String, Tensor>, Error> {
    if device == Device::Cpu {
        return Ok(tensors);
    }
    let (standard, side) = (Stream::standard(device)?, Stream::new(device, false)?);
    let room = |(name, tensor): (&String, &Tensor)| {
        let options = (tensor.kind(), device);
        Ok((name.clone(), Tensor::f_empty(tensor.size(), options).during("copy to a device")?))
    };
    let brought = tensors.iter().map(room).collect::<Result<BTreeMap<_, _>, Error>>()?;
    // The memory may have been freed while kernels of the standard stream still read it.
    let mut free = Event::new(device, false)?;
    free.record(&standard)?;
    side.wait_for(&free)?;
    let _beside = side.enter()?;
    for (to, from) in brought.values().zip(tensors.values()) {
        let pinned = pin(from)?;
        // Returns when the side stream is done with it, so that the pinned memory is free again.
        no_grad(|| to.shallow_clone().f_copy_(&pinned)).during("copy to a device")?;
    }
    Ok(brought)
}
