//! What an inference form does between its convolutions, each in one pass over a map.
//!
//! A norm becomes a [`norm_affine`]: a scale and a shift for each channel of each sample, computed
//! in float32. Whatever comes next applies them while it reads the map: an [`affine`] with its
//! activation, a maximum, a mean over windows. None of these has a gradient.
//!
//! float32 and bfloat16 maps on the CPU go through the shim's kernels, whose bits do not depend on
//! the number of threads; the rest through libtorch's operators.

use super::{ffi, plain};
use crate::Error;
use crate::ffi::handles;
use std::ffi::c_int;
use tch::{Device, Kind, Tensor};

/// What follows a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `z sigmoid(z)`.
    Silu,
    /// `z Phi(z)`.
    Gelu,
}

impl Activation {
    pub(super) fn number(self) -> c_int {
        match self {
            Self::None => 0,
            Self::Silu => 1,
            Self::Gelu => 2,
        }
    }

    /// Of a tensor that nobody else holds.
    pub(super) fn apply(self, x: Tensor) -> Result<Tensor, Error> {
        match self {
            Self::None => Ok(x),
            Self::Silu => crate::silu(&x),
            Self::Gelu => crate::gelu(&x),
        }
    }
}

/// What else acts on a normalised channel: each `[B, C]` or `[1, C]`, float32.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steering<'a> {
    /// Added to the map in front of the norm.
    pub add: Option<&'a Tensor>,
    /// The norm's result is multiplied with 1 plus this.
    pub scale: Option<&'a Tensor>,
    /// Then this is added.
    pub shift: Option<&'a Tensor>,
}

/// Some neighbouring channels of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// The first of them.
    pub first: i64,
    /// How many.
    pub count: i64,
}

/// Whether the shim's kernels know maps like these.
pub(super) fn known<'a>(maps: impl IntoIterator<Item = &'a Tensor>) -> bool {
    maps.into_iter().all(|map| {
        map.device() == Device::Cpu
            && matches!(map.kind(), Kind::Float | Kind::BFloat16)
            && map.dim() == 4
            && map.numel() > 0
    })
}

/// Group normalisation of maps `[B, C_i, H, W]` that stand side by side, C channels together, as a
/// scale and a shift: `[2, B, C]` in float32 (float64 for float64 maps), so that the norm of x is
/// `x * scale + shift`.
///
/// # Errors
/// [`Error::Torch`] where shapes, dtypes or devices don't agree.
pub fn norm_affine(
    maps: &[&Tensor],
    weight: &Tensor,
    bias: &Tensor,
    (groups, epsilon): (i64, f64),
    steering: Steering<'_>,
) -> Result<Tensor, Error> {
    if !known(maps.iter().copied()) {
        return plain::norm_affine(maps, weight, bias, (groups, epsilon), steering);
    }
    let list = handles(maps.iter().copied());
    // SAFETY: handles of live tensors; the shim checks them and writes one new handle.
    ffi::made("group norm", |output| unsafe {
        ffi::meme_norm_affine(
            list.len(),
            list.as_ptr(),
            weight.as_ptr(),
            bias.as_ptr(),
            groups,
            epsilon,
            ffi::handle(steering.add),
            ffi::handle(steering.scale),
            ffi::handle(steering.shift),
            output,
        )
    })
}

/// `activation(x * scale + shift)` of some channels of maps that stand side by side, as one map.
///
/// # Errors
/// As [`norm_affine`].
pub fn affine(
    maps: &[&Tensor],
    lines: &Tensor,
    channels: Channels,
    activation: Activation,
) -> Result<Tensor, Error> {
    if !known(maps.iter().copied()) {
        return activation.apply(plain::affine(maps, lines, channels)?);
    }
    let list = handles(maps.iter().copied());
    // SAFETY: as in `norm_affine`.
    ffi::made("affine", |output| unsafe {
        ffi::meme_affine(
            list.len(),
            list.as_ptr(),
            lines.as_ptr(),
            channels.first,
            channels.count,
            activation.number(),
            0,
            output,
            std::ptr::null_mut(),
        )
    })
}

/// [`affine`] of a whole map, written over it.
///
/// # Errors
/// As [`norm_affine`].
#[allow(clippy::needless_pass_by_value, reason = "the caller gives the map away")]
pub fn affine_in_place(x: Tensor, lines: &Tensor, activation: Activation) -> Result<Tensor, Error> {
    let channels = Channels { first: 0, count: x.size().get(1).copied().unwrap_or(0) };
    if !known([&x]) {
        return activation.apply(plain::affine(&[&x], lines, channels)?);
    }
    // SAFETY: as in `norm_affine`.
    ffi::made("affine", |output| unsafe {
        ffi::meme_affine(
            1,
            [x.as_ptr()].as_ptr(),
            lines.as_ptr(),
            0,
            channels.count,
            activation.number(),
            1,
            output,
            std::ptr::null_mut(),
        )
    })
}

