//! Validation loss by timestep, with fixed noise.

use meme_data::ArraySource;
use meme_random::{Purpose, Stream};
use meme_router::Index;
use meme_schedule::{Parametrisation, Schedule};
use meme_torch::tch::{Device, Tensor, no_grad};

use crate::diffusion::squared_error;
use crate::{Error, Stop};

/// What is measured where.
pub struct Validation<'a> {
    /// Held-out images or latents.
    pub data: &'a dyn ArraySource,
    /// The noise schedule.
    pub schedule: &'a Schedule,
    /// What the network predicts.
    pub parametrisation: Parametrisation,
    /// Images used, from the first.
    pub images: usize,
    /// Images per forward pass.
    pub batch: usize,
    /// Seed of the noise.
    pub seed: u64,
    /// Where the network lives.
    pub device: Device,
}

impl Validation<'_> {
    /// Mean squared error of the network at each of `indices`.
    ///
    /// The noise of (image, index) is a function of the seed alone: every network is asked the
    /// same questions, so differences between networks are paired and free of sampling noise.
    /// Returns `None` where `stop` was raised before the end.
    ///
    /// # Errors
    /// Whatever reading the data or the network can fail with.
    pub fn losses<N>(
        &self,
        indices: &[Index],
        mut network: N,
        stop: &Stop,
    ) -> Result<Option<Vec<f64>>, Error>
    where
        N: FnMut(&Tensor, &[Index]) -> Result<Tensor, Error>,
    {
        let count = self.images.min(self.data.len());
        if count == 0 {
            return Err(Error::Data { what: "there is no held-out image to validate on".into() });
        }
        let mut losses = Vec::with_capacity(indices.len());
        for &index in indices {
            let mut sum = 0.0;
            for first in (0..count).step_by(self.batch.max(1)) {
                if stop.raised() {
                    return Ok(None);
                }
                let rows = first..(first + self.batch.max(1)).min(count);
                sum += self.batch_loss(index, rows, &mut network)?;
            }
            losses.push(sum / count as f64);
        }
        Ok(Some(losses))
    }

    fn batch_loss<N>(
        &self,
        index: Index,
        rows: std::ops::Range<usize>,
        network: &mut N,
    ) -> Result<f64, Error>
    where
        N: FnMut(&Tensor, &[Index]) -> Result<Tensor, Error>,
    {
        let [channels, height, width] = self.data.shape();
        let size = channels * height * width;
        let alpha_bar = self.schedule.alpha_bar(index);
        let (from_x0, from_noise) = self.parametrisation.target_coefficients(alpha_bar);
        let count = rows.len();
        let mut clean = vec![0f32; count * size];
        let mut noise = vec![0f32; count * size];
        for (row, (clean, noise)) in
            rows.zip(clean.chunks_exact_mut(size).zip(noise.chunks_exact_mut(size)))
        {
            self.data.read(row, clean)?;
            let counter = (row * self.schedule.steps() + index.get()) as u64;
            Stream::new(self.seed, Purpose::Validation, 0, counter).fill_normal(noise);
        }
        let shape = [count as i64, channels as i64, height as i64, width as i64];
        let clean = meme_torch::from_f32(&clean, &shape, self.device)?;
        let noise = meme_torch::from_f32(&noise, &shape, self.device)?;
        no_grad(|| {
            let noisy = &clean * alpha_bar.sqrt() + &noise * (1.0 - alpha_bar).sqrt();
            let target = clean * from_x0 + noise * from_noise;
            let output = network(&noisy, &vec![index; count])?;
            let losses = meme_torch::to_f32_vec(&squared_error(&output, &target)?)?;
            Ok(losses.iter().map(|&loss| f64::from(loss)).sum())
        })
    }
}
