//! The nose: a ridge from between the eyes to the tip, wings, and nostrils below.

use super::dice::{Aspect, Source};
use super::numeric::{hill, mix, mound, smooth};
use super::person::{Landmarks, Person};

/// The shape of a nose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nose {
    tip_y: f32,
    base_y: f32,
    /// How far the tip stands out.
    height: f32,
    /// Half width of the ridge at its root and at the tip.
    root: f32,
    ball: f32,
    /// Where the wings' centres are.
    pub(super) wing_x: f32,
    wing: f32,
    hump: f32,
}

impl Nose {
    pub(super) fn draw(source: Source, person: &Person, marks: &Landmarks) -> Self {
        let mut dice = source.dice(Aspect::Nose);
        let broad = dice.bell(0.35) + 0.35 * (person.melanin - 0.4) + 0.2 * person.age;
        let masculine = 1.0 - person.feminine;
        Self {
            tip_y: marks.tip_y,
            base_y: marks.base_y,
            height: 0.265 + dice.bell(0.03) + 0.03 * masculine - 0.04 * broad.max(0.0),
            root: 0.085 + dice.bell(0.008) + 0.015 * broad,
            ball: 0.105 + 0.012 * masculine + 0.02 * broad + dice.bell(0.008),
            wing_x: 0.125 + 0.012 * masculine + 0.03 * broad + dice.bell(0.006),
            wing: 0.085 + 0.012 * broad,
            hump: dice.bell(0.018) + 0.008 * masculine,
        }
    }

    /// Height above the face at distance `x` (not negative) from the middle.
    pub(super) fn relief(&self, x: f32, y: f32) -> f32 {
        let root_y = 0.13;
        if x > 0.42 || y > root_y + 0.15 || y < self.base_y - 0.03 {
            return 0.0;
        }
        let v = (root_y - y) / (root_y - self.tip_y);
        let (ridge, half) = if v <= 1.0 {
            let slope = 0.05 + (self.height - 0.05) * v + self.hump * hill((v - 0.45) * (v - 0.45) * 9.0);
            (smooth(-0.6, 0.45, v) * slope, mix(self.root, self.ball, v.max(0.0)))
        } else {
            let q = ((self.tip_y - y) / (self.tip_y - self.base_y)).min(1.0);
            (self.height * (1.0 - q * q), self.ball)
        };
        let core = hill((x / (2.0 * half)) * (x / (2.0 * half)));
        let skirt = hill((x / (3.2 * half)) * (x / (3.2 * half)));
        let bulb = 0.03 * mound(x, y - self.tip_y, 0.12, 0.10);
        let wings = self.wing * mound(x - self.wing_x, y - self.base_y - 0.06, 0.085, 0.085);
        ridge * (0.72 * core + 0.28 * skirt) + bulb + wings
    }

    /// How dark a nostril or the crease around a wing makes the skin: 0 none .. 1 black.
    pub(super) fn darkness(&self, x: f32, y: f32) -> f32 {
        if y > self.base_y + 0.2 || y < self.base_y - 0.1 || x > 0.35 {
            return 0.0;
        }
        let hole = mound(x - 0.62 * self.wing_x, (y - self.base_y - 0.018) + 0.25 * (x - 0.62 * self.wing_x), 0.060, 0.036);
        let hole = smooth(0.0, 0.35, hole);
        // The crease runs round the outer side of the wing.
        let (dx, dy) = (x - self.wing_x - 0.005, y - self.base_y - 0.065);
        let around = (dx * dx + dy * dy).sqrt() - 0.078;
        let outer = smooth(-0.02, 0.05, dx) * smooth(0.10, 0.0, dy.abs() - 0.02);
        let crease = hill((around / 0.022) * (around / 0.022)) * outer;
        let under = 0.35 * mound(x, y - self.base_y + 0.005, 0.13, 0.035);
        (0.80 * hole).max(0.34 * crease).max(under)
    }
}
