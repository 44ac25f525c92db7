//! The high-frequency branch of a mixer: what convolution and pooling see.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Conv2dConfig, Path, gelu};

use super::MixerConfig;
use crate::error::Result;

/// One half of the channels through a 1x1 and a depthwise 3x3 convolution, the other through a 3x3 maximum and a 1x1
/// convolution; each doubles its channels and ends in GELU (iFormer, section 3.1).
#[derive(Debug)]
pub(super) struct HighBranch {
    expand: Conv2d,
    depthwise: Conv2d,
    pooled: Conv2d,
}

impl HighBranch {
    pub(super) fn new(path: &Path<'_>, config: MixerConfig) -> Result<Self> {
        let high = config.high() as i64;
        let plain = Conv2dConfig::default();
        let unbiased = Conv2dConfig { bias: false, ..plain };
        let depthwise = Conv2dConfig { padding: 1, groups: high, bias: false, ..plain };
        Ok(HighBranch {
            expand: Conv2d::new(&(path / "expand"), high / 2, high, 1, unbiased)?,
            depthwise: Conv2d::new(&(path / "depthwise"), high, high, 3, depthwise)?,
            pooled: Conv2d::new(&(path / "pooled"), high / 2, high, 1, plain)?,
        })
    }

    /// Two halves [B, h/2, H, W] to two parts [B, h, H, W].
    pub(super) fn forward(&self, convolved: &Tensor, pooled: &Tensor) -> Result<[Tensor; 2]> {
        let c = self.expand.forward(convolved)?; // [B, h, H, W]
        let c = gelu(&self.depthwise.forward(&c)?)?; // [B, h, H, W]
        let p = pooled.f_max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false)?; // [B, h/2, H, W]
        let p = gelu(&self.pooled.forward(&p)?)?; // [B, h, H, W]
        Ok([c, p])
    }
}
