//! The Box-Muller transform.

use std::f64::consts::FRAC_PI_2;

/// 2^-53: the spacing of the uniforms.
const ULP: f64 = 1.0 / (1_u64 << 53) as f64;
/// 2^-51: the spacing of the angles, in quarters of a turn.
const QUARTER_ULP: f64 = 4.0 * ULP;

/// The top 53 of 64 random bits as a uniform number in [0, 1).
#[inline]
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * ULP
}

/// Two independent standard normals from 128 random bits (Box and Muller 1958, eq. 1):
/// `sqrt(-2 ln(1 - u)) (cos 2 pi v, sin 2 pi v)`.
#[inline]
pub(crate) fn box_muller(bits: [u64; 2]) -> [f64; 2] {
    let (radius, [x, y]) = (radius(bits[0]), direction(bits[1]));
    [radius * x, radius * y]
}

/// `sqrt(-2 ln(1 - u))`. As `1 - u` is in (0, 1], the logarithm is finite and the radius at most
/// sqrt(106 ln 2) = 8.572.
#[inline]
pub(crate) fn radius(bits: u64) -> f64 {
    (-2.0 * libm::log(1.0 - unit(bits))).sqrt()
}

/// `(cos 2 pi v, sin 2 pi v)`.
///
/// The angle is split exactly into quarters of a turn and a remainder of at most pi / 4 on either
/// side, where libm needs no reduction of its own: quicker, and more precise than the rounded
/// product `2 pi v`. There is no branch, because a processor guesses a random quarter wrong three
/// times in four.
#[inline]
pub(crate) fn direction(bits: u64) -> [f64; 2] {
    let angle = bits >> 11;
    let quarter = (angle + (1 << 50)) >> 51;
    let remainder = angle.wrapping_sub(quarter << 51) as i64;
    let (sine, cosine) = libm::sincos(remainder as f64 * QUARTER_ULP * FRAC_PI_2);
    // (c, s), (-s, c), (-c, -s), (s, -c) and (c, s) again: odd quarters swap, then signs flip.
    let swap = (sine.to_bits() ^ cosine.to_bits()) & (quarter & 1).wrapping_neg();
    let flip = |value: u64, odd: u64| f64::from_bits(value ^ (odd << 63));
    [flip(cosine.to_bits() ^ swap, (quarter + 1) >> 1), flip(sine.to_bits() ^ swap, quarter >> 1)]
}
