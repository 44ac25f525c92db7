//! The residual block.

use meme_torch::layers::{
    Activation, Channels, PackedConv2d, Steering, affine, affine_and_copy, affine_in_place,
    pool_windows,
};
use meme_torch::tch::Tensor;

use super::weights::{FoldedNorm, Weights};
use crate::error::Result;
use crate::resample::enlarge;
use crate::{ResBlockConfig, Resample};

/// Where a block finds its numbers among those that the time embedding becomes for all blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) first: i64,
    pub(super) count: i64,
}

/// Maps that stand side by side in front of a block: the way down's last one, or the way up's and the encoder's.
#[derive(Debug)]
pub(super) enum Inputs {
    /// A map that the decoder will ask for again.
    Kept(Tensor),
    /// A map that nobody else holds.
    Owned(Tensor),
    /// Two maps side by side.
    Two(Tensor, Tensor),
}

/// What brings the input to the output's channels: the input itself, or one 1x1 convolution for each map.
#[derive(Debug)]
enum Skip {
    Identity,
    One(PackedConv2d),
    /// A convolution of maps side by side is the sum of convolutions of each.
    Two(PackedConv2d, PackedConv2d),
}

#[derive(Debug)]
pub(super) struct Residual {
    norm_in: FoldedNorm,
    conv_in: PackedConv2d,
    norm_out: FoldedNorm,
    conv_out: PackedConv2d,
    skip: Skip,
    config: ResBlockConfig,
    place: Place,
}

impl Residual {
    /// `joined` is how many of the input's channels come from the encoder.
    pub(super) fn new(
        weights: &Weights,
        name: &str,
        config: ResBlockConfig,
        joined: usize,
        place: Place,
    ) -> Result<Self> {
        let path = |part: &str| format!("{name}.{part}");
        let skip = if config.input == config.output {
            Skip::Identity
        } else {
            let weight = weights.get(&path("skip.weight"))?;
            let bias = weights.get(&path("skip.bias"))?;
            match joined {
                0 => Skip::One(weights.pack(weight, Some(bias), 1)?),
                _ => Self::split(weights, weight, Some(bias), config.input - joined)?,
            }
        };
        Ok(Residual {
            norm_in: weights.norm(&path("norm_in"))?,
            conv_in: weights.conv(&path("conv_in"), 1)?,
            norm_out: weights.norm(&path("norm_out"))?,
            conv_out: weights.conv(&path("conv_out"), 1)?,
            skip,
            config,
            place,
        })
    }

    fn split(
        weights: &Weights,
        weight: &Tensor,
        bias: Option<&Tensor>,
        first: usize,
    ) -> Result<Skip> {
        let first = first as i64;
        let rest = weight.size().get(1).map_or(0, |all| all - first);
        Ok(Skip::Two(
            weights.pack(&weight.f_narrow(1, 0, first)?, bias, 1)?,
            weights.pack(&weight.f_narrow(1, first, rest)?, None, 1)?,
        ))
    }

    /// Maps [B, C_i, H, W] and the numbers of all blocks, float32 [B or 1, ...], to [B, out, H', W'], as
    /// [`crate::ResBlock::forward`].
    pub(super) fn forward(
        &self,
        inputs: Inputs,
        steering: &Tensor,
        to: Option<(i64, i64)>,
    ) -> Result<Tensor> {
        let (h, sum) = self.enter(&inputs, to)?; // both [B, in or out, H', W']
        drop(inputs); // its memory serves the next maps
        let h = self.conv_in.forward(&h, Activation::None)?; // [B, out, H', W']
        let lines = self.norm_out.lines(&[&h], self.steer(steering)?.borrow())?;
        let h = affine_in_place(h, &lines, Activation::Silu)?; // [B, out, H', W']
        Ok(self.conv_out.add_to(&h, sum)?)
    }

    /// The first convolution's input, and the map to which the block's result is added.
    fn enter(&self, inputs: &Inputs, to: Option<(i64, i64)>) -> Result<(Tensor, Tensor)> {
        let silu = Activation::Silu;
        let all = Channels { first: 0, count: self.config.input as i64 };
        let none = Steering::default();
        if let Inputs::Two(x, y) = inputs {
            let h = affine(&[x, y], &self.norm_in.lines(&[x, y], none)?, all, silu)?;
            let sum = match &self.skip {
                Skip::Two(first, second) => {
                    second.add_to(y, first.forward(x, Activation::None)?)?
                }
                Skip::One(conv) => conv.forward(&Tensor::f_cat(&[x, y], 1)?, Activation::None)?,
                Skip::Identity => Tensor::f_cat(&[x, y], 1)?,
            };
            return Ok((h, sum));
        }
        let (Inputs::Kept(x) | Inputs::Owned(x) | Inputs::Two(x, _)) = inputs;
        let lines = self.norm_in.lines(&[x], none)?;
        match (self.config.resample, &self.skip) {
            (None, Skip::One(conv)) => {
                Ok((affine(&[x], &lines, all, silu)?, conv.forward(x, Activation::None)?))
            }
            (None, _) if matches!(inputs, Inputs::Owned(_)) => {
                Ok((affine(&[x], &lines, all, silu)?, x.shallow_clone()))
            }
            (None, _) => Ok(affine_and_copy(x, &lines, silu)?),
            (Some(resample), skip) => {
                let h = affine(&[x], &lines, all, silu)?;
                let change = |x: &Tensor| match resample {
                    Resample::Down => Ok(pool_windows(x, None, all, 2, false)?),
                    Resample::Up => {
                        let (_, _, height, width) = x.size4()?;
                        enlarge(x, 2, to.unwrap_or((2 * height, 2 * width)))
                    }
                };
                let (h, x) = (change(&h)?, change(x)?);
                match skip {
                    Skip::One(conv) => Ok((h, conv.forward(&x, Activation::None)?)),
                    _ => Ok((h, x)),
                }
            }
        }
    }

    fn steer(&self, steering: &Tensor) -> Result<Steer> {
        let Place { first, count } = self.place;
        let own = steering.f_narrow(1, first, count)?;
        if !self.config.scale_shift_norm {
            return Ok(Steer::Add(own));
        }
        let half = count / 2;
        Ok(Steer::ScaleShift(own.f_narrow(1, 0, half)?, own.f_narrow(1, half, half)?))
    }
}

enum Steer {
    Add(Tensor),
    ScaleShift(Tensor, Tensor),
}

impl Steer {
    fn borrow(&self) -> Steering<'_> {
        match self {
            Steer::Add(add) => Steering { add: Some(add), ..Steering::default() },
            Steer::ScaleShift(scale, shift) => {
                Steering { scale: Some(scale), shift: Some(shift), add: None }
            }
        }
    }
}
