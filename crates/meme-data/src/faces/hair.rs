//! Hairstyles: where hair grows, which way it is combed, where it is cut, how it curls.

use super::dice::{Aspect, Source};
use super::numeric::{V3, hill, mix, polyline, smooth, v3};
use super::palette;
use super::person::{Landmarks, Person};
use super::skull::Skull;

/// The plan of a hairstyle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Bald,
    Horseshoe,
    Buzz,
    Crop,
    SidePart,
    SweptBack,
    Tousled,
    Fringe,
    Bob,
    Long,
    Curly,
    Afro,
    Bun,
}

/// A head of hair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hair {
    pub(super) plan: Plan,
    pub(super) colour: V3,
    /// What the colour turns into at the tips.
    pub(super) tip: V3,
    pub(super) gloss: f32,
    /// Longest growth along the strand.
    pub(super) length: f32,
    /// How far the outer layer stands off the head.
    pub(super) volume: f32,
    /// Where the parting runs.
    pub(super) part: f32,
    /// Radius and turns per unit length of curls.
    pub(super) curl: f32,
    pub(super) turns: f32,
    /// How far strands gather to locks, 0..1, and how far single ones stray.
    pub(super) clump: f32,
    pub(super) frizz: f32,
    pub(super) gravity: f32,
    /// Heights at which hair is cut: over the forehead, at the sides, behind.
    pub(super) cut: [f32; 3],
    pub(super) ears: bool,
    /// Where a knot of hair sits and its radius.
    pub(super) knot: Option<(V3, f32)>,
    recede: f32,
    widow: f32,
    hairline: f32,
    burns: f32,
}

impl Hair {
    pub(super) fn draw(source: Source, person: &Person, marks: &Landmarks) -> Self {
        let mut dice = source.dice(Aspect::Hair);
        let f = person.feminine;
        let m = 1.0 - f;
        let colour = palette::hair(person.melanin, person.age, &mut dice);
        let kinky = smooth(0.45, 0.85, person.melanin);
        let plans = [
            (Plan::Bald, 0.45 * m * (0.5 + person.age)),
            (Plan::Horseshoe, 1.2 * m * (person.age - 0.3).max(0.0)),
            (Plan::Buzz, m * (0.6 + 1.3 * kinky) + 0.05 * f),
            (Plan::Crop, 1.4 * m + 0.15 * f),
            (Plan::SidePart, 1.5 * m * (1.0 - 0.7 * kinky) + 0.15 * f),
            (Plan::SweptBack, 0.9 * m * (1.0 - 0.7 * kinky) + 0.1 * f),
            (Plan::Tousled, 1.0 * m * (1.0 - 0.6 * kinky) + 0.35 * f),
            (Plan::Fringe, 0.35 * m + 0.8 * f * (1.0 - 0.6 * kinky)),
            (Plan::Bob, 0.05 * m + 1.2 * f * (1.0 - 0.4 * kinky)),
            (Plan::Long, 0.22 * m + 2.6 * f * (1.0 - 0.4 * kinky)),
            (Plan::Curly, 0.30 * m + 0.9 * f + 0.5 * kinky),
            (Plan::Afro, 1.0 * kinky),
            (Plan::Bun, 0.06 * m + 0.9 * f),
        ];
        let weights = plans.map(|(_, weight)| weight);
        let plan = plans[dice.weighted(&weights)].0;
        let side = if dice.chance(0.5) { 1.0 } else { -1.0 };
        let wave = dice.unit();
        let mut hair = Self {
            plan,
            colour,
            tip: colour * dice.range(1.0, 1.45),
            gloss: dice.range(0.5, 1.2) * (1.0 - 0.4 * person.age),
            length: 0.5,
            volume: 0.08,
            part: side * dice.range(0.15, 0.34),
            curl: 0.0,
            turns: 1.0,
            clump: dice.range(0.35, 0.6),
            frizz: 0.02,
            gravity: 0.3,
            cut: [0.45, -0.2, -0.75],
            ears: true,
            knot: None,
            recede: m * dice.unit() * (0.25 + 0.75 * person.age),
            widow: dice.bell(0.4),
            hairline: marks.hairline_y,
            burns: if m > 0.5 { dice.range(-0.22, -0.02) } else { 0.0 },
        };
        hair.shape(&mut dice, marks, wave, kinky);
        hair
    }

