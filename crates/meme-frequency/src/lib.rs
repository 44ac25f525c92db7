//! Frequency analysis of images and feature maps: relative log amplitude, radial power, Wiener response.
//!
//! Denoising builds a picture from its large structures down to its details. This crate measures that:
//! what frequencies a feature map or a picture has, and what frequencies the noise has left at each
//! timestep. Maps are plain arrays of any number type that converts to `f64`; all arithmetic is in
//! `f64`; everything streams, so thousands of maps need the memory of one.
//!
//! * [`LogAmplitude`] and [`relative_log_amplitude`]: the curve of Park and Kim (ICLR 2022) that shows
//!   whether a layer keeps or drops details; [`LogAmplitudeMap`] the picture of it.
//! * [`PowerSpectrum`] and [`radial_power`]: power over radial frequency; [`PowerLaw::fit`] its slope.
//! * [`wiener_response`], [`recoverable`], [`cutoff`]: what the forward process of a diffusion model
//!   leaves of a spectrum.
//! * [`suggest`]: from a schedule and a measured spectrum to timestep boundaries for experts and to the
//!   share of details in each one's work.
//!
//! # Conventions
//!
//! Frequencies are in radians per pixel, from 0 to pi. Transforms are unnormalised; power is
//! `|F|^2 / pixels`, on which scale noise of variance 1 has power 1 at every frequency. Odd sizes and
//! maps that are not square are taken as they are; [`LogAmplitude`] and [`RadialPower`] say how.
//! Results do not depend on the number of threads, to the last bit.
//!
//! # Example
//!
//! ```
//! use meme_frequency::{LogAmplitude, PowerLaw, cutoff, radial_power};
//! use ndarray::Array4;
//! use std::f64::consts::{PI, TAU};
//!
//! # fn main() -> Result<(), meme_frequency::Error> {
//! // A coarse wave and a fine one, 100 times weaker.
//! let maps = Array4::from_shape_fn((1, 1, 64, 64), |(_, _, y, x)| {
//!     let wave = |cycles: f64| (TAU * cycles * (x + y) as f64 / 64.0).cos() as f32;
//!     wave(2.0) + 0.01 * wave(20.0)
//! });
//! let mut amplitude = LogAmplitude::new(64, 64)?;
//! amplitude.add_batch(maps.view())?;
//! let curve = amplitude.finish()?;
//! assert!((curve.frequency[20] - TAU * 20.0 / 64.0).abs() < 1e-12);
//! let fall = curve.log_amplitude[20] - curve.log_amplitude[2];
//! assert!((fall - 0.01f64.ln()).abs() < 1e-5);
//!
//! // The mean power over all frequencies is the mean square of the pixels.
//! let power = radial_power(maps.view())?;
//! let ring = power.frequency.iter().position(|&f| f > TAU * 2.0 * 2f64.sqrt() / 64.0 - 0.05);
//! assert_eq!(ring, Some(3));
//!
//! // Of pictures with the spectrum 1 / f^2, half noise leaves what lies below one radian per pixel.
//! let pictures = PowerLaw { amplitude: 1.0, exponent: 2.0 };
//! assert!((cutoff(0.5, &pictures, TAU / 64.0)? - 1.0).abs() < 1e-12);
//! assert_eq!(cutoff(1.0, &pictures, TAU / 64.0)?, PI);
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod amplitude;
mod amplitude_map;
mod error;
mod fft;
mod law;
mod log_sum;
mod planes;
mod power;
mod radial;
mod suggestion;
mod wiener;

pub use amplitude::{AMPLITUDE_FLOOR, AmplitudeCurve, LogAmplitude, relative_log_amplitude};
pub use amplitude_map::LogAmplitudeMap;
pub use error::{Error, Result};
pub use law::{PowerLaw, PowerLawFit, power_law};
pub use planes::Value;
pub use power::{PowerSpectrum, Window, radial_power};
pub use radial::RadialPower;
pub use suggestion::{Bands, Suggestion, SuggestionOptions, suggest};
pub use wiener::{Spectrum, cutoff, recoverable, wiener_response};
