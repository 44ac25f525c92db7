//! Self-attention over all positions of a feature map.

use meme_torch::tch::Tensor;
use meme_torch::{GroupNorm, Linear, LinearConfig, Path, attention};

use crate::count::{ConvShape, Size, Tally};
use crate::error::Result;
use crate::norm::norm;
use crate::{Error, Options};

/// Sizes of an [`AttentionBlock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionConfig {
    /// Channels in and out, a multiple of `head_dim` and of `norm_groups`.
    pub channels: usize,
    /// Channels of a head.
    pub head_dim: usize,
    /// Groups of the norm.
    pub norm_groups: usize,
}

impl AttentionConfig {
    /// What the block costs at that size.
    pub fn tally(&self, size: Size) -> Tally {
        let channels = self.channels;
        Tally::norm(channels)
            + Tally::conv(ConvShape::plain(channels, 3 * channels, 1), size)
            + Tally::attention(channels, size)
            + Tally::conv(ConvShape::plain(channels, channels, 1), size)
    }
}

/// Norm, queries, keys and values, multi-head attention, a projection that starts as zero, added to the input (LDM,
/// ADM).
///
/// Parameters: `norm`, `qkv` (rows ordered [heads, 3, head_dim]: split into heads first), `projection`.
#[derive(Debug)]
pub struct AttentionBlock {
    name: String,
    norm: GroupNorm,
    qkv: Linear,
    projection: Linear,
    head_dim: i64,
}

impl AttentionBlock {
    /// # Errors
    /// [`Error::Architecture`] for heads that do not divide the channels, [`Error::Layer`] for groups that do not.
    pub fn new(path: &Path<'_>, config: AttentionConfig) -> Result<Self> {
        let AttentionConfig { channels, head_dim, norm_groups } = config;
        if head_dim == 0 || !channels.is_multiple_of(head_dim) {
            let rule = format!("{head_dim} does not divide {channels} channels");
            return Err(Error::Architecture { field: "head_dim".into(), rule });
        }
        let wide = channels as i64;
        let zero = LinearConfig { zero: true, ..LinearConfig::default() };
        Ok(AttentionBlock {
            name: path.name().to_owned(),
            norm: norm(&(path / "norm"), channels, norm_groups)?,
            qkv: Linear::new(&(path / "qkv"), wide, 3 * wide, LinearConfig::default())?,
            projection: Linear::new(&(path / "projection"), wide, wide, zero)?,
            head_dim: head_dim as i64,
        })
    }

    /// [B, C, H, W] to the same shape.
    ///
    /// # Errors
    /// [`Error::Layer`] where the channels do not fit.
    pub fn forward(&self, x: &Tensor, options: &mut Options<'_>) -> Result<Tensor> {
        let h = self.inner(x).map_err(|error| error.within(&self.name))?;
        options.watch(&self.name, &h);
        Ok(h)
    }

    fn inner(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.size4()?;
        let (positions, heads) = (height * width, channels / self.head_dim);
        let tokens = self.norm.forward(x)?.f_flatten(2, 3)?.f_transpose(1, 2)?; // [B, N, C]
        let qkv = self.qkv.forward(&tokens)?; // [B, N, 3 C]
        let qkv = qkv.f_view([batch, positions, heads, 3, self.head_dim])?.f_transpose(1, 2)?; // [B, heads, N, 3, D]
        let qkv = qkv.f_unbind(3)?; // three of [B, heads, N, D]
        let mixed = attention(&qkv[0], &qkv[1], &qkv[2], None)?; // [B, heads, N, D]
        let mixed = mixed.f_transpose(1, 2)?.f_reshape([batch, positions, channels])?; // [B, N, C]
        let h = self.projection.forward(&mixed)?; // [B, N, C]
        Ok(x.f_add(&h.f_transpose(1, 2)?.f_view([batch, channels, height, width])?)?)
    }
}
