//! The linear layer.

use super::invalid;
use crate::Init;
use crate::error::{Context, Error};
use crate::parameters::Path;
use tch::Tensor;

/// What a [`Linear`] is beside its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearConfig {
    /// Whether a bias is added.
    pub bias: bool,
    /// Whether the layer starts as zero (weights and bias).
    pub zero: bool,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self { bias: true, zero: false }
    }
}

/// `y = x W^T + b`, `[..., in]` to `[..., out]`.
#[derive(Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// Creates `weight` and, if asked for, `bias` at `path`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for sizes below 1, [`Error::Duplicate`] where the path is taken.
    pub fn new(
        path: &Path<'_>,
        inputs: i64,
        outputs: i64,
        config: LinearConfig,
    ) -> Result<Self, Error> {
        if inputs < 1 || outputs < 1 {
            let rule = format!("sizes {inputs} to {outputs} must be at least 1");
            return Err(invalid(path, "linear layer", rule));
        }
        let init = if config.zero { Init::Zeros } else { Init::FanIn { fan_in: inputs } };
        let weight = path.parameter("weight", &[outputs, inputs], init)?;
        let bias = match config.bias {
            true => Some(path.parameter("bias", &[outputs], init)?),
            false => None,
        };
        Ok(Self { weight, bias })
    }

    /// `[..., in]` to `[..., out]`.
    ///
    /// # Errors
    /// [`Error::Torch`] when the last length, dtype or device doesn't agree.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        x.f_linear(&self.weight, self.bias.as_ref()).during("linear layer")
    }
}
