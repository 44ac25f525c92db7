//! Images to the numbers that quantisation or a posterior is made of.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Conv2dConfig, GroupNorm, Path, pad};

use super::{Blocks, Middle, conv, norm, norm_silu};
use crate::CoderConfig;
use crate::error::Result;

/// Blocks and a halving a level, the middle, norm, SiLU and a 3x3 convolution.
#[derive(Debug)]
pub(crate) struct Encoder {
    input: Conv2d,
    levels: Vec<(Blocks, Option<Conv2d>)>,
    middle: Middle,
    norm: GroupNorm,
    output: Conv2d,
}

impl Encoder {
    /// `outputs` is the number of channels that it puts out.
    pub(crate) fn new(path: &Path<'_>, coder: &CoderConfig, outputs: usize) -> Result<Self> {
        let mut channels = coder.width;
        let input = conv(&(path / "conv_in"), coder.image_channels, channels, 3)?;
        let halving = Conv2dConfig { stride: 2, ..Conv2dConfig::default() };
        let mut levels = Vec::with_capacity(coder.levels());
        for level in 0..coder.levels() {
            let place = path / "down" / level;
            let blocks = Blocks::new(&place, coder, level, coder.res_blocks, channels)?;
            channels = coder.channels(level);
            let wide = channels as i64;
            let down = (level + 1 < coder.levels())
                .then(|| Conv2d::new(&(&place / "downsample" / "conv"), wide, wide, 3, halving))
                .transpose()?;
            levels.push((blocks, down));
        }
        Ok(Encoder {
            input,
            levels,
            middle: Middle::new(&(path / "mid"), coder)?,
            norm: norm(&(path / "norm_out"), channels, coder)?,
            output: conv(&(path / "conv_out"), channels, outputs, 3)?,
        })
    }

    /// [B, C, H, W] to [B, outputs, H / f, W / f].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut h = self.input.forward(x)?; // [B, width, H, W]
        for (blocks, down) in &self.levels {
            h = blocks.forward(h)?; // [B, C_l, H / 2^l, W / 2^l]
            if let Some(down) = down {
                // Zeros on the right and below only.
                h = down.forward(&pad(&h, 0, 1, 0, 1)?)?; // [B, C_l, H / 2^(l+1), W / 2^(l+1)]
            }
        }
        let h = self.middle.forward(&h)?; // [B, C, H / f, W / f]
        Ok(self.output.forward(&norm_silu(&self.norm, &h)?)?) // [B, outputs, H / f, W / f]
    }
}
