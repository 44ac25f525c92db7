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
            height: 0.225 + dice.bell(0.022) + 0.025 * masculine - 0.03 * broad.max(0.0),
            root: 0.068 + dice.bell(0.006) + 0.012 * broad,
            ball: 0.082 + 0.010 * masculine + 0.018 * broad + dice.bell(0.006),
            wing_x: 0.118 + 0.012 * masculine + 0.03 * broad + dice.bell(0.006),
            wing: 0.095 + 0.012 * broad,
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
            let slope =
                0.05 + (self.height - 0.05) * v + self.hump * hill((v - 0.45) * (v - 0.45) * 9.0);
            (smooth(-0.6, 0.45, v) * slope, mix(self.root, self.ball, v.max(0.0)))
        } else {
            let q = ((self.tip_y - y) / (self.tip_y - self.base_y)).min(1.0);
            (self.height * (1.0 - q * q * (3.0 - 2.0 * q)), self.ball)
        };
        // The tip is a ball that takes over from the ridge.
        let ridge = ridge * (1.0 - 0.30 * smooth(0.55, 1.0, v));
        let core = hill((x / (1.75 * half)) * (x / (1.75 * half)));
        let skirt = hill((x / (3.6 * half)) * (x / (3.6 * half)));
        let bulb = (0.034 + 0.30 * self.height)
            * mound(x, y - self.tip_y - 0.020, 1.85 * self.ball, 0.140);
        let wings = self.wing * mound(x - self.wing_x, y - self.base_y - 0.062, 0.090, 0.088);
        ridge * (0.56 * core + 0.44 * skirt) + bulb + wings
    }

    /// How dark a nostril or the crease around a wing makes the skin: 0 none .. 1 black.
    pub(super) fn darkness(&self, x: f32, y: f32) -> f32 {
        if y > self.base_y + 0.2 || y < self.base_y - 0.1 || x > 0.35 {
            return 0.0;
        }
        let out = x - 0.56 * self.wing_x;
        let hole = mound(out, (y - self.base_y - 0.016) + 0.35 * out, 0.054, 0.030);
        let hole = smooth(0.0, 0.75, hole);
        // The crease runs round the outer side of the wing.
        let (dx, dy) = (x - self.wing_x - 0.005, y - self.base_y - 0.065);
        let around = (dx * dx + dy * dy).sqrt() - 0.078;
        let outer = smooth(-0.02, 0.05, dx) * smooth(0.10, 0.0, dy.abs() - 0.02);
        let crease = hill((around / 0.022) * (around / 0.022)) * outer;
        let under = 0.35 * mound(x, y - self.base_y + 0.005, 0.13, 0.035);
        (0.78 * hole).max(0.34 * crease).max(under)
    }
}
