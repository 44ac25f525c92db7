//! The step up: nearest neighbours and a 3x3 convolution.

use meme_torch::layers::{Activation, PackedConv2d, interleave};
use meme_torch::tch::Tensor;

use super::weights::Weights;
use crate::error::Result;
use crate::resample::enlarge;

/// Of the nine pixels that the convolution sees behind the enlargement only four differ: it is four 2x2 convolutions of
/// the small map, one for each pixel that a small one becomes, with four ninths of the multiplications.
#[derive(Debug)]
pub(super) struct Enlarge {
    /// For the pixels (even, even), (even, odd), (odd, even), (odd, odd) as (row, column).
    quarters: [PackedConv2d; 4],
    /// For sizes that are cut to an odd number.
    whole: PackedConv2d,
}

impl Enlarge {
    pub(super) fn new(weights: &Weights, name: &str) -> Result<Self> {
        let weight = weights.precise(&format!("{name}.weight"))?;
        let bias = weights.get(&format!("{name}.bias"))?;
        let quarter = |a: i64, b: i64| -> Result<PackedConv2d> {
            let rows = pairs(&weight, 2, a)?;
            weights.pack(&pairs(&rows, 3, b)?, Some(bias), 1)
        };
        Ok(Enlarge {
            quarters: [quarter(0, 0)?, quarter(0, 1)?, quarter(1, 0)?, quarter(1, 1)?],
            whole: weights.conv(name, 1)?,
        })
    }

    /// [B, C, h, w] to [B, C, H, W], where `to` = (H, W) is twice (h, w) or one less.
    pub(super) fn forward(&self, x: &Tensor, to: (i64, i64)) -> Result<Tensor> {
        let (_, _, height, width) = x.size4()?;
        let none = Activation::None;
        if to != (2 * height, 2 * width) {
            return Ok(self.whole.forward(&enlarge(x, 2, to)?, none)?);
        }
        let [a, b, c, d] = &self.quarters;
        // Zeros on all sides make each one pixel larger than it need be: [B, C, h + 1, w + 1].
        let (a, b) = (a.forward(x, none)?, b.forward(x, none)?);
        let (c, d) = (c.forward(x, none)?, d.forward(x, none)?);
        Ok(interleave([&a, &b, &c, &d], (height, width))?)
    }
}

/// The three taps along a dimension as two: an even pixel sees the neighbour before it once and its own original twice,
/// an odd one its own twice and the next once.
fn pairs(weight: &Tensor, dim: i64, odd: i64) -> Result<Tensor> {
    let tap = |i: i64| weight.f_narrow(dim, i, 1);
    let pair = match odd {
        0 => [tap(0)?, tap(1)?.f_add(&tap(2)?)?],
        _ => [tap(0)?.f_add(&tap(1)?)?, tap(2)?],
    };
    Ok(Tensor::f_cat(&pair, dim)?)
}
