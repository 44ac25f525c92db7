//! Everything that is drawn hair by hair: the head's hair, brows, lashes, beards.

use super::dice::{Aspect, Source};
use super::hair::Plan;
use super::light::Shadows;
use super::numeric::{V3, mix, smooth, v3};
use super::portrait::Portrait;
use super::raster::{Camera, Canvas};
use super::strands::{self, POINTS};

/// A strand ready to be drawn: points in the scene with their colours.
struct Strand {
    points: [V3; POINTS],
    colours: [V3; POINTS],
    /// How many of them are used.
    count: usize,
    width: f32,
    opacity: f32,
    /// Larger is drawn later.
    order: f32,
}

/// What is particular to one strand.
#[derive(Clone, Copy)]
struct Look {
    /// Brightness, around 1.
    shade: f32,
    /// 0 next to the head .. 1 outermost.
    layer: f32,
    /// In head units.
    width: f32,
    opacity: f32,
}

/// How many strands a picture of this size deserves, and how wide they are.
pub(super) struct Strokes {
    source: Source,
    /// Drawn strands relative to a picture whose drawing surface is 512 pixels wide.
    share: f32,
    scale: f32,
    /// Every how many points of a guide are used.
    stride: usize,
}

/// Points of a beard's hair.
const BEARD_POINTS: usize = 6;
/// Tries to place a root on the scalp, at a share of one.
const ROOTS: f32 = 9000.0;

impl Strokes {
    pub(super) fn new(source: Source, side: usize, scale: f32) -> Self {
        let share = libm::powf(side as f32 / 512.0, 1.5).clamp(0.075, 8.0);
        Self { source, share, scale, stride: if side < 200 { 3 } else { 1 } }
    }

    fn count(&self, full: f32) -> u32 {
        (full * self.share) as u32
    }

    /// The width of a strand, from that at a share of one: fewer strands are wider and cover the
    /// same area, more strands are finer and cover a little more (Cook et al. 2007).
    fn width(&self, full: f32) -> f32 {
        if self.share < 1.0 { full / self.share.max(0.09) } else { full / self.share.sqrt() }
    }

    /// How much strands differ: less where few stand for many, whose mean they are.
    fn contrast(&self) -> f32 {
        self.share.sqrt().min(1.0)
    }

    /// Hair on the head.
    pub(super) fn hair(
        &self,
        portrait: &Portrait,
        canvas: &mut Canvas,
        camera: &Camera,
        shadows: &Shadows,
    ) {
        let hair = &portrait.hair;
        if hair.plan == Plan::Bald || portrait.guides.is_empty() {
            return;
        }
        let lights: Vec<[f32; POINTS]> = portrait
            .guides
            .iter()
            .map(|guide| lit(portrait, shadows, &guide.points, 0.03))
            .collect();
        let mut strands = Vec::new();
        self.underlayer(portrait, &lights, &mut strands);
        let roots = self.count(ROOTS);
        let short = matches!(hair.plan, Plan::Buzz | Plan::Horseshoe | Plan::Crop);
        let width = self.width(if short { 0.0105 } else { 0.0125 });
        let contrast = self.contrast();
        for index in 0..roots {
            let Some(root) = strands::root(
                self.source,
                Aspect::HairRoots,
                index,
                hair,
                &portrait.head.skull,
                portrait.hat.as_ref(),
            ) else {
                continue;
            };
            let Some((points, guide)) =
                strands::follow(&root, &portrait.guides, hair, &portrait.noise, self.stride)
            else {
                continue;
            };
            let own = 1.0 + 0.62 * contrast * (root.draw[2] - 0.5);
            let shade = portrait.guides[guide].shade * own;
            let layer = portrait.guides[guide].layer;
            strands.push(self.strand(
                portrait,
                &points,
                &lights[guide],
                Look { shade, layer, width, opacity: 0.92 },
            ));
        }
        if let (Some(knot), None) = (hair.knot, portrait.hat.as_ref()) {
            for index in 0..self.count(1500.0) {
                let points = strands::wound(index, self.source, knot);
                let lit = lit(portrait, shadows, &points, 0.1);
                let own = 0.8 + 0.4 * self.source.scatter(Aspect::HairRoots, 2_000_000 + index)[0];
                let look = Look { shade: own, layer: 0.9, width: width * 1.3, opacity: 0.95 };
                let mut strand = self.strand(portrait, &points, &lit, look);
                // Shaded as a ball.
                for (colour, point) in
                    strand.colours.iter_mut().zip(points.iter().step_by(self.stride))
                {
                    let out = portrait.aim((*point - knot.0).unit());
                    *colour =
                        *colour * mix(0.35, 1.25, smooth(-0.4, 0.9, out.dot(portrait.light.key)));
                }
                strands.push(strand);
            }
        }
        self.draw_sorted(&strands, canvas, camera);
    }

