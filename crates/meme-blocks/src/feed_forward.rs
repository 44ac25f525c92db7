//! The feed-forward that can follow a mixer.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Conv2dConfig, GroupNorm, Path, gelu};

use crate::count::{ConvShape, Size, Tally};
use crate::error::Result;
use crate::norm::group_norm;

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
        let (narrow, wide) = (channels as i64, (channels * ratio) as i64);
        let zero = Conv2dConfig { zero: true, ..Conv2dConfig::default() };
        Ok(FeedForward {
            norm: group_norm(&(path / "norm"), channels, norm_groups)?,
            expand: Conv2d::new(&(path / "expand"), narrow, wide, 1, Conv2dConfig::default())?,
            contract: Conv2d::new(&(path / "contract"), wide, narrow, 1, zero)?,
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
