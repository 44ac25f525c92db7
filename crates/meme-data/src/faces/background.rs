//! What is behind the person: out of focus, with the 1/f texture of real places.

use super::dice::{Aspect, Source};
use super::noise::Noise;
use super::numeric::{V3, mix, smooth, v3};
use super::palette::srgb;

/// Kinds of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Studio,
    Wall,
    Garden,
    Street,
    Room,
}

/// A soft disc: a light or a leaf far out of focus.
#[derive(Clone, Copy, Debug)]
struct Disc {
    at: [f32; 2],
    radius: f32,
    colour: V3,
    strength: f32,
}

/// A soft-edged upright rectangle: a window, a shelf, a house.
#[derive(Clone, Copy, Debug)]
struct Block {
    x: [f32; 2],
    y: [f32; 2],
    soft: f32,
    colour: V3,
}

/// A background, over the unit square (y down).
#[derive(Debug)]
pub(super) struct Background {
    top: V3,
    bottom: V3,
    spot: [f32; 3],
    patch: V3,
    coarse: f32,
    texture: f32,
    offset: [f32; 2],
    discs: Vec<Disc>,
    blocks: Vec<Block>,
}

impl Background {
    pub(super) fn draw(source: Source) -> Self {
        let mut dice = source.dice(Aspect::Background);
        let places = [Place::Studio, Place::Wall, Place::Garden, Place::Street, Place::Room];
        let place = places[dice.weighted(&[0.9, 0.8, 1.1, 0.8, 0.9])];
        let pair = |a: [u8; 3], b: [u8; 3]| (srgb(a[0], a[1], a[2]), srgb(b[0], b[1], b[2]));
        let (top, bottom) = match place {
            Place::Studio => dice.pick([
                pair([92, 96, 102], [48, 50, 54]),
                pair([176, 176, 174], [126, 126, 128]),
                pair([70, 86, 108], [34, 42, 56]),
                pair([122, 104, 90], [62, 50, 44]),
                pair([56, 54, 58], [24, 24, 28]),
                pair([206, 204, 198], [170, 168, 164]),
            ]),
            Place::Wall => dice.pick([
                pair([196, 186, 170], [160, 148, 130]),
                pair([150, 160, 158], [112, 122, 122]),
                pair([168, 120, 96], [118, 80, 64]),
                pair([120, 136, 150], [84, 98, 112]),
                pair([190, 178, 120], [150, 136, 90]),
            ]),
            Place::Garden => dice.pick([
                pair([150, 172, 120], [44, 66, 32]),
                pair([96, 124, 64], [34, 52, 26]),
                pair([188, 204, 214], [70, 96, 52]),
                pair([196, 166, 96], [92, 74, 38]),
                pair([60, 82, 52], [30, 40, 26]),
            ]),
            Place::Street => dice.pick([
                pair([176, 194, 212], [110, 106, 104]),
                pair([138, 132, 128], [74, 70, 70]),
                pair([64, 66, 84], [40, 36, 40]),
                pair([204, 176, 150], [100, 84, 76]),
            ]),
            Place::Room => dice.pick([
                pair([176, 158, 134], [100, 80, 62]),
                pair([128, 110, 92], [62, 48, 40]),
                pair([186, 190, 190], [122, 122, 120]),
                pair([86, 90, 104], [44, 42, 48]),
            ]),
        };
        let (coarse, texture) = match place {
            Place::Studio => (0.30, 0.045),
            Place::Wall => (0.30, 0.10),
            Place::Garden => (0.95, 0.16),
            Place::Street => (0.50, 0.10),
            Place::Room => (0.45, 0.09),
        };
        let mut background = Self {
            top,
            bottom,
            spot: [dice.range(0.2, 0.8), dice.range(0.1, 0.6), dice.range(0.0, 0.5)],
            patch: top.mix(bottom, 0.5).times(v3(
                dice.range(0.5, 1.6),
                dice.range(0.5, 1.5),
                dice.range(0.5, 1.5),
            )),
            coarse,
            texture: texture * dice.range(0.6, 1.25),
            offset: [dice.range(0.0, 90.0), dice.range(0.0, 90.0)],
            discs: Vec::new(),
            blocks: Vec::new(),
        };
        background.furnish(place, source);
        background
    }

