//! What networks are shown: noisy latents, the same for every network.

use std::ops::Range;

use meme_blocks::Architecture;
use meme_data::ArraySource;
use meme_random::{Purpose, Stream};
use meme_router::Index;
use meme_schedule::{Parametrisation, Schedule};
use meme_torch::tch::{Device, Tensor};

use crate::Result;

/// Latents per forward pass.
pub(super) const BATCH: usize = 16;

/// Clean latents, and how they are spoilt.
pub(crate) struct Shown<'a> {
    pub(crate) latents: &'a dyn ArraySource,
    pub(crate) schedule: Schedule,
    /// How many of them, from the first.
    pub(crate) count: usize,
    pub(crate) device: Device,
}

/// How a latent is spoilt.
pub(super) struct Spoilt {
    pub(super) index: Index,
    /// Equal numbers, equal noise.
    pub(super) noise: u64,
}

/// Noisy latents `[B, C, H, W]`, what a network should answer, and their indices `[B]`.
pub(super) struct NoisyBatch {
    pub(super) noisy: Tensor,
    pub(super) target: Tensor,
    pub(super) indices: Tensor,
}

impl Shown<'_> {
    /// The rows of each batch.
    pub(super) fn batches(&self) -> impl Iterator<Item = Range<usize>> {
        let count = self.count.min(self.latents.len());
        (0..count).step_by(BATCH).map(move |first| first..(first + BATCH).min(count))
    }

    /// Rows of latents, each at the noise level and with the noise that `at` says.
    pub(super) fn batch(
        &self,
        rows: Range<usize>,
        parametrisation: Parametrisation,
        at: impl Fn(usize) -> Spoilt,
    ) -> Result<NoisyBatch> {
        let [channels, height, width] = self.latents.shape();
        let size = channels * height * width;
        let mut noisy = vec![0f32; rows.len() * size];
        let mut target = vec![0f32; rows.len() * size];
        let mut indices = Vec::with_capacity(rows.len());
        let shape = [rows.len() as i64, channels as i64, height as i64, width as i64];
        let values = noisy.chunks_exact_mut(size).zip(target.chunks_exact_mut(size));
        for (row, (x, y)) in rows.zip(values) {
            let Spoilt { index, noise } = at(row);
            let alpha_bar = self.schedule.alpha_bar(index);
            let (signal, sigma) = (alpha_bar.sqrt() as f32, (1.0 - alpha_bar).sqrt() as f32);
            let (of_x0, of_noise) = parametrisation.target_coefficients(alpha_bar);
            let (of_x0, of_noise) = (of_x0 as f32, of_noise as f32);
            self.latents.read(row, x)?;
            Stream::new(0, Purpose::Validation, 0, noise).fill_normal(y);
            for (x, y) in x.iter_mut().zip(y) {
                let (x0, epsilon) = (*x, *y);
                *x = signal * x0 + sigma * epsilon;
                *y = of_x0 * x0 + of_noise * epsilon;
            }
            indices.push(index.get() as i64);
        }
        let tensor = |values: &[f32]| meme_torch::from_f32(values, &shape, self.device);
        Ok(NoisyBatch {
            noisy: tensor(&noisy)?,
            target: tensor(&target)?,
            indices: meme_torch::from_i64(&indices, &shape[..1], self.device)?,
        })
    }

    /// Classes for a network that wants some: all in turn, since latents come without any.
    pub(super) fn classes(
        &self,
        network: &Architecture,
        rows: Range<usize>,
    ) -> Result<Option<Tensor>> {
        if network.classes == 0 {
            return Ok(None);
        }
        let classes: Vec<i64> = rows.map(|row| (row % network.classes) as i64).collect();
        Ok(Some(meme_torch::from_i64(&classes, &[classes.len() as i64], self.device)?))
    }
}
