//! Neck and shoulders, and what they wear.

use super::dice::{Aspect, Source};
use super::mesh::{Detail, Material, Mesh, Vertex};
use super::noise::Noise;
use super::numeric::{
    PI, V3, beside, hill, mix, mound, segment, sincos, smooth, spline, v3, whole,
};
use super::palette::{fabric, srgb};
use super::person::Person;

/// Cuts of clothes, by their neckline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Crew,
    Vee,
    Scoop,
    Turtle,
    Shirt,
    Jacket,
    Hood,
}

/// Patterns of cloth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Plain,
    Knit,
    Stripes,
    Checks,
    Flowers,
}

/// A body from the neck down, dressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    neck: f32,
    shoulder: f32,
    slope: f32,
    cut: Cut,
    pattern: Pattern,
    colour: V3,
    second: V3,
    /// The shirt under a jacket.
    under: V3,
    tie: Option<V3>,
    pitch: f32,
}

/// A point of the body's surface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dress {
    /// `None` is bare skin.
    pub(super) colour: Option<V3>,
    pub(super) open: f32,
    /// How the weave bends the surface.
    pub(super) bend: [f32; 2],
}

impl Body {
    pub(super) fn draw(source: Source, person: &Person) -> Self {
        let mut dice = source.dice(Aspect::Cloth);
        let masculine = 1.0 - person.feminine;
        let weights = [1.3, 0.9, 0.9 * person.feminine, 0.4, 1.0, 0.35 + 0.7 * masculine, 0.6];
        let cuts =
            [Cut::Crew, Cut::Vee, Cut::Scoop, Cut::Turtle, Cut::Shirt, Cut::Jacket, Cut::Hood];
        let cut = cuts[dice.weighted(&weights)];
        let pattern = match cut {
            Cut::Turtle => Pattern::Knit,
            Cut::Jacket | Cut::Hood => Pattern::Plain,
            _ => {
                let all = [
                    Pattern::Plain,
                    Pattern::Knit,
                    Pattern::Stripes,
                    Pattern::Checks,
                    Pattern::Flowers,
                ];
                all[dice.weighted(&[1.6, 0.7, 0.5, 0.45, 0.3 * person.feminine])]
            }
        };
        let colour = if cut == Cut::Jacket && dice.chance(0.7) {
            dice.pick([srgb(34, 38, 50), srgb(60, 62, 68), srgb(24, 24, 28), srgb(92, 82, 72)])
        } else {
            fabric(&mut dice)
        };
        let under = dice.pick([
            srgb(228, 228, 226),
            srgb(168, 186, 210),
            srgb(214, 196, 190),
            srgb(40, 40, 46),
        ]);
        let tie =
            (cut == Cut::Jacket && dice.chance(0.45 * masculine + 0.1)).then(|| fabric(&mut dice));
        Self {
            neck: 0.335 + 0.070 * masculine + 0.035 * person.weight + dice.bell(0.01),
            shoulder: 0.98 + 0.14 * masculine + 0.05 * person.weight + dice.bell(0.03),
            slope: dice.bell(0.03) - 0.02 * masculine,
            cut,
            pattern,
            colour,
            second: fabric(&mut dice),
            under,
            tie,
            pitch: dice.range(0.8, 1.3),
        }
    }

    /// Height, half width, front and back depth at parameter `t` in 0..1, from inside the head
    /// down out of the picture.
    fn level(&self, t: f32) -> [f32; 4] {
        let (n, s, d) = (self.neck, self.shoulder, self.slope);
        spline(
            &[
                [-0.55, n, 0.24, -0.55],
                [-0.80, n, 0.22, -0.55],
                [-1.05, n * 0.99, 0.20, -0.55],
                [-1.20, n * 1.04, 0.19, -0.56],
                [-1.29 + d, n * 1.20, 0.19, -0.58],
                [-1.37 + d, 0.74 * s, 0.20, -0.60],
                [-1.44 + d, 1.10 * s, 0.25, -0.62],
                [-1.55 + d, 1.40 * s, 0.33, -0.64],
                [-1.72 + d, 1.58 * s, 0.42, -0.66],
                [-2.10, 1.68 * s, 0.52, -0.68],
                [-2.60, 1.70 * s, 0.60, -0.70],
            ],
            t,
        )
    }

