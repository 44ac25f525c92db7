//! The step up: nearest neighbours and a 3x3 convolution.

use meme_torch::channels_last;
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
        let weight = weights.get(&format!("{name}.weight"))?.f_to_kind(weights.precise_kind())?; // [O, I, 3, 3]
        let bias = weights.get(&format!("{name}.bias"))?;
        // The inputs of a tap side by side, so that sums of taps run along them: [O, 3, 3, I].
        let taps = channels_last(&weight)?.f_permute([0, 2, 3, 1])?;
        let pack = |taps: &Tensor| weights.pack(&taps.f_permute([0, 3, 1, 2])?, Some(bias), 1);
        let [above, below] = pairs(&taps, 1)?; // two of [O, 2, 3, I]
        let ([a, b], [c, d]) = (pairs(&above, 2)?, pairs(&below, 2)?); // four of [O, 2, 2, I]
        let quarters = [pack(&a)?, pack(&b)?, pack(&c)?, pack(&d)?];
        Ok(Enlarge { quarters, whole: pack(&taps)? })
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

/// The three taps along a dimension as two, for even pixels and for odd ones: an even pixel sees the neighbour before it
/// once and its own original twice, an odd one its own twice and the next once.
fn pairs(taps: &Tensor, dim: i64) -> Result<[Tensor; 2]> {
    let tap = |i: i64| taps.f_narrow(dim, i, 1);
    let even = [tap(0)?, tap(1)?.f_add(&tap(2)?)?];
    let odd = [tap(0)?.f_add(&tap(1)?)?, tap(2)?];
    Ok([Tensor::f_cat(&even, dim)?, Tensor::f_cat(&odd, dim)?])
}
