//! Small vector algebra and the few curves that everything here is shaped with.
//!
//! Only `+ - * /`, `sqrt`, comparisons and the `libm` crate: each gives the same bits on every
//! machine. Powers are repeated multiplications, written out, because `powi` may associate them
//! differently from one compiler to the next.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// Half a turn.
pub(super) const PI: f32 = std::f32::consts::PI;

/// A point, a direction, or a colour (linear red, green, blue).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct V3 {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) z: f32,
}

/// A vector from its parts.
#[inline]
pub(super) const fn v3(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

impl V3 {
    /// All three parts equal.
    #[inline]
    pub(super) const fn all(value: f32) -> Self {
        v3(value, value, value)
    }

    #[inline]
    pub(super) fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    #[inline]
    pub(super) fn cross(self, other: Self) -> Self {
        v3(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    #[inline]
    pub(super) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The direction; the z axis where there is none.
    #[inline]
    pub(super) fn unit(self) -> Self {
        let length = self.length();
        if length > 1e-12 { self * (1.0 / length) } else { v3(0.0, 0.0, 1.0) }
    }

    /// Part by part product: a light on a colour.
    #[inline]
    pub(super) fn times(self, other: Self) -> Self {
        v3(self.x * other.x, self.y * other.y, self.z * other.z)
    }

    /// Straight line from `self` (0) to `other` (1).
    #[inline]
    pub(super) fn mix(self, other: Self, t: f32) -> Self {
        self + (other - self) * t
    }

    /// Relative luminance of a linear colour.
    #[inline]
    pub(super) fn luminance(self) -> f32 {
        0.2126 * self.x + 0.7152 * self.y + 0.0722 * self.z
    }
}

impl Add for V3 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        v3(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl AddAssign for V3 {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for V3 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        v3(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Neg for V3 {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        v3(-self.x, -self.y, -self.z)
    }
}

impl Mul<f32> for V3 {
    type Output = Self;
    #[inline]
    fn mul(self, factor: f32) -> Self {
        v3(self.x * factor, self.y * factor, self.z * factor)
    }
}

/// A rotation, as its three rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn([V3; 3]);

impl Turn {
    /// Yaw about the vertical axis (positive: the face turns to the picture's right), then pitch
    /// (positive: looks up), then roll in the picture plane (positive: counterclockwise), radians.
    pub(super) fn new(yaw: f32, pitch: f32, roll: f32) -> Self {
        let (sy, cy) = sincos(yaw);
        let (sp, cp) = sincos(-pitch);
        let (sr, cr) = sincos(roll);
        let yawed = [v3(cy, 0.0, sy), v3(0.0, 1.0, 0.0), v3(-sy, 0.0, cy)];
        let pitched = [yawed[0], yawed[1] * cp - yawed[2] * sp, yawed[1] * sp + yawed[2] * cp];
        Self([pitched[0] * cr - pitched[1] * sr, pitched[0] * sr + pitched[1] * cr, pitched[2]])
    }

    #[inline]
    pub(super) fn apply(&self, v: V3) -> V3 {
        v3(self.0[0].dot(v), self.0[1].dot(v), self.0[2].dot(v))
    }
}

/// Sine and cosine.
#[inline]
pub(super) fn sincos(angle: f32) -> (f32, f32) {
    libm::sincosf(angle)
}

/// Straight line from `a` (0) to `b` (1).
#[inline]
pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 below `low`, 1 above `high`, a smooth cubic between; falls where `high < low`.
#[inline]
pub(super) fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A round hill: 1 at the centre, 0 from squared distance 1 on, twice differentiable.
#[inline]
pub(super) fn hill(squared: f32) -> f32 {
    if squared >= 1.0 {
        return 0.0;
    }
    let t = 1.0 - squared;
    t * t * t
}

/// A [`hill`] over an ellipse of half axes `a`, `b`.
#[inline]
pub(super) fn mound(x: f32, y: f32, a: f32, b: f32) -> f32 {
    let (x, y) = (x / a, y / b);
    hill(x * x + y * y)
}

/// The distance of a point from a segment, and how far along it (0..1) the nearest point lies.
#[inline]
pub(super) fn segment(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> (f32, f32) {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let (px, py) = (p[0] - a[0], p[1] - a[1]);
    let t = ((px * dx + py * dy) / (dx * dx + dy * dy).max(1e-12)).clamp(0.0, 1.0);
    let (ex, ey) = (px - dx * t, py - dy * t);
    ((ex * ex + ey * ey).sqrt(), t)
}

/// A smooth curve through equally spaced values (Catmull-Rom), `t` in 0..1 from first to last.
pub(super) fn spline<const N: usize>(keys: &[[f32; N]], t: f32) -> [f32; N] {
    let last = keys.len() - 1;
    let at = (t * last as f32).clamp(0.0, last as f32);
    let index = (at as usize).min(last - 1);
    let t = at - index as f32;
    let (p0, p1) = (&keys[index.saturating_sub(1)], &keys[index]);
    let (p2, p3) = (&keys[index + 1], &keys[(index + 2).min(last)]);
    let mut out = [0.0; N];
    for (k, value) in out.iter_mut().enumerate() {
        let (a, b, c, d) = (p0[k], p1[k], p2[k], p3[k]);
        let cubic = 3.0 * (b - c) + d - a;
        let square = 2.0 * a - 5.0 * b + 4.0 * c - d;
        *value = b + 0.5 * t * (c - a + t * (square + t * cubic));
    }
    out
}

/// Straight lines through `(x, y)` knots, constant outside.
pub(super) fn polyline(knots: &[(f32, f32)], x: f32) -> f32 {
    let mut before = knots[0];
    for &knot in knots {
        if x < knot.0 {
            let t = (x - before.0) / (knot.0 - before.0).max(1e-9);
            return mix(before.1, knot.1, t.max(0.0));
        }
        before = knot;
    }
    before.1
}

/// The largest whole number not above `x`, with `x` minus it; `x` within the range of `i32`. The
/// standard `floor` is a library call where the processor's baseline has no rounding instruction.
#[inline]
pub(super) fn whole(x: f32) -> (i32, f32) {
    let cut = x as i32;
    let down = if (cut as f32) > x { cut - 1 } else { cut };
    (down, x - down as f32)
}

/// Distance from the nearest whole number, with its sign: -0.5 .. 0.5.
#[inline]
pub(super) fn beside(x: f32) -> f32 {
    whole(x + 0.5).1 - 0.5
}

/// `x^16`, for highlights.
#[inline]
pub(super) fn power16(x: f32) -> f32 {
    let x2 = x * x;
    let x4 = x2 * x2;
    let x8 = x4 * x4;
    x8 * x8
}
