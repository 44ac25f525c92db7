//! The mouth: two lips, the line or the opening between them, teeth, and its expression.

use super::dice::{Aspect, Source};
use super::numeric::{V3, beside, hill, mix, mound, smooth, v3};
use super::palette::srgb;
use super::person::{Landmarks, Person};

/// The shape, colour and expression of a mouth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mouth {
    y: f32,
    half: f32,
    upper: f32,
    lower: f32,
    bow: f32,
    /// -0.3 displeased .. 1 broad smile.
    pub(super) smile: f32,
    /// Height of the opening in the middle.
    open: f32,
    lipstick: Option<V3>,
    natural: V3,
    gloss: f32,
}

/// What a point of the mouth is made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// A lip's colour, how strongly it covers the skin, its gloss, how dark its edge is.
    Lip { colour: V3, cover: f32, gloss: f32, shade: f32 },
    /// The inside: teeth or dark.
    Inside { colour: V3, gloss: f32 },
}

impl Mouth {
    pub(super) fn draw(source: Source, person: &Person, marks: &Landmarks, skin: V3) -> Self {
        let mut dice = source.dice(Aspect::Mouth);
        let smile = (0.50 + dice.bell(0.33)).clamp(-0.25, 1.0);
        let toothy = smile > 0.35 && dice.chance(0.62);
        let open = if toothy {
            0.050 + 0.060 * smile * dice.unit()
        } else if dice.chance(0.12) {
            0.012 + 0.02 * dice.unit()
        } else {
            0.0
        };
        let full =
            dice.bell(0.22) + 0.25 * person.feminine + 0.25 * person.melanin - 0.3 * person.age;
        let fullness = (1.0 + full).clamp(0.6, 1.38) * (1.0 - 0.15 * smile.max(0.0));
        let red =
            skin.times(v3(0.86, 0.50, 0.50)).mix(srgb(190, 92, 92), 0.30 - 0.15 * person.melanin);
        let lipstick = (dice
            .chance(0.5 * person.feminine * (person.feminine - 0.35).max(0.0) * 2.0))
        .then(|| {
            dice.pick([
                srgb(176, 40, 52),
                srgb(200, 70, 84),
                srgb(150, 36, 60),
                srgb(204, 92, 84),
                srgb(190, 96, 104),
            ])
        });
        Self {
            y: marks.mouth_y,
            half: (0.268 + dice.bell(0.012)) * (1.0 + 0.20 * smile.max(0.0)),
            upper: 0.066 * fullness,
            lower: 0.092 * fullness,
            bow: dice.range(0.10, 0.35),
            smile,
            open,
            lipstick,
            natural: red,
            gloss: dice.range(0.25, 0.6) + if lipstick.is_some() { 0.25 } else { 0.0 },
        }
    }

    /// Position across the mouth, 0 the middle, 1 a corner.
    #[inline]
    fn across(&self, x: f32) -> f32 {
        x / self.half
    }

    /// Height of the line where the lips meet.
    #[inline]
    fn line(&self, x: f32) -> f32 {
        let q = self.across(x);
        let corners = self.smile * 0.062 * q * q * (0.55 + 0.45 * q * q);
        self.y + corners - 0.014 * self.smile + 0.010 * hill(q * q * 6.0)
    }

    /// Heights of: upper lip's edge, opening's top, opening's bottom, lower lip's edge.
    fn edges(&self, x: f32) -> [f32; 4] {
        let q = self.across(x).abs();
        let arch = (1.0 - q * q).max(0.0);
        let line = self.line(x);
        let bow = 1.0 - self.bow * hill((x / 0.05) * (x / 0.05))
            + 0.12 * hill(((x.abs() - 0.065) / 0.07) * ((x.abs() - 0.065) / 0.07));
        let opening = self.open * arch * (0.6 + 0.4 * arch);
        let top = line + 0.40 * opening;
        let bottom = line - 0.60 * opening;
        [
            top + self.upper * arch.sqrt() * (0.35 + 0.65 * arch) * bow,
            top,
            bottom,
            bottom - self.lower * arch.sqrt() * (0.25 + 0.75 * arch),
        ]
    }