    fn furnish(&mut self, place: Place, source: Source) {
        let mut dice = source.dice(Aspect::Bokeh);
        let discs = match place {
            Place::Garden => 6 + dice.below(18),
            Place::Street => 3 + dice.below(9),
            _ => 0,
        };
        for _ in 0..discs {
            let tint = v3(dice.range(0.8, 1.3), dice.range(0.8, 1.2), dice.range(0.6, 1.2));
            let bright = dice.range(0.6, 2.2);
            self.discs.push(Disc {
                at: [dice.unit(), dice.unit() * 0.9],
                radius: dice.range(0.02, 0.075),
                colour: self.top.times(tint) * bright,
                strength: dice.range(0.15, 0.55),
            });
        }
        let blocks = match place {
            Place::Room => 2 + dice.below(4),
            Place::Street => 2 + dice.below(5),
            Place::Wall => dice.below(2),
            _ => 0,
        };
        for _ in 0..blocks {
            let centre =
                if dice.chance(0.5) { dice.range(-0.05, 0.30) } else { dice.range(0.70, 1.05) };
            let half = dice.range(0.05, 0.22);
            let high = dice.range(-0.2, 0.5);
            let low = if place == Place::Street { 1.1 } else { high + dice.range(0.2, 0.8) };
            let tint = v3(dice.range(0.6, 1.5), dice.range(0.6, 1.4), dice.range(0.6, 1.4));
            let light = if dice.chance(0.35) { 2.0 } else { dice.range(0.4, 1.1) };
            self.blocks.push(Block {
                x: [centre - half, centre + half],
                y: [high, low],
                soft: dice.range(0.012, 0.05),
                colour: self.top.mix(self.bottom, 0.5).times(tint) * light,
            });
        }
    }

    /// The light from a point of the picture; `finest` is a pixel's width.
    pub(super) fn at(&self, x: f32, y: f32, noise: &Noise, finest: f32) -> V3 {
        let [ox, oy] = self.offset;
        let (u, v) = (x + ox, y + oy);
        let swell = noise.octaves(2.2 * u, 2.2 * v, 0.55, 2.2 * finest.max(0.02));
        let mut colour =
            self.top.mix(self.bottom, smooth(0.0, 1.0, y + 0.16 * self.coarse * swell));
        for block in &self.blocks {
            let across = smooth(-block.soft, block.soft, x - block.x[0])
                * smooth(block.soft, -block.soft, x - block.x[1]);
            let along = smooth(-block.soft, block.soft, y - block.y[0])
                * smooth(block.soft, -block.soft, y - block.y[1]);
            colour = colour.mix(block.colour, 0.85 * across * along);
        }
        let tint = noise.octaves(3.1 * u + 40.0, 3.1 * v, 0.5, 3.1 * finest.max(0.035));
        colour = colour.mix(self.patch, self.coarse * smooth(-0.1, 1.1, tint));
        for disc in &self.discs {
            let (dx, dy) = (x - disc.at[0], y - disc.at[1]);
            let away = (dx * dx + dy * dy).sqrt();
            if away < 1.3 * disc.radius {
                let on = smooth(1.15 * disc.radius, 0.85 * disc.radius, away);
                colour = colour.mix(disc.colour, on * disc.strength);
            }
        }
        let (dx, dy) = (x - self.spot[0], y - self.spot[1]);
        let glow = self.spot[2] * smooth(0.7, 0.0, (dx * dx + dy * dy).sqrt());
        let grain = noise.octaves(5.0 * u, 5.0 * v + 20.0, 0.74, 5.0 * finest);
        let fall = mix(
            0.86,
            1.0,
            smooth(0.95, 0.4, ((x - 0.5) * (x - 0.5) + (y - 0.5) * (y - 0.5)).sqrt() * 1.3),
        );
        colour * (fall * (1.0 + glow) * (1.0 + self.texture * grain).max(0.2))
    }
}
