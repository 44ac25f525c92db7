//! The eyes, painted onto the face: a moist ball between two lids.

use super::dice::{Aspect, Source};
use super::noise::Noise;
use super::numeric::{V3, hill, mix, mound, smooth, v3};
use super::palette::{iris, srgb};
use super::person::{Landmarks, Person};

/// Both eyes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Eyes {
    x: f32,
    half: f32,
    up: f32,
    low: f32,
    /// How much higher the outer corner is than the inner one, per unit of width.
    tilt: f32,
    /// Distance of the crease above the lid's edge.
    crease: f32,
    lash: f32,
    shadow: Option<V3>,
    iris: V3,
    iris_radius: f32,
    pupil: f32,
    gaze: [f32; 2],
    bags: f32,
    /// Brightness of the white.
    white: f32,
    pub(super) feminine: f32,
}

/// A point of the eyeball: colour, the ball's own bend of the surface, moisture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ball {
    pub(super) colour: V3,
    pub(super) bend: [f32; 2],
    /// Light added whatever falls on the eye: the reflection of the lamp.
    pub(super) glint: f32,
}

impl Eyes {
    pub(super) fn draw(source: Source, person: &Person, marks: &Landmarks, smile: f32) -> Self {
        let mut dice = source.dice(Aspect::Eyes);
        let squint = 0.16 * smile.max(0.0) + 0.12 * person.age + dice.bell(0.08);
        let opening = (1.0 - squint) * (1.0 + 0.10 * person.feminine);
        let shadow = dice.chance(0.45 * person.feminine).then(|| {
            dice.pick([srgb(120, 80, 70), srgb(100, 76, 88), srgb(84, 78, 84), srgb(140, 96, 84)])
        });
        Self {
            x: marks.eye_x,
            half: 0.160 + dice.bell(0.006),
            up: 0.079 * opening + dice.bell(0.005),
            low: 0.050 * (1.0 - 0.5 * squint) + dice.bell(0.003),
            tilt: 0.045 + dice.bell(0.045),
            crease: 0.036 + dice.bell(0.012) - 0.012 * person.age,
            lash: 0.0095 + 0.013 * person.feminine,
            shadow,
            iris: iris(person.melanin, &mut dice),
            iris_radius: 0.093 + dice.bell(0.003),
            pupil: 0.036 + dice.bell(0.006),
            gaze: [dice.bell(0.012), dice.bell(0.008)],
            bags: (0.12 + 0.35 * person.age + dice.bell(0.1)).max(0.0),
            white: 1.0 - 0.32 * person.melanin,
            feminine: person.feminine,
        }
    }

    /// Local coordinates of a point: across (-1 inner corner .. 1 outer), height above the line
    /// through the corners, and which eye (-1 left of the picture, 1 right).
    #[inline]
    fn local(&self, x: f32, y: f32) -> (f32, f32, f32) {
        let side = if x < 0.0 { -1.0 } else { 1.0 };
        let u = x * side - self.x;
        (u / self.half, y - self.tilt * u, side)
    }

    #[inline]
    fn upper(&self, q: f32) -> f32 {
        let arch = (1.0 - q * q).max(0.0);
        self.up * arch.sqrt() * (0.45 + 0.55 * arch) * (1.0 - 0.10 * q)
    }

    #[inline]
    fn lower(&self, q: f32) -> f32 {
        let arch = (1.0 - q * q).max(0.0);
        -self.low * arch * (1.0 + 0.22 * q)
    }

    /// Whether a point is near enough to an eye to ask anything else.
    #[inline]
    pub(super) fn near(&self, x: f32, y: f32) -> bool {
        (x.abs() - self.x).abs() < 1.75 * self.half && y.abs() < 0.28
    }

    /// The eyeball at a point, if the lids leave it free.
    pub(super) fn ball(&self, x: f32, y: f32, noise: &Noise, key: V3, finest: f32) -> Option<Ball> {
        let (q, v, side) = self.local(x, y);
        if q.abs() >= 1.0 {
            return None;
        }
        let (upper, lower) = (self.upper(q), self.lower(q));
        if v > upper || v < lower {
            return None;
        }
        let (from_upper, from_lower) = (upper - v, v - lower);
        let u = q * self.half * side;
        // White, pinkish in the corners, shaded by the upper lid.
        let corner = smooth(0.55, 1.0, q.abs());
        let mut colour = (srgb(214, 208, 203) * self.white).mix(srgb(196, 150, 138), 0.7 * corner);
        if q < 0.0 {
            let inner = mound(q + 0.93, v, 0.14, 10.0);
            colour = colour.mix(srgb(198, 128, 118), 0.8 * inner);
        }
        let (dx, dy) = (u - self.gaze[0], v - self.gaze[1] - 0.014);
        let r = (dx * dx + dy * dy).sqrt() / self.iris_radius;
        let soft = 0.10 + 0.5 * finest / self.iris_radius;
        let inside = smooth(1.0 + soft, 1.0 - soft, r);
        if inside > 0.0 {
            colour = colour.mix(self.iris_at(dx, dy, r, noise, finest, key), inside);
        }
        let lid = mix(0.36, 1.0, smooth(0.0, 0.055, from_upper))
            * mix(0.75, 1.0, smooth(0.0, 0.02, from_lower));
        let side_shade = 1.0 - 0.28 * q * q;
        colour = colour * (lid * side_shade);
        // Wet rim along the lower lid.
        let rim = hill((from_lower / 0.010) * (from_lower / 0.010));
        colour = colour.mix(srgb(214, 164, 152), 0.45 * rim);
        let spot = [self.gaze[0] + 0.045 * key.x.signum(), self.gaze[1] + 0.045];
        let glint = mound(u - spot[0], v - spot[1], 0.030, 0.026);
        let second = 0.10 * mound(u + spot[0], v - self.gaze[1] + 0.03, 0.022, 0.018);
        Some(Ball {
            colour,
            bend: [1.8 * u, 1.8 * v],
            glint: smooth(0.0, 0.45, glint) * 0.8 + second,
        })
    }

