//! Pillow's `Image.resize` on bytes: a convolution as wide as the reduction (so shrinking does not
//! alias), first across, then down, with weights of 22 bits and a rounding to bytes in between, as
//! in `src/libImaging/Resample.c`.

use super::Window;
use crate::RgbImage;
use std::f64::consts::PI;

/// `PRECISION_BITS`: what is left of 32 bits beside a byte and two bits of head room.
const PRECISION: u32 = 32 - 8 - 2;

/// A kernel and the distance at which it ends, in output pixels.
pub(super) struct Kernel {
    support: f64,
    weight: fn(f64) -> f64,
}

/// The mean of the covered pixels.
pub(super) const BOX: Kernel =
    Kernel { support: 0.5, weight: |x| if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 } };

/// A triangle.
pub(super) const BILINEAR: Kernel = Kernel { support: 1.0, weight: |x| (1.0 - x.abs()).max(0.0) };

/// Keys' cubic convolution with a = -0.5.
pub(super) const BICUBIC: Kernel = Kernel {
    support: 2.0,
    weight: |x| {
        const A: f64 = -0.5;
        let x = x.abs();
        if x < 1.0 {
            ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
        } else if x < 2.0 {
            (((x - 5.0) * x + 8.0) * x - 4.0) * A
        } else {
            0.0
        }
    },
};

/// A sinc under a sinc three lobes wide.
pub(super) const LANCZOS: Kernel = Kernel {
    support: 3.0,
    weight: |x| if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 },
};

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { libm::sin(x * PI) / (x * PI) }
}

/// The source positions that one output position sums over, and their weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// The taps of output positions `start..start + count` along one side.
fn taps(kernel: &Kernel, from: usize, to: usize, start: usize, count: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = kernel.support * stretch;
    let tap = |position: usize| {
        let centre = (position as f64 + 0.5) * scale;
        // Casts to integers truncate, as in C; negative values stop at 0 in both.
        let first = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let raw: Vec<f64> = (first..end)
            .map(|x| (kernel.weight)((x as f64 - centre + 0.5) * (1.0 / stretch)))
            .collect();
        let sum: f64 = raw.iter().sum();
        let fixed = |weight: f64| {
            let weight = if sum == 0.0 { weight } else { weight / sum };
            (weight * f64::from(1 << PRECISION) + 0.5_f64.copysign(weight)) as i32
        };
        Taps { first, weights: raw.into_iter().map(fixed).collect() }
    };
    (start..start + count).map(tap).collect()
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The square `window` of `source` resized to `window.full`.
pub(super) fn resample(source: &RgbImage, kernel: &Kernel, window: Window) -> RgbImage {
    const HALF: i32 = 1 << (PRECISION - 1);
    let side = window.side;
    let rows = taps(kernel, source.height, window.full.1, window.corner.1, side);
    // Only the source rows that the square needs are brought to width.
    let top = rows.iter().map(|tap| tap.first).min().unwrap_or(0);
    let bottom = rows.iter().map(|tap| tap.first + tap.weights.len()).max().unwrap_or(0);
    let stride = side * 3;
    let narrow = across(source, kernel, window, top..bottom);
    if window.full.1 == source.height {
        return RgbImage { width: side, height: side, rgb: narrow };
    }
    let mut rgb = Vec::with_capacity(side * stride);
    let mut sums = vec![HALF; stride];
    for row in &rows {
        sums.fill(HALF);
        for (line, weight) in
            narrow[(row.first - top) * stride..].chunks_exact(stride).zip(&row.weights)
        {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += i32::from(*value) * weight;
            }
        }
        rgb.extend(sums.iter().map(|sum| to_byte(*sum)));
    }
    RgbImage { width: side, height: side, rgb }
}

/// Some rows of the source, brought to the columns of the window.
fn across(
    source: &RgbImage,
    kernel: &Kernel,
    window: Window,
    rows: std::ops::Range<usize>,
) -> Vec<u8> {
    const HALF: i32 = 1 << (PRECISION - 1);
    let side = window.side;
    let left = window.corner.0;
    let lines = source.rgb.chunks_exact(source.width * 3).skip(rows.start).take(rows.len());
    let mut out = Vec::with_capacity(rows.len() * side * 3);
    if window.full.0 == source.width {
        lines.for_each(|line| out.extend_from_slice(&line[left * 3..(left + side) * 3]));
        return out;
    }
    let columns = taps(kernel, source.width, window.full.0, left, side);
    for line in lines {
        for tap in &columns {
            let mut sums = [HALF; 3];
            for (pixel, weight) in line[tap.first * 3..].chunks_exact(3).zip(&tap.weights) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*value) * weight;
                }
            }
            out.extend(sums.map(to_byte));
        }
    }
    out
}
