//! Encoder and decoder of a learned first stage, under CompVis' names
//! (`ldm/modules/diffusionmodules/model.py`).

mod attention;
mod decoder;
mod encoder;
mod res_block;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::Encoder;

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Conv2dConfig, GroupNorm, GroupNormConfig, Path, silu};

use crate::CoderConfig;
use crate::error::Result;
use attention::Attention;
use res_block::ResBlock;

/// Added to the variance of every norm; ten times smaller than the U-Net's.
const EPSILON: f64 = 1e-6;

fn norm(path: &Path<'_>, channels: usize, coder: &CoderConfig) -> Result<GroupNorm> {
    let config = GroupNormConfig { groups: coder.norm_groups as i64, epsilon: EPSILON };
    Ok(GroupNorm::new(path, channels as i64, config)?)
}

/// A convolution that keeps the size: 3x3 or 1x1.
pub(crate) fn conv(path: &Path<'_>, input: usize, output: usize, kernel: i64) -> Result<Conv2d> {
    let config = Conv2dConfig { padding: kernel / 2, ..Conv2dConfig::default() };
    Ok(Conv2d::new(path, input as i64, output as i64, kernel, config)?)
}

/// `SiLU(norm(x))`, in place where no gradient needs the old values.
fn norm_silu(norm: &GroupNorm, x: &Tensor) -> Result<Tensor> {
    let mut y = norm.forward(x)?;
    if y.requires_grad() { Ok(silu(&y)?) } else { Ok(y.f_silu_()?) }
}

/// Residual blocks, each followed by attention where its level has it.
#[derive(Debug)]
struct Blocks(Vec<(ResBlock, Option<Attention>)>);

impl Blocks {
    /// `count` blocks of level `level`, the first from `input` channels.
    fn new(
        path: &Path<'_>,
        coder: &CoderConfig,
        level: usize,
        count: usize,
        mut input: usize,
    ) -> Result<Self> {
        let output = coder.channels(level);
        let mut blocks = Vec::with_capacity(count);
        for block in 0..count {
            let residual = ResBlock::new(&(path / "block" / block), coder, input, output)?;
            input = output;
            let attention = coder
                .attention_levels
                .contains(&level)
                .then(|| Attention::new(&(path / "attn" / block), coder, output))
                .transpose()?;
            blocks.push((residual, attention));
        }
        Ok(Blocks(blocks))
    }

    /// [B, in, H, W] to [B, out, H, W].
    fn forward(&self, mut h: Tensor) -> Result<Tensor> {
        for (residual, attention) in &self.0 {
            h = residual.forward(&h)?;
            if let Some(attention) = attention {
                h = attention.forward(&h)?;
            }
        }
        Ok(h)
    }
}

/// Residual block, attention, residual block at the coarsest level.
#[derive(Debug)]
struct Middle(ResBlock, Attention, ResBlock);

impl Middle {
    fn new(path: &Path<'_>, coder: &CoderConfig) -> Result<Self> {
        let channels = coder.channels(coder.levels() - 1);
        Ok(Middle(
            ResBlock::new(&(path / "block_1"), coder, channels, channels)?,
            Attention::new(&(path / "attn_1"), coder, channels)?,
            ResBlock::new(&(path / "block_2"), coder, channels, channels)?,
        ))
    }

    /// [B, C, h, w] to the same shape.
    fn forward(&self, h: &Tensor) -> Result<Tensor> {
        self.2.forward(&self.1.forward(&self.0.forward(h)?)?)
    }
}
