//! Growing strands: a few guides that follow the comb, gravity and the head, and the many hairs
//! that follow the guides (Chang, Jin and Yu 2002).

use super::dice::{Aspect, Source};
use super::hair::{Hair, Plan};
use super::hats::Hat;
use super::noise::Noise;
use super::numeric::{PI, V3, mix, sincos, smooth, v3, whole};
use super::skull::Skull;

/// Points of a guide, the root included.
pub(super) const POINTS: usize = 19;
/// Turns of a curl that a guide's points can show.
const MOST_TURNS: f32 = 3.4;
/// Guides of a full head of hair, whatever the picture's size.
const GUIDES: u32 = 230;

/// A place where a hair leaves the skin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    pub(super) at: V3,
    /// Random numbers of this hair.
    pub(super) draw: [f32; 4],
}

/// A strand that others follow.
#[derive(Clone, Debug)]
pub(super) struct Guide {
    pub(super) root: V3,
    /// Along the strand, unturned head coordinates.
    pub(super) points: [V3; POINTS],
    /// 0 close to the head .. 1 outermost.
    pub(super) layer: f32,
    /// Brightness of the lock, around 1.
    pub(super) shade: f32,
}

/// The `index`-th place of an even scatter over the scalp, if hair grows there.
pub(super) fn root(
    source: Source,
    aspect: Aspect,
    index: u32,
    hair: &Hair,
    skull: &Skull,
    hat: Option<&Hat>,
) -> Option<Root> {
    // Additive recurrence of the plastic number (Roberts 2018): even for any prefix.
    let n = index as f32 + 0.5;
    let even = |step: f32| whole(n * step).1;
    let draw = source.scatter(aspect, index);
    let (u, v) =
        (even(0.754_877_7) + 0.03 * (draw[0] - 0.5), even(0.569_840_3) + 0.03 * (draw[1] - 0.5));
    let y = mix(skull.crown_y() - 0.002, -0.70, u.clamp(0.0, 1.0));
    let angle = PI * (2.0 * v - 1.0);
    let (sin, cos) = sincos(angle);
    let at = skull.ring(skull.parameter(y)).point(sin, cos);
    let angle = if angle > PI { 2.0 * PI - angle } else { angle.abs() };
    if hair.density(angle, at) < 0.25 + 0.5 * draw[2] || hat.is_some_and(|hat| hat.covers(at)) {
        return None;
    }
    Some(Root { at, draw })
}

/// Grows all guides.
pub(super) fn guides(
    source: Source,
    hair: &Hair,
    skull: &Skull,
    noise: &Noise,
    hat: Option<&Hat>,
) -> Vec<Guide> {
    if hair.plan == Plan::Bald {
        return Vec::new();
    }
    (0..GUIDES)
        .filter_map(|index| root(source, Aspect::HairGuides, index, hair, skull, hat))
        .map(|root| grow(&root, hair, skull, noise, hat))
        .collect()
}

