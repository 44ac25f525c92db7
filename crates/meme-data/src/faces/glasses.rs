//! Glasses: two rims, a bridge, temples, and what the lenses reflect.

use super::dice::{Aspect, Dice, Source};
use super::head::Head;
use super::light::Light;
use super::numeric::{PI, V3, mix, sincos, smooth, v3};
use super::palette::srgb;
use super::person::Person;
use super::raster::{Camera, Canvas};

/// A pair of glasses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glasses {
    colour: V3,
    /// Radius of the rim's wire.
    wire: f32,
    half: [f32; 2],
    /// 1 round .. 0 rectangular.
    round: f32,
    centre: [f32; 2],
    /// Light that passes a lens at its top and its bottom.
    pass: [V3; 2],
    mirror: f32,
    metal: bool,
    depth: f32,
}

impl Glasses {
    /// Their first throw: whether there are any.
    pub(super) fn are_worn(dice: &mut Dice, person: &Person) -> bool {
        dice.chance(0.15 + 0.12 * person.age)
    }

    pub(super) fn draw(source: Source, person: &Person, head: &Head) -> Option<Self> {
        let mut dice = source.dice(Aspect::Glasses);
        if !Self::are_worn(&mut dice, person) {
            return None;
        }
        let sun = dice.chance(0.16);
        let metal = dice.chance(0.4);
        let colour = if metal {
            dice.pick([srgb(150, 140, 120), srgb(176, 150, 96), srgb(70, 70, 74)])
        } else {
            dice.pick([srgb(24, 22, 22), srgb(58, 34, 22), srgb(36, 40, 56), srgb(90, 44, 36)])
        };
        let clear = v3(0.95, 0.965, 0.95);
        let tint = dice.pick([srgb(44, 40, 36), srgb(30, 34, 36), srgb(60, 44, 30)]);
        let pass = if sun { [tint * 0.7, tint * 1.6] } else { [clear, clear] };
        let round = dice.unit();
        Some(Self {
            colour,
            wire: if metal { 0.0105 } else { dice.range(0.018, 0.030) },
            half: [
                mix(0.245, 0.215, round) + dice.bell(0.006),
                mix(0.150, 0.200, round) + dice.bell(0.008) + if sun { 0.02 } else { 0.0 },
            ],
            round,
            centre: [head.marks.eye_x * 0.99 + 0.005, -0.02],
            pass,
            mirror: if sun { dice.range(0.10, 0.22) } else { dice.range(0.02, 0.10) },
            metal,
            depth: head.front(0.0, 0.0).z.max(head.front(0.115, 0.0).z) + 0.045,
        })
    }

    /// Depth of the frame, which bends round the face.
    fn z(&self, x: f32) -> f32 {
        self.depth - 0.32 * x * x
    }

    fn rim(&self, side: f32, turn: f32) -> V3 {
        let (sin, cos) = sincos(turn);
        // Between an ellipse and a rounded box.
        let diagonal = 2.0 * sin * cos;
        let out = 1.0 + mix(0.20, 0.02, self.round) * diagonal * diagonal;
        let x = self.centre[0] + self.half[0] * cos * out;
        let y = self.centre[1]
            + self.half[1] * sin * out * mix(1.0, 0.92, (0.5 - 0.5 * sin) * (0.5 - 0.5 * cos));
        v3(side * x, y, self.z(x))
    }

