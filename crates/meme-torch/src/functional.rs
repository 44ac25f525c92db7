//! Operations without parameters.

use crate::convert::from_f32;
use crate::error::{Context, Error};
use tch::{Device, Kind, Tensor};

/// `x sigmoid(x)`, any shape.
///
/// # Errors
/// [`Error::Torch`] for dtypes that are not floating-point.
pub fn silu(x: &Tensor) -> Result<Tensor, Error> {
    x.f_silu().during("silu")
}

/// `x Phi(x)` with the exact normal distribution function (erf), any shape.
///
/// # Errors
/// As [`silu`].
pub fn gelu(x: &Tensor) -> Result<Tensor, Error> {
    x.f_gelu("none").during("gelu")
}

/// Nearest-neighbour enlargement by a whole factor, `[B, C, H, W]` to `[B, C, factor H, factor W]`.
///
/// # Errors
/// [`Error::Invalid`] for a factor below 1 or another number of dimensions.
pub fn upsample_nearest(x: &Tensor, factor: i64) -> Result<Tensor, Error> {
    let size = x.size();
    let &[_, _, height, width] = size.as_slice() else {
        return Err(Error::Invalid {
            what: "nearest upsampling".to_owned(),
            rule: format!("the input must be [B, C, H, W], it is {size:?}"),
        });
    };
    if factor < 1 {
        return Err(Error::Invalid {
            what: "nearest upsampling".to_owned(),
            rule: format!("the factor must be at least 1, it is {factor}"),
        });
    }
    let scale = factor as f64;
    x.f_upsample_nearest2d([factor * height, factor * width], scale, scale)
        .during("nearest upsampling")
}

/// Zeros around the last two dimensions, for paddings that differ by side: the first stage's
/// convolutions with stride 2 pad (0, 1, 0, 1).
///
/// # Errors
/// [`Error::Torch`] for fewer than two dimensions or a result without elements.
pub fn pad(x: &Tensor, left: i64, right: i64, top: i64, bottom: i64) -> Result<Tensor, Error> {
    x.f_constant_pad_nd([left, right, top, bottom]).during("pad")
}

/// Multi-head attention without projections: `softmax(scale q k^T) v`, by libtorch's fused kernel
/// wherever it has one, so the weights `[.., L, S]` need not be held in memory.
///
/// `q` is `[B, heads, L, D]`, `k` `[B, heads, S, D]`, `v` `[B, heads, S, E]`; the result is
/// `[B, heads, L, E]`. Without a `scale` it is `1/sqrt(D)`.
///
/// # Errors
/// [`Error::Torch`] when shapes, dtypes or devices don't agree.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: impl Into<Option<f64>>,
) -> Result<Tensor, Error> {
    Tensor::f_scaled_dot_product_attention::<&Tensor>(q, k, v, None, 0.0, false, scale, false)
        .during("attention")
}

/// Slowest wavelength of [`sinusoidal`], in indices divided by two pi.
const MAX_PERIOD: f64 = 10_000.0;

/// The sinusoidal embedding of timesteps (Vaswani et al., arXiv 1706.03762, in the arrangement of
/// Ho et al. and CompVis): numbers `[B]` (int64 indices or floating-point) to float32 `[B, dim]`.
///
/// With `half = dim / 2` and `f_j = exp(-ln(10000) j / half)`, the first half is `cos(t f_j)`, the
/// second `sin(t f_j)`; an odd `dim` ends in a column of zeros. Angles are computed in float64, so
/// that the embedding of index 999 is as exact as that of index 1.
///
/// # Errors
/// [`Error::Invalid`] for `dim` below 2 or another number of dimensions.
pub fn sinusoidal(timesteps: &Tensor, dim: i64) -> Result<Tensor, Error> {
    if timesteps.dim() != 1 {
        return Err(Error::Invalid {
            what: "sinusoidal embedding".to_owned(),
            rule: format!("timesteps must be [B], they are {:?}", timesteps.size()),
        });
    }
    sinusoidal_rows(&crate::convert::to_f64_vec(timesteps)?, dim, timesteps.device())
}

/// [`sinusoidal`] of numbers that are not on a device yet, so that none has to be read back.
///
/// # Errors
/// [`Error::Invalid`] for `dim` below 2.
pub fn sinusoidal_rows(timesteps: &[f64], dim: i64, device: Device) -> Result<Tensor, Error> {
    if dim < 2 {
        return Err(Error::Invalid {
            what: "sinusoidal embedding".to_owned(),
            rule: format!("dim must be at least 2, it is {dim}"),
        });
    }
    let table = frequencies(dim);
    let width = dim as usize;
    let mut rows = vec![0.0_f32; timesteps.len() * width];
    for (row, value) in rows.chunks_exact_mut(width).zip(timesteps) {
        for (column, frequency) in table.iter().enumerate() {
            let angle = value * frequency;
            row[column] = angle.cos() as f32;
            row[column + table.len()] = angle.sin() as f32;
        }
    }
    from_f32(&rows, &[timesteps.len() as i64, dim], device)
}

/// The `dim / 2` frequencies of [`sinusoidal`], in radians per index.
#[must_use]
pub fn frequencies(dim: i64) -> Vec<f64> {
    let half = dim.max(0) / 2;
    (0..half).map(|j| (-MAX_PERIOD.ln() * j as f64 / half as f64).exp()).collect()
}

/// Mean squared difference over all elements, computed in float32 whatever the dtype of the inputs.
///
/// # Errors
/// [`Error::Invalid`] when the shapes differ: libtorch would broadcast, and train on nonsense.
pub fn mean_squared_error(prediction: &Tensor, target: &Tensor) -> Result<Tensor, Error> {
    if prediction.size() != target.size() {
        return Err(Error::Invalid {
            what: "mean squared error".to_owned(),
            rule: format!("shapes {:?} and {:?} differ", prediction.size(), target.size()),
        });
    }
    let single = |x: &Tensor| match x.kind() {
        Kind::Half | Kind::BFloat16 => x.f_to_kind(Kind::Float),
        _ => Ok(x.shallow_clone()),
    };
    single(prediction)
        .and_then(|prediction| prediction.f_mse_loss(&single(target)?, tch::Reduction::Mean))
        .during("mean squared error")
}
