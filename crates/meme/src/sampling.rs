//! Pictures from a trained run.

use std::ops::{ControlFlow, Range};

use meme_data::RgbImage;
use meme_sampler::{Ensemble, Outcome, Plan, Progress, SampleNoise, Threshold};
use meme_schedule::Schedule;
use meme_torch::tch::{Device, Kind, Tensor};
use meme_trainer::Stop;

use crate::experiment::SampleConfig;
use crate::first::First;
use crate::pictures::to_pictures;
use crate::run::{Experts, RunFolder};
use crate::{Error, Result};

/// A run's experts, ready to draw.
pub(crate) struct Sampling<'a> {
    ensemble: Ensemble<Experts>,
    first: &'a First,
    config: SampleConfig,
    plan: Plan,
    shape: [i64; 3],
    device: Device,
    stop: &'a Stop,
}

impl<'a> Sampling<'a> {
    /// Loads all experts of `run`.
    pub(crate) fn new(
        run: &RunFolder,
        first: &'a First,
        config: &SampleConfig,
        device: Device,
        stop: &'a Stop,
    ) -> Result<Self> {
        let experiment = &run.experiment;
        let schedule = Schedule::new(&experiment.schedule)?;
        let indices = config.grid.on(&schedule, config.steps)?;
        let threshold = if config.clip { Threshold::Clip { bound: 1.0 } } else { Threshold::None };
        let plan =
            Plan::new(&schedule, &indices, experiment.parametrisation)?.threshold(threshold)?;
        Ok(Self {
            ensemble: run.ensemble(device)?,
            first,
            config: config.clone(),
            plan,
            shape: experiment.latent_shape()?.map(|side| side as i64),
            device,
            stop,
        })
    }

    /// Steps of the sampler; grid `ldm` may have a few more than were asked for.
    pub(crate) fn steps(&self) -> usize {
        self.plan.len()
    }

    /// Draws the pictures with these numbers and hands each to `sink`.
    ///
    /// Picture k of a seed does not depend on the batch it is drawn in.
    pub(crate) fn images(
        &mut self,
        numbers: Range<u64>,
        sink: &mut dyn FnMut(u64, &RgbImage) -> Result<()>,
    ) -> Result<()> {
        let batch = self.config.batch.max(1) as u64;
        let end = numbers.end;
        for first in numbers.step_by(batch as usize) {
            let numbers = first..(first + batch).min(end);
            let samples = numbers.clone().map(|number| (self.config.seed, number)).collect();
            let latents = self.latents(SampleNoise::new(samples))?;
            let pictures = to_pictures(&self.first.decode(&latents)?)?;
            for (number, picture) in numbers.zip(&pictures) {
                sink(number, picture)?;
            }
        }
        Ok(())
    }

    fn latents(&mut self, mut noise: SampleNoise) -> Result<Tensor> {
        let start = noise.start(&self.shape, Kind::Float, self.device)?;
        let (plan, network) = (&self.plan, &mut self.ensemble);
        let stop = self.stop;
        let watch = &mut |_: &Progress<'_>| {
            if stop.raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let outcome = self.config.sampler.run(network, start, plan, &mut noise, watch)?;
        match outcome {
            Outcome::Finished(latents) => Ok(latents),
            Outcome::Stopped { .. } => Err(Error::Stopped),
        }
    }
}

/// The file that picture `number` goes to.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:06}.png")
}
