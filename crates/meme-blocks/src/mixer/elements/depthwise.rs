//! A depthwise convolution of any odd kernel, dense or dilated.

use meme_torch::tch::Tensor;

use crate::error::Result;

/// Each channel by itself, zeros around, without bias. Parameters: `weight`, [C, 1, k, k].
#[derive(Debug)]
pub(crate) struct Depthwise {
    pub(crate) weight: Tensor,
    /// Pixels between neighbouring taps.
    pub(crate) step: i64,
}

impl Depthwise {
    /// [B, C, H, W] to the same shape; the map may be smaller than the kernel.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (channels, _, kernel, _) = self.weight.size4()?;
        let (one, around) = ([1, 1], [self.step * (kernel / 2); 2]);
        Ok(x.f_conv2d(&self.weight, None::<&Tensor>, one, around, [self.step; 2], channels)?)
    }
}
