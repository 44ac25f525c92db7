//! Skin, lips, eyes and brows: how a point of the head looks.

use super::dice::{Aspect, Source};
use super::head::Head;
use super::light::{Light, Surface};
use super::mesh::Vertex;
use super::mouth::Part;
use super::noise::Noise;
use super::numeric::{V3, beside, hill, mound, smooth, v3, whole};
use super::palette;
use super::person::Person;

/// How far light creeps beyond the terminator on skin: red most.
const SKIN_WRAP: V3 = v3(0.34, 0.20, 0.15);

/// The skin of one person.
#[derive(Clone, Debug)]
pub(super) struct Skin {
    pub(super) tone: V3,
    flush: f32,
    blush: f32,
    freckles: f32,
    oil: f32,
    person: Person,
    stubble: f32,
    wrinkle_phase: f32,
}

impl Skin {
    pub(super) fn draw(source: Source, person: &Person) -> Self {
        let mut dice = source.dice(Aspect::Skin);
        let tone = palette::skin(person.melanin, &mut dice);
        let freckled = dice.chance(0.22 * (1.0 - 1.6 * person.melanin).max(0.0) + 0.02);
        Self {
            tone,
            flush: dice.range(0.5, 1.2) * (1.0 - 0.55 * person.melanin),
            blush: if dice.chance(0.5 * person.feminine) { dice.range(0.3, 0.8) } else { 0.0 },
            freckles: if freckled { dice.range(0.4, 1.0) } else { 0.0 },
            oil: dice.range(0.10, 0.26),
            stubble: 0.0,
            wrinkle_phase: dice.range(0.0, 10.0),
            person: *person,
        }
    }

    /// The same skin with the shadow of a shaved beard, 0..1.
    pub(super) fn with_stubble(mut self, stubble: f32) -> Self {
        self.stubble = stubble;
        self
    }

    /// Fine unevenness of colour, around 1.
    fn mottle(&self, p: V3, noise: &Noise, finest: f32) -> f32 {
        let (u, v) = (p.x + 0.6 * p.z, p.y);
        1.0 + 0.036 * noise.octaves(5.0 * u, 5.0 * v, 0.90, 5.0 * finest)
    }

    /// Light from a point of bare skin away from the features (ears, neck).
    pub(super) fn plain(&self, at: &Vertex, noise: &Noise, light: &Light, finest: f32, flush: f32) -> V3 {
        let mottle = self.mottle(at.rest, noise, finest);
        let tone = self.redden(self.tone, flush) * mottle;
        let surface = Surface {
            albedo: tone,
            normal: at.normal.unit(),
            gloss: 0.5 * self.oil,
            tight: 0.15,
            wrap: SKIN_WRAP,
            open: at.open,
        };
        light.shade(&surface, at.lit)
    }

    fn redden(&self, colour: V3, amount: f32) -> V3 {
        let a = (amount * self.flush).clamp(0.0, 1.0);
        v3(colour.x * (1.0 + 0.02 * a), colour.y * (1.0 - 0.22 * a), colour.z * (1.0 - 0.20 * a))
    }

