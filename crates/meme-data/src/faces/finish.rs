//! From light to bytes: averaging the samples of a pixel, exposure, sRGB.

use super::numeric::{V3, mix, smooth, v3};
use std::sync::OnceLock;

/// Turns `size * samples` squared linear samples into `size` squared sRGB pixels, HWC.
pub(super) fn develop(light: &[V3], size: usize, samples: usize, exposure: f32) -> Vec<u8> {
    let side = size * samples;
    let share = exposure / (samples * samples) as f32;
    let table = table();
    let mut toned = Vec::with_capacity(size * size);
    for row in 0..size {
        for column in 0..size {
            let mut sum = V3::default();
            for dy in 0..samples {
                let start = (row * samples + dy) * side + column * samples;
                for sample in &light[start..start + samples] {
                    sum += *sample;
                }
            }
            let value = film(sum * share);
            toned.push(v3(coded(value.x, table), coded(value.y, table), coded(value.z, table)));
        }
    }
    sharpen(&toned, size)
}

/// What every camera does after averaging its samples: a pixel moves away from the mean of its
/// four neighbours, by this share of the difference.
const SHARPEN: f32 = 0.40;

fn sharpen(toned: &[V3], size: usize) -> Vec<u8> {
    let byte = |value: f32| (value.clamp(0.0, 255.0) + 0.5) as u8;
    let mut bytes = Vec::with_capacity(size * size * 3);
    for row in 0..size {
        let (above, below) = (row.saturating_sub(1) * size, (row + 1).min(size - 1) * size);
        for column in 0..size {
            let (before, after) = (column.saturating_sub(1), (column + 1).min(size - 1));
            let here = toned[row * size + column];
            let across = toned[row * size + before] + toned[row * size + after];
            let around = across + toned[above + column] + toned[below + column];
            let sharp = here + (here - around * 0.25) * SHARPEN;
            bytes.extend([byte(sharp.x), byte(sharp.y), byte(sharp.z)]);
        }
    }
    bytes
}

/// A film's shoulder: highlights are compressed, and lose colour rather than turn.
fn film(colour: V3) -> V3 {
    let squeeze = |x: f32| {
        let knee = 0.62;
        if x <= knee {
            return x.max(0.0);
        }
        let over = x - knee;
        knee + over / (1.0 + over / (1.04 - knee))
    };
    let toned = v3(squeeze(colour.x), squeeze(colour.y), squeeze(colour.z));
    let grey = toned.luminance();
    toned.mix(V3::all(grey), 0.25 * smooth(0.7, 1.0, grey))
}

/// Steps of the table behind [`coded`].
const STEPS: usize = 1024;

/// sRGB's transfer function (IEC 61966-2-1), from linear to 0..255, at equal steps of the square
/// root of the light: in those the function is nearly straight.
fn table() -> &'static [f32; STEPS + 2] {
    static TABLE: OnceLock<[f32; STEPS + 2]> = OnceLock::new();
    TABLE.get_or_init(|| {
        std::array::from_fn(|step| {
            let root = step as f32 / STEPS as f32;
            let linear = root * root;
            let value = if linear <= 0.003_130_8 {
                12.92 * linear
            } else {
                1.055 * libm::powf(linear, 1.0 / 2.4) - 0.055
            };
            255.0 * value
        })
    })
}

/// A linear value in sRGB, 0..255.
#[inline]
fn coded(linear: f32, table: &[f32; STEPS + 2]) -> f32 {
    let at = linear.clamp(0.0, 1.0).sqrt() * STEPS as f32;
    let step = (at as usize).min(STEPS);
    mix(table[step], table[step + 1], at - step as f32)
}
