//! The head with its features: the surface that everything on the face is fixed to.

use super::brows::Brows;
use super::dice::{Aspect, Source};
use super::eyes::Eyes;
use super::mesh::{Detail, Material, Mesh, Vertex};
use super::mouth::Mouth;
use super::nose::Nose;
use super::numeric::{PI, V3, mix, mound, sincos, smooth, v3};
use super::person::{Landmarks, Person};
use super::skull::Skull;

/// A head and all features that shape its surface.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) skull: Skull,
    pub(super) marks: Landmarks,
    pub(super) nose: Nose,
    pub(super) mouth: Mouth,
    pub(super) eyes: Eyes,
    pub(super) brows: Brows,
    brow_ridge: f32,
    cheek: f32,
    hollow: f32,
    chin: f32,
    cleft: f32,
}

impl Head {
    pub(super) fn draw(source: Source, person: &Person, skin: V3, hair: V3) -> Self {
        let marks = Landmarks::draw(source, person);
        let mouth = Mouth::draw(source, person, &marks, skin);
        let mut dice = source.dice(Aspect::Skin);
        let masculine = 1.0 - person.feminine;
        Self {
            skull: Skull::draw(source, person, &marks),
            nose: Nose::draw(source, person, &marks),
            eyes: Eyes::draw(source, person, &marks, mouth.smile),
            brows: Brows::draw(source, person, &marks, hair),
            mouth,
            marks,
            brow_ridge: 0.018 + 0.028 * masculine + dice.bell(0.006),
            cheek: 0.045 + dice.bell(0.012),
            hollow: (0.02 - 0.03 * person.weight + dice.bell(0.012)).max(0.0),
            chin: 0.045 + 0.02 * masculine + dice.bell(0.01),
            cleft: if dice.chance(0.18 * masculine) { 0.012 } else { 0.0 },
        }
    }

    /// Height of the features above the bare head at frontal coordinates.
    pub(super) fn relief(&self, x: f32, y: f32) -> f32 {
        let ax = x.abs();
        let m = &self.marks;
        let smile = self.mouth.smile.max(0.0);
        let mut z = self.nose.relief(ax, y);
        if y > -0.35 {
            z += self.eyes.relief(ax, y);
            z += self.brow_ridge * mound(ax - 0.27, y - m.brow_y + 0.005, 0.34, 0.13);
            z += 0.02 * mound(ax - 0.28, y - 0.45, 0.35, 0.25);
            z -= 0.012 * mound(ax, y - m.brow_y, 0.10, 0.10);
        }
        if y < 0.1 {
            z += self.cheek * mound(ax - 0.42, y + 0.27, 0.34, 0.26);
            z += 0.040 * smile * mound(ax - 0.36, y + 0.33, 0.23, 0.18);
            z -= self.hollow * mound(ax - 0.46, y + 0.62, 0.25, 0.30);
            z += 0.045 * mound(ax, y - m.mouth_y, 0.42, 0.30);
            z += self.mouth.relief(x, y);
            z -= 0.030 * mound(ax, y - m.mouth_y + 0.185, 0.26, 0.085);
            z += self.chin * mound(ax, y - m.chin_y - 0.14, 0.27, 0.17);
            z -= self.cleft * mound(ax, y - m.chin_y - 0.13, 0.035, 0.10);
        }
        z
    }

    /// A point of the front of the face, features included.
    pub(super) fn front(&self, x: f32, y: f32) -> V3 {
        let base = self.skull.front(x, y);
        v3(base.x, y, base.z + self.relief(base.x, y))
    }

    /// How much light from all around reaches a point of the face, 0..1.
    fn open(&self, p: V3) -> f32 {
        let ax = p.x.abs();
        let m = &self.marks;
        let mut open = 1.0_f32;
        if p.z > 0.2 {
            open -= 0.30 * mound(ax - 0.17, p.y - 0.02, 0.14, 0.15);
            open -= 0.18 * mound(ax - m.eye_x, p.y - 0.07, 0.24, 0.09);
            open -= 0.16 * mound(ax - 0.19, p.y - m.base_y - 0.10, 0.10, 0.16);
            open -= 0.26 * mound(ax, p.y - m.base_y + 0.03, 0.16, 0.085);
            open -= 0.24 * mound(ax, p.y - m.mouth_y + 0.16, 0.28, 0.085);
        }
        open -= 0.55 * smooth(m.chin_y + 0.06, m.chin_y - 0.02, p.y) * smooth(0.85, 0.6, p.z);
        open.max(0.1)
    }