    fn iris_at(&self, dx: f32, dy: f32, r: f32, noise: &Noise, finest: f32, key: V3) -> V3 {
        // Fibres run outwards: noise over the direction, stretched along the radius.
        let length = (dx * dx + dy * dy).sqrt().max(1e-4);
        let (cx, cy) = (dx / length, dy / length);
        let fine = smooth(0.02, 0.005, finest);
        let fibre = noise.space(9.0 * cx, 9.0 * cy, 1.5 * r)
            + 0.6 * noise.space(19.0 * cx, 19.0 * cy, 3.0 * r);
        let mut colour = self.iris * (1.15 + 0.45 * fine * fibre);
        colour = colour.mix(colour.times(v3(1.5, 1.2, 0.8)), smooth(0.65, 0.4, r));
        // Light entering from above glows on the far side.
        let glow = smooth(-0.2, 1.0, -(cx * key.x + cy * key.y)) * smooth(0.3, 0.8, r);
        colour = colour * (0.75 + 0.9 * glow);
        colour = colour * (1.0 - 0.72 * smooth(0.70, 1.0, r));
        let pupil = self.pupil / self.iris_radius;
        let soft = 0.08 + 0.5 * finest / self.iris_radius;
        colour.mix(v3(0.004, 0.004, 0.005), smooth(pupil + soft, pupil - soft, r))
    }

    /// The lids around the ball: how dark the lash line is here (0..1), how dark the folds are
    /// (0..1), and make-up with its strength.
    pub(super) fn lids(&self, x: f32, y: f32, finest: f32) -> (f32, f32, Option<(V3, f32)>) {
        let (q, v, _) = self.local(x, y);
        let inside = q.clamp(-1.0, 1.0);
        let beyond = (q.abs() - 1.0).max(0.0) * self.half;
        let upper = self.upper(inside);
        let above = ((v - upper) * (v - upper) + beyond * beyond).sqrt();
        // Thicker towards the outer corner.
        let thick = self.lash * (0.60 + 0.45 * smooth(-1.0, 0.6, q)) + 0.3 * finest;
        let over = if v > upper - 0.004 { above } else { 10.0 };
        let mut lash = smooth(1.5 * thick, 0.5 * thick, over);
        let lower = self.lower(inside);
        let below = ((v - lower) * (v - lower) + 4.0 * beyond * beyond).sqrt();
        let thin = 0.008 + 0.3 * finest;
        if v < lower + 0.003 {
            let strength = (0.30 + 0.18 * self.feminine) * smooth(-0.9, 0.3, q);
            lash = lash.max(strength * smooth(1.6 * thin, 0.4 * thin, below));
        }
        // The crease follows the lid, wider in the middle.
        let crease_v = upper + self.crease * (0.55 + 0.45 * (1.0 - inside * inside));
        let from_crease = ((v - crease_v) * (v - crease_v) + 2.0 * beyond * beyond).sqrt();
        let crease = 0.50 * hill((from_crease / 0.022) * (from_crease / 0.022));
        let inner = 0.38 * mound(q + 1.25, v - 0.02, 0.5, 0.12);
        let bag_v = self.lower(inside) - 0.060;
        let bag = self.bags
            * 0.55
            * hill(((v - bag_v) / 0.026) * ((v - bag_v) / 0.026))
            * smooth(1.15, 0.5, q.abs());
        let dark = self.bags * 0.35 * mound(q + 0.25, v + 0.09, 1.1, 0.075);
        let fold = crease.max(inner).max(bag).max(dark);
        let paint = self.shadow.map(|colour| {
            let height = (v - upper) / (self.crease * 2.6).max(0.02);
            let on = smooth(1.3, 0.2, height) * smooth(-0.15, 0.05, v - upper + 0.02);
            (colour, 0.6 * on * smooth(1.5, 0.8, q.abs()))
        });
        (lash, fold, paint)
    }

    /// Relief of sockets and balls at distance `x` (not negative) from the middle.
    pub(super) fn relief(&self, x: f32, y: f32) -> f32 {
        let dx = x - self.x;
        let socket = 0.080 * mound(dx, y - 0.03, 0.30, 0.19)
            + 0.055 * mound(x - 0.165, y - 0.03, 0.13, 0.15);
        let ball = 0.068 * mound(dx, y, 0.20, 0.135);
        ball - socket
    }

    /// A lash of the upper lid: frontal start, middle and end for `t` in 0 (inner) .. 1 (outer).
    pub(super) fn lash(&self, t: f32, length: f32, side: f32) -> [[f32; 2]; 3] {
        let q = mix(-0.75, 0.99, t);
        let (u, v) = (q * self.half, self.upper(q));
        let lean = mix(-0.25, 1.0, t);
        let at = |k: f32, rise: f32| {
            let u = u + k * lean * length;
            [side * (self.x + u), v + rise * length + self.tilt * u]
        };
        [at(0.0, 0.0), at(0.45, 0.40), at(0.9, 0.95)]
    }
}
