//! Two-dimensional convolution.

use super::invalid;
use crate::Init;
use crate::error::{Context, Error};
use crate::parameters::Path;
use tch::Tensor;

/// What a [`Conv2d`] is beside its channels and kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dConfig {
    /// Step between neighbouring outputs, at least 1.
    pub stride: i64,
    /// Zeros added on all four sides. Other paddings are the caller's, see [`crate::pad`].
    pub padding: i64,
    /// Number of separate convolutions side by side; divides both channel numbers.
    pub groups: i64,
    /// Whether a bias is added to each channel.
    pub bias: bool,
    /// Whether the layer starts as zero (weights and bias), so that a residual branch that ends in
    /// it starts as nothing.
    pub zero: bool,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self { stride: 1, padding: 0, groups: 1, bias: true, zero: false }
    }
}

/// A convolution with a square kernel, `[B, in, H, W]` to `[B, out, H', W']` where
/// `H' = (H + 2 padding - kernel) / stride + 1`, rounded down.
#[derive(Debug)]
pub struct Conv2d {
    /// `[out, in / groups, kernel, kernel]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
    config: Conv2dConfig,
}

impl Conv2d {
    /// Creates `weight` and, if asked for, `bias` at `path`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for lengths below 1 and groups that don't divide the channels,
    /// [`Error::Duplicate`] where the path is taken.
    pub fn new(
        path: &Path<'_>,
        in_channels: i64,
        out_channels: i64,
        kernel: i64,
        config: Conv2dConfig,
    ) -> Result<Self, Error> {
        let Conv2dConfig { stride, padding, groups, bias, zero } = config;
        if kernel < 1 || stride < 1 || padding < 0 || in_channels < 1 || out_channels < 1 {
            let rule = format!(
                "kernel {kernel}, stride {stride} and channels {in_channels} to {out_channels} \
                 must be at least 1, padding {padding} at least 0"
            );
            return Err(invalid(path, "convolution", rule));
        }
        if groups < 1 || in_channels % groups != 0 || out_channels % groups != 0 {
            let rule = format!(
                "{groups} groups do not divide {in_channels} input and {out_channels} output \
                 channels"
            );
            return Err(invalid(path, "convolution", rule));
        }
        let fan_in = in_channels / groups * kernel * kernel;
        let init = if zero { Init::Zeros } else { Init::FanIn { fan_in } };
        let shape = [out_channels, in_channels / groups, kernel, kernel];
        let weight = path.parameter("weight", &shape, init)?;
        let bias = match bias {
            true => Some(path.parameter("bias", &[out_channels], init)?),
            false => None,
        };
        Ok(Self { weight, bias, config })
    }

    /// `[B, in, H, W]` to `[B, out, H', W']`.
    ///
    /// # Errors
    /// [`Error::Torch`] when channels, dtype or device don't agree or the input is too small.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let Conv2dConfig { stride, padding, groups, .. } = self.config;
        x.f_conv2d(
            &self.weight,
            self.bias.as_ref(),
            [stride, stride],
            [padding, padding],
            [1, 1],
            groups,
        )
        .during("convolution")
    }
}
