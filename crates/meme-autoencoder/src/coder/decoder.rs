//! From latents back to images.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, GroupNorm, Path, upsample_nearest};

use super::{Blocks, Middle, conv, norm, norm_silu};
use crate::CoderConfig;
use crate::error::Result;

/// A 3x3 convolution, the middle, blocks and a doubling a level, norm, SiLU and a 3x3 convolution.
#[derive(Debug)]
pub(crate) struct Decoder {
    input: Conv2d,
    middle: Middle,
    /// Coarsest first.
    levels: Vec<(Blocks, Option<Conv2d>)>,
    norm: GroupNorm,
    output: Conv2d,
}

impl Decoder {
    pub(crate) fn new(path: &Path<'_>, coder: &CoderConfig) -> Result<Self> {
        let mut channels = coder.channels(coder.levels() - 1);
        let input = conv(&(path / "conv_in"), coder.latent_channels, channels, 3)?;
        let middle = Middle::new(&(path / "mid"), coder)?;
        let mut levels = Vec::with_capacity(coder.levels());
        for level in (0..coder.levels()).rev() {
            let place = path / "up" / level;
            let blocks = Blocks::new(&place, coder, level, coder.res_blocks + 1, channels)?;
            channels = coder.channels(level);
            let up = (level > 0)
                .then(|| conv(&(&place / "upsample" / "conv"), channels, channels, 3))
                .transpose()?;
            levels.push((blocks, up));
        }
        Ok(Decoder {
            input,
            middle,
            levels,
            norm: norm(&(path / "norm_out"), channels, coder)?,
            output: conv(&(path / "conv_out"), channels, coder.image_channels, 3)?,
        })
    }

    /// [B, z, h, w] to [B, C, f h, f w].
    pub(crate) fn forward(&self, z: &Tensor) -> Result<Tensor> {
        let h = self.input.forward(z)?; // [B, C, h, w]
        let mut h = self.middle.forward(&h)?; // [B, C, h, w]
        for (blocks, up) in &self.levels {
            h = blocks.forward(h)?; // [B, C_l, H / 2^l, W / 2^l]
            if let Some(up) = up {
                h = up.forward(&upsample_nearest(&h, 2)?)?; // [B, C_l, H / 2^(l-1), W / 2^(l-1)]
            }
        }
        Ok(self.output.forward(&norm_silu(&self.norm, &h)?)?) // [B, C, f h, f w]
    }
}