    /// Tints what is seen through the lenses.
    pub(super) fn lenses(
        &self,
        canvas: &mut Canvas,
        camera: &Camera,
        light: &Light,
        place: impl Fn(V3) -> V3,
    ) {
        for side in [-1.0, 1.0] {
            let at = |x: f32, y: f32| camera.project(place(v3(side * x, y, self.z(x))));
            let [cx, cy] = self.centre;
            let middle = at(cx, cy);
            let right = at(cx + self.half[0], cy);
            let up = at(cx, cy + self.half[1]);
            let (ax, ay) = (right.x - middle.x, right.y - middle.y);
            let (bx, by) = (up.x - middle.x, up.y - middle.y);
            let area = ax * by - ay * bx;
            if area.abs() < 1e-6 {
                continue;
            }
            let reach = 1.3 * (ax.abs() + bx.abs()).max(ay.abs() + by.abs());
            let last = canvas.side as f32 - 1.0;
            let (x0, x1) =
                ((middle.x - reach).clamp(0.0, last), (middle.x + reach).clamp(0.0, last));
            let (y0, y1) =
                ((middle.y - reach).clamp(0.0, last), (middle.y + reach).clamp(0.0, last));
            for row in y0 as usize..=y1 as usize {
                for column in x0 as usize..=x1 as usize {
                    let (px, py) = (column as f32 + 0.5 - middle.x, row as f32 + 0.5 - middle.y);
                    let (u, v) = ((px * by - py * bx) / area, (py * ax - px * ay) / area);
                    let r2 = u * u + v * v;
                    let diagonal = 2.0 * u * v / r2.max(1e-6);
                    let out = 1.0 + mix(0.20, 0.02, self.round) * diagonal * diagonal;
                    if r2 > out * out {
                        continue;
                    }
                    let pixel = &mut canvas.colour[row * canvas.side + column];
                    let pass = self.pass[1].mix(self.pass[0], 0.5 + 0.5 * v);
                    // A window's reflection: a soft slanted band.
                    let slant = v + 0.55 * u * side * light.key.x.signum();
                    let band = smooth(-0.05, 0.35, slant) * smooth(0.95, 0.55, slant);
                    *pixel = pixel.times(pass) + V3::all(self.mirror * band * 0.6);
                }
            }
        }
    }

    /// Draws rims, bridge and temples.
    pub(super) fn frame(
        &self,
        canvas: &mut Canvas,
        camera: &Camera,
        light: &Light,
        place: impl Fn(V3) -> V3,
        half_width: f32,
    ) {
        let mut link = |p: V3, normal: V3, radius: f32| {
            let shine = normal.dot(light.key).max(0.0);
            let spark = if self.metal { 0.9 } else { 0.25 };
            let sharp = shine * shine * shine * shine;
            let colour = self.colour * (0.30 + 0.75 * shine) + V3::all(spark * 0.5 * sharp * sharp);
            let at = camera.project(place(p));
            canvas.dot(at, radius * camera.scale, colour, 0.95);
        };
        let steps = ((self.half[0] + self.half[1]) * 3.2 * camera.scale
            / (self.wire * camera.scale).max(0.6)
            * 2.0)
            .clamp(60.0, 600.0) as usize;
        for side in [-1.0, 1.0] {
            // Temples first: the rims lie in front of them.
            let outer = self.centre[0] + self.half[0] * 1.02;
            let hinge = v3(side * outer, self.centre[1] + 0.45 * self.half[1], self.z(outer));
            let ear = v3(side * (half_width + 0.03), 0.02, -0.05);
            for k in 0..steps / 2 {
                let t = k as f32 / (steps / 2) as f32;
                link(hinge.mix(ear, t), v3(side * 0.7, 0.6, 0.3), self.wire * 0.9);
            }
            for k in 0..steps {
                let turn = 2.0 * PI * k as f32 / steps as f32;
                let (sin, cos) = sincos(turn);
                let top = if self.metal { 1.0 } else { 1.0 + 0.25 * sin.max(0.0) };
                link(
                    self.rim(side, turn),
                    v3(side * cos * 0.5, 0.7 * sin + 0.3, 0.7).unit(),
                    self.wire * top,
                );
            }
        }
        let inner = self.centre[0] - self.half[0];
        for k in 0..steps / 3 {
            let t = 2.0 * k as f32 / (steps / 3 - 1).max(1) as f32 - 1.0;
            let y = self.centre[1] + 0.035 + 0.04 * (1.0 - t * t);
            link(v3(t * inner, y, self.z(inner) + 0.012), v3(0.0, 0.6, 0.8), self.wire);
        }
    }
}
