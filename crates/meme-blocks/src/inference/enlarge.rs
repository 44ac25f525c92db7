//! The step up: nearest neighbours and a 3x3 convolution.

use meme_torch::layers::{Activation, PackedConv2d};
use meme_torch::tch::Tensor;

use super::weights::Weights;
use crate::error::Result;
use crate::resample::enlarge;

#[derive(Debug)]
pub(super) struct Enlarge {
    conv: PackedConv2d,
}

impl Enlarge {
    pub(super) fn new(weights: &Weights, name: &str) -> Result<Self> {
        Ok(Enlarge { conv: weights.conv(name, 1)? })
    }

    /// [B, C, h, w] to [B, C, H, W], where `to` = (H, W) is twice (h, w) or one less.
    pub(super) fn forward(&self, x: &Tensor, to: (i64, i64)) -> Result<Tensor> {
        Ok(self.conv.forward(&enlarge(x, 2, to)?, Activation::None)?)
    }
}