    /// Whether the neckline leaves room for a necklace.
    pub(super) fn bares_neck(&self) -> bool {
        matches!(self.cut, Cut::Vee | Cut::Scoop)
    }

    /// The point of the front whose frontal coordinates are (`x`, `y`).
    pub(super) fn front(&self, x: f32, y: f32) -> V3 {
        let (mut low, mut high) = (0.0_f32, 1.0_f32);
        for _ in 0..12 {
            let middle = 0.5 * (low + high);
            if self.level(middle)[0] > y { low = middle } else { high = middle }
        }
        let [_, half, front, back] = self.level(low);
        let sin = (x / half).clamp(-1.0, 1.0);
        v3(x, y, 0.5 * (front + back) + 0.5 * (front - back) * (1.0 - sin * sin).sqrt() + 0.02)
    }

    /// Positive where cloth covers the body: about the distance inside its edge.
    fn cover(&self, p: V3) -> f32 {
        let front = smooth(-0.35, 0.15, p.z);
        let ax = p.x.abs();
        let edge = match self.cut {
            Cut::Crew | Cut::Hood => -1.29 - 0.13 * front * hill(ax * ax * 2.2),
            Cut::Vee => -1.29 - front * 0.40 * (1.0 - ax / 0.40).max(0.0),
            Cut::Scoop => -1.35 - 0.24 * front * hill(ax * ax * 1.3),
            Cut::Turtle => -1.12 - 0.05 * front,
            Cut::Shirt => -1.26 - front * 0.27 * (1.0 - ax / 0.26).max(0.0),
            Cut::Jacket => -1.23 - 0.10 * front * hill(ax * ax * 4.0),
        };
        edge - p.y
    }

    /// Adds the surface; `place` turns and moves points (neck with the head, shoulders less).
    pub(super) fn build(&self, mesh: &mut Mesh, detail: Detail, place: impl Fn(V3) -> V3) {
        let (rows, columns) = (detail.count(22, 70), detail.count(26, 84));
        let turns: Vec<(f32, f32)> =
            (0..columns).map(|c| sincos(2.0 * PI * c as f32 / columns as f32 - PI)).collect();
        let levels: Vec<[f32; 4]> =
            (0..rows).map(|row| self.level(row as f32 / (rows - 1) as f32)).collect();
        mesh.grid(Material::Body, [rows, columns], true, |row, column| {
            let ([y, half, front, back], (sin, cos)) = (levels[row], turns[column]);
            let axis = 0.5 * (front + back);
            let reach = 0.5 * (front - back);
            let mut p = v3(half * sin, y, axis + reach * cos);
            // The neck's two cords, the collar bones and the pit between them.
            if cos > 0.0 {
                let ax = p.x.abs();
                let cord = mound(ax - mix(0.30, 0.06, smooth(-0.9, -1.42, y)), 0.0, 0.10, 1.0);
                p.z += 0.028 * cord * smooth(-1.48, -1.35, y);
                p.z += 0.03 * mound(ax - 0.42, y + 1.50 - 0.08 * ax, 0.40, 0.05);
                p.z -= 0.035 * mound(ax, y + 1.45, 0.08, 0.07);
                p.z += 0.02 * mound(ax, y + 1.17, 0.08, 0.09) * (self.neck - 0.335).max(0.0) * 10.0;
            }
            let cover = self.cover(p);
            let thick = match self.cut {
                Cut::Turtle => 0.060,
                Cut::Hood => {
                    0.055 + 0.16 * mound(0.0, p.y + 1.42, 1.0, 0.20) * smooth(0.5, -0.4, cos)
                }
                Cut::Jacket => 0.050,
                _ => 0.028,
            };
            let lift = thick * smooth(-0.01, 0.05, cover);
            p = v3(p.x * (1.0 + lift / half.max(0.2)), p.y, p.z + lift * cos.max(-0.5));
            // Under the chin and behind the jaw little light arrives.
            let under = smooth(-1.62, -1.08, y) * (0.35 + 0.65 * smooth(-0.2, 0.2, p.z));
            let open = 1.0 - 0.62 * under;
            let normal = V3::default();
            Vertex { at: place(p), normal, rest: p, open, lit: 1.0, extra: cover }
        });
    }

