//! The low-frequency branch of a mixer: attention, or what stands for it, over a pooled map.

use meme_torch::tch::Tensor;
use meme_torch::{Linear, LinearConfig, Path};

use super::MixerConfig;
use super::elements::Element;
use crate::PoolKind;
use crate::error::Result;
use crate::resample::enlarge;

/// Pooling, attention without an output projection (or another [`LowElement`](crate::LowElement)), and each pooled position back over its
/// window (iFormer, section 3.1).
#[derive(Debug)]
pub(super) struct LowBranch {
    mixing: LowMixing,
    config: MixerConfig,
}

#[derive(Debug)]
enum LowMixing {
    /// Queries, keys and values, for either kind of attention.
    Attention(Linear),
    Element(Element),
}

impl LowBranch {
    pub(super) fn new(path: &Path<'_>, config: MixerConfig) -> Result<Self> {
        let low = config.low();
        let wide = low as i64;
        let mixing = match config.low_element.filter() {
            Some(filter) => LowMixing::Element(Element::new(path, filter, low)?),
            None => {
                let qkv = Linear::new(&(path / "qkv"), wide, 3 * wide, LinearConfig::default())?;
                LowMixing::Attention(qkv)
            }
        };
        Ok(LowBranch { mixing, config })
    }

    /// [B, l, H, W] to the same shape.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.size4()?;
        let pool = self.config.pool as i64;
        let pooled = self.pool(x, pool)?; // [B, l, h, w]
        let mixed = match &self.mixing {
            LowMixing::Attention(qkv) => self.attend(qkv, &pooled)?,
            LowMixing::Element(element) => element.forward(&pooled)?,
        }; // [B, l, h, w]
        match pool {
            1 => Ok(mixed),
            _ => enlarge(&mixed, pool, (height, width)),
        }
    }

    fn attend(&self, qkv: &Linear, pooled: &Tensor) -> Result<Tensor> {
        let (batch, low, h, w) = pooled.size4()?;
        let head_dim = self.config.head_dim as i64;
        let tokens = pooled.f_flatten(2, 3)?.f_transpose(1, 2)?; // [B, N, l]
        let qkv = qkv.forward(&tokens)?; // [B, N, 3 l]
        let qkv = qkv.f_view([batch, h * w, 3, low / head_dim, head_dim])?; // [B, N, 3, heads, D]
        let qkv = qkv.f_permute([2, 0, 3, 1, 4])?.f_unbind(0)?; // three of [B, heads, N, D]
        let mixed = self.config.low_element.attend(&qkv)?; // [B, heads, N, D]
        let mixed = mixed.f_transpose(1, 2)?.f_reshape([batch, h * w, low])?; // [B, N, l]
        Ok(mixed.f_transpose(1, 2)?.f_unflatten(2, [h, w])?) // [B, l, h, w]
    }

    /// Windows of `pool` x `pool`. Where they do not tile the map, it is padded below and on the right by nothing that
    /// counts: the last windows hold only the pixels that are there.
    fn pool(&self, x: &Tensor, pool: i64) -> Result<Tensor> {
        let (window, none) = ([pool, pool], [0, 0]);
        match (pool, self.config.pool_kind) {
            (1, _) => Ok(x.shallow_clone()),
            (_, PoolKind::Average) => Ok(x.f_avg_pool2d(window, window, none, true, false, None)?),
            (_, PoolKind::Max) => Ok(x.f_max_pool2d(window, window, none, [1, 1], true)?),
        }
    }
}
