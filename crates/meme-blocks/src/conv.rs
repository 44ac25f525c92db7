//! Convolutions, laid out in memory as the network wants them.

use meme_torch::tch::Tensor;
use meme_torch::{Conv2d, Conv2dConfig, Path, channels_last};

use crate::error::Result;

/// A convolution whose weight lies channels-last, like the maps that it sees: otherwise its gradient would be copied
/// into another layout at every step.
pub(crate) fn conv(
    path: &Path<'_>,
    input: usize,
    output: usize,
    kernel: i64,
    config: Conv2dConfig,
) -> Result<Conv2d> {
    let conv = Conv2d::new(path, input as i64, output as i64, kernel, config)?;
    lay_out(&conv.weight)?;
    Ok(conv)
}

/// Lays a parameter [out, in, k, k] out channels-last. The store and the layer hold the same tensor, so this lays out
/// both.
pub(crate) fn lay_out(weight: &Tensor) -> Result<()> {
    let laid_out = channels_last(&weight.detach())?;
    weight.shallow_clone().set_data(&laid_out);
    Ok(())
}

/// A 3x3 convolution that keeps the size.
pub(crate) fn same_conv(path: &Path<'_>, input: usize, output: usize) -> Result<Conv2d> {
    conv(path, input, output, 3, Conv2dConfig { padding: 1, ..Conv2dConfig::default() })
}

/// A 3x3 convolution that keeps the size and starts as zero.
pub(crate) fn zero_conv(path: &Path<'_>, input: usize, output: usize) -> Result<Conv2d> {
    conv(path, input, output, 3, Conv2dConfig { padding: 1, zero: true, ..Conv2dConfig::default() })
}

/// A 3x3 convolution of each channel by itself, without bias.
pub(crate) fn depthwise_conv(path: &Path<'_>, channels: usize) -> Result<Conv2d> {
    let groups = channels as i64;
    let config = Conv2dConfig { padding: 1, groups, bias: false, ..Conv2dConfig::default() };
    conv(path, channels, channels, 3, config)
}

/// A 1x1 convolution.
pub(crate) fn point_conv(path: &Path<'_>, input: usize, output: usize) -> Result<Conv2d> {
    conv(path, input, output, 1, Conv2dConfig::default())
}
