//! Skin, lips, eyes and brows: how a point of the head looks.

use super::beard::Beard;
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
    beard: Option<Beard>,
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
            beard: None,
            wrinkle_phase: dice.range(0.0, 10.0),
            person: *person,
        }
    }

    /// The same skin, darkened where a beard grows or was shaved.
    pub(super) fn with_beard(mut self, beard: Beard) -> Self {
        self.beard = (beard.stubble > 0.0 || beard.grown()).then_some(beard);
        self
    }

    /// Fine unevenness of colour, around 1.
    fn mottle(&self, p: V3, noise: &Noise, finest: f32) -> f32 {
        let (u, v) = (p.x + 0.6 * p.z, p.y);
        1.0 + 0.036 * noise.octaves(5.0 * u, 5.0 * v, 0.90, 5.0 * finest)
    }

    /// Light from a point of bare skin away from the features (ears, neck).
    pub(super) fn plain(
        &self,
        at: &Vertex,
        noise: &Noise,
        light: &Light,
        finest: f32,
        flush: f32,
    ) -> V3 {
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
    pub(super) fn face(
        &self,
        at: &Vertex,
        head: &Head,
        noise: &Noise,
        light: &Light,
        scalp: V3,
        finest: f32,
    ) -> V3 {
        let p = at.rest;
        let front = p.z > 0.15;
        let normal = at.normal.unit();
        if front
            && head.eyes.near(p.x, p.y)
            && let Some(ball) = head.eyes.ball(p.x, p.y, noise, light.key, finest)
        {
            let bent = (normal + v3(ball.bend[0], ball.bend[1], 0.4)).unit();
            let (wrap, open) = (V3::all(0.5), at.open.max(0.75));
            let albedo = ball.colour;
            let eye = Surface { albedo, normal: bent, gloss: 0.0, tight: 0.0, wrap, open };
            let glint = V3::all(ball.glint * (0.4 + 0.5 * at.lit));
            return light.shade(&eye, 0.35 + 0.65 * at.lit) + glint;
        }
        let mut s = Surface {
            albedo: self.tone,
            normal,
            gloss: self.oil * (0.45 + 0.55 * mound(p.x.abs(), p.y - 0.1, 0.45, 0.9)),
            tight: 0.22,
            wrap: SKIN_WRAP,
            open: at.open,
        };
        let mut dark = if front { self.complexion(&mut s, p, head, noise, finest) } else { 0.0 };
        s.albedo = s.albedo * self.mottle(p, noise, finest);
        if front {
            dark = dark.max(self.around_eyes(&mut s, p, head, finest));
        }
        let creased = v3(s.albedo.x * 0.30, s.albedo.y * 0.17, s.albedo.z * 0.15);
        s.albedo = s.albedo.mix(creased, dark);
        s.open *= 1.0 - 0.5 * dark;
        if front && let Some(part) = head.mouth.part(p.x, p.y, finest) {
            let lines = noise.plane(46.0 * p.x, 9.0 * p.y) * smooth(0.02, 0.008, finest);
            mouth(&mut s, part, 1.0 + 0.10 * lines, creased, p.x);
        }
        // Under the hair: roots and their shade.
        if at.extra > 0.1 {
            let fuzz = noise.octaves(16.0 * (p.x + 0.7 * p.z), 16.0 * p.y, 0.8, 16.0 * finest);
            let covered = smooth(0.35, 0.65, at.extra + 0.10 * fuzz);
            s.albedo = s.albedo.mix(scalp, covered);
            s.gloss *= 1.0 - covered;
        }
        light.shade(&s, at.lit)
    }

    /// Colours the front of the face: blood, rouge, freckles, beard. Returns how dark creases are.
    fn complexion(&self, s: &mut Surface, p: V3, head: &Head, noise: &Noise, finest: f32) -> f32 {
        let (x, y, ax) = (p.x, p.y, p.x.abs());
        let marks = &head.marks;
        let cheeks = mound(ax - 0.40, y + 0.34, 0.30, 0.24);
        let nose = mound(ax, y - marks.tip_y, 0.20, 0.20);
        let chin = mound(ax, y - marks.chin_y - 0.1, 0.25, 0.2);
        let mut colour = self.redden(s.albedo, 0.75 * cheeks + 0.8 * nose + 0.35 * chin);
        if self.blush > 0.0 {
            let high = mound(ax - 0.46, y + 0.26 - 0.25 * (ax - 0.46), 0.28, 0.17);
            let rouge = v3(self.tone.x, self.tone.y * 0.58, self.tone.z * 0.62);
            colour = colour.mix(rouge, self.blush * 0.6 * high);
        }
        colour = self.freckled(colour, x, y, noise, finest);
        s.gloss += 0.10 * mound(ax, y - marks.tip_y - 0.02, 0.07, 0.07);
        if let Some(beard) = self.beard.as_ref().filter(|_| y < 0.1) {
            let zone = super::beard::zone(marks, x, y, p.z);
            let speck = noise.octaves(40.0 * x, 40.0 * y, 0.9, 40.0 * finest);
            let shade = beard.stubble * zone * (0.85 + 0.3 * speck).clamp(0.0, 1.4);
            let shaved = v3(self.tone.x * 0.40, self.tone.y * 0.42, self.tone.z * 0.46);
            colour = colour.mix(shaved, 0.55 * shade);
            let root = beard.density(head, x, y, p.z);
            colour = colour.mix(beard.colour * 0.7, 0.72 * root);
        }
        s.albedo = colour;
        let folds = head.nose.darkness(ax, y).max(head.mouth.darkness(x, y, &self.person));
        folds.max(self.wrinkles(x, y, noise, finest))
    }

    /// Colours lids, lash lines and the skin under the brows. Returns how dark creases are.
    fn around_eyes(&self, s: &mut Surface, p: V3, head: &Head, finest: f32) -> f32 {
        let mut dark = 0.0;
        if head.eyes.near(p.x, p.y) {
            let (lash, fold, paint) = head.eyes.lids(p.x, p.y, finest);
            if let Some((tint, strength)) = paint {
                s.albedo = s.albedo.mix(tint.mix(self.tone, 0.3), strength);
            }
            s.albedo = s.albedo.mix(v3(0.012, 0.009, 0.008), lash);
            s.gloss *= 1.0 - lash;
            dark = fold;
        }
        if p.y > -0.05 {
            let brow = head.brows.cover(p.x.abs(), p.y);
            s.albedo = s.albedo.mix(head.brows.colour, brow);
            s.gloss *= 1.0 - brow;
        }
        dark
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
            let (du, dv) =
                (tu - 0.5 - 0.3 * noise.point(cu, cv), tv - 0.5 - 0.3 * noise.point(cv, cu));
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
            dark = 0.62
                * age
                * present
                * hill((part / width) * (part / width))
                * smooth(0.55, 0.25, x.abs());
        }
        let (dx, dy) = (x.abs() - 0.50, y + 0.01);
        if dx > 0.0 && dx < 0.2 && dy.abs() < 0.14 {
            let fan = dy / (0.05 + dx) * 4.0;
            let part = beside(fan) * (0.05 + dx) / 4.0;
            let width = 0.008 + 0.4 * finest;
            let crow =
                hill((part / width) * (part / width)) * hill((dx - 0.08) * (dx - 0.08) * 110.0);
            dark = dark.max(0.55 * age * crow * smooth(0.14, 0.08, dy.abs()));
        }
        dark
    }
}

/// Turns skin into lip or the inside of the mouth; `lines` are the lips' fine furrows, around 1.
fn mouth(s: &mut Surface, part: Part, lines: f32, creased: V3, x: f32) {
    match part {
        Part::Lip { colour, cover, gloss, shade } => {
            let lip = (colour * lines).mix(creased * 0.35, shade);
            s.albedo = s.albedo.mix(lip, cover);
            s.gloss += (0.55 * gloss - s.gloss) * cover;
            s.tight = 0.22 + 0.4 * cover;
        }
        Part::Inside { colour, gloss } => {
            s.albedo = colour;
            s.gloss = gloss;
            s.tight = 0.8;
            s.wrap = V3::all(0.4);
            s.normal = (s.normal + v3(1.2 * x, 0.0, 0.5)).unit();
            s.open *= 0.9;
        }
    }
}