    /// Broad dark ribbons along the guides: what is seen between the strands.
    fn underlayer(&self, portrait: &Portrait, lights: &[[f32; POINTS]], strands: &mut Vec<Strand>) {
        let short = matches!(portrait.hair.plan, Plan::Buzz | Plan::Horseshoe | Plan::Crop);
        if short {
            return;
        }
        for (guide, lit) in portrait.guides.iter().zip(lights) {
            // A little deeper than the strands, or their ends would show.
            let points = guide.points.map(|p| p + portrait.head.skull.outward(p) * -0.025);
            let mut strand = self.strand(
                portrait,
                &points,
                lit,
                Look { shade: 0.62, layer: 0.25, width: 0.062, opacity: 0.9 },
            );
            strand.order -= 0.35;
            strands.push(strand);
        }
    }

    fn strand(
        &self,
        portrait: &Portrait,
        points: &[V3; POINTS],
        lit: &[f32; POINTS],
        look: Look,
    ) -> Strand {
        let Look { shade, layer, width, opacity } = look;
        let hair = &portrait.hair;
        let skull = &portrait.head.skull;
        let mut places = [V3::default(); POINTS];
        let mut colours = [V3::default(); POINTS];
        let mut count = 0;
        for index in (0..POINTS).step_by(self.stride) {
            let s = index as f32 / (POINTS - 1) as f32;
            let p = points[index];
            let ahead = points[(index + self.stride).min(POINTS - 1)];
            let behind = points[index.saturating_sub(self.stride)];
            let along = portrait.aim((ahead - behind).unit());
            let out = portrait.aim(skull.outward(p));
            // Roots and inner layers see little of the sky, and hair behind the neck less.
            let mut open = mix(0.42, 1.0, smooth(0.0, 0.3, s)) * mix(0.55, 1.0, layer);
            open *= 1.0 - 0.6 * smooth(-0.5, -1.0, p.y) * smooth(0.1, -0.3, p.z);
            let base = hair.colour.mix(hair.tip, smooth(0.2, 1.0, s))
                * (shade * mix(0.78, 1.0, smooth(0.0, 0.2, s)));
            colours[count] = portrait.light.fibre(base, along, out, lit[index], open, hair.gloss);
            places[count] = portrait.place(p);
            count += 1;
        }
        let middle = places[count / 2].z + 0.3 * places[0].z;
        Strand { points: places, colours, count, width, opacity, order: middle + 0.25 * layer }
    }

