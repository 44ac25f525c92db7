//! The Box-Muller transform.

use std::f64::consts::FRAC_PI_2;

/// 2^-53: the spacing of the uniforms.
const ULP: f64 = 1.0 / (1_u64 << 53) as f64;

/// The top 53 of 64 random bits as a uniform number in [0, 1).
#[inline]
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * ULP
}

/// Two independent standard normals from 128 random bits (Box and Muller 1958, eq. 1):
/// `sqrt(-2 ln(1 - u)) (cos 2 pi v, sin 2 pi v)`.
///
/// `1 - u` is in (0, 1], so the logarithm is finite; the largest value is sqrt(106 ln 2) = 8.57.
#[inline]
pub(crate) fn box_muller(bits: [u64; 2]) -> [f64; 2] {
    let radius = (-2.0 * libm::log(1.0 - unit(bits[0]))).sqrt();
    // 2 pi v split exactly into a quadrant and a remainder within pi / 4 of it, where libm needs no
    // reduction of its own: quicker, and more precise than the rounded product 2 pi v.
    let quarters = unit(bits[1]) * 4.0;
    let quadrant = (quarters + 0.5) as u32;
    let (sine, cosine) = libm::sincos((quarters - f64::from(quadrant)) * FRAC_PI_2);
    let (x, y) = match quadrant {
        1 => (-sine, cosine),
        2 => (-cosine, -sine),
        3 => (sine, -cosine),
        _ => (cosine, sine),
    };
    [radius * x, radius * y]
}