    /// What covers a point; `noise` makes folds and weave, `finest` is a pixel's width.
    pub(super) fn dress(&self, p: V3, cover: f32, noise: &Noise, finest: f32) -> Dress {
        if cover <= 0.0 {
            // Contact shadow of the edge.
            let open = 1.0 - 0.40 * smooth(-0.07, 0.0, cover);
            return Dress { colour: None, open, bend: [0.0; 2] };
        }
        let ax = p.x.abs();
        let front = p.z > -0.15;
        let broad = 1.6 * finest.max(0.07);
        let fold = noise.octaves(1.6 * p.x + 7.0, 1.1 * p.y + p.z, 0.55, broad);
        let fold_x = noise.octaves(1.6 * p.x + 7.15, 1.1 * p.y + p.z, 0.55, broad) - fold;
        let mut bend = [-1.6 * fold_x, 0.25 * fold];
        let mut open = 1.0 - 0.10 * fold.max(0.0);
        // A hem around the neck.
        open -= 0.25 * hill((cover - 0.05) * (cover - 0.05) * 6000.0);
        let mut colour = self.cloth(p, noise, finest, &mut bend);
        if front {
            match self.cut {
                Cut::Shirt => self.collar(ax, p, &mut colour, &mut open, 0.0),
                Cut::Jacket => self.jacket(ax, p, &mut colour, &mut open),
                Cut::Hood => {
                    let cord = (ax - 0.17 - 0.02 * noise.line(3.0 * p.y, 5)).abs();
                    if p.y < -1.44 && cord < 0.011 {
                        colour = colour * 0.6 + srgb(215, 212, 204) * 0.18;
                    }
                }
                _ => {}
            }
        }
        Dress { colour: Some(colour), open: open.clamp(0.15, 1.0), bend }
    }

    fn cloth(&self, p: V3, noise: &Noise, finest: f32, bend: &mut [f32; 2]) -> V3 {
        let grain = noise.octaves(23.0 * p.x, 23.0 * p.y, 0.95, 23.0 * finest);
        let base = self.colour * (1.0 + 0.10 * grain);
        // Height along the cloth, following the shoulders' curve.
        let along = p.y + 0.18 * p.x * p.x;
        let visible = |period: f32| smooth(0.6, 0.25, finest / period);
        match self.pattern {
            Pattern::Plain => base,
            Pattern::Knit => {
                let period = 0.045 * self.pitch;
                let (u, v) = (p.x / period, along / (0.8 * period));
                let fu = beside(u);
                let fv = beside(v + 0.5 * fu.abs());
                let rib = hill(4.0 * fu * fu);
                bend[0] += -2.0 * fu * visible(period);
                base * (1.0
                    - visible(period) * (0.34 * (1.0 - rib) + 0.24 * (4.0 * fv * fv).min(1.0)))
            }
            Pattern::Stripes => {
                let period = 0.17 * self.pitch;
                let v = along / period;
                let part = beside(v).abs();
                let soft = 0.5 * finest / period + 0.01;
                base.mix(self.second, smooth(0.25 + soft, 0.25 - soft, part))
            }
            Pattern::Checks => {
                let period = 0.21 * self.pitch;
                let (u, v) = (p.x / period, along / period);
                let (pu, pv) = (beside(u).abs(), beside(v).abs());
                let soft = 0.5 * finest / period + 0.01;
                let bars = 0.5
                    * (smooth(0.22 + soft, 0.22 - soft, pu) + smooth(0.22 + soft, 0.22 - soft, pv));
                let thin = smooth(0.03 + soft, 0.01, (pu - 0.38).abs()).max(smooth(
                    0.03 + soft,
                    0.01,
                    (pv - 0.38).abs(),
                ));
                base.mix(self.second, 0.75 * bars).mix(self.under, 0.35 * thin)
            }
            Pattern::Flowers => {
                let (u, v) = (p.x / 0.11, along / 0.11);
                let ((iu, tu), (iv, tv)) = (whole(u), whole(v));
                let shift = |k: i32| 0.5 + 0.28 * noise.point(iu + k, iv - k);
                let (du, dv) = (tu - shift(3), tv - shift(11));
                let away = (du * du + dv * dv).sqrt();
                let petals = 0.30 + 0.07 * noise.plane(3.0 * du + iu as f32, 3.0 * dv + iv as f32);
                let tint = self.second.mix(self.under, 0.5 + 0.5 * noise.point(iu, iv));
                base.mix(tint, smooth(petals + 0.06, petals - 0.06, away))
            }
        }
    }