    fn shape(&mut self, dice: &mut super::dice::Dice, marks: &Landmarks, wave: f32, kinky: f32) {
        match self.plan {
            Plan::Bald => self.length = 0.0,
            Plan::Horseshoe => {
                self.length = dice.range(0.10, 0.22);
                self.volume = 0.05;
                self.cut = [0.2, -0.15, -0.65];
            }
            Plan::Buzz => {
                self.length = dice.range(0.04, 0.10);
                self.volume = 0.03;
                self.clump = 0.0;
                self.frizz = 0.02 + 0.03 * kinky;
            }
            Plan::Crop => {
                self.length = dice.range(0.16, 0.30);
                self.volume = dice.range(0.06, 0.12);
                self.cut = [0.50, -0.10, -0.62];
                self.frizz = 0.03;
            }
            Plan::SidePart => {
                self.length = dice.range(0.45, 0.75);
                self.volume = dice.range(0.10, 0.19);
                self.gravity = 0.22;
                self.cut = [0.55, -0.05, -0.62];
            }
            Plan::SweptBack => {
                self.length = dice.range(0.55, 0.9);
                self.volume = dice.range(0.11, 0.24);
                self.gravity = 0.12;
                self.cut = [0.5, -0.02, -0.70];
            }
            Plan::Tousled => {
                self.length = dice.range(0.30, 0.55);
                self.volume = dice.range(0.12, 0.20);
                self.gravity = 0.28;
                self.clump = dice.range(0.6, 0.85);
                self.curl = 0.03 * wave;
                self.turns = 2.5;
                self.frizz = 0.03;
                self.cut = [dice.range(0.30, 0.5), -0.15, -0.7];
            }
            Plan::Fringe => {
                self.length = 1.4;
                self.volume = dice.range(0.08, 0.13);
                self.gravity = 0.55;
                self.clump = dice.range(0.3, 0.5);
                let side = dice.range(-0.75, -0.1);
                self.cut = [marks.brow_y + dice.range(0.02, 0.12), side, -0.8];
                self.ears = side > -0.15;
            }
            Plan::Bob => {
                self.length = 2.2;
                self.volume = dice.range(0.09, 0.17);
                self.gravity = 0.55;
                self.curl = 0.03 * (wave - 0.5).max(0.0);
                self.turns = 1.5;
                let low = dice.range(-1.15, -0.7);
                let front = if dice.chance(0.35) { marks.brow_y + 0.07 } else { -2.0 };
                self.cut = [front, low, low];
                self.ears = false;
            }
            Plan::Long => {
                self.length = 3.2;
                self.volume = dice.range(0.07, 0.15);
                self.gravity = 0.6;
                self.curl = 0.055 * (wave - 0.35).max(0.0);
                self.turns = dice.range(1.0, 2.2);
                self.clump = dice.range(0.45, 0.7);
                if dice.chance(0.5) {
                    self.part *= 0.15;
                }
                let front = if dice.chance(0.28) { marks.brow_y + 0.06 } else { -3.0 };
                self.cut = [front, dice.range(-3.0, -1.5), -3.0];
                self.ears = false;
            }
            Plan::Curly => {
                self.length = dice.range(0.55, 1.15);
                self.volume = dice.range(0.16, 0.28);
                self.gravity = 0.48;
                self.curl = dice.range(0.035, 0.06);
                self.turns = dice.range(3.5, 6.0);
                self.clump = 0.75;
                self.frizz = 0.05;
                self.cut = [dice.range(0.35, 0.6), -3.0, -3.0];
                self.ears = self.length < 0.75;
                self.gloss *= 0.7;
            }
            Plan::Afro => {
                self.length = dice.range(0.22, 0.55);
                self.volume = self.length;
                self.gravity = 0.0;
                self.curl = 0.022;
                self.turns = 6.5;
                self.clump = 0.10;
                self.frizz = 0.05;
                self.cut = [-3.0, -3.0, -3.0];
                self.ears = self.length < 0.3;
                self.gloss *= 0.4;
            }
            Plan::Bun => {
                self.length = 2.2;
                self.volume = 0.05;
                self.gravity = 0.0;
                self.clump = 0.25;
                self.frizz = 0.012;
                self.cut = [-3.0, -3.0, -3.0];
                let high = dice.unit();
                let at = v3(dice.bell(0.03), mix(0.75, 1.20, high), mix(-0.95, -0.25, high));
                self.knot = Some((at, dice.range(0.22, 0.33)));
            }
        }
    }

    /// How densely hair grows at a point of the head, `angle` (0..pi) away from its front.
    pub(super) fn density(&self, angle: f32, p: V3) -> f32 {
        if self.plan == Plan::Bald {
            return 0.0;
        }
        let mut density = smooth(-0.06, 0.06, p.y - self.edge(angle));
        if self.plan == Plan::Horseshoe {
            let bare = smooth(0.30, 0.52, p.y - 0.10 * smooth(0.9, 2.2, angle));
            density *= 1.0 - bare;
        }
        density
    }

