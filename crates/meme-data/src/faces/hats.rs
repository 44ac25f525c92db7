//! Hats, fitted to the skull.

use super::dice::{Aspect, Source};
use super::light::{Light, Surface};
use super::mesh::{Detail, Material, Mesh, Vertex};
use super::noise::Noise;
use super::numeric::{PI, V3, beside, hill, mix, mound, sincos, smooth, v3};
use super::palette::{fabric, srgb};
use super::skull::{AXIS_Z, Skull};

/// Kinds of hats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Beanie,
    Cap,
    Fedora,
    Sun,
}

/// A hat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hat {
    kind: Kind,
    colour: V3,
    band: V3,
    /// Height of the rim in front, and how much lower it is behind.
    rim: f32,
    fall: f32,
    /// How far it rises above the crown.
    tall: f32,
    brim: f32,
}

impl Hat {
    pub(super) fn draw(source: Source, feminine: f32) -> Option<Self> {
        let mut dice = source.dice(Aspect::Hat);
        if !dice.chance(0.13) {
            return None;
        }
        let weights = [1.0, 0.9, 0.5, 0.2 + 0.5 * feminine];
        let kind = [Kind::Beanie, Kind::Cap, Kind::Fedora, Kind::Sun][dice.weighted(&weights)];
        let straw = srgb(214, 186, 136);
        let dark =
            dice.pick([srgb(46, 40, 38), srgb(92, 76, 60), srgb(110, 106, 100), srgb(30, 34, 44)]);
        let (colour, tall, brim) = match kind {
            Kind::Beanie => (fabric(&mut dice), dice.range(0.10, 0.24), 0.0),
            Kind::Cap => (fabric(&mut dice), dice.range(0.03, 0.08), dice.range(0.42, 0.52)),
            Kind::Fedora => (dark, dice.range(0.20, 0.30), dice.range(0.30, 0.42)),
            Kind::Sun => (straw, dice.range(0.14, 0.22), dice.range(0.50, 0.72)),
        };
        Some(Self {
            kind,
            colour,
            band: fabric(&mut dice) * 0.7,
            rim: if kind == Kind::Beanie { dice.range(0.40, 0.54) } else { dice.range(0.44, 0.54) },
            fall: dice.range(0.35, 0.5),
            tall,
            brim,
        })
    }

    /// Height of the rim at a depth between the front and the back of the head.
    fn rim_at(&self, z: f32) -> f32 {
        self.rim - self.fall * (0.5 - 0.5 * (z - AXIS_Z) / 0.95)
    }

    /// Whether hair growing at a point is under the hat.
    pub(super) fn covers(&self, p: V3) -> bool {
        p.y > self.rim_at(p.z) - 0.02
    }

    /// Adds crown and brim.
    pub(super) fn build(
        &self,
        mesh: &mut Mesh,
        detail: Detail,
        skull: &Skull,
        place: impl Fn(V3) -> V3,
    ) {
        let (rows, columns) = (detail.count(16, 48), detail.count(32, 96));
        let (half, front, back) = skull.girth();
        let seam = 0.22;
        let vertex = |at: V3, extra: f32, open: f32| Vertex {
            at: place(at),
            rest: at,
            open,
            lit: 1.0,
            extra,
            ..Vertex::default()
        };
        mesh.grid(Material::Hat, [rows, columns], true, |row, column| {
            let v = row as f32 / (rows - 1) as f32;
            let (sin, cos) = sincos(2.0 * PI * column as f32 / columns as f32 - PI);
            let reach = if cos > 0.0 { front - AXIS_Z } else { AXIS_Z - back };
            let rim = self.rim_at(AXIS_Z + reach * cos);
            let gap = 0.055
                + if self.kind == Kind::Beanie {
                    0.02 + 0.035 * smooth(0.60, 0.66, v)
                } else {
                    0.0
                };
            let top = skull.rise + self.tall + gap;
            // From the pole outwards, then down to the rim.
            let turn = v * 0.5 * PI;
            let (st, ct) = sincos(turn);
            let (wide, high) = match self.kind {
                Kind::Beanie => (st, ct),
                Kind::Cap => (mix(st, st.sqrt(), 0.45), ct),
                // Flatter on top, with a dent along the middle.
                Kind::Sun => (st.sqrt() * mix(0.90, 1.0, v), ct),
                Kind::Fedora => (st.sqrt().sqrt().min(1.0) * mix(0.86, 1.0, v), ct.max(0.0).sqrt()),
            };
            let low = (rim - seam) / top;
            let level = mix(low, 1.0, high.max(0.0));
            // Fitted at the rim: as wide as the head there.
            let fit = (1.0 - (low * 0.9) * (low * 0.9)).max(0.1).sqrt();
            let mut at = v3(
                (half + gap) * fit * wide * sin,
                seam + top * level,
                AXIS_Z + (reach + gap) * fit * wide * cos,
            );
            if self.kind == Kind::Fedora {
                at.y -= 0.10
                    * mound(at.x, 0.0, 0.30, 1.0)
                    * smooth(0.45, 0.1, v)
                    * smooth(-0.9, 0.2, cos);
            }
            vertex(at, v, 1.0)
        });
        if self.brim > 0.0 {
            self.build_brim(mesh, detail, [half, front, back], vertex);
        }
    }

