//! The attention of a first stage: one head as wide as the map.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, GroupNorm, Path, attention};

use super::{conv, norm};
use crate::CoderConfig;
use crate::error::Result;

/// Norm, 1x1 convolutions to queries, keys and values, attention with one head, 1x1 convolution, added to the input.
#[derive(Debug)]
pub(super) struct Attention {
    norm: GroupNorm,
    q: Conv2d,
    k: Conv2d,
    v: Conv2d,
    output: Conv2d,
}

impl Attention {
    pub(super) fn new(path: &Path<'_>, coder: &CoderConfig, channels: usize) -> Result<Self> {
        let projection = |name: &str| conv(&(path / name), channels, channels, 1);
        Ok(Attention {
            norm: norm(&(path / "norm"), channels, coder)?,
            q: projection("q")?,
            k: projection("k")?,
            v: projection("v")?,
            output: projection("proj_out")?,
        })
    }

    /// [B, C, H, W] to the same shape.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.size4()?;
        let h = self.norm.forward(x)?; // [B, C, H, W]
        // [B, 1, N, C], rows contiguous so that the fused kernel takes them.
        let tokens = |projection: &Conv2d| -> Result<Tensor> {
            let map = projection.forward(&h)?;
            Ok(map.f_flatten(2, 3)?.f_transpose(1, 2)?.f_contiguous()?.f_unsqueeze(1)?)
        };
        let mixed = attention(&tokens(&self.q)?, &tokens(&self.k)?, &tokens(&self.v)?, None)?; // [B, 1, N, C]
        let mixed = mixed.f_transpose(2, 3)?.f_reshape([batch, channels, height, width])?; // [B, C, H, W]
        let mut h = self.output.forward(&mixed)?; // [B, C, H, W]
        Ok(h.f_add_(x)?)
    }
}