/// [`affine`] of a whole map, and a copy of the map.
///
/// # Errors
/// As [`norm_affine`].
pub fn affine_and_copy(
    x: &Tensor,
    lines: &Tensor,
    activation: Activation,
) -> Result<(Tensor, Tensor), Error> {
    let channels = Channels { first: 0, count: x.size().get(1).copied().unwrap_or(0) };
    if !known([x]) {
        let y = activation.apply(plain::affine(&[x], lines, channels)?)?;
        return Ok((y, x.copy()));
    }
    let mut copy = std::ptr::null_mut();
    // SAFETY: as in `norm_affine`; the shim writes both handles or none.
    let y = ffi::made("affine", |output| unsafe {
        ffi::meme_affine(
            1,
            [x.as_ptr()].as_ptr(),
            lines.as_ptr(),
            0,
            channels.count,
            activation.number(),
            0,
            output,
            &raw mut copy,
        )
    })?;
    // SAFETY: the shim made this handle for us, and nobody else has it.
    Ok((y, unsafe { Tensor::from_ptr(copy) }))
}

/// The largest of the 3 x 3 pixels around each pixel (those that there are), of some channels of
/// `x * scale + shift`.
///
/// # Errors
/// As [`norm_affine`].
pub fn max_around(x: &Tensor, lines: &Tensor, channels: Channels) -> Result<Tensor, Error> {
    if !known([x]) {
        return plain::max_around(x, lines, channels);
    }
    // SAFETY: as in `norm_affine`.
    ffi::made("maximum of neighbours", |output| unsafe {
        ffi::meme_max3(x.as_ptr(), lines.as_ptr(), channels.first, channels.count, output)
    })
}

/// Mean or maximum of each `window` x `window` pixels of some channels of `x * scale + shift` (of
/// `x` itself without `lines`), rounded up: the last windows hold only the pixels that are there.
///
/// # Errors
/// As [`norm_affine`].
pub fn pool_windows(
    x: &Tensor,
    lines: Option<&Tensor>,
    channels: Channels,
    window: i64,
    maximum: bool,
) -> Result<Tensor, Error> {
    if !known([x]) {
        return plain::pool_windows(x, lines, channels, window, maximum);
    }
    // SAFETY: as in `norm_affine`.
    ffi::made("pooling", |output| unsafe {
        ffi::meme_pool(
            x.as_ptr(),
            ffi::handle(lines),
            channels.first,
            channels.count,
            window,
            c_int::from(maximum),
            output,
        )
    })
}

/// A depthwise 3x3 convolution with zeros around, of maps side by side: each of (map, factor) is
/// read as if each of its pixels stood for factor x factor pixels, cut to `size` = (H, W).
///
/// `weight` is `[9, C]` in float32 (of the maps' dtype where that is float64), the nine taps in
/// reading order.
///
/// # Errors
/// As [`norm_affine`].
pub fn depthwise(
    parts: &[(&Tensor, i64)],
    size: (i64, i64),
    weight: &Tensor,
    activation: Activation,
) -> Result<Tensor, Error> {
    if !known(parts.iter().map(|(map, _)| *map)) {
        return activation.apply(plain::depthwise(parts, size, weight)?);
    }
    let list = handles(parts.iter().map(|(map, _)| *map));
    let factors: Vec<i64> = parts.iter().map(|(_, factor)| *factor).collect();
    // SAFETY: as in `norm_affine`; both lists have the same length.
    ffi::made("depthwise convolution", |output| unsafe {
        ffi::meme_depthwise(
            list.len(),
            list.as_ptr(),
            factors.as_ptr(),
            size.0,
            size.1,
            weight.as_ptr(),
            activation.number(),
            output,
        )
    })
}

/// Four maps [B, C, h + 1, w + 1] as one, [B, C, 2 h, 2 w]: its pixel (2 i + a, 2 j + b) is pixel
/// (i + a, j + b) of map 2 a + b. So the four convolutions of 2x2 come together that are one of 3x3
/// behind an enlargement.
///
/// # Errors
/// As [`norm_affine`].
pub fn interleave(maps: [&Tensor; 4], (height, width): (i64, i64)) -> Result<Tensor, Error> {
    if !known(maps) {
        return plain::interleave(maps, (height, width));
    }
    let list = handles(maps);
    // SAFETY: as in `norm_affine`; the list has four handles.
    ffi::made("interleave", |output| unsafe {
        ffi::meme_interleave(list.as_ptr(), height, width, output)
    })
}