    /// Light from a point of the head. `scalp` is the colour of hair seen at its roots.
    pub(super) fn face(&self, at: &Vertex, head: &Head, noise: &Noise, light: &Light, scalp: V3, finest: f32) -> V3 {
        let p = at.rest;
        let (x, y, ax) = (p.x, p.y, p.x.abs());
        let front = p.z > 0.15;
        let mut normal = at.normal.unit();
        let mut open = at.open;
        let mut dark = 0.0_f32;
        if front && head.eyes.near(x, y) {
            if let Some(ball) = head.eyes.ball(x, y, noise, light.key, finest) {
                let bent = (normal + v3(ball.bend[0], ball.bend[1], 0.4)).unit();
                let surface = Surface {
                    albedo: ball.colour,
                    normal: bent,
                    gloss: 0.03,
                    tight: 0.9,
                    wrap: V3::all(0.5),
                    open: open.max(0.75),
                };
                return light.shade(&surface, 0.35 + 0.65 * at.lit) + V3::all(ball.glint * (0.4 + 0.5 * at.lit));
            }
        }
        let mottle = self.mottle(p, noise, finest);
        let mut colour = self.tone;
        let mut gloss = self.oil * (0.45 + 0.55 * mound(ax, y - 0.1, 0.45, 0.9));
        let mut tight = 0.22;
        if front {
            let cheeks = mound(ax - 0.40, y + 0.34, 0.30, 0.24);
            let nose = mound(ax, y - head.marks.tip_y, 0.20, 0.20);
            let chin = mound(ax, y - head.marks.chin_y - 0.1, 0.25, 0.2);
            colour = self.redden(colour, 0.75 * cheeks + 0.8 * nose + 0.35 * chin);
            if self.blush > 0.0 {
                let high = mound(ax - 0.46, y + 0.26 - 0.25 * (ax - 0.46), 0.28, 0.17);
                let rouge = v3(self.tone.x, self.tone.y * 0.58, self.tone.z * 0.62);
                colour = colour.mix(rouge, self.blush * 0.6 * high);
            }
            colour = self.freckled(colour, x, y, noise, finest);
            dark = head.nose.darkness(ax, y).max(head.mouth.darkness(x, y, &self.person));
            gloss += 0.10 * mound(ax, y - head.marks.tip_y - 0.02, 0.07, 0.07);
            let line = self.wrinkles(x, y, noise, finest);
            dark = dark.max(line);
            if self.stubble > 0.0 {
                let zone = crate_beard_zone(head, x, y, p.z);
                let speck = noise.octaves(40.0 * x, 40.0 * y, 0.9, 40.0 * finest);
                let shade = self.stubble * zone * (0.85 + 0.3 * speck).clamp(0.0, 1.4);
                colour = colour.mix(v3(self.tone.x * 0.40, self.tone.y * 0.42, self.tone.z * 0.46), 0.55 * shade);
            }
        }
        colour = colour * mottle;
        if front && head.eyes.near(x, y) {
            let (lash, fold, paint) = head.eyes.lids(x, y, finest);
            if let Some((tint, strength)) = paint {
                colour = colour.mix(tint.mix(self.tone, 0.3), strength);
            }
            dark = dark.max(fold);
            colour = colour.mix(v3(0.012, 0.009, 0.008), lash);
            gloss *= 1.0 - lash;
        }
        if front && y > -0.05 {
            let brow = head.brows.cover(ax, y);
            colour = colour.mix(head.brows.colour, brow);
            gloss *= 1.0 - brow;
        }
        let creased = v3(colour.x * 0.30, colour.y * 0.17, colour.z * 0.15);
        colour = colour.mix(creased, dark);
        open *= 1.0 - 0.5 * dark;
        let mut wrap = SKIN_WRAP;
        if front {
            match head.mouth.part(x, y, finest) {
                Some(Part::Lip { colour: lip, cover, gloss: shine, shade }) => {
                    let lines = 1.0 + 0.10 * noise.plane(46.0 * x, 9.0 * y) * smooth(0.02, 0.008, finest);
                    let lip = (lip * lines).mix(creased * 0.35, shade);
                    colour = colour.mix(lip, cover);
                    gloss = gloss + (0.55 * shine - gloss) * cover;
                    tight = 0.22 + 0.4 * cover;
                }
                Some(Part::Inside { colour: inner, gloss: shine }) => {
                    colour = inner;
                    gloss = shine;
                    tight = 0.8;
                    wrap = V3::all(0.4);
                    normal = (normal + v3(1.2 * x, 0.0, 0.5)).unit();
                    open *= 0.9;
                }
                None => {}
            }
        }
        // Under the hair: roots and their shade.
        if at.extra > 0.1 {
            let fuzz = noise.octaves(16.0 * (x + 0.7 * p.z), 16.0 * y, 0.8, 16.0 * finest);
            let covered = smooth(0.35, 0.65, at.extra + 0.10 * fuzz);
            colour = colour.mix(scalp, covered);
            gloss *= 1.0 - covered;
        }
        let surface = Surface { albedo: colour, normal, gloss, tight, wrap, open };
        light.shade(&surface, at.lit)
    }

    fn freckled(&self, colour: V3, x: f32, y: f32, noise: &Noise, finest: f32) -> V3 {
        if self.freckles <= 0.0 {
            return colour;
        }
        let zone = mound(x, y + 0.25, 0.62, 0.36) + 0.3 * mound(x, y - 0.4, 0.6, 0.3);
        let mut spot = 0.0_f32;
        for (scale, shift) in [(26.0, 3_i32), (41.0, 17)] {
            let (u, v) = (x * scale, y * scale);
            let ((iu, tu), (iv, tv)) = (whole(u), whole(v));
            let (cu, cv) = (iu + shift, iv - shift);
            let (du, dv) = (tu - 0.5 - 0.3 * noise.point(cu, cv), tv - 0.5 - 0.3 * noise.point(cv, cu));
            let strength = noise.point(cu + 7, cv + 5).max(0.0);
            let size = 0.16 + 0.18 * strength + 0.3 * finest * scale;
            spot = spot.max(strength * smooth(size, 0.3 * size, (du * du + dv * dv).sqrt()));
        }
        let brown = v3(colour.x * 0.62, colour.y * 0.44, colour.z * 0.34);
        colour.mix(brown, (self.freckles * zone.min(1.0) * spot).min(0.8))
    }

    /// Darkness of lines on the forehead and beside the eyes.
    fn wrinkles(&self, x: f32, y: f32, noise: &Noise, finest: f32) -> f32 {
        let age = (self.person.age - 0.22).max(0.0);
        if age <= 0.0 {
            return 0.0;
        }
        let mut dark = 0.0_f32;
        if y > 0.3 && y < 0.72 {
            let wave = y + 0.05 * x * x + 0.022 * noise.line(2.2 * x + self.wrinkle_phase, 2);
            let row = (wave - 0.30) / 0.095;
            let part = beside(row) * 0.095;
            let width = 0.012 + 0.4 * finest;
            let present = smooth(-0.5, 0.5, noise.line(1.7 * x + 5.0 * (row - beside(row)), 9));
            dark = 0.62 * age * present * hill((part / width) * (part / width)) * smooth(0.55, 0.25, x.abs());
        }
        let (dx, dy) = (x.abs() - 0.50, y + 0.01);
        if dx > 0.0 && dx < 0.2 && dy.abs() < 0.14 {
            let fan = dy / (0.05 + dx) * 4.0;
            let part = beside(fan) * (0.05 + dx) / 4.0;
            let width = 0.008 + 0.4 * finest;
            let crow = hill((part / width) * (part / width)) * hill((dx - 0.08) * (dx - 0.08) * 110.0);
            dark = dark.max(0.55 * age * crow * smooth(0.14, 0.08, dy.abs()));
        }
        dark
    }
}

/// Where a beard would grow.
fn crate_beard_zone(head: &Head, x: f32, y: f32, z: f32) -> f32 {
    super::beard::zone(&head.marks, x, y, z)
}
