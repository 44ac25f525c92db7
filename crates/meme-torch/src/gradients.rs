//! The norm of all gradients: limited, and proven finite, in one pass.

use crate::convert::to_f64_vec;
use crate::error::{Context, Error};
use crate::ffi;
use tch::{Kind, Tensor};

/// Scales `gradients` in place so that their common Euclidean norm is at most `max_norm`, and
/// returns the norm that they had; [`f64::INFINITY`] only checks.
///
/// Bit for bit `torch.nn.utils.clip_grad_norm_(..., error_if_nonfinite=True)`: the factor is
/// `max_norm / (norm + 1e-6)`, at most 1. A gradient that is not finite makes the norm so; the norm
/// is computed anyway, so the check costs nothing.
///
/// # Errors
/// [`Error::NotFinite`] with the names of what is not finite, before anything was changed;
/// [`Error::Invalid`] for a limit that is not above 0.
pub fn clip_and_check(gradients: &[(String, Tensor)], max_norm: f64) -> Result<f64, Error> {
    if max_norm.is_nan() || max_norm <= 0.0 {
        return Err(Error::Invalid {
            what: "gradient norm".to_owned(),
            rule: format!("the limit must be above 0, it is {max_norm}"),
        });
    }
    let handles = ffi::handles(gradients.iter().map(|(_, gradient)| gradient));
    let mut norm = 0.0;
    // SAFETY: handles of live tensors, and room for one number.
    let answer =
        unsafe { ffi::meme_clip(handles.len(), handles.as_ptr(), max_norm, &raw mut norm) };
    ffi::check("gradient norm", answer)?;
    if norm.is_finite() {
        return Ok(norm);
    }
    Err(Error::NotFinite { norm, tensors: not_finite(gradients)? })
}

/// The names of the tensors that hold an infinity or a NaN; empty if all values are finite.
///
/// # Errors
/// [`Error::Torch`] if a device cannot be read.
pub fn not_finite(tensors: &[(String, Tensor)]) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for (name, tensor) in tensors {
        let finite = tensor
            .detach()
            .f_isfinite()
            .and_then(|finite| finite.f_all())
            .and_then(|all| all.f_to_kind(Kind::Float))
            .during("look for values that are not finite")?;
        if to_f64_vec(&finite)? != [1.0] {
            names.push(name.clone());
        }
    }
    Ok(names)
}
