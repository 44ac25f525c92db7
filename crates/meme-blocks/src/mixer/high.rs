//! The high-frequency branch of a mixer: what convolution, or what stands for it, and pooling see.

use meme_torch::layers::max_pool_around;
use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Conv2dConfig, Path, gelu};

use super::MixerConfig;
use super::elements::Element;
use crate::conv::{conv, point_conv};
use crate::error::Result;

/// One half of the channels through a 1x1 convolution and a depthwise 3x3 one (or another
/// [`HighElement`](crate::HighElement)), the other through a 3x3 maximum and a 1x1
/// convolution; each doubles its channels and ends in GELU (iFormer, section 3.1).
#[derive(Debug)]
pub(super) struct HighBranch {
    expand: Conv2d,
    element: Element,
    pooled: Conv2d,
}

impl HighBranch {
    pub(super) fn new(path: &Path<'_>, config: MixerConfig) -> Result<Self> {
        let high = config.high();
        let unbiased = Conv2dConfig { bias: false, ..Conv2dConfig::default() };
        Ok(HighBranch {
            expand: conv(&(path / "expand"), high / 2, high, 1, unbiased)?,
            element: Element::new(path, config.high_element.filter(), high)?,
            pooled: point_conv(&(path / "pooled"), high / 2, high)?,
        })
    }

    /// Two halves [B, h/2, H, W] to two parts [B, h, H, W].
    pub(super) fn forward(&self, convolved: &Tensor, pooled: &Tensor) -> Result<[Tensor; 2]> {
        let c = self.expand.forward(convolved)?; // [B, h, H, W]
        let c = gelu(&self.element.forward(&c)?)?; // [B, h, H, W]
        let p = max_pool_around(pooled)?; // [B, h/2, H, W]
        let p = gelu(&self.pooled.forward(&p)?)?; // [B, h, H, W]
        Ok([c, p])
    }
}