    /// What lies at a point, if it belongs to the mouth. `finest` is a pixel's width.
    pub(super) fn part(&self, x: f32, y: f32, finest: f32) -> Option<Part> {
        if x.abs() > self.half || (y - self.y).abs() > 0.3 {
            return None;
        }
        let q = self.across(x).abs();
        let [upper, top, bottom, lower] = self.edges(x);
        if y > upper || y < lower {
            return None;
        }
        if y <= top && y >= bottom && self.open > 0.0 {
            return Some(self.inside(x, y, top, bottom, finest));
        }
        // The seam: a soft dark line, darker at the corners.
        let seam = if y > top { y - top } else { bottom - y };
        let width = 0.016 + 0.5 * finest;
        let shade = 0.72 * hill((seam / width) * (seam / width)) * (0.75 + 0.25 * q);
        let (reach, edge) =
            if y > top { (upper - top, upper - y) } else { (bottom - lower, y - lower) };
        let cover = smooth(0.0, 0.022, edge) * smooth(1.0, 0.93, q);
        let upper_lip = y > top;
        let colour = match self.lipstick {
            Some(paint) => self.natural.mix(paint, 0.82),
            None if upper_lip => self.natural * 0.88,
            None => self.natural,
        };
        let middle = hill((edge / reach.max(1e-3) - 0.5) * (edge / reach.max(1e-3) - 0.5) * 4.0);
        let gloss = self.gloss * if upper_lip { 0.4 } else { middle };
        Some(Part::Lip { colour, cover, gloss, shade })
    }

    fn inside(&self, x: f32, y: f32, top: f32, bottom: f32, finest: f32) -> Part {
        let q = self.across(x).abs();
        let height = (top - bottom).max(1e-4);
        let dark = srgb(56, 20, 20);
        let depth = (top - y) / height;
        // Teeth fill the upper part, their edge a shallow curve.
        let edge = if self.open > 0.035 { 0.86 - 0.12 * q * q } else { -1.0 };
        let teeth = smooth(edge + 0.06, edge - 0.06, depth) * smooth(1.0, 0.80, q);
        let tooth = x / 0.050;
        let gap = beside(tooth).abs() - 0.5;
        let line = hill((gap * 0.05 / 0.006) * (gap * 0.05 / 0.006)) * smooth(0.02, 0.006, finest);
        let shade =
            (1.0 - 0.30 * line) * (1.0 - 0.5 * q * q) * (0.62 + 0.38 * smooth(0.0, 0.25, depth));
        let ivory = srgb(232, 222, 206) * shade;
        Part::Inside { colour: dark.mix(ivory, teeth), gloss: 0.35 * teeth }
    }

    /// Darkness of the folds that belong to the mouth: corners, below the lower lip, and the
    /// folds from the nose's wings, deeper when smiling and with age.
    pub(super) fn darkness(&self, x: f32, y: f32, person: &Person) -> f32 {
        let ax = x.abs();
        let corner_y = self.line(self.half);
        let corner = 0.30 * mound(ax - self.half - 0.006, y - corner_y, 0.045, 0.035);
        let [_, _, _, lower] = self.edges(ax.min(0.6 * self.half));
        let below = 0.22 * mound(ax, y - lower + 0.02, 0.20, 0.055);
        // The fold starts beside the wing and ends beside the corner.
        let from = (0.185, self.y + 0.27);
        let to = (self.half + 0.085, self.y + 0.01 + 0.03 * self.smile);
        let t = ((from.1 - y) / (from.1 - to.1)).clamp(0.0, 1.0);
        let bulge = 0.055 * self.smile.max(0.0) * t * (1.0 - t) * 4.0;
        let fold_x = mix(from.0, to.0, t * (1.0 + 0.3 * (1.0 - t))) + bulge;
        let outside = (y - from.1).max(to.1 - y).max(0.0);
        let away = ((ax - fold_x) * (ax - fold_x) + outside * outside).sqrt();
        let deep = 0.045 + 0.17 * self.smile.max(0.0) + 0.26 * person.age;
        let fold = deep * hill((away / 0.045) * (away / 0.045));
        corner.max(fold).max(below)
    }

    /// Height of the lips above the face.
    pub(super) fn relief(&self, x: f32, y: f32) -> f32 {
        if x.abs() > 1.1 * self.half || (y - self.y).abs() > 0.35 {
            return 0.0;
        }
        let q = self.across(x);
        let [upper, top, bottom, lower] = self.edges(x.clamp(-self.half, self.half));
        let along = hill(q * q * 0.8);
        let ridge = |centre: f32, reach: f32| {
            let d = (y - centre) / reach.max(0.02);
            hill(d * d)
        };
        let up = 0.042 * ridge(mix(top, upper, 0.4), 1.3 * (upper - top));
        let low = 0.060 * ridge(mix(bottom, lower, 0.45), 1.15 * (bottom - lower));
        let philtrum = 0.012 * mound(x, y - upper - 0.05, 0.035, 0.07);
        along * (up + low) - philtrum
    }
}
