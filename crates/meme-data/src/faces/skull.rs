//! The head without its features: half an ellipsoid for the cranium, and below it a stack of
//! closed outlines from the temples over cheeks and jaw to the chin.

use super::dice::{Aspect, Source};
use super::numeric::{PI, V3, mix, sincos, spline, v3};
use super::person::{Landmarks, Person};

/// Share of the surface parameter that the cranium takes.
const CRANIUM: f32 = 0.38;
/// Where cranium and face meet: the height above the eyes.
const SEAM_Y: f32 = 0.22;
/// The vertical axis about which outlines are drawn.
pub(super) const AXIS_Z: f32 = -0.06;

/// One outline: heights at the front and back, half width, front and back depth.
type Outline = [f32; 5];

/// The shape of a head.
#[derive(Clone, Debug)]
pub(super) struct Skull {
    /// Height of the cranium above the seam.
    pub(super) rise: f32,
    outlines: [Outline; 11],
    /// Deviation of outlines from ellipses towards rounded boxes.
    squareness: f32,
}

impl Skull {
    pub(super) fn draw(source: Source, person: &Person, marks: &Landmarks) -> Self {
        let mut dice = source.dice(Aspect::Skull);
        let masculine = 1.0 - person.feminine;
        let heavy = person.weight;
        let wide = 1.0 + dice.bell(0.025) + 0.02 * heavy;
        let cheek = dice.bell(0.02) + 0.022 * heavy;
        let jaw = (dice.bell(0.028) + 0.045 * masculine + 0.04 * heavy - 0.02).min(0.065);
        let chin = dice.bell(0.025) + 0.05 * masculine + 0.02 * heavy;
        let jowl = 0.022 * person.age + 0.022 * heavy.max(0.0);
        let forward = dice.bell(0.02);
        let stretch = marks.chin_y / -1.165;
        let mut outlines: [Outline; 11] = [
            [SEAM_Y, SEAM_Y, 0.735, 0.885, -1.03],
            [0.02, 0.02, 0.745, 0.865, -1.01],
            [-0.18, -0.16, 0.732 + cheek, 0.85, -0.95],
            [-0.37, -0.33, 0.690 + cheek, 0.845, -0.86],
            [-0.55, -0.47, 0.645 + 0.6 * (cheek + jaw) + jowl, 0.855, -0.75],
            [-0.73, -0.58, 0.588 + jaw + jowl, 0.86, -0.66],
            [-0.92, -0.66, 0.495 + jaw + 1.2 * jowl, 0.835, -0.57],
            [-1.08, -0.72, 0.362 + 0.5 * (jaw + chin) + jowl, 0.80 + forward, -0.50],
            [-1.165, -0.76, 0.20 + chin, 0.66 + forward, -0.43],
            [-1.15, -0.80, 0.15, 0.36, -0.32],
            [-1.10, -0.85, 0.0, 0.0, -0.1],
        ];
        for outline in &mut outlines[1..] {
            if outline[0] < 0.0 {
                outline[0] *= stretch;
                outline[1] *= stretch;
            }
            outline[2] *= wide;
        }
        outlines[0][2] *= wide;
        Self {
            rise: 0.82 + dice.bell(0.03),
            outlines,
            squareness: 0.012 + 0.02 * masculine + dice.bell(0.008),
        }
    }

    /// The outline at surface parameter `t`: 0 the crown, 1 under the chin.
    pub(super) fn ring(&self, t: f32) -> Ring {
        if t >= CRANIUM {
            let [front_y, back_y, half, front_z, back_z] =
                spline(&self.outlines, (t - CRANIUM) / (1.0 - CRANIUM));
            let half = half.max(0.0);
            return Ring { front_y, back_y, half, front_z, back_z, squareness: self.squareness };
        }
        let (sin, cos) = sincos(0.5 * PI * t / CRANIUM);
        let y = SEAM_Y + self.rise * cos;
        let top = &self.outlines[0];
        Ring {
            front_y: y,
            back_y: y,
            half: top[2] * sin,
            front_z: AXIS_Z + (top[3] - AXIS_Z) * sin,
            back_z: AXIS_Z + (top[4] - AXIS_Z) * sin,
            squareness: self.squareness * sin * sin,
        }
    }