fn grow(root: &Root, hair: &Hair, skull: &Skull, noise: &Noise, hat: Option<&Hat>) -> Guide {
    let layer = root.draw[3];
    let start = root.at;
    let out = skull.outward(start);
    let bump = |k: f32, axis: i32| {
        noise.line(1.7 * start.x + 2.3 * start.y + k, axis + whole(3.0 * start.z).0)
    };
    let stray = match hair.plan {
        Plan::Tousled => 0.55,
        Plan::Curly => 0.35,
        Plan::Crop => 0.25,
        Plan::Afro => 0.15,
        _ => 0.10,
    };
    let whim = v3(bump(0.0, 1), bump(3.0, 2), bump(6.0, 3)) * stray;
    let even = if hair.plan == Plan::Afro { 0.95 } else { 0.78 };
    let length = hair.length * mix(even, 1.0, root.draw[1]);
    let step = length / (POINTS - 1) as f32;
    let mut points = [start; POINTS];
    let mut p = start;
    let lift = match hair.plan {
        Plan::SweptBack => 1.1 * smooth(0.2, 0.8, start.z) * smooth(0.4, 0.75, start.y),
        Plan::SidePart => 0.7 * smooth(0.0, 0.7, start.z) * smooth(0.4, 0.75, start.y),
        Plan::Tousled | Plan::Curly => 0.5,
        Plan::Long | Plan::Bob => 0.0,
        _ => 0.25,
    };
    let mut direction = (out * (lift + 0.15) + hair.comb(skull, p, start).unit() + whim).unit();
    let volume = if hat.is_some() { hair.volume.min(0.05) } else { hair.volume };
    let mut end = POINTS;
    for (index, point) in points.iter_mut().enumerate().skip(1) {
        let s = index as f32 / (POINTS - 1) as f32;
        let flow = hair.comb(skull, p, start).unit();
        let stiff = 1.6;
        direction =
            (direction * stiff + flow * 0.75 + whim * 0.5 + v3(0.0, -hair.gravity, 0.0)).unit();
        p += direction * step;
        let rise = smooth(0.0, 0.35, s * length / (0.3 + volume));
        let gap = 0.012 + volume * mix(0.25, 1.0, layer) * rise;
        p = skull.settle(p, gap, cling(hair, p));
        p = off_face(p, start, hair);
        *point = p;
        if hair.cut_off(p, start, root.draw[2]) || arrived(p, hair) {
            end = index + 1;
            break;
        }
    }
    // A strand that was cut is spread over all its points again.
    if end < POINTS {
        points = spread(&points[..end]);
    }
    if !fringe(hair, start) {
        curl(&mut points, hair, skull, root.draw[0], length);
    }
    Guide { root: start, points, layer, shade: mix(0.80, 1.18, root.draw[0]) }
}

/// How strongly hair lies against the head, for each step.
fn cling(hair: &Hair, p: V3) -> f32 {
    let low = smooth(0.1, -0.6, p.y);
    match hair.plan {
        Plan::Afro => 0.0,
        Plan::Curly => 0.10,
        Plan::Tousled => 0.22,
        Plan::SweptBack | Plan::SidePart => 0.30,
        _ => mix(0.6, 0.12, low),
    }
}

/// Whether hair gathered into a knot has reached it.
fn arrived(p: V3, hair: &Hair) -> bool {
    hair.knot.is_some_and(|(at, radius)| (p - at).length() < 0.6 * radius)
}

/// Whether hair with this root hangs over the forehead of a hairstyle that frames the face.
fn fringe(hair: &Hair, root: V3) -> bool {
    let framing = matches!(hair.plan, Plan::Bob | Plan::Long);
    framing && hair.cut[0] > -1.0 && root.z > 0.30 && root.x.abs() < 0.48
}

/// Keeps hair that is not a fringe off the face.
fn off_face(p: V3, root: V3, hair: &Hair) -> V3 {
    let framing = matches!(hair.plan, Plan::Bob | Plan::Long | Plan::Curly);
    if !framing || fringe(hair, root) || p.z < -0.1 {
        return p;
    }
    let side = if root.x < hair.part { -1.0 } else { 1.0 };
    let (x, y) = (p.x / 0.61, (p.y + 0.30) / 0.98);
    let inside = x * x + y * y;
    if inside >= 1.0 && x * side > 0.0 {
        return p;
    }
    let reach = (1.0 - y * y).max(0.0).sqrt() * 0.61;
    let target = side * reach;
    let pushed = if side > 0.0 { p.x.max(target) } else { p.x.min(target) };
    v3(mix(p.x, pushed, smooth(0.9, 0.5, p.y)), p.y, p.z)
}

/// The same curve with as many points as a guide has.
fn spread(points: &[V3]) -> [V3; POINTS] {
    let last = points.len() - 1;
    std::array::from_fn(|index| {
        let at = index as f32 * last as f32 / (POINTS - 1) as f32;
        let base = (at as usize).min(last.saturating_sub(1));
        points[base].mix(points[(base + 1).min(last)], at - base as f32)
    })
}

