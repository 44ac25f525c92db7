//! Smooth lattice noise, and sums of it over octaves: the texture of skin, cloth, walls.
//!
//! A sum of octaves whose amplitude halves as the frequency doubles has an amplitude spectrum of
//! about 1/f, which is what photographs have (Field 1987).

use super::dice::Dice;
use super::numeric::{mix, smooth, whole};

/// Values at lattice points, hashed by a random permutation.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    permutation: [u8; 256],
    values: [f32; 256],
    /// What `finest` is multiplied with in [`Noise::octaves`].
    averaged: f32,
}

impl Noise {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let mut permutation = [0_u8; 256];
        let mut values = [0.0_f32; 256];
        for index in 0..256 {
            permutation[index] = index as u8;
            values[index] = dice.range(-1.0, 1.0);
        }
        for last in (1..256).rev() {
            permutation.swap(last, dice.below(last + 1));
        }
        Self { permutation, values, averaged: 1.0 }
    }

    /// The same noise for drawing `samples * samples` samples that will be averaged: octaves that
    /// the average would remove are not drawn.
    pub(super) fn averaged(&self, samples: usize) -> Self {
        Self { averaged: (0.6 * samples as f32).max(1.0), ..self.clone() }
    }

    #[inline]
    fn hash(&self, x: i32, y: i32) -> u8 {
        self.permutation[((i32::from(self.permutation[(x & 255) as usize]) + y) & 255) as usize]
    }

    /// A lattice point's value, -1..1.
    #[inline]
    pub(super) fn point(&self, x: i32, y: i32) -> f32 {
        self.values[self.hash(x, y) as usize]
    }

    /// Noise over the plane, about -1..1, features about one unit wide.
    #[inline]
    pub(super) fn plane(&self, x: f32, y: f32) -> f32 {
        let ((ix, tx), (iy, ty)) = (whole(x), whole(y));
        let (tx, ty) = (fade(tx), fade(ty));
        let left = i32::from(self.permutation[(ix & 255) as usize]);
        let right = i32::from(self.permutation[((ix + 1) & 255) as usize]);
        let value = |column: i32, row: i32| {
            self.values[self.permutation[((column + row) & 255) as usize] as usize]
        };
        mix(
            mix(value(left, iy), value(right, iy), tx),
            mix(value(left, iy + 1), value(right, iy + 1), tx),
            ty,
        )
    }

    /// Noise along a line.
    #[inline]
    pub(super) fn line(&self, x: f32, row: i32) -> f32 {
        let (ix, tx) = whole(x);
        mix(self.point(ix, row), self.point(ix + 1, row), fade(tx))
    }

    /// Noise in space.
    #[inline]
    pub(super) fn space(&self, x: f32, y: f32, z: f32) -> f32 {
        let (iz, tz) = whole(z);
        // One layer is a plane of the lattice shifted by amounts that share no period with it.
        let layer = |k: i32| self.plane(x + 37.0 * k as f32, y - 61.0 * k as f32);
        mix(layer(iz), layer(iz + 1), fade(tz))
    }

    /// Octaves of [`Noise::plane`] with amplitudes 1, `gain`, `gain^2`, ... from frequency 1 up.
    /// Octaves finer than `finest` (in units of `x`) are left out, softly: that is what keeps
    /// small pictures free of moire and equal to large ones made smaller.
    pub(super) fn octaves(&self, x: f32, y: f32, gain: f32, finest: f32) -> f32 {
        let (mut frequency, mut amplitude, mut sum) = (1.0_f32, 1.0_f32, 0.0_f32);
        let mut pixels = 1.0 / (finest * self.averaged);
        for octave in 0..10_u8 {
            if pixels <= 0.5 {
                break;
            }
            let visible = if pixels >= 1.5 { 1.0 } else { smooth(0.5, 1.5, pixels) };
            pixels *= 0.5;
            let shift = f32::from(octave) * 17.3;
            sum += amplitude * visible * self.plane(x * frequency + shift, y * frequency - shift);
            frequency *= 2.0;
            amplitude *= gain;
        }
        sum
    }
}

#[inline]
fn fade(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}
