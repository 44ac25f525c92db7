//! Group and layer normalisation.

use super::{ffi, invalid};
use crate::Init;
use crate::error::{Context, Error};
use crate::functional::silu;
use crate::parameters::Path;
use std::ffi::c_int;
use tch::{Device, Kind, Tensor};

/// What a [`GroupNorm`] is beside its channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupNormConfig {
    /// Groups of neighbouring channels that are normalised together; divides the channels.
    pub groups: i64,
    /// Added to the variance under the root.
    pub epsilon: f64,
}

impl Default for GroupNormConfig {
    /// 32 groups and 1e-5, as latent diffusion's U-Nets.
    fn default() -> Self {
        Self { groups: 32, epsilon: 1e-5 }
    }
}

/// Group normalisation (Wu and He, arXiv 1803.08494) with a scale and a shift for each channel,
/// which start as 1 and 0; `[B, C, ...]` to the same shape.
///
/// Maps `[B, C, H, W]` on the CPU, float32 or bfloat16 with float32 scale and shift, go through one
/// kernel of the shim, with or without SiLU, forward and backward: statistics are float32, only the
/// map itself is kept for the backward pass, results lie channels-last, and the number of threads
/// changes no bit. libtorch's own operators do the rest.
#[derive(Debug)]
pub struct GroupNorm {
    /// Scale, `[C]`.
    pub weight: Tensor,
    /// Shift, `[C]`.
    pub bias: Tensor,
    config: GroupNormConfig,
}

impl GroupNorm {
    /// Creates `weight` and `bias` at `path`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the groups don't divide the channels, [`Error::Duplicate`] where
    /// the path is taken.
    pub fn new(path: &Path<'_>, channels: i64, config: GroupNormConfig) -> Result<Self, Error> {
        if config.groups < 1 || channels < 1 || channels % config.groups != 0 {
            let rule = format!("{} groups do not divide {channels} channels", config.groups);
            return Err(invalid(path, "group norm", rule));
        }
        let weight = path.parameter("weight", &[channels], Init::Ones)?;
        let bias = path.parameter("bias", &[channels], Init::Zeros)?;
        Ok(Self { weight, bias, config })
    }

    /// `[B, C, ...]` to the same shape.
    ///
    /// # Errors
    /// [`Error::Torch`] when the channels, dtype or device don't agree.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        match self.fused(x, false)? {
            Some(y) => Ok(y),
            None => self.plain(x),
        }
    }

    /// `SiLU(norm(x))`, `[B, C, ...]` to the same shape.
    ///
    /// # Errors
    /// As [`GroupNorm::forward`].
    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor, Error> {
        match self.fused(x, true)? {
            Some(y) => Ok(y),
            None => silu(&self.plain(x)?),
        }
    }

    /// Groups and epsilon.
    #[must_use]
    pub fn config(&self) -> GroupNormConfig {
        self.config
    }

    /// The kernel's answer where it applies.
    fn fused(&self, x: &Tensor, silu: bool) -> Result<Option<Tensor>, Error> {
        let single =
            |tensor: &Tensor| tensor.kind() == Kind::Float && tensor.device() == Device::Cpu;
        let map = x.device() == Device::Cpu
            && matches!(x.kind(), Kind::Float | Kind::BFloat16)
            && x.dim() == 4
            && x.numel() > 0;
        if !(map && single(&self.weight) && single(&self.bias)) {
            return Ok(None);
        }
        // SAFETY: three live tensors, which the shim checks; it writes one new handle.
        ffi::made("group norm", |output| unsafe {
            ffi::meme_group_norm(
                x.as_ptr(),
                self.weight.as_ptr(),
                self.bias.as_ptr(),
                self.config.groups,
                self.config.epsilon,
                c_int::from(silu),
                output,
            )
        })
        .map(Some)
    }

    fn plain(&self, x: &Tensor) -> Result<Tensor, Error> {
        let GroupNormConfig { groups, epsilon } = self.config;
        x.f_group_norm(groups, Some(&self.weight), Some(&self.bias), epsilon, true)
            .during("group norm")
    }
}

/// What a [`LayerNorm`] is beside its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerNormConfig {
    /// Added to the variance under the root.
    pub epsilon: f64,
}

impl Default for LayerNormConfig {
    fn default() -> Self {
        Self { epsilon: 1e-5 }
    }
}

/// Layer normalisation over the last dimension (Ba et al., arXiv 1607.06450) with a scale and a
/// shift for each feature, which start as 1 and 0; `[..., C]` to the same shape.
#[derive(Debug)]
pub struct LayerNorm {
    /// Scale, `[C]`.
    pub weight: Tensor,
    /// Shift, `[C]`.
    pub bias: Tensor,
    config: LayerNormConfig,
}

impl LayerNorm {
    /// Creates `weight` and `bias` at `path`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a size below 1, [`Error::Duplicate`] where the path is taken.
    pub fn new(path: &Path<'_>, features: i64, config: LayerNormConfig) -> Result<Self, Error> {
        if features < 1 {
            let rule = format!("{features} features must be at least 1");
            return Err(invalid(path, "layer norm", rule));
        }
        let weight = path.parameter("weight", &[features], Init::Ones)?;
        let bias = path.parameter("bias", &[features], Init::Zeros)?;
        Ok(Self { weight, bias, config })
    }

    /// `[..., C]` to the same shape.
    ///
    /// # Errors
    /// [`Error::Torch`] when the features, dtype or device don't agree.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        x.f_layer_norm(
            self.weight.size(),
            Some(&self.weight),
            Some(&self.bias),
            self.config.epsilon,
            true,
        )
        .during("layer norm")
    }
}
