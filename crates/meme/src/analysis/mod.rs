//! Frequency analysis (`meme analyze`): spectra of pictures and latents, of latents on their way into
//! noise and out of it, and of every feature map of every expert; what the spectrum of the latents
//! suggests for boundaries and head tables; and how alike the gradients at different timesteps are.
//!
//! Whatever is measured is summed up batch by batch: memory depends on the size of one batch and the
//! number of curves, never on the number of pictures.

mod gradients;
mod maps;
mod page;
mod pictures;
mod process;
mod shown;
mod theory;

pub(crate) use gradients::similarity;
pub(crate) use maps::{expert_spectrum, maps_of, watched_indices};
pub(crate) use page::Page;
pub(crate) use pictures::{latent_spectrum, picture_spectra};
pub(crate) use process::{forward, trajectory};
pub(crate) use shown::Shown;
pub(crate) use theory::theory;

use meme_frequency::RadialPower;

/// Pictures or latents behind a power spectrum, at most.
pub(crate) const SPECTRUM_IMAGES: usize = 512;

/// A spectrum's points without frequency 0, which has no place on a logarithmic axis.
fn points(spectrum: &RadialPower) -> Vec<(f64, f64)> {
    spectrum.frequency.iter().copied().zip(spectrum.power.iter().copied()).skip(1).collect()
}
