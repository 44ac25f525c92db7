//! Light: one lamp with soft shadows, its reflection from the room, the sky, and a rim.

use super::dice::{Aspect, Source};
use super::numeric::{PI, V3, mix, power16, sincos, smooth, v3, whole};

/// What a point of a surface does with light.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surface {
    pub(super) albedo: V3,
    /// Unit outward direction.
    pub(super) normal: V3,
    /// Strength of the highlight.
    pub(super) gloss: f32,
    /// 0 a broad highlight .. 1 a tight one.
    pub(super) tight: f32,
    /// How far light creeps round the terminator, per colour: skin lets red through.
    pub(super) wrap: V3,
    /// How much of the surroundings is seen, 0..1.
    pub(super) open: f32,
}

/// The lights of a scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// Direction towards the lamp.
    pub(super) key: V3,
    key_colour: V3,
    fill: V3,
    fill_colour: V3,
    sky: V3,
    ground: V3,
    rim: V3,
    rim_colour: V3,
    /// Half way between lamp and viewer.
    half: V3,
}

impl Light {
    pub(super) fn draw(source: Source) -> Self {
        let mut dice = source.dice(Aspect::Light);
        let side = if dice.chance(0.5) { 1.0 } else { -1.0 };
        let azimuth = side * dice.range(14.0, 56.0) * PI / 180.0;
        let height = dice.range(18.0, 48.0) * PI / 180.0;
        let (sa, ca) = sincos(azimuth);
        let (sh, ch) = sincos(height);
        let key = v3(sa * ch, sh, ca * ch);
        // From tungsten to open shade.
        let warm = dice.bell(0.06);
        let tint = v3(1.0 + warm, 1.0, 1.0 - 1.3 * warm);
        let hard = dice.unit();
        let strength = mix(0.78, 1.12, hard);
        let fill = v3(-0.75 * side, 0.05, 0.65).unit();
        let ambient = mix(0.40, 0.24, hard);
        let cool = v3(1.0 - 0.6 * warm, 1.0, 1.0 + 0.9 * warm);
        let rim_side = if dice.chance(0.7) { -side } else { side };
        let rim = if dice.chance(0.45) { dice.range(0.25, 0.9) } else { 0.0 };
        Self {
            key,
            key_colour: tint * strength,
            fill,
            fill_colour: cool * mix(0.20, 0.10, hard),
            sky: cool * ambient,
            ground: v3(1.06, 1.0, 0.92) * (ambient * 0.70),
            rim: v3(0.85 * rim_side, 0.30, -0.45).unit(),
            rim_colour: v3(1.0, 0.98, 0.94) * rim,
            half: (key + v3(0.0, 0.0, 1.0)).unit(),
        }
    }

    /// The light that leaves a surface towards the viewer; `lit` is the share of the lamp that is
    /// not in shadow.
    pub(super) fn shade(&self, s: &Surface, lit: f32) -> V3 {
        let n = s.normal;
        let facing = n.dot(self.key);
        // Shadows on skin have red edges.
        let bleed = lit * (1.0 - lit) * s.wrap.x;
        let shadow = v3((lit + bleed).min(1.0), lit, lit);
        let key = self.key_colour.times(shadow).times(v3(
            wrapped(facing, s.wrap.x),
            wrapped(facing, s.wrap.y),
            wrapped(facing, s.wrap.z),
        ));
        let fill = self.fill_colour * wrapped(n.dot(self.fill), 0.4);
        let around = self.ground.mix(self.sky, 0.5 + 0.5 * n.y) * s.open;
        // The rim grazes only what turns away from the viewer.
        let edge = 1.0 - n.z.clamp(0.0, 1.0);
        let rim = self.rim_colour * (n.dot(self.rim).max(0.0) * (0.3 + 0.7 * edge));
        let mut out = s.albedo.times(key + (fill * (0.4 + 0.6 * s.open)) + around + rim);
        if s.gloss > 0.0 {
            let facing_half = n.dot(self.half).clamp(0.0, 1.0);
            let broad = facing_half * facing_half;
            let broad = broad * broad * broad;
            let p16 = power16(facing_half);
            let lobe = mix(0.35 * broad * broad, 1.5 * p16 * p16 * p16, s.tight);
            let fresnel = 0.55 + 0.45 * edge * edge + 1.2 * edge * edge * edge;
            let glance = power16(n.dot(self.rim).clamp(0.0, 1.0)) * edge;
            out += self.key_colour * (s.gloss * lobe * fresnel * lit * smooth(-0.05, 0.3, facing));
            out += (self.sky * 0.25 + self.rim_colour * glance) * (s.gloss * edge * edge * s.open);
        }
        out
    }

