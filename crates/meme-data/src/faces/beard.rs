//! Beards and moustaches.

use super::dice::{Aspect, Source};
use super::head::Head;
use super::numeric::{V3, mound, polyline, smooth, v3};
use super::palette::undyed;
use super::person::{Landmarks, Person};

/// Which parts of the lower face carry hair, from shaved to full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beard {
    /// The shadow of shaved hair, 0..1.
    pub(super) stubble: f32,
    moustache: f32,
    chin: f32,
    jaw: f32,
    pub(super) length: f32,
    pub(super) colour: V3,
    pub(super) curl: f32,
}

impl Beard {
    pub(super) fn draw(source: Source, person: &Person, hair: V3) -> Self {
        let mut dice = source.dice(Aspect::Beard);
        let male = person.feminine < 0.45;
        let kind = if male { dice.weighted(&[1.6, 1.0, 0.35, 0.5, 0.8, 0.55]) } else { 0 };
        let [moustache, chin, jaw, length] = match kind {
            2 => [1.0, 0.0, 0.0, dice.range(0.06, 0.10)],
            3 => [dice.range(0.6, 1.0), 1.0, 0.0, dice.range(0.05, 0.11)],
            4 => [0.9, 1.0, 0.9, dice.range(0.05, 0.10)],
            5 => [1.0, 1.0, 1.0, dice.range(0.16, 0.36)],
            _ => [0.0, 0.0, 0.0, 0.0],
        };
        let stubble = match kind {
            _ if !male => 0.0,
            1 => dice.range(0.55, 1.0),
            0 => dice.range(0.0, 0.35),
            _ => dice.range(0.2, 0.5),
        };
        let warm = dice.range(0.9, 1.3);
        let hair = undyed(hair);
        let colour = v3(hair.x * warm, hair.y, hair.z * 0.92) * 0.9;
        Self { stubble, moustache, chin, jaw, length, colour, curl: dice.range(0.1, 0.5) }
    }

    /// Whether there is hair longer than stubble.
    pub(super) fn grown(&self) -> bool {
        self.length > 0.0
    }

    /// How densely hair grows at a point of the face, 0..1.
    pub(super) fn density(&self, head: &Head, x: f32, y: f32, z: f32) -> f32 {
        if !self.grown() {
            return 0.0;
        }
        let ax = x.abs();
        let m = &head.marks;
        let lip = moustache_zone(m, ax, y) * self.moustache;
        let chin = mound(ax, y - m.mouth_y + 0.30, 0.34, 0.40);
        let beside = mound(ax - 0.31, y - m.mouth_y + 0.08, 0.10, 0.32) * self.moustache;
        let goatee = smooth(0.12, 0.4, chin.max(0.8 * beside)) * self.chin * below_lip(m, ax, y);
        let jaw = zone_jaw(m, ax, y, z) * self.jaw;
        lip.max(goatee).max(jaw)
    }

    /// The direction in which a hair grows.
    pub(super) fn comb(&self, head: &Head, x: f32, y: f32) -> V3 {
        let side = if x < 0.0 { -1.0 } else { 1.0 };
        let m = &head.marks;
        if y > m.mouth_y + 0.02 && x.abs() < 0.36 {
            return v3(side * 0.60 * smooth(0.0, 0.16, x.abs()), -0.80, 0.25);
        }
        v3(side * 0.15 - 0.35 * x, -1.0, 0.30)
    }
}

fn moustache_zone(m: &Landmarks, ax: f32, y: f32) -> f32 {
    let middle = 0.5 * (m.base_y + m.mouth_y) + 0.005 - 0.16 * ax * ax * 2.0;
    let half = 0.085;
    smooth(half, 0.5 * half, (y - middle).abs())
        * smooth(0.36, 0.26, ax)
        * smooth(0.0, 0.03, ax + 0.01)
}

fn below_lip(m: &Landmarks, ax: f32, y: f32) -> f32 {
    // Keeps the lower lip free, with a tuft in the middle.
    let lip = mound(ax, y - m.mouth_y + 0.045, 0.30, 0.115);
    1.0 - smooth(0.10, 0.25, lip)
}

fn zone_jaw(m: &Landmarks, ax: f32, y: f32, z: f32) -> f32 {
    let line = polyline(
        &[
            (0.0, -0.05),
            (0.22, 0.02),
            (0.34, 0.12),
            (0.46, 0.24),
            (0.58, 0.46),
            (0.68, 0.80),
            (0.80, 1.0),
        ],
        ax,
    ) + m.mouth_y;
    smooth(0.02, -0.07, y - line) * smooth(0.10, 0.25, z) * below_lip(m, ax, y)
}

/// Where a beard can grow at all, 0..1.
pub(super) fn zone(m: &Landmarks, x: f32, y: f32, z: f32) -> f32 {
    if y > 0.1 {
        return 0.0;
    }
    let ax = x.abs();
    moustache_zone(m, ax, y).max(zone_jaw(m, ax, y, z))
}
