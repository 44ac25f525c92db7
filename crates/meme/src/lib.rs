//! Multi-architecture multi-expert diffusion, from pictures to a report.
//!
//! This crate is the `meme` program and a thin facade over the crates that do the work. Whoever
//! wants one part imports that crate alone:
//!
//! | crate | its one job |
//! |---|---|
//! | [`random`] | every draw is a function of (seed, purpose, expert, image) |
//! | [`schedule`] | noise as numbers: alpha-bar, parametrisations, grids |
//! | [`frequency`] | spectra of pictures and feature maps |
//! | [`checkpoint`] | weights at rest, whole and hashed |
//! | [`router`] | who owns which timestep |
//! | [`data`] | pictures from anywhere |
//! | [`torch`] | what libtorch has and `tch` lacks |
//! | [`blocks`] | the denoiser networks |
//! | [`autoencoder`] | pictures to latents and back |
//! | [`sampler`] | from noise to samples |
//! | [`trainer`] | one training loop |
//! | [`metrics`] | how good samples are |
//!
//! An [`Experiment`](experiment::Experiment) is one row of a table, a
//! [`Suite`](experiment::Suite) several to be compared:
//!
//! ```
//! use meme::experiment::Resolver;
//!
//! # fn main() -> Result<(), meme::Error> {
//! let meme = Resolver::new("paper", &[])?.named("ffhq/meme")?;
//! let counts: Vec<u64> = meme
//!     .experts
//!     .iter()
//!     .map(|expert| meme::blocks::count(expert, 64, 64).map(|count| count.parameters))
//!     .collect::<Result<_, _>>()?;
//! assert_eq!(counts, [82_511_235, 82_708_355, 82_961_795, 83_273_603]);
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

pub use meme_autoencoder as autoencoder;
pub use meme_blocks as blocks;
pub use meme_checkpoint as checkpoint;
pub use meme_data as data;
pub use meme_frequency as frequency;
pub use meme_metrics as metrics;
pub use meme_random as random;
pub use meme_router as router;
pub use meme_sampler as sampler;
pub use meme_schedule as schedule;
pub use meme_torch as torch;
pub use meme_trainer as trainer;

mod analysis;
pub mod autoencoding;
mod classes;
pub mod cli;
mod error;
mod exchange;
pub mod experiment;
mod experts;
mod first;
mod lanes;
mod pictures;
mod progress;
pub mod report;
mod run;
mod sampling;
mod search;
mod stages;
mod suite;
mod timing;
mod training;

pub use error::{Error, Result};

/// The program, for the `meme` binary, which loads this library at run time.
#[unsafe(no_mangle)]
extern "C" fn meme_main() -> i32 {
    // Unwinding out of an `extern "C"` function aborts; the panic's message has been printed.
    std::panic::catch_unwind(cli::main).unwrap_or(101)
}
