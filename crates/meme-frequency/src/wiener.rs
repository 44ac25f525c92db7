//! What the noise leaves of a picture at each timestep.
//!
//! The forward process gives `x_t = sqrt(ab) x_0 + sqrt(1 - ab) noise`. At a frequency where pictures
//! have the power `S` and the noise has the power 1, the linear estimate of `x_0` with the least squared
//! error multiplies `x_t` by the Wiener response, and the part of the picture's power that it recovers
//! is `ab S / (ab S + 1 - ab)`. Large structures have much power and are recovered early, details late.

use crate::{Error, Result};
use std::f64::consts::PI;

/// Power over radial frequency.
pub trait Spectrum {
    /// The power at a frequency in radians per pixel (0 to pi), on the scale of
    /// [`crate::PowerSpectrum`]: noise of variance 1 has power 1.
    fn power(&self, frequency: f64) -> f64;
}

/// The Wiener response `H = sqrt(ab) S / (ab S + 1 - ab)` of the forward process.
///
/// The factor by which `x_t` is multiplied to estimate `x_0` at a frequency where pictures have the
/// power `S = power`. At `alpha_bar` 1 there is no noise and the response is 1, whatever the power.
/// NaN unless `alpha_bar` lies in 0..=1 and `power` is not negative.
pub fn wiener_response(alpha_bar: f64, power: f64) -> f64 {
    let share = recoverable(alpha_bar, power);
    // The share is sqrt(ab) times the response; without signal both are 0.
    if alpha_bar == 0.0 { share } else { share / alpha_bar.sqrt() }
}

/// The part of a frequency's power that can be recovered: `ab S / (ab S + 1 - ab)`, 0 to 1.
///
/// At `alpha_bar` 1 it is 1, whatever the power. NaN where [`wiener_response`] is.
pub fn recoverable(alpha_bar: f64, power: f64) -> f64 {
    if !(0.0..=1.0).contains(&alpha_bar) || power.is_nan() || power < 0.0 {
        return f64::NAN;
    }
    let noise = 1.0 - alpha_bar;
    if noise == 0.0 {
        return 1.0;
    }
    // Written so that an infinite power gives 1.
    let ratio = alpha_bar * power / noise;
    if ratio.is_infinite() { 1.0 } else { ratio / (1.0 + ratio) }
}

/// The frequency up to which the signal is at least as strong as the noise, in radians per pixel.
///
/// The first frequency at which `ab S(f) = 1 - ab`, searched upwards from `lowest`, the lowest frequency
/// a picture has (`2 pi / side`); pi where the noise never wins, 0 where it always does.
///
/// # Errors
/// [`Error::AlphaBar`] unless `alpha_bar` lies in 0..=1, [`Error::Parameter`] unless `lowest` lies
/// between 0 and pi.
pub fn cutoff(alpha_bar: f64, spectrum: &impl Spectrum, lowest: f64) -> Result<f64> {
    /// Steps of the search per range; each crossing is then found to rounding.
    const STEPS: u32 = 1024;
    if !(0.0..=1.0).contains(&alpha_bar) {
        return Err(Error::AlphaBar { index: 0, value: alpha_bar });
    }
    check_lowest(lowest)?;
    let wins = |frequency: f64| alpha_bar * spectrum.power(frequency) >= 1.0 - alpha_bar;
    if !wins(lowest) {
        return Ok(0.0);
    }
    let ratio = (PI / lowest).ln() / f64::from(STEPS);
    let mut below = lowest;
    for step in 1..=STEPS {
        let above = if step == STEPS { PI } else { lowest * (f64::from(step) * ratio).exp() };
        if !wins(above) {
            return Ok(bisect(below, above, wins));
        }
        below = above;
    }
    Ok(PI)
}

pub(crate) fn check_lowest(lowest: f64) -> Result<()> {
    if lowest > 0.0 && lowest < PI {
        return Ok(());
    }
    Err(Error::Parameter { name: "lowest frequency", value: lowest, range: "between 0 and pi" })
}

/// Where `holds`, true at `low` and false at `high`, changes.
fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return low;
        }
        if holds(middle) { low = middle } else { high = middle }
    }
}
