//! The feed-forward that can follow a mixer.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Conv2dConfig, GroupNorm, Path, gelu};

use crate::conv::{conv, point_conv};
use crate::count::{ConvShape, Size, Tally};
use crate::error::Result;
use crate::norm::norm;

/// Norm, 1x1 convolution to `ratio` times the channels, GELU, 1x1 convolution back that starts as zero, added to the
/// input. The channel mixing of a transformer block; the paper's experts have none.
///
/// Parameters: `norm`, `expand`, `contract`.
#[derive(Debug)]
pub struct FeedForward {
    norm: GroupNorm,
    expand: Conv2d,
    contract: Conv2d,
}

impl FeedForward {
    /// # Errors
    /// [`Error::Layer`](crate::Error::Layer) for sizes that no layer can have.
    pub fn new(path: &Path<'_>, channels: usize, ratio: usize, norm_groups: usize) -> Result<Self> {
        let wide = channels * ratio;
        let zero = Conv2dConfig { zero: true, ..Conv2dConfig::default() };
        Ok(FeedForward {
            norm: norm(&(path / "norm"), channels, norm_groups)?,
            expand: point_conv(&(path / "expand"), channels, wide)?,
            contract: conv(&(path / "contract"), wide, channels, 1, zero)?,
        })
    }

    /// What it costs at that size.
    pub fn tally(channels: usize, ratio: usize, size: Size) -> Tally {
        Tally::norm(channels)
            + Tally::conv(ConvShape::plain(channels, channels * ratio, 1), size)
            + Tally::conv(ConvShape::plain(channels * ratio, channels, 1), size)
    }

    /// [B, C, H, W] to the same shape.
    ///
    /// # Errors
    /// [`Error::Layer`](crate::Error::Layer) where the channels do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = gelu(&self.expand.forward(&self.norm.forward(x)?)?)?; // [B, ratio C, H, W]
        let mut h = self.contract.forward(&h)?; // [B, C, H, W]
        Ok(h.f_add_(x)?)
    }
}
