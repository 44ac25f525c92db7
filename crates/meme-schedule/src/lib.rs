//! Diffusion noise as numbers: schedules, parametrisations, timestep grids and loss weights.
//!
//! A diffusion model mixes an image with noise, `x_t = a x_0 + b eps` with `a^2 = alpha_bar` and
//! `b^2 = 1 - alpha_bar`, and trains a network to undo it. Everything about the mixing that is not
//! a tensor lives here, in float64: how much noise index `i` means, what a network is asked to
//! predict and how to get the image back from its answer, which indices a sampler visits, how much
//! a squared error counts. There is no tensor type, so the numbers serve any framework.
//!
//! ```
//! use meme_schedule::{Grid, LossWeight, Parametrisation, Schedule, ScheduleConfig};
//!
//! # fn main() -> Result<(), meme_schedule::Error> {
//! let schedule = Schedule::new(&ScheduleConfig::ldm())?;
//! let alpha_bar = schedule.alpha_bar(500_usize);
//! assert!((alpha_bar - 0.11492200085532281).abs() < 1e-12);
//!
//! // Noise a pixel, and get it back from a perfect prediction of the noise.
//! let (pixel, noise) = (0.3, -1.2);
//! let noised = alpha_bar.sqrt() * pixel + (1.0 - alpha_bar).sqrt() * noise;
//! let (s, o) = Parametrisation::Epsilon.x0_coefficients(alpha_bar);
//! assert!((s * noised + o * noise - pixel).abs() < 1e-14);
//!
//! // Fifty of the thousand indices, as the original latent diffusion code picks them.
//! let grid = Grid::Ldm.indices(schedule.steps(), 50)?;
//! assert_eq!((grid[0], grid[1], grid[49]), (1, 21, 981));
//!
//! // How much the squared error of the noise counts at index 0 under min-SNR weighting.
//! let weight = LossWeight::MinSnr { gamma: 5.0 };
//! let snr = schedule.snr(0_usize);
//! assert!((weight.of(Parametrisation::Epsilon, alpha_bar) - 1.0).abs() < 1e-14);
//! assert!((weight.of(Parametrisation::Epsilon, schedule.alpha_bar(0_usize)) - 5.0 / snr).abs() < 1e-14);
//! # Ok(()) }
//! ```
//!
//! # Indices
//! Tables have T entries and are read with an index in 0..T-1, least noise first. (Papers count
//! timesteps 1..T; index `i` is timestep `i + 1`.) Reading outside a table gives NaN, which no check
//! for finite numbers overlooks. [`Schedule::log_snr_at`] and its inverse work between indices.
//!
//! # Three ways to say how noisy
//! `alpha_bar`, the signal-to-noise ratio `alpha_bar / (1 - alpha_bar)` or its logarithm, and EDM's
//! `sigma = snr^(-1/2)`: [`convert`] goes from each to each.
//!
//! # The same bits everywhere
//! Exponentials, logarithms and cosines come from the `libm` crate, so a table is the same on every
//! machine.
#![deny(missing_docs)]

mod betas;
mod config;
pub mod convert;
mod error;
mod grid;
mod parametrisation;
mod positions;
mod schedule;
mod weight;

pub use config::ScheduleConfig;
pub use convert::karras_sigmas;
pub use error::Error;
pub use grid::Grid;
pub use parametrisation::Parametrisation;
pub use schedule::Schedule;
pub use weight::LossWeight;

/// What a fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;