    fn draw_sorted(&self, strands: &[Strand], canvas: &mut Canvas, camera: &Camera) {
        let mut order: Vec<(f32, usize)> =
            strands.iter().enumerate().map(|(index, strand)| (strand.order, index)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (_, index) in order {
            self.draw(&strands[index], canvas, camera, 0.03);
        }
    }

    fn draw(&self, strand: &Strand, canvas: &mut Canvas, camera: &Camera, bias: f32) {
        let points = &strand.points[..strand.count];
        let last = points.len() - 1;
        let width = strand.width * self.scale;
        let ends =
            |t: f32| (1.0 - 0.75 * smooth(0.72, 1.0, t)) * mix(0.5, 1.0, smooth(0.0, 0.12, t));
        let seen = |k: usize| camera.project(points[k.min(last)]);
        let (mut behind, mut from, mut to) = (seen(0), seen(0), seen(1));
        for index in 1..=last {
            let ahead = seen(index + 1);
            // Where the strand bends visibly it is drawn as a curve.
            let bend = (behind - from * 2.0 + to).length().max((from - to * 2.0 + ahead).length());
            let pieces =
                if self.stride > 1 || bend < 1.5 { 1 } else { (bend.sqrt() * 1.2) as usize + 1 }
                    .min(5);
            let at = |t: f32| {
                let cubic = (from - to) * 3.0 + ahead - behind;
                let square = behind * 2.0 - from * 5.0 + to * 4.0 - ahead;
                from + (to - behind + (square + cubic * t) * t) * (0.5 * t)
            };
            let [first, second] = [strand.colours[index - 1], strand.colours[index]];
            let mut begin = from;
            for piece in 0..pieces {
                let (t0, t1) = (piece as f32 / pieces as f32, (piece + 1) as f32 / pieces as f32);
                let end = if piece + 1 == pieces { to } else { at(t1) };
                let taper = |t: f32| width * ends((index as f32 - 1.0 + t) / last as f32);
                let colours = [first.mix(second, t0), first.mix(second, t1)];
                canvas.stroke([begin, end], colours, [taper(t0), taper(t1)], strand.opacity, bias);
                begin = end;
            }
            (behind, from, to) = (from, to, ahead);
        }
    }

    /// Brows, lashes and beard.
    pub(super) fn fine(
        &self,
        portrait: &Portrait,
        canvas: &mut Canvas,
        camera: &Camera,
        shadows: &Shadows,
    ) {
        self.brows(portrait, canvas, camera);
        self.beard(portrait, canvas, camera, shadows);
        self.lashes(portrait, canvas, camera);
    }

    fn short(
        &self,
        portrait: &Portrait,
        points: &[V3],
        colour: V3,
        width: f32,
        order: f32,
    ) -> Strand {
        let (mut places, mut colours) = ([V3::default(); POINTS], [V3::default(); POINTS]);
        for (k, point) in points.iter().enumerate() {
            let along = points[(k + 1).min(points.len() - 1)] - points[k.saturating_sub(1)];
            let (along, out) = (along.unit(), portrait.head.skull.outward(*point));
            colours[k] = portrait.light.fibre(
                colour,
                portrait.aim(along),
                portrait.aim(out),
                0.85,
                0.8,
                0.4,
            );
            places[k] = portrait.place(*point);
        }
        Strand { points: places, colours, count: points.len(), width, opacity: 0.85, order }
    }

    fn brows(&self, portrait: &Portrait, canvas: &mut Canvas, camera: &Camera) {
        let brows = &portrait.head.brows;
        let count = self.count(420.0 * brows.density);
        let width = self.width(0.0085);
        for side in [-1.0, 1.0] {
            for index in 0..count {
                let draw =
                    self.source.scatter(Aspect::BrowHairs, index * 2 + u32::from(side > 0.0));
                let [root, tip] = brows.hair(draw, side);
                let on =
                    |p: [f32; 2], lift: f32| portrait.head.front(p[0], p[1]) + v3(0.0, 0.0, lift);
                let (a, c) = (on(root, 0.004), on(tip, 0.022));
                let b = a.mix(c, 0.5) + v3(0.0, 0.008, 0.006);
                let colour = brows.colour * mix(0.75, 1.3, draw[3]);
                let strand = self.short(portrait, &[a, b, c], colour, width, 0.0);
                self.draw(&strand, canvas, camera, 0.03);
            }
        }
    }

    fn lashes(&self, portrait: &Portrait, canvas: &mut Canvas, camera: &Camera) {
        let eyes = &portrait.head.eyes;
        let count = self.count(70.0).clamp(14, 110);
        let long = mix(0.042, 0.074, eyes.feminine);
        let width = 0.0055 / (count as f32 / 70.0).sqrt();
        for side in [-1.0, 1.0] {
            for index in 0..count {
                let draw = self.source.scatter(Aspect::Lashes, index * 2 + u32::from(side > 0.0));
                let t = (index as f32 + draw[0]) / count as f32;
                let length = long * mix(0.6, 1.0, smooth(0.0, 0.7, t)) * mix(0.8, 1.15, draw[1]);
                let curve = eyes.lash(t, length, side);
                let mut points = curve.map(|[x, y]| portrait.head.front(x, y));
                let base = points[0];
                points[1] = v3(points[1].x, points[1].y, base.z + 0.5 * length);
                points[2] = v3(points[2].x, points[2].y, base.z + 0.8 * length);
                let strand = self.short(portrait, &points, v3(0.012, 0.01, 0.009), width, 0.0);
                self.draw(&strand, canvas, camera, 0.05);
            }
        }
    }

    fn beard(&self, portrait: &Portrait, canvas: &mut Canvas, camera: &Camera, shadows: &Shadows) {
        let beard = &portrait.beard;
        if !beard.grown() {
            return;
        }
        let width = self.width(0.0092);
        let contrast = self.contrast();
        let mut strands = Vec::new();
        for index in 0..self.count(7500.0) {
            let draw = self.source.scatter(Aspect::BeardHairs, index);
            let even = self.source.scatter(Aspect::BeardHairs, 3_000_000 + index);
            let (x, y) = (mix(-0.72, 0.72, draw[0]), mix(-1.25, 0.0, draw[1]));
            let root = portrait.head.front(x, y);
            // Beyond the edge of the face.
            if (root.x - x).abs() > 0.012 {
                continue;
            }
            if beard.density(&portrait.head, x, y, root.z) < 0.15 + 0.85 * draw[2] {
                continue;
            }
            let out = portrait.head.skull.outward(root);
            let mut direction = (beard.comb(&portrait.head, x, y) + out * 0.25).unit();
            let length = beard.length
                * mix(0.55, 1.0, draw[3])
                * if y > portrait.head.marks.mouth_y { 0.75 } else { 1.0 }
                * (1.0 - 0.72 * smooth(0.30, 0.62, x.abs()));
            let wild = v3(even[0] - 0.5, even[1] - 0.5, even[2] - 0.5) * (0.5 + beard.curl);
            let mut p = root + out * 0.006;
            let mut points = [p; BEARD_POINTS];
            for point in &mut points[1..] {
                direction = (direction + wild * 0.35 + v3(0.0, -0.10, 0.0)).unit();
                p += direction * (length / (BEARD_POINTS - 1) as f32);
                let clear = if p.y > portrait.head.marks.chin_y && p.x.abs() < 0.6 {
                    portrait.head.front(p.x, p.y).z + 0.012
                } else {
                    p.z
                };
                p.z = p.z.max(clear);
                *point = p;
            }
            let own = 1.0 + 0.7 * contrast * (even[3] - 0.5);
            let mut strand =
                self.short(portrait, &points, beard.colour * own, width, root.z - 0.4 * root.y);
            let lit =
                shadows.lit(portrait.place(points[BEARD_POINTS - 1]) + portrait.light.key * 0.05);
            for colour in &mut strand.colours {
                *colour = *colour * mix(0.45, 1.0, lit);
            }
            strands.push(strand);
        }
        self.draw_sorted(&strands, canvas, camera);
    }
}

/// The lamp's share along a strand, looked up at every third point; `gap` is how far in front of
/// it a thing must be to cast a shadow.
fn lit(portrait: &Portrait, shadows: &Shadows, points: &[V3; POINTS], gap: f32) -> [f32; POINTS] {
    let mut out = [0.0; POINTS];
    let look = |p: V3| shadows.lit(portrait.place(p) + portrait.light.key * gap);
    let mut before = look(points[0]);
    for start in (0..POINTS - 1).step_by(3) {
        let after = look(points[start + 3]);
        for step in 0..=3_u8 {
            out[start + usize::from(step)] = mix(before, after, f32::from(step) / 3.0);
        }
        before = after;
    }
    out
}