    /// Adds the head's surface, unturned; `hair` says how densely hair grows at a point given by
    /// its angle from the front (0..pi) and itself, and how far its mass stands off there.
    pub(super) fn build(
        &self,
        mesh: &mut Mesh,
        detail: Detail,
        hair: impl Fn(f32, V3) -> (f32, f32),
    ) {
        let (rows, columns) = (detail.count(42, 130), detail.count(42, 132));
        let turns: Vec<(f32, f32, f32)> = (0..columns)
            .map(|column| {
                let c = 2.0 * column as f32 / columns as f32 - 1.0;
                // Closer together at the front.
                let angle = PI * c * (0.42 + 0.58 * c * c);
                let (sin, cos) = sincos(angle);
                (angle, sin, cos)
            })
            .collect();
        let rings: Vec<_> = (0..rows)
            .map(|row| {
                let r = row as f32 / (rows - 1) as f32;
                // Few rows on the cranium, many over the face.
                let t = if r < 0.22 { r / 0.22 * 0.38 } else { mix(0.38, 1.0, (r - 0.22) / 0.78) };
                self.skull.ring(t)
            })
            .collect();
        mesh.grid(Material::Head, [rows, columns], true, |row, column| {
            let (angle, sin, cos) = turns[column];
            let base = rings[row].point(sin, cos);
            let front =
                smooth(0.05, 0.45, cos) * smooth(0.9, 0.75, row as f32 / rows as f32 - 0.08);
            let z = if front > 0.0 { base.z + front * self.relief(base.x, base.y) } else { base.z };
            let at = v3(base.x, base.y, z);
            let (extra, lift) = hair(angle.abs(), at);
            let open = self.open(at);
            let lifted = if lift > 0.0 { at + self.skull.outward(at) * lift } else { at };
            Vertex { at: lifted, rest: at, open, lit: 1.0, extra, ..Vertex::default() }
        });
    }

    /// Adds an ear: a tilted bowl with a raised rim, on `side` (-1 or 1).
    pub(super) fn ear(&self, mesh: &mut Mesh, detail: Detail, side: f32, size: f32, out: f32) {
        let (rings, spokes) = (detail.count(7, 14), detail.count(14, 40));
        let centre = v3(side * (self.skull.girth().0 * 0.965), -0.16, -0.10);
        // The ear's plane: up and a little back, and outwards-back.
        let up = v3(side * 0.10, 1.0, -0.16).unit();
        let back = v3(side * out, 0.10, -1.0).unit();
        let normal = if side > 0.0 { back.cross(up) } else { up.cross(back) }.unit();
        mesh.grid(Material::Ear, [rings, spokes], true, |ring, spoke| {
            let r = ring as f32 / (rings - 1) as f32;
            let turn = 2.0 * PI * spoke as f32 / spokes as f32;
            let (sin, cos) = sincos(if side > 0.0 { turn } else { -turn });
            // Broad above, narrow at the lobe.
            let half = mix(0.105, 0.165, smooth(-1.0, 0.5, sin)) * size;
            let tall = 0.285 * size;
            let rim = 0.05 * mound(r - 0.86, 0.0, 0.20, 1.0) * smooth(-0.9, -0.2, sin);
            let bowl = -0.05 * mound(r * cos + 0.25, r * sin + 0.05, 0.50, 0.55);
            let fold = 0.028 * mound(r - 0.55, 0.0, 0.18, 1.0) * smooth(-0.2, 0.4, sin + 0.5 * cos);
            let lobe = 0.03 * mound(r * cos, r * sin + 0.8, 0.5, 0.3);
            let lift = rim + bowl + fold + lobe - 0.04 * r * r * r * r;
            let at = centre
                + up * (sin * r * tall)
                + back * (cos * r * half + 0.03)
                + normal * (lift + 0.05);
            let open = 1.0
                - 0.60 * mound(r * cos + 0.3, r * sin + 0.05, 0.5, 0.6)
                - 0.25 * mound(r - 0.72, 0.0, 0.12, 1.0);
            Vertex { at, rest: at, open: open.max(0.2), lit: 1.0, extra: 0.0, ..Vertex::default() }
        });
    }
}
