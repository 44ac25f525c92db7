//! Power laws: the spectra of natural images, and fitting them.

use crate::wiener::Spectrum;
use crate::{Error, RadialPower, Result};

/// `S(f) = amplitude / f^exponent`, `f` in radians per pixel.
///
/// Photographs have exponents near 2 (Field, 1987).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    /// Power at one radian per pixel; positive.
    pub amplitude: f64,
    /// How fast the power falls; 0 is white noise.
    pub exponent: f64,
}

/// A fitted law and how well it fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLawFit {
    /// The law.
    pub law: PowerLaw,
    /// Share of the variance of `ln power` that the law explains, at most 1.
    pub r_squared: f64,
    /// Rings that were fitted.
    pub rings: usize,
}

/// The power law `S(f) = amplitude / f^exponent`.
///
/// # Errors
/// [`Error::Parameter`] unless `amplitude` is positive and both are finite.
pub fn power_law(amplitude: f64, exponent: f64) -> Result<PowerLaw> {
    if !(amplitude > 0.0 && amplitude.is_finite()) {
        let (name, range) = ("amplitude", "positive and finite");
        return Err(Error::Parameter { name, value: amplitude, range });
    }
    if !exponent.is_finite() {
        return Err(Error::Parameter { name: "exponent", value: exponent, range: "finite" });
    }
    Ok(PowerLaw { amplitude, exponent })
}

impl PowerLaw {
    /// The law that fits a spectrum best between two frequencies, in radians per pixel.
    ///
    /// Least squares of `ln power` over `ln frequency`, every ring counting alike; frequency 0 and
    /// rings without power are left out. For photographs leave out the last octave too: sampling has
    /// changed it.
    ///
    /// # Errors
    /// [`Error::Points`] when fewer than two rings are left.
    pub fn fit(spectrum: &RadialPower, from: f64, to: f64) -> Result<PowerLawFit> {
        let points: Vec<(f64, f64)> = spectrum
            .frequency
            .iter()
            .zip(&spectrum.power)
            .filter(|(f, power)| **f > 0.0 && **power > 0.0 && (from..=to).contains(*f))
            .map(|(f, power)| (f.ln(), power.ln()))
            .collect();
        let count = points.len();
        if count < 2 {
            return Err(Error::Points { count });
        }
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count as f64;
        let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
        let moment = |of: fn(f64, f64) -> f64| -> f64 {
            points.iter().map(|(x, y)| of(x - mean_x, y - mean_y)).sum()
        };
        let (xx, xy, yy) = (moment(|x, _| x * x), moment(|x, y| x * y), moment(|_, y| y * y));
        let slope = xy / xx;
        let law = power_law((mean_y - slope * mean_x).exp(), -slope)?;
        // A flat spectrum has no variance to explain, and the law leaves none.
        let r_squared = if yy > 0.0 { xy * xy / (xx * yy) } else { 1.0 };
        Ok(PowerLawFit { law, r_squared, rings: count })
    }
}

impl Spectrum for PowerLaw {
    fn power(&self, frequency: f64) -> f64 {
        self.amplitude * frequency.powf(-self.exponent)
    }
}
