//! Levels and middle of a U-Net.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Path};

use crate::conv::same_conv;
use crate::error::Result;
use crate::plan::{PlanBlock, PlanChange, PlanLevel, PlanMiddle, PlanMixing};
use crate::resample::{enlarge, strided_conv};
use crate::unet::shared::Shared;
use crate::{AttentionBlock, Error, MixerBlock, Options, ResBlock, Resample, SpatialTransformer};

/// The place of a dotted name.
fn place<'a>(root: &Path<'a>, name: &str) -> Path<'a> {
    name.split('.').fold(root.clone(), |path, part| path / part)
}

#[derive(Debug)]
enum Mix {
    Attention(AttentionBlock),
    Mixer(Box<MixerBlock>),
    Transformer(Box<SpatialTransformer>),
}

/// A residual block and what mixes positions after it.
#[derive(Debug)]
pub(super) struct Block {
    residual: ResBlock,
    mixing: Option<Mix>,
}

impl Block {
    pub(super) fn new(root: &Path<'_>, plan: &PlanBlock) -> Result<Self> {
        let residual = ResBlock::new(&place(root, &plan.residual.0), plan.residual.1)?;
        let mixing = match &plan.mixing {
            None => None,
            Some((name, PlanMixing::Attention(config))) => {
                Some(Mix::Attention(AttentionBlock::new(&place(root, name), *config)?))
            }
            Some((name, PlanMixing::Mixer(config))) => {
                Some(Mix::Mixer(Box::new(MixerBlock::new(&place(root, name), *config)?)))
            }
            Some((name, PlanMixing::Transformer(config))) => {
                let block = SpatialTransformer::new(&place(root, name), *config)?;
                Some(Mix::Transformer(Box::new(block)))
            }
        };
        Ok(Block { residual, mixing })
    }

    pub(super) fn forward(
        &self,
        x: &Tensor,
        embedding: &Tensor,
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        let h = self.residual.forward(x, embedding, None, options)?;
        match &self.mixing {
            None => Ok(h),
            Some(Mix::Attention(attention)) => attention.forward(&h, options),
            Some(Mix::Mixer(mixer)) => mixer.forward(&h, options),
            Some(Mix::Transformer(transformer)) => transformer.forward(&h, options),
        }
    }
}

/// A step to the next level.
#[derive(Debug)]
enum Change {
    Down(String, Conv2d),
    Up(String, Conv2d),
    ResBlock(Box<ResBlock>),
}

impl Change {
    fn new(root: &Path<'_>, plan: &PlanChange) -> Result<Self> {
        match plan {
            PlanChange::Convolution { name, channels, direction } => {
                let path = place(root, name);
                match direction {
                    Resample::Down => {
                        Ok(Change::Down(name.clone(), strided_conv(&path, *channels)?))
                    }
                    Resample::Up => {
                        Ok(Change::Up(name.clone(), same_conv(&path, *channels, *channels)?))
                    }
                }
            }
            PlanChange::ResBlock(name, config) => {
                Ok(Change::ResBlock(Box::new(ResBlock::new(&place(root, name), *config)?)))
            }
        }
    }

    /// [B, C, H, W] to [B, C, H', W']; upwards, `to` is (H', W').
    fn forward(
        &self,
        x: &Tensor,
        embedding: &Tensor,
        to: Option<(i64, i64)>,
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        let (name, h) = match self {
            Change::ResBlock(block) => return block.forward(x, embedding, to, options),
            Change::Down(name, conv) => (name, conv.forward(x)?),
            Change::Up(name, conv) => {
                let (_, _, height, width) = x.size4()?;
                let to = to.unwrap_or((2 * height, 2 * width));
                (name, conv.forward(&enlarge(x, 2, to)?)?)
            }
        };
        options.watch(name, &h);
        Ok(h)
    }
}

/// The blocks of one level, and the change of size that ends it.
#[derive(Debug)]
pub(super) struct Level {
    blocks: Vec<Shared>,
    change: Option<Change>,
}

impl Level {
    pub(super) fn new(root: &Path<'_>, plan: &PlanLevel) -> Result<Self> {
        Ok(Level {
            blocks: plan.blocks.iter().map(|b| Shared::new(root, b)).collect::<Result<_>>()?,
            change: plan.change.as_ref().map(|change| Change::new(root, change)).transpose()?,
        })
    }

    /// Through the blocks and down; every feature map on the way is kept for the decoder.
    pub(super) fn encode(
        &self,
        mut h: Tensor,
        embedding: &Tensor,
        skips: &mut Vec<Tensor>,
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        for block in &self.blocks {
            h = block.forward(&h, embedding, options)?; // [B, C_l, H, W]
            skips.push(h.shallow_clone());
        }
        if let Some(change) = &self.change {
            h = change.forward(&h, embedding, None, options)?; // [B, C_l, ceil(H/2), ceil(W/2)]
            skips.push(h.shallow_clone());
        }
        Ok(h)
    }

    /// Through the blocks, each joined with the encoder's map of its size, and up to the next one's size.
    pub(super) fn decode(
        &self,
        mut h: Tensor,
        embedding: &Tensor,
        skips: &mut Vec<Tensor>,
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        for block in &self.blocks {
            let joined = match skips.pop() {
                Some(skip) => Tensor::f_cat(&[h, skip], 1)?, // [B, C + C_skip, H, W]
                None => h,
            };
            h = block.forward(&joined, embedding, options)?; // [B, C_l, H, W]
        }
        let Some(change) = &self.change else { return Ok(h) };
        let to = match skips.last() {
            Some(skip) => {
                let (_, _, height, width) = skip.size4()?;
                Some((height, width))
            }
            None => None,
        };
        change.forward(&h, embedding, to, options) // [B, C_l, H', W']
    }
}

/// The blocks at the bottom.
#[derive(Debug)]
pub(super) struct Middle {
    first: Shared,
    last: ResBlock,
}

impl Middle {
    pub(super) fn new(root: &Path<'_>, plan: &PlanMiddle) -> Result<Self> {
        Ok(Middle {
            first: Shared::new(root, &plan.first)?,
            last: ResBlock::new(&place(root, &plan.last.0), plan.last.1)?,
        })
    }

    /// [B, C, h, w] to the same shape.
    pub(super) fn forward(
        &self,
        h: &Tensor,
        embedding: &Tensor,
        options: &mut Options<'_>,
    ) -> Result<Tensor, Error> {
        let h = self.first.forward(h, embedding, options)?;
        self.last.forward(&h, embedding, None, options)
    }
}
