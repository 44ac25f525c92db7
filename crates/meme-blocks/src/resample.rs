//! Changes of size between levels.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Conv2dConfig, Path, upsample_nearest};

use crate::conv::conv;
use crate::error::Result;

/// Which way a block changes the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resample {
    /// To half of each side, rounded up.
    Down,
    /// To twice each side, or one less where the finer level is odd.
    Up,
}

/// 3x3 convolution of stride 2, [B, C, H, W] to [B, C, ceil(H/2), ceil(W/2)].
pub(crate) fn strided_conv(path: &Path<'_>, channels: usize) -> Result<Conv2d> {
    let config = Conv2dConfig { stride: 2, padding: 1, ..Conv2dConfig::default() };
    conv(path, channels, channels, 3, config)
}

/// Mean of each 2x2 window, [B, C, H, W] to [B, C, ceil(H/2), ceil(W/2)]. Where a side is odd the last windows hold
/// only the pixels that are there.
pub(crate) fn halve(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_avg_pool2d([2, 2], [2, 2], [0, 0], true, false, None)?)
}

/// Each pixel `factor` x `factor` times, cut to `to` = (height, width): [B, C, h, w] to [B, C, height, width].
pub(crate) fn enlarge(x: &Tensor, factor: i64, to: (i64, i64)) -> Result<Tensor> {
    let large = upsample_nearest(x, factor)?;
    let (_, _, height, width) = large.size4()?;
    if (height, width) == to {
        return Ok(large);
    }
    Ok(large.f_narrow(2, 0, to.0)?.f_narrow(3, 0, to.1)?)
}
