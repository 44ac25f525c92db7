//! Self-attention.

use meme_torch::attention;
use meme_torch::layers::{Activation, Channels, PackedConv2d, Steering, affine};
use meme_torch::tch::Tensor;

use super::weights::{FoldedNorm, Weights};
use crate::AttentionConfig;
use crate::error::Result;

#[derive(Debug)]
pub(super) struct Attention {
    norm: FoldedNorm,
    qkv: PackedConv2d,
    projection: PackedConv2d,
    head_dim: i64,
}

impl Attention {
    pub(super) fn new(weights: &Weights, name: &str, config: AttentionConfig) -> Result<Self> {
        Ok(Attention {
            norm: weights.norm(&format!("{name}.norm"))?,
            qkv: weights.conv(&format!("{name}.qkv"), 1)?,
            projection: weights.conv(&format!("{name}.projection"), 1)?,
            head_dim: config.head_dim as i64,
        })
    }

    /// [B, C, H, W], written over, to the same shape.
    pub(super) fn forward(&self, x: Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.size4()?;
        let lines = self.norm.lines(&[&x], Steering::default())?;
        let all = Channels { first: 0, count: channels };
        let h = affine(&[&x], &lines, all, Activation::None)?; // [B, C, H, W]
        let qkv = tokens(&self.qkv.forward(&h, Activation::None)?)?; // [B, N, 3 C]
        let heads = channels / self.head_dim;
        let qkv =
            qkv.f_view([batch, height * width, heads, 3, self.head_dim])?.f_transpose(1, 2)?;
        let qkv = qkv.f_unbind(3)?; // three of [B, heads, N, D]
        let mixed = attention(&qkv[0], &qkv[1], &qkv[2], None)?; // [B, heads, N, D]
        let mixed = map_of(&mixed, (height, width))?; // [B, C, H, W]
        Ok(self.projection.add_to(&mixed, x)?)
    }
}

/// The pixels of a channels-last map, [B, C, H, W] to [B, H W, C], without a copy.
pub(super) fn tokens(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = x.size4()?;
    Ok(x.f_permute([0, 2, 3, 1])?.f_reshape([batch, height * width, channels])?)
}

/// What attention puts out, [B, heads, N, D], as a channels-last map [B, heads D, H, W].
pub(super) fn map_of(mixed: &Tensor, (height, width): (i64, i64)) -> Result<Tensor> {
    let (batch, heads, _, dim) = mixed.size4()?;
    let pixels = mixed.f_transpose(1, 2)?.f_reshape([batch, height, width, heads * dim])?;
    Ok(pixels.f_permute([0, 3, 1, 2])?)
}