/// Winds a strand into a helix around its course.
fn curl(points: &mut [V3; POINTS], hair: &Hair, skull: &Skull, phase: f32, length: f32) {
    if hair.curl <= 0.0 {
        return;
    }
    let course = *points;
    for index in 1..POINTS {
        let s = index as f32 / (POINTS - 1) as f32;
        let along = (course[index] - course[index - 1]).unit();
        let out = skull.outward(course[index]);
        let across = along.cross(out).unit();
        let up = across.cross(along);
        let turn = 2.0 * PI * ((hair.turns * length).min(MOST_TURNS) * s + phase);
        let (sin, cos) = sincos(turn);
        let radius = hair.curl * smooth(0.0, 0.25, s);
        points[index] = course[index] + across * (cos * radius) + up * (0.8 * sin * radius);
    }
}

/// One hair that follows the nearest guide: its points (only every `stride`-th of them) and the
/// guide's index.
pub(super) fn follow(
    root: &Root,
    guides: &[Guide],
    hair: &Hair,
    noise: &Noise,
    stride: usize,
) -> Option<([V3; POINTS], usize)> {
    let side = |x: f32| x < hair.part;
    let parted = matches!(hair.plan, Plan::SidePart | Plan::Long | Plan::Bob);
    let mut best = (f32::MAX, 0);
    for (index, guide) in guides.iter().enumerate() {
        let from = guide.root - root.at;
        let mut away = from.dot(from);
        if parted && root.at.y > 0.5 && side(guide.root.x) != side(root.at.x) {
            away += 0.5;
        }
        if away < best.0 {
            best = (away, index);
        }
    }
    let guide = guides.get(best.1)?;
    let offset = root.at - guide.root;
    let end = mix(if hair.plan == Plan::Afro { 0.86 } else { 0.72 }, 1.0, root.draw[3]);
    let row = (root.draw[0] * 4096.0) as i32;
    let mut points = [V3::default(); POINTS];
    for index in (0..POINTS).step_by(stride) {
        let s = index as f32 / (POINTS - 1) as f32 * end;
        let at = s * (POINTS - 1) as f32;
        let base = (at as usize).min(POINTS - 2);
        let course = guide.points[base].mix(guide.points[base + 1], at - base as f32);
        let gather = 1.0 - hair.clump * smooth(0.0, 1.0, s);
        let stray = hair.frizz.min(0.12 * hair.length)
            * smooth(0.0, 0.6, s)
            * (1.0 + 2.0 * smooth(0.95, 1.0, root.draw[1]));
        let wander = v3(
            noise.line(4.0 * s + 9.0 * root.draw[2], row),
            noise.line(4.0 * s + 9.0 * root.draw[2], row + 1),
            noise.line(4.0 * s + 9.0 * root.draw[2], row + 2),
        );
        points[index] = course + offset * gather + wander * stray;
    }
    Some((points, best.1))
}

/// A hair of a knot: part of a circle around a random axis, wound on a ball.
pub(super) fn wound(index: u32, source: Source, knot: (V3, f32)) -> [V3; POINTS] {
    let draw = source.scatter(Aspect::HairRoots, 1_000_000 + index);
    let (centre, radius) = knot;
    // Axes near one direction, so that the knot looks wound rather than tangled.
    let tilt = 0.9 * (draw[0] - 0.5);
    let (st, ct) = sincos(tilt + 0.5);
    let axis = v3(st, 0.8 * ct, 0.6 * (draw[1] - 0.3)).unit();
    let first = axis.cross(v3(0.0, 0.3, 1.0)).unit();
    let second = axis.cross(first);
    let lift = 1.7 * (draw[2] - 0.5);
    let ring = (1.0 - lift * lift).max(0.05).sqrt();
    std::array::from_fn(|k| {
        let turn = 2.0 * PI * draw[3] + 2.6 * k as f32 / (POINTS - 1) as f32;
        let (sin, cos) = sincos(turn);
        let r = radius * mix(0.9, 1.04, draw[1]);
        centre + (first * cos + second * sin) * (ring * r) + axis * (lift * 0.85 * r)
    })
}
