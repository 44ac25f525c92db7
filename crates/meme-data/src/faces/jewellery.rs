//! Earrings and necklaces.

use super::body::Body;
use super::dice::{Aspect, Source};
use super::light::Light;
use super::numeric::{PI, V3, sincos, smooth, v3};
use super::palette::srgb;
use super::person::Person;
use super::raster::{Camera, Canvas};

/// What shines at ears and neck.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jewellery {
    /// Radius of a stud or of a hoop, and whether it is a hoop.
    earring: Option<(f32, bool)>,
    /// How far a necklace hangs.
    necklace: Option<f32>,
    pearls: bool,
    /// What they are fastened to: the neck, and ears this far from the middle.
    body: Body,
    half_width: f32,
    colour: V3,
}

impl Jewellery {
    pub(super) fn draw(
        source: Source,
        person: &Person,
        ears: bool,
        half_width: f32,
        body: &Body,
    ) -> Self {
        let mut dice = source.dice(Aspect::Jewellery);
        let likely = 0.04 + 0.55 * person.feminine * person.feminine;
        let hoop = dice.chance(0.5);
        let size = if hoop { dice.range(0.09, 0.17) } else { dice.range(0.028, 0.045) };
        Self {
            earring: (dice.chance(likely) && ears).then_some((size, hoop)),
            necklace: (dice.chance(0.8 * likely) && body.bares_neck())
                .then(|| dice.range(0.0, 0.10)),
            body: *body,
            half_width,
            pearls: dice.chance(0.35),
            colour: dice.pick([srgb(222, 178, 96), srgb(206, 206, 210), srgb(214, 186, 130)]),
        }
    }

    /// Draws over the surfaces; `head` and `body` place points of the unturned figure.
    pub(super) fn draw_on(
        &self,
        canvas: &mut Canvas,
        camera: &Camera,
        light: &Light,
        head: impl Fn(V3) -> V3,
        body: impl Fn(V3) -> V3,
    ) {
        let metal = |normal: V3| {
            let shine = normal.dot(light.key).max(0.0);
            let sharp = shine * shine * shine * shine;
            self.colour * (0.25 + 0.8 * shine) + V3::all(0.7 * sharp * sharp)
        };
        let mut link = |at: V3, radius: f32, colour: V3| {
            canvas.dot(camera.project(at), radius * camera.scale, colour, 0.95);
        };
        if let Some((size, hoop)) = self.earring {
            for side in [-1.0, 1.0] {
                let lobe = v3(side * (0.965 * self.half_width + 0.015), -0.425, -0.05);
                if hoop {
                    for k in 0..90_u8 {
                        let turn = 2.0 * PI * f32::from(k) / 90.0;
                        let (sin, cos) = sincos(turn);
                        let p = lobe
                            + v3(side * 0.62 * size * sin, size * (cos - 1.0), 0.7 * size * sin);
                        let normal = v3(side * 0.4, cos, 0.6 + 0.5 * sin).unit();
                        link(head(p), 0.012, metal(normal));
                    }
                } else {
                    let bright = if self.pearls {
                        srgb(232, 226, 216) * 0.8
                    } else {
                        metal(v3(0.2, 0.4, 0.9))
                    };
                    let at = head(lobe + v3(side * 0.03, 0.03, 0.05));
                    link(at, size, bright * 0.7);
                    link(at + v3(0.2 * size, 0.3 * size, 0.05), 0.5 * size, bright);
                }
            }
        }
        if let Some(drop) = self.necklace {
            let beads = if self.pearls { 38_u8 } else { 150 };
            for k in 0..=beads {
                let t = 2.0 * f32::from(k) / f32::from(beads) - 1.0;
                let x = 0.42 * t;
                let p = self.body.front(x, -1.42 - drop + (0.17 + drop) * t * t);
                let shade = 0.65 + 0.35 * smooth(-1.0, 1.0, t * light.key.x.signum());
                if self.pearls {
                    link(body(p), 0.020, srgb(226, 220, 208) * (0.72 * shade));
                    link(body(p) + v3(0.005, 0.008, 0.03), 0.010, srgb(248, 244, 238) * shade);
                } else {
                    let twist = if k % 3 == 0 { 1.0 } else { 0.55 };
                    link(body(p), 0.0085, metal(v3(0.3 * t, 0.3, 0.8).unit()) * (shade * twist));
                }
            }
        }
    }
}