    /// The surface parameter of the crown's outline at height `y` (front side), for scattering
    /// roots evenly: exact on the cranium, nearly so below.
    pub(super) fn parameter(&self, y: f32) -> f32 {
        if y >= SEAM_Y {
            let cos = ((y - SEAM_Y) / self.rise).clamp(0.0, 1.0);
            return CRANIUM * libm::acosf(cos) / (0.5 * PI);
        }
        let last = self.outlines.len() - 1;
        for (index, pair) in self.outlines.windows(2).enumerate() {
            if y >= pair[1][0] {
                let within = (pair[0][0] - y) / (pair[0][0] - pair[1][0]).max(1e-6);
                let u = (index as f32 + within) / last as f32;
                return CRANIUM + (1.0 - CRANIUM) * u;
            }
        }
        1.0
    }

    /// The point of the face's front whose frontal coordinates are (`x`, `y`), without features;
    /// where the head is narrower than that, the point at its edge.
    pub(super) fn front(&self, x: f32, y: f32) -> V3 {
        let mut level = y;
        let mut found = v3(x, y, 0.0);
        for _ in 0..4 {
            let ring = self.ring(self.parameter(level));
            let share = x / ring.half.max(0.05);
            let diagonal = 4.0 * share * share * (1.0 - share * share).max(0.0);
            let sin = (share / (1.0 + self.squareness * diagonal)).clamp(-0.985, 0.985);
            found = ring.point(sin, (1.0 - sin * sin).sqrt());
            level += y - found.y;
        }
        v3(found.x, y, found.z)
    }

    /// Pushes a point out of the head as far as `gap` above the surface, and pulls what stands off
    /// further back by the share `cling`. The head is taken as an egg here: the cranium itself, and
    /// a longer lower half about as wide as cheeks and jaw.
    pub(super) fn settle(&self, p: V3, gap: f32, cling: f32) -> V3 {
        let top = &self.outlines[0];
        let up = if p.y > SEAM_Y { self.rise } else { 1.62 };
        let deep = if p.z > AXIS_Z { top[3] - AXIS_Z } else { AXIS_Z - top[4] };
        let from = v3(p.x, p.y - SEAM_Y, p.z - AXIS_Z);
        let scaled = v3(from.x / (top[2] + gap), from.y / (up + gap), from.z / (deep + gap));
        let reach = scaled.dot(scaled);
        if p.y < -1.25 {
            return p;
        }
        // Below the seam hair is pushed sideways rather than down.
        let factor = 1.0 / reach.sqrt().max(0.2);
        let factor = if factor < 1.0 { mix(1.0, factor, cling) } else { factor };
        let vertical = if p.y > SEAM_Y { factor } else { 1.0 };
        v3(from.x * factor, SEAM_Y + from.y * vertical, AXIS_Z + from.z * factor)
    }

    /// The outward direction at a point near the head.
    pub(super) fn outward(&self, p: V3) -> V3 {
        let top = &self.outlines[0];
        let up = if p.y > SEAM_Y { self.rise } else { 1.62 };
        let deep = if p.z > AXIS_Z { top[3] - AXIS_Z } else { AXIS_Z - top[4] };
        let from = v3(p.x, p.y - SEAM_Y, p.z - AXIS_Z);
        v3(from.x / (top[2] * top[2]), from.y / (up * up), from.z / (deep * deep)).unit()
    }

    /// Half the width and the depth of the cranium where it is widest.
    pub(super) fn girth(&self) -> (f32, f32, f32) {
        let top = &self.outlines[0];
        (top[2], top[3], top[4])
    }

    /// The highest point.
    pub(super) fn crown_y(&self) -> f32 {
        SEAM_Y + self.rise
    }
}

/// A closed outline of the head, not quite horizontal: the chin hangs lower than the jaw's angle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring {
    front_y: f32,
    back_y: f32,
    half: f32,
    front_z: f32,
    back_z: f32,
    squareness: f32,
}

impl Ring {
    /// The point at an angle given by its sine and cosine: cosine 1 is the front, sine 1 the
    /// right of the picture.
    #[inline]
    pub(super) fn point(&self, sin: f32, cos: f32) -> V3 {
        let diagonal = 2.0 * sin * cos;
        let out = 1.0 + self.squareness * diagonal * diagonal;
        let reach = if cos > 0.0 { self.front_z - AXIS_Z } else { AXIS_Z - self.back_z };
        v3(
            self.half * sin * out,
            mix(self.front_y, self.back_y, 0.5 * (1.0 - cos)),
            AXIS_Z + reach * cos * out,
        )
    }
}
