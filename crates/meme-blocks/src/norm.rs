//! The norm that stands before every convolution.

use meme_torch::tch::Tensor;
use meme_torch::{GroupNorm, GroupNormConfig, Path, silu};

use crate::error::Result;

/// Added to the variance, as in DDPM, LDM and ADM (PyTorch's default).
pub(crate) const EPSILON: f64 = 1e-5;

/// A group normalisation, fused with SiLU where it is followed by it.
pub(crate) fn norm(path: &Path<'_>, channels: usize, groups: usize) -> Result<GroupNorm> {
    let config = GroupNormConfig { groups: groups as i64, epsilon: EPSILON };
    Ok(GroupNorm::new(path, channels as i64, config)?)
}

/// SiLU of a tensor that nobody else holds: in its place where no gradient needs the old values.
pub(crate) fn activate(mut x: Tensor) -> Result<Tensor> {
    if x.requires_grad() { Ok(silu(&x)?) } else { Ok(x.f_silu_()?) }
}