    /// The light on a strand of hair with direction `along` on a mass of hair with outward
    /// direction `out` (Kajiya and Kay 1989): the mass gives the soft shading, the fibre the
    /// highlights across it.
    pub(super) fn fibre(
        &self,
        colour: V3,
        along: V3,
        out: V3,
        lit: f32,
        open: f32,
        gloss: f32,
    ) -> V3 {
        let cos = along.dot(self.key);
        let sin = (1.0 - cos * cos).max(0.0).sqrt();
        let mass = wrapped(out.dot(self.key), 0.45);
        let key = self.key_colour * (lit * mass * (0.35 + 0.65 * sin));
        let fill = self.fill_colour * (0.8 * wrapped(out.dot(self.fill), 0.5));
        let around = self.ground.mix(self.sky, 0.5 + 0.5 * out.y) * (0.9 * open);
        let view_cos = along.z;
        let view_sin = (1.0 - view_cos * view_cos).max(0.0).sqrt();
        // Shifted towards the root (white) and the tip (coloured), as hair's scales do.
        let mirror = (sin * view_sin - cos * view_cos).clamp(0.0, 1.0);
        let tilted = (mirror - 0.06).max(0.0);
        let white = power16(mirror) * mirror * mirror;
        let tinted = tilted * tilted * tilted * tilted;
        let shine = self.key_colour * (lit * smooth(-0.25, 0.5, out.dot(self.key)) * open);
        let edge = 1.0 - out.z.clamp(0.0, 1.0);
        let rim = self.rim_colour * (out.dot(self.rim).max(0.0) * edge * 0.8);
        colour.times(key + fill + around + rim * 1.2)
            + shine.times(colour * (0.55 * gloss * tinted * tinted) + V3::all(0.11 * gloss * white))
            + rim * (0.012 * gloss)
    }
}

/// Lambert's cosine, softened to reach `wrap` beyond the terminator.
#[inline]
fn wrapped(cosine: f32, wrap: f32) -> f32 {
    let t = ((cosine + wrap) / (1.0 + wrap)).max(0.0);
    // Rises from zero without a kink.
    t * (wrap + t) / (1.0 + wrap)
}

/// Cells of the shadow grid along a side.
const CELLS: usize = 56;
/// Half the width of what it covers, in head units.
const REACH: f32 = 1.9;

/// The nearest thing to the lamp over a grid of cells: what shadows are made of.
#[derive(Debug)]
pub(super) struct Shadows {
    right: V3,
    up: V3,
    key: V3,
    centre: V3,
    nearest: Vec<f32>,
}

impl Shadows {
    pub(super) fn new(key: V3, centre: V3) -> Self {
        let right = v3(key.z, 0.0, -key.x).unit();
        let up = key.cross(right);
        Self { right, up, key, centre, nearest: vec![-10.0; CELLS * CELLS] }
    }

    #[inline]
    fn place(&self, p: V3) -> (f32, f32, f32) {
        let from = p - self.centre;
        let scale = CELLS as f32 / (2.0 * REACH);
        let half = CELLS as f32 * 0.5;
        (from.dot(self.right) * scale + half, from.dot(self.up) * scale + half, from.dot(self.key))
    }

    /// Notes something opaque.
    #[inline]
    pub(super) fn block(&mut self, p: V3) {
        let (x, y, depth) = self.place(p);
        if x >= 0.0 && y >= 0.0 && x < CELLS as f32 && y < CELLS as f32 {
            let cell = &mut self.nearest[y as usize * CELLS + x as usize];
            *cell = cell.max(depth);
        }
    }

    /// The share of the lamp that reaches a point: the mean over a patch of cells, each compared
    /// softly, so that edges are as wide as a large lamp makes them.
    pub(super) fn lit(&self, p: V3) -> f32 {
        let (x, y, depth) = self.place(p);
        let ((bx, tx), (by, ty)) = (whole(x - 0.5), whole(y - 0.5));
        let weight = |k: i32, t: f32| match k {
            -1 => 1.0 - t,
            2 => t,
            _ => 1.0,
        };
        let mut sum = 0.0;
        for dy in -1..=2 {
            for dx in -1..=2 {
                let (cx, cy) = (bx + dx, by + dy);
                let inside = (0..CELLS as i32).contains(&cx) && (0..CELLS as i32).contains(&cy);
                let blocker =
                    if inside { self.nearest[cy as usize * CELLS + cx as usize] } else { -10.0 };
                let clear = smooth(0.20, 0.07, blocker - depth);
                sum += weight(dx, tx) * weight(dy, ty) * clear;
            }
        }
        sum * (1.0 / 9.0)
    }
}
