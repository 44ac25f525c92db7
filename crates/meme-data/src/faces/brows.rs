//! Eyebrows: an arch of short hairs that rise at the inner end and lie down towards the outer one.

use super::dice::{Aspect, Source};
use super::numeric::{V3, mix, segment, smooth};
use super::palette::undyed;
use super::person::{Landmarks, Person};

/// Both brows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brows {
    inner: [f32; 2],
    peak: [f32; 2],
    outer: [f32; 2],
    thick: f32,
    /// How densely the hairs stand, 0..1.
    pub(super) density: f32,
    pub(super) colour: V3,
}

impl Brows {
    pub(super) fn draw(source: Source, person: &Person, marks: &Landmarks, hair: V3) -> Self {
        let mut dice = source.dice(Aspect::Brows);
        let masculine = 1.0 - person.feminine;
        let frown = dice.bell(0.014) + 0.004 * masculine;
        let arch = 0.036 + 0.026 * person.feminine + dice.bell(0.012);
        let y = marks.brow_y;
        // Brows are darker than light hair and do not take its dye.
        let natural = undyed(hair);
        let colour = natural * if natural.luminance() > 0.12 { 0.42 } else { 0.8 };
        Self {
            inner: [0.118 + dice.bell(0.010), y - 0.012 - frown],
            peak: [0.385 + dice.bell(0.012), y + arch],
            outer: [0.525 + dice.bell(0.010), y + 0.1 * arch - 0.005],
            thick: 0.030 + 0.014 * masculine + dice.bell(0.006),
            density: (0.72 + 0.2 * masculine + dice.bell(0.12) - 0.1 * person.age).clamp(0.35, 1.0),
            colour,
        }
    }

    /// The arch at `t` in 0..1 from the inner end, and its half thickness there.
    pub(super) fn at(&self, t: f32) -> ([f32; 2], f32) {
        let s = 1.0 - t;
        // A quadratic curve through the peak at t = 0.62.
        let (a, b) = (0.38 * 0.38, 0.62 * 0.62);
        let middle = 2.0 * 0.62 * 0.38;
        let bend = |k: usize| (self.peak[k] - a * self.inner[k] - b * self.outer[k]) / middle;
        let point =
            |k: usize| s * s * self.inner[k] + 2.0 * s * t * bend(k) + t * t * self.outer[k];
        let thick = self.thick * smooth(-0.25, 0.12, t) * mix(1.0, 0.28, t * t);
        ([point(0), point(1)], thick)
    }

    /// How much of the skin the brow's underlayer darkens at distance `x` from the middle, 0..1.
    pub(super) fn cover(&self, x: f32, y: f32) -> f32 {
        if !(0.04..0.64).contains(&x) || (y - self.inner[1]).abs() > 0.2 {
            return 0.0;
        }
        let mut best = 0.0_f32;
        let mut before = self.at(0.0).0;
        for step in 1..=6_u8 {
            let t = f32::from(step) / 6.0;
            let (point, thick) = self.at(t);
            let (away, _) = segment([x, y], before, point);
            best = best.max(smooth(1.15 * thick, 0.45 * thick, away));
            before = point;
        }
        0.52 * best * self.density
    }

    /// One hair from four uniform draws: root and tip, for the brow on `side`.
    pub(super) fn hair(&self, draw: [f32; 4], side: f32) -> [[f32; 2]; 2] {
        let t = draw[0];
        let ([x, y], thick) = self.at(t);
        let across = 2.0 * draw[1] - 1.0;
        let ([ahead_x, ahead_y], _) = self.at((t + 0.05).min(1.0));
        let (mut dx, mut dy) = (ahead_x - x, ahead_y - y);
        let norm = (dx * dx + dy * dy).sqrt().max(1e-4);
        (dx, dy) = (dx / norm, dy / norm);
        let rise = mix(1.5, -0.05, smooth(0.0, 0.45, t)) - 0.55 * across * smooth(0.1, 0.5, t);
        let length = (0.055 + 0.035 * draw[2]) * mix(1.0, 0.7, t);
        let (hx, hy) = (dx - rise * dy, dy + rise * dx);
        let norm = (hx * hx + hy * hy).sqrt().max(1e-4);
        let root = [
            x - dy * across * thick - 0.3 * length * hx / norm,
            y + dx * across * thick - 0.3 * length * hy / norm,
        ];
        let tip = [root[0] + hx / norm * length, root[1] + hy / norm * length];
        [[side * root[0], root[1]], [side * tip[0], tip[1]]]
    }
}