    fn build_brim(
        &self,
        mesh: &mut Mesh,
        detail: Detail,
        [half, front, back]: [f32; 3],
        vertex: impl Fn(V3, f32, f32) -> Vertex,
    ) {
        let (rows, columns) = (detail.count(5, 12), detail.count(33, 97));
        let cap = self.kind == Kind::Cap;
        let low = (self.rim - 0.22) / 1.0;
        let fit = (1.0 - low * low * 0.7).max(0.1).sqrt();
        // The upper side, then the lower side a little below it.
        for under in [false, true] {
            mesh.grid(Material::Brim, [rows, columns], !cap, |row, column| {
                let r = row as f32 / (rows - 1) as f32;
                let r = if under { 1.0 - r } else { r };
                let span = if cap { 0.31 * PI } else { PI };
                let divisions = if cap { columns - 1 } else { columns };
                let angle = span * (2.0 * column as f32 / divisions as f32 - 1.0);
                let (sin, cos) = sincos(angle);
                let reach = if cos > 0.0 { front - AXIS_Z } else { AXIS_Z - back };
                let (width, drop) = if cap {
                    let edge = angle.abs() / span;
                    let ahead = (1.0 - edge * edge * edge * edge).max(0.0).sqrt();
                    (self.brim * ahead, 0.22 * r + 0.13 * sin * sin * r)
                } else {
                    (self.brim, 0.10 * r * cos.max(0.0) - 0.10 * r * sin * sin + 0.04 * r)
                };
                let rim = self.rim_at(AXIS_Z + reach * cos) + 0.03;
                let away = r * width;
                let thick = if under { 0.030 } else { 0.0 };
                let at = v3(
                    ((half + 0.05) * fit + away) * sin,
                    rim - drop - thick,
                    AXIS_Z + ((reach + 0.05) * fit + away) * cos,
                );
                vertex(at, r, if under { 0.45 } else { 1.0 })
            });
        }
    }

    /// Light from a point of the hat.
    pub(super) fn shade(
        &self,
        at: &Vertex,
        brim: bool,
        noise: &Noise,
        light: &Light,
        finest: f32,
    ) -> V3 {
        let p = at.rest;
        let angle_like = p.x / (p.z.abs() + 0.35);
        let mut normal = at.normal.unit();
        if brim && normal.dot(v3(0.0, 0.0, 1.0)) < -0.2 {
            normal = -normal;
        }
        let mut colour = self.colour;
        let mut open = at.open;
        let v = at.extra;
        match self.kind {
            Kind::Beanie => {
                let cuff = v > 0.63;
                let period = if cuff { 0.075 } else { 0.060 };
                let u = angle_like / period;
                let rib = beside(u).abs() * 2.0;
                let seen = smooth(0.5, 0.15, finest / (period * 0.8));
                open *= 1.0 - 0.5 * seen * rib * rib * rib;
                let w = p.y / 0.032;
                let stitch = beside(w).abs() * 2.0;
                open *= 1.0 - 0.18 * seen * stitch;
                open *= 1.0 - 0.45 * hill((v - 0.625) * (v - 0.625) * 2500.0);
            }
            Kind::Cap => {
                let seams = hill(p.x * p.x * 2500.0) * smooth(0.0, 0.3, v);
                if brim {
                    let rows = beside(v * 7.0).abs() * 2.0;
                    open *= 1.0 - 0.12 * smooth(0.7, 1.0, rows) * smooth(0.02, 0.008, finest);
                } else {
                    open *= 1.0 - 0.30 * seams;
                    let badge = mound(p.x, p.y - self.rim - 0.20, 0.16, 0.12);
                    if p.z > 0.2 {
                        colour = colour.mix(self.band * 1.6, smooth(0.25, 0.35, badge));
                    }
                    open *= 1.0 - 0.3 * smooth(0.94, 1.0, v);
                }
            }
            Kind::Fedora | Kind::Sun => {
                if !brim && v > 0.80 {
                    colour = self.band;
                    open *= 1.0 - 0.25 * hill((v - 0.81) * (v - 0.81) * 6000.0);
                }
                if self.kind == Kind::Sun && colour == self.colour {
                    let (a, b) = (p.x * 34.0, (p.y + p.z) * 34.0);
                    let weave = noise.plane(a, 3.0 * b) + noise.plane(3.0 * a, b);
                    colour = colour * (1.0 + 0.16 * weave * smooth(0.03, 0.012, finest));
                }
            }
        }
        let grain = noise.octaves(19.0 * p.x + 9.0 * p.z, 19.0 * p.y, 0.8, 19.0 * finest);
        let surface = Surface {
            albedo: colour * (1.0 + 0.08 * grain),
            normal,
            gloss: 0.03,
            tight: 0.0,
            wrap: V3::all(0.20),
            open: open.clamp(0.1, 1.0),
        };
        light.shade(&surface, at.lit)
    }
}