    /// Two flaps of a shirt's collar and the row of buttons; `raise` moves it up under a jacket.
    fn collar(&self, ax: f32, p: V3, colour: &mut V3, open: &mut f32, raise: f32) {
        let q = [ax, p.y - raise];
        let (inner, tip, outer) = ([0.015, -1.57], [0.20, -1.67], [0.50, -1.40]);
        let top = [0.36, -1.28];
        // Inside the flap: below the neckline, above the line tip-outer, outside the line inner-tip.
        let side = |a: [f32; 2], b: [f32; 2]| {
            (b[0] - a[0]) * (q[1] - a[1]) - (b[1] - a[1]) * (q[0] - a[0])
        };
        let inside = side(inner, tip) > 0.0 && side(tip, outer) > 0.0 && side(outer, top) > 0.0;
        let (low, _) = segment(q, tip, outer);
        let (near, _) = segment(q, inner, tip);
        let edge = low.min(near);
        if inside {
            *colour = *colour * 1.06;
            *open *= 1.0 - 0.25 * hill((edge - 0.022) * (edge - 0.022) * 22000.0);
        } else {
            *open *= 1.0 - 0.42 * smooth(0.06, 0.0, edge);
            if q[1] < -1.56 {
                *open *= 1.0 - 0.35 * smooth(0.014, 0.0, (ax - 0.05).abs());
            }
        }
    }

    fn jacket(&self, ax: f32, p: V3, colour: &mut V3, open: &mut f32) {
        // The opening narrows downwards; the lapel lies beside it.
        let opening = 0.36 + 0.62 * (p.y + 1.36).min(0.0);
        let lapel = opening + 0.20 + 0.25 * (p.y + 1.5);
        if ax < opening {
            *colour = self.under;
            *open *= mix(0.55, 1.0, smooth(0.0, 0.07, opening - ax));
            self.collar(ax, p, colour, open, 0.10);
            if let Some(tie) = self.tie {
                let half = mix(0.062, 0.10, smooth(-1.50, -1.9, p.y))
                    * if p.y > -1.47 { 1.15 } else { 1.0 };
                if ax < half && p.y < -1.375 {
                    *colour = tie * (1.0 - 0.35 * (ax / half) * (ax / half));
                    *open *= 1.0 - 0.4 * smooth(0.02, 0.0, (p.y + 1.475).abs());
                }
            }
        } else {
            let edge = (ax - opening).min((ax - lapel).abs());
            *open *= 1.0 - 0.35 * smooth(0.022, 0.0, edge) * smooth(-2.2, -1.4, p.y);
            if ax < lapel {
                *colour = *colour * 1.12;
            }
        }
    }
}
