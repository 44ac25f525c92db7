//! Who is seen: the few numbers that everything else leans on, and the level of each feature.

use super::dice::{Aspect, Source};

/// Tendencies that tie the parts of one face together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    /// 0 masculine .. 1 feminine build, mostly near the ends.
    pub(super) feminine: f32,
    /// 0 young adult .. 1 old.
    pub(super) age: f32,
    /// 0 very light .. 1 very dark skin.
    pub(super) melanin: f32,
    /// -1 gaunt .. 1 heavy.
    pub(super) weight: f32,
}

impl Person {
    pub(super) fn draw(source: Source) -> Self {
        let mut dice = source.dice(Aspect::Person);
        let side = if dice.chance(0.5) { 0.82 } else { 0.15 };
        let feminine = (side + dice.bell(0.12)).clamp(0.0, 1.0);
        let youth = dice.unit();
        let age = youth * (0.35 + 0.65 * dice.unit());
        let draw = dice.unit();
        let melanin = (draw * (0.55 + 0.45 * draw) * 1.06 - 0.03).clamp(0.0, 1.0);
        let weight = dice.bell(0.45).clamp(-1.0, 1.2);
        Self { feminine, age, melanin, weight }
    }
}

/// Where features sit on the head, in head units: the eyes are at height 0, half a face is about
/// one unit wide and the chin is a little more than one unit below the eyes. `x` points to the
/// right of the picture, `y` up, `z` out of the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Landmarks {
    /// Half the distance between the pupils.
    pub(super) eye_x: f32,
    /// Height of the brows' middle.
    pub(super) brow_y: f32,
    /// Height of the nose's tip and of its base.
    pub(super) tip_y: f32,
    pub(super) base_y: f32,
    /// Height of the line between the lips.
    pub(super) mouth_y: f32,
    /// Height of the chin's lowest point.
    pub(super) chin_y: f32,
    /// Height of the hairline over the nose.
    pub(super) hairline_y: f32,
}

impl Landmarks {
    pub(super) fn draw(source: Source, person: &Person) -> Self {
        let mut dice = source.dice(Aspect::Pose);
        let length = 1.0 + dice.bell(0.03) - 0.03 * person.feminine;
        let base_y = -0.50 * length + dice.bell(0.015);
        Self {
            eye_x: 0.315 + dice.bell(0.012),
            brow_y: 0.195 + 0.03 * person.feminine + dice.bell(0.014),
            tip_y: base_y + 0.090 + dice.bell(0.01),
            base_y,
            mouth_y: base_y - 0.245 * length + dice.bell(0.012),
            chin_y: -1.165 * length - 0.02 * (1.0 - person.feminine) + dice.bell(0.015),
            hairline_y: 0.65 + dice.bell(0.04),
        }
    }
}
