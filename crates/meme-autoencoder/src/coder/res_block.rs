//! The residual block of a first stage: no time, no zero initialisation.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, GroupNorm, Path};

use super::{conv, norm, norm_silu};
use crate::CoderConfig;
use crate::error::Result;

/// Twice norm, SiLU and 3x3 convolution, added to the input (through a 1x1 convolution where the channels change).
#[derive(Debug)]
pub(super) struct ResBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl ResBlock {
    pub(super) fn new(
        path: &Path<'_>,
        coder: &CoderConfig,
        input: usize,
        output: usize,
    ) -> Result<Self> {
        Ok(ResBlock {
            norm1: norm(&(path / "norm1"), input, coder)?,
            conv1: conv(&(path / "conv1"), input, output, 3)?,
            norm2: norm(&(path / "norm2"), output, coder)?,
            conv2: conv(&(path / "conv2"), output, output, 3)?,
            shortcut: (input != output)
                .then(|| conv(&(path / "nin_shortcut"), input, output, 1))
                .transpose()?,
        })
    }

    /// [B, in, H, W] to [B, out, H, W].
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.conv1.forward(&norm_silu(&self.norm1, x)?)?; // [B, out, H, W]
        let mut h = self.conv2.forward(&norm_silu(&self.norm2, &h)?)?; // [B, out, H, W]
        match &self.shortcut {
            None => Ok(h.f_add_(x)?),
            Some(shortcut) => Ok(h.f_add_(&shortcut.forward(x)?)?),
        }
    }
}
