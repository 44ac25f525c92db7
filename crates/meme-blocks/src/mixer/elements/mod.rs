//! What mixes positions in a branch: one file for each kind, and the few words by which descriptions choose.

mod depthwise;
mod fourier;
mod linear_attention;
#[cfg(test)]
mod tests;

pub(crate) use depthwise::Depthwise;
pub(crate) use fourier::Fourier;
use linear_attention::linear_attention;

use meme_torch::tch::Tensor;
use meme_torch::{Init, Path, attention};

use crate::conv::lay_out;
use crate::count::{ConvShape, Size, Tally};
use crate::error::Result;
use crate::{HighElement, LowElement};

/// An element that acts on each channel by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// A depthwise convolution with a square kernel, its taps `step` pixels apart; `name` is that of its parameters.
    Convolution { name: &'static str, kernel: usize, step: usize },
    /// Of all frequencies.
    Fourier,
}

pub(crate) const DEPTHWISE: Filter = Filter::Convolution { name: "depthwise", kernel: 3, step: 1 };
const DILATED: Filter = Filter::Convolution { name: "dilated", kernel: 3, step: 2 };
const LARGE: Filter = Filter::Convolution { name: "large_kernel", kernel: 7, step: 1 };

impl HighElement {
    pub(crate) fn filter(self) -> Filter {
        match self {
            Self::Depthwise => DEPTHWISE,
            Self::Dilated => DILATED,
            Self::LargeKernel => LARGE,
            Self::Fourier => Filter::Fourier,
        }
    }
}

impl LowElement {
    /// None for those that attend.
    pub(crate) fn filter(self) -> Option<Filter> {
        match self {
            Self::Attention | Self::LinearAttention => None,
            Self::Dilated => Some(DILATED),
            Self::LargeKernel => Some(LARGE),
            Self::Fourier => Some(Filter::Fourier),
        }
    }

    /// Queries, keys and values, each [B, heads, N, D], to the same shape, for those that attend.
    pub(crate) fn attend(self, qkv: &[Tensor]) -> Result<Tensor> {
        match self {
            Self::LinearAttention => linear_attention(&qkv[0], &qkv[1], &qkv[2]),
            _ => Ok(attention(&qkv[0], &qkv[1], &qkv[2], None)?),
        }
    }
}

impl Filter {
    /// What it costs at that size.
    pub(crate) fn tally(self, channels: usize, size: Size) -> Tally {
        match self {
            Self::Fourier => Fourier::tally(channels, size),
            Self::Convolution { kernel, .. } => {
                let groups = channels;
                let shape =
                    ConvShape { input: channels, output: channels, kernel, groups, bias: false };
                Tally::conv(shape, size)
            }
        }
    }
}

/// A [`Filter`] with its weights.
#[derive(Debug)]
pub(crate) enum Element {
    Depthwise(Depthwise),
    Fourier(Fourier),
}

impl Element {
    /// With new parameters at `path`, that of the branch.
    pub(crate) fn new(path: &Path<'_>, filter: Filter, channels: usize) -> Result<Self> {
        Self::with(filter, channels, |name, shape, init| {
            let parameter = path.parameter(name, shape, init)?;
            if parameter.dim() == 4 {
                lay_out(&parameter)?;
            }
            Ok(parameter)
        })
    }

    /// With the tensors that `tensor` gives for a name, a shape, and how it starts.
    pub(crate) fn with(
        filter: Filter,
        channels: usize,
        tensor: impl Fn(&str, &[i64], Init) -> Result<Tensor>,
    ) -> Result<Self> {
        let channels = channels as i64;
        Ok(match filter {
            Filter::Convolution { name, kernel, step } => {
                let (kernel, step) = (kernel as i64, step as i64);
                let init = Init::FanIn { fan_in: kernel * kernel };
                let weight =
                    tensor(&format!("{name}.weight"), &[channels, 1, kernel, kernel], init)?;
                Self::Depthwise(Depthwise { weight, step })
            }
            Filter::Fourier => {
                let shape = Fourier::shape(channels);
                let real = tensor("fourier.real", &shape, Init::Ones)?;
                let imaginary = tensor("fourier.imaginary", &shape, Init::Zeros)?;
                Self::Fourier(Fourier { real, imaginary })
            }
        })
    }

    /// [B, C, H, W] to the same shape, dtype and, channels-last, layout.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Depthwise(convolution) => convolution.forward(x),
            Self::Fourier(filter) => filter.forward(x),
        }
    }
}
