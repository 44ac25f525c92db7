//! The functions of `maps` by libtorch's operators: for GPUs, float16 and float64.

use super::maps::{Channels, Steering};
use crate::error::{Context, Error};
use tch::{Kind, Tensor};

/// In what sums are taken.
fn wide(kind: Kind) -> Kind {
    if kind == Kind::Double { Kind::Double } else { Kind::Float }
}

fn joined(maps: &[&Tensor], operation: &'static str) -> Result<Tensor, Error> {
    match maps {
        [one] => Ok(one.shallow_clone()),
        _ => Tensor::f_cat(maps, 1).during(operation),
    }
}

pub(super) fn norm_affine(
    maps: &[&Tensor],
    weight: &Tensor,
    bias: &Tensor,
    (groups, epsilon): (i64, f64),
    steering: Steering<'_>,
) -> Result<Tensor, Error> {
    let operation = "group norm";
    let x = joined(maps, operation)?;
    let kind = wide(x.kind());
    let work = || -> Result<Tensor, tch::TchError> {
        let (batch, channels, _, _) = x.size4()?;
        let row = |tensor: Option<&Tensor>| tensor.map(|t| t.f_to_kind(kind)).transpose();
        let add = match row(steering.add)? {
            Some(add) => add,
            None => Tensor::f_zeros([1, channels], (kind, x.device()))?,
        };
        let moved = x.f_to_kind(kind)?.f_add(&add.f_unsqueeze(-1)?.f_unsqueeze(-1)?)?;
        let pixels = moved.f_flatten(2, 3)?.f_transpose(1, 2)?; // [B, H W, C]
        let grouped = pixels.f_unflatten(2, [groups, channels / groups])?; // [B, H W, G, C / G]
        let (variance, mean) = grouped.f_var_mean_dim([1_i64, 3].as_slice(), false, false)?; // [B, G]
        let over = |x: &Tensor| x.f_repeat_interleave_self_int(channels / groups, 1, channels);
        let rstd = over(&variance.f_add_scalar(epsilon)?.f_rsqrt()?)?; // [B, C]
        let mut scale = rstd.f_mul(&weight.f_to_kind(kind)?)?; // [B, C]
        let centre = over(&mean)?.f_sub(&add)?;
        let mut shift = bias.f_to_kind(kind)?.f_sub(&centre.f_mul(&scale)?)?; // [B, C]
        if let Some(factor) = row(steering.scale)? {
            let factor = factor.f_add_scalar(1.0)?;
            scale = scale.f_mul(&factor)?;
            shift = shift.f_mul(&factor)?;
        }
        if let Some(more) = row(steering.shift)? {
            shift = shift.f_add(&more)?;
        }
        let shift = shift.f_expand([batch, channels], false)?;
        Tensor::f_stack(&[scale, shift], 0) // [2, B, C]
    };
    work().during(operation)
}

pub(super) fn affine(
    maps: &[&Tensor],
    lines: &Tensor,
    channels: Channels,
) -> Result<Tensor, Error> {
    let x = joined(maps, "affine")?;
    let work = || -> Result<Tensor, tch::TchError> {
        let x = x.f_narrow(1, channels.first, channels.count)?;
        let lines = lines.f_narrow(2, channels.first, channels.count)?;
        let line = |i: i64| lines.f_get(i)?.f_unsqueeze(-1)?.f_unsqueeze(-1);
        line(1)?.f_addcmul(&x.f_to_kind(lines.kind())?, &line(0)?)?.f_to_kind(x.kind())
    };
    work().during("affine")
}

pub(super) fn max_around(x: &Tensor, lines: &Tensor, channels: Channels) -> Result<Tensor, Error> {
    affine(&[x], lines, channels)?
        .f_max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false)
        .during("maximum of neighbours")
}

pub(super) fn pool_windows(
    x: &Tensor,
    lines: Option<&Tensor>,
    channels: Channels,
    window: i64,
    maximum: bool,
) -> Result<Tensor, Error> {
    let x = match lines {
        Some(lines) => affine(&[x], lines, channels)?,
        None => x.f_narrow(1, channels.first, channels.count).during("pooling")?,
    };
    let (window, none) = ([window, window], [0, 0]);
    let pooled = if maximum {
        x.f_max_pool2d(window, window, none, [1, 1], true)
    } else {
        x.f_avg_pool2d(window, window, none, true, false, None)
    };
    pooled.during("pooling")
}

pub(super) fn depthwise(
    parts: &[(&Tensor, i64)],
    (height, width): (i64, i64),
    weight: &Tensor,
) -> Result<Tensor, Error> {
    let mut maps = Vec::with_capacity(parts.len());
    for (map, factor) in parts {
        let large = crate::upsample_nearest(map, *factor)?;
        let cut = large.f_narrow(2, 0, height).and_then(|map| map.f_narrow(3, 0, width));
        maps.push(cut.during("depthwise convolution")?);
    }
    let work = || -> Result<Tensor, tch::TchError> {
        let x = Tensor::f_cat(&maps, 1)?;
        let channels = x.size4()?.1;
        let kernel =
            weight.f_transpose(0, 1)?.f_reshape([channels, 1, 3, 3])?.f_to_kind(x.kind())?;
        x.f_conv2d(&kernel, None::<&Tensor>, [1, 1], [1, 1], [1, 1], channels)
    };
    work().during("depthwise convolution")
}

pub(super) fn interleave(maps: [&Tensor; 4], (height, width): (i64, i64)) -> Result<Tensor, Error> {
    let work = || -> Result<Tensor, tch::TchError> {
        let mut rows = Vec::with_capacity(2);
        for a in 0..2 {
            let mut columns = Vec::with_capacity(2);
            for b in 0..2 {
                let map = maps[(2 * a + b) as usize];
                columns.push(map.f_narrow(2, a, height)?.f_narrow(3, b, width)?);
            }
            rows.push(Tensor::f_stack(&columns, 4)?.f_flatten(3, 4)?); // [B, C, h, 2 w]
        }
        let y = Tensor::f_stack(&rows, 3)?.f_flatten(2, 3)?; // [B, C, 2 h, 2 w]
        Ok(y)
    };
    let y = work().during("interleave")?;
    crate::switches::channels_last(&y)
}
