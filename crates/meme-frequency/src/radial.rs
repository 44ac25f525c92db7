//! Azimuthal averages.

use crate::wiener::Spectrum;
use ndarray::Array2;
use std::f64::consts::{PI, TAU};

/// Power over radial frequency.
///
/// A frequency `(wy, wx)` in radians per pixel belongs to the ring `round(sqrt(wy^2 + wx^2) / d)` of
/// width `d = 2 pi / n`, `n` the shorter side. Ring 0 is the mean alone; rings go up to `n / 2`, that
/// is pi, and the corners of the frequency plane beyond it belong to none. For square maps that is the
/// usual average over integer radii.
#[derive(Clone, Debug, PartialEq)]
pub struct RadialPower {
    /// Mean radial frequency of each ring's members, in radians per pixel, ascending from 0.
    pub frequency: Vec<f64>,
    /// Mean power of each ring's members.
    pub power: Vec<f64>,
    /// How many frequencies each ring has; their powers are independent estimates in pairs.
    pub members: Vec<usize>,
}

/// Averages a centred power plane over rings.
pub(crate) fn radial(plane: &Array2<f64>) -> RadialPower {
    let (height, width) = plane.dim();
    let ring_width = TAU / height.min(width) as f64;
    let rings = height.min(width) / 2 + 1;
    let mut frequency = vec![0.0; rings];
    let mut power = vec![0.0; rings];
    let mut members = vec![0usize; rings];
    let omega = |i: usize, length: usize| TAU * (i as f64 - (length / 2) as f64) / length as f64;
    for ((i, j), &value) in plane.indexed_iter() {
        let radius = omega(i, height).hypot(omega(j, width));
        let ring = (radius / ring_width).round() as usize;
        // The last ring reaches half its width beyond pi; only what lies within pi is counted.
        if ring < rings && radius <= PI * (1.0 + f64::EPSILON) {
            frequency[ring] += radius;
            power[ring] += value;
            members[ring] += 1;
        }
    }
    let kept: Vec<usize> = (0..rings).filter(|&ring| members[ring] > 0).collect();
    let mean = |sums: &[f64]| kept.iter().map(|&ring| sums[ring] / members[ring] as f64).collect();
    RadialPower {
        frequency: mean(&frequency),
        power: mean(&power),
        members: kept.iter().map(|&ring| members[ring]).collect(),
    }
}

impl RadialPower {
    /// Share of the power, frequency 0 and everything beyond pi left out, that lies at or above
    /// `frequency`; 0 where there is no power at all.
    pub fn share_above(&self, frequency: f64) -> f64 {
        let sum = |from: f64| -> f64 {
            let rings = self.frequency.iter().zip(&self.power).zip(&self.members).skip(1);
            rings
                .filter(|((f, _), _)| **f >= from)
                .map(|((_, power), &members)| power * members as f64)
                .sum()
        };
        let all = sum(0.0);
        if all > 0.0 { sum(frequency) / all } else { 0.0 }
    }
}

/// Between rings the power is interpolated linearly in the logarithms of both; beyond the first ring
/// (the mean not counted) and the last it stays what it is there.
impl Spectrum for RadialPower {
    fn power(&self, frequency: f64) -> f64 {
        let rings = &self.frequency[1.min(self.frequency.len())..];
        let powers = &self.power[1.min(self.power.len())..];
        let above = rings.partition_point(|&ring| ring < frequency);
        let Some((&last, &first)) = powers.last().zip(powers.first()) else { return f64::NAN };
        if above == 0 {
            return first;
        }
        if above == rings.len() {
            return last;
        }
        let (f0, f1) = (rings[above - 1], rings[above]);
        let (p0, p1) = (powers[above - 1], powers[above]);
        let along = (frequency / f0).ln() / (f1 / f0).ln();
        if p0 > 0.0 && p1 > 0.0 {
            p0 * (p1 / p0).powf(along)
        } else {
            // A ring without power has no logarithm.
            p0 + (p1 - p0) * along
        }
    }
}