    /// How far the mass of hair that nothing is seen through stands off the head.
    pub(super) fn body(&self, angle: f32, p: V3, hat: bool) -> f32 {
        if matches!(self.plan, Plan::Bald | Plan::Horseshoe | Plan::Buzz) {
            return 0.0;
        }
        let volume = if hat { self.volume.min(0.03) } else { self.volume };
        0.5 * volume * smooth(0.02, 0.32, p.y - self.edge(angle))
    }

    /// Height of the hairline at an angle from the front.
    fn edge(&self, angle: f32) -> f32 {
        let h = self.hairline;
        let peak = 0.035 * self.widow * hill(angle * angle * 12.0);
        let temple = 0.20 * self.recede;
        let front = [
            (0.0, h - peak + 0.35 * temple),
            (0.30, h + 0.6 * temple),
            (0.55, h - 0.03 + temple),
            (0.78, h - 0.16 + 0.8 * temple),
            (0.98, h - 0.36 + 0.4 * temple),
            (1.14, 0.10),
            (1.26, self.burns),
            (1.46, self.burns),
            (1.52, 0.13),
            (1.76, 0.06),
            (1.92, -0.35),
            (2.3, -0.62),
            (3.2, -0.68),
        ];
        polyline(&front, angle)
    }

    /// The direction in which hair is combed at a point near the head, before gravity; not a unit
    /// vector. `root` is where the strand began.
    pub(super) fn comb(&self, skull: &Skull, p: V3, root: V3) -> V3 {
        let top = smooth(0.35, 0.85, root.y);
        let front = smooth(0.1, 0.7, root.z);
        let side = if root.x < self.part { -1.0 } else { 1.0 };
        let outer = if root.x < 0.0 { -1.0 } else { 1.0 };
        match self.plan {
            Plan::Bald | Plan::Horseshoe => v3(0.1 * outer, -0.7, -0.6),
            Plan::Buzz | Plan::Crop => {
                let whorl = v3(0.06, skull.crown_y(), -0.35);
                let away = p - whorl;
                v3(away.x, -0.35, away.z.max(-0.6)).mix(v3(0.0, -0.9, -0.25), 1.0 - top)
            }
            Plan::SidePart => {
                let over = v3(side * 1.0, 0.10 + 0.3 * front, -0.30 - 0.25 * front);
                over.mix(v3(0.05 * outer, -0.75, -0.55), 1.0 - top)
            }
            Plan::SweptBack => {
                v3(0.12 * outer, 0.25 * front, -1.0).mix(v3(0.0, -0.30, -1.0), 1.0 - top)
            }
            Plan::Tousled => {
                let away = p - v3(self.part * 0.5, skull.crown_y(), -0.30);
                v3(away.x * 0.8 + 0.45 * side.signum(), 0.1, away.z * 0.8)
                    .mix(v3(0.1 * outer, -0.7, -0.1), 1.0 - top)
            }
            Plan::Fringe => {
                let away = p - v3(0.05, skull.crown_y(), -0.30);
                v3(away.x * 1.1 + 0.12 * self.part, -0.1, away.z * 1.1)
            }
            Plan::Bob | Plan::Long => {
                let bangs = self.cut[0] > -1.0 && root.z > 0.30 && root.x.abs() < 0.42;
                if bangs {
                    v3(0.35 * (p.x - self.part), -0.2, 1.0)
                } else {
                    v3(side * 1.0, -0.10, -0.22)
                        .mix(v3(0.15 * outer, -1.0, -0.10), smooth(0.80, 0.25, p.y))
                }
            }
            Plan::Curly => {
                let away = p - v3(self.part * 0.5, skull.crown_y() - 0.1, -0.20);
                v3(away.x + 0.3 * side, 0.15, away.z * 0.7)
            }
            Plan::Afro => skull.outward(p),
            Plan::Bun => {
                let knot = self.knot.map_or(v3(0.0, 0.8, -0.9), |(at, _)| at);
                knot - p
            }
        }
    }

    /// Whether the scissors end a strand at `p`; `draw` (0..1) makes the edge uneven.
    pub(super) fn cut_off(&self, p: V3, root: V3, draw: f32) -> bool {
        let ragged = 0.10 * (draw - 0.5);
        let bangs = root.z > 0.30 && root.x.abs() < 0.48;
        if p.z > 0.35 && bangs && self.cut[0] > -1.0 {
            // A fringe is longer at the temples.
            return p.y < self.cut[0] - 0.22 * p.x * p.x + ragged;
        }
        let back = smooth(0.1, -0.5, p.z);
        p.y < mix(self.cut[1], self.cut[2], back) + 1.5 * ragged
    }
}
