//! The norm that stands before every convolution, with its activation.

use std::ffi::{CStr, c_char, c_int, c_void};

use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{GroupNorm, GroupNormConfig, Path, silu};

use crate::Error;
use crate::error::Result;

/// Added to the variance, as in DDPM, LDM and ADM (PyTorch's default).
const EPSILON: f64 = 1e-5;

unsafe extern "C" {
    fn meme_blocks_norm(
        x: *const c_void,
        weight: *const c_void,
        bias: *const c_void,
        groups: i64,
        epsilon: f64,
        activate: c_int,
        result: *mut *mut c_void,
    ) -> *mut c_char;
    fn meme_blocks_free(text: *mut c_char);
}

/// A group normalisation, alone or followed by SiLU.
///
/// float32 on the CPU goes through a fused kernel (`shim/`) that remembers only its input for the
/// backward pass and puts out channels-last maps; libtorch's own operators do the rest.
#[derive(Debug)]
pub(crate) struct Norm {
    layer: GroupNorm,
    groups: i64,
}

impl Norm {
    pub(crate) fn new(path: &Path<'_>, channels: usize, groups: usize) -> Result<Self> {
        let groups = groups as i64;
        let config = GroupNormConfig { groups, epsilon: EPSILON };
        Ok(Norm { layer: GroupNorm::new(path, channels as i64, config)?, groups })
    }

    /// [B, C, H, W] to the same shape.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self.fused(x, false)? {
            Some(y) => Ok(y),
            None => Ok(self.layer.forward(x)?),
        }
    }

    /// `SiLU(norm(x))`, [B, C, H, W] to the same shape.
    pub(crate) fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        match self.fused(x, true)? {
            Some(y) => Ok(y),
            None => activate(self.layer.forward(x)?),
        }
    }

    /// The fused kernel's answer where it applies.
    fn fused(&self, x: &Tensor, activate: bool) -> Result<Option<Tensor>> {
        let (weight, bias) = (&self.layer.weight, &self.layer.bias);
        let plain =
            |tensor: &Tensor| tensor.kind() == Kind::Float && tensor.device() == Device::Cpu;
        let channels = weight.numel() as i64;
        let fits = matches!(x.size().as_slice(), &[b, c, h, w] if c == channels && b * h * w > 0);
        if !(fits && plain(x) && plain(weight) && plain(bias)) {
            return Ok(None);
        }
        let mut result = std::ptr::null_mut();
        // SAFETY: three live tensors whose dtype, device and shape were checked; on success the shim hands over a
        // tensor that nobody else owns.
        unsafe {
            let message = meme_blocks_norm(
                x.as_ptr().cast(),
                weight.as_ptr().cast(),
                bias.as_ptr().cast(),
                self.groups,
                EPSILON,
                c_int::from(activate),
                &raw mut result,
            );
            if message.is_null() {
                return Ok(Some(Tensor::from_ptr(result.cast())));
            }
            let text = CStr::from_ptr(message).to_string_lossy().into_owned();
            meme_blocks_free(message);
            let sentence = text.split("\nException raised from").next().unwrap_or_default();
            Err(Error::Norm { message: sentence.to_owned() })
        }
    }
}

/// SiLU of a tensor that nobody else holds: in its place where no gradient needs the old values.
pub(crate) fn activate(mut x: Tensor) -> Result<Tensor> {
    if x.requires_grad() { Ok(silu(&x)?) } else { Ok(x.f_silu_()?) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails says where")]
mod tests;
