//! Training one expert of a run.

use std::path::Path;
use std::sync::Arc;

use meme_router::Expert;
use meme_schedule::Schedule;
use meme_torch::tch::{Device, Tensor};
use meme_trainer::{Diffusion, DiffusionConfig, Observer, Outcome, StepReport, Stop, Trainer};

use crate::pictures::Latents;
use crate::progress::{Progress, Task};
use crate::run::{Network, RunFolder};
use crate::{Error, Result};

/// Buckets of timesteps in the training statistics.
const BUCKETS: usize = 20;

/// What the experts of one run share.
pub(crate) struct Training<'a> {
    pub(crate) run: &'a RunFolder,
    pub(crate) latents: &'a Latents,
    pub(crate) device: Device,
    pub(crate) progress: &'a Progress,
    pub(crate) stop: &'a Stop,
}

/// Trains `expert` until it has seen `until` images, going on from its newest checkpoint.
pub(crate) fn train_expert(
    training: &Training<'_>,
    expert: Expert,
    until: u64,
    mut task: Task,
) -> Result<()> {
    let &Training { run, latents, device, progress, stop } = training;
    let experiment = &run.experiment;
    let Network { parameters, unet } = Network::untrained(experiment, expert, device)?;
    let objective = Diffusion::new(
        DiffusionConfig {
            data: Arc::clone(&latents.train) as _,
            schedule: Schedule::new(&experiment.schedule)?,
            parametrisation: experiment.parametrisation,
            weight: experiment.loss_weight,
            intervals: experiment.intervals.clone(),
            assignment: experiment.assignment.clone(),
            expert,
            seed: experiment.train.seed,
            flip: experiment.train.flip,
            buckets: BUCKETS,
            device,
        },
        move |noisy: &Tensor, indices: &Tensor| {
            unet.forward(noisy, indices, &mut meme_blocks::Options::default())
                .map_err(meme_trainer::Error::objective)
        },
    )?;
    let folder = run.expert_folder(expert);
    let identity = experiment.identity(expert, &latents.identity());
    let mut watcher = Watcher { task: &mut task, progress, folder: &folder, warned: false };
    let mut trainer = Trainer::open(
        folder.clone(),
        experiment.train.clone(),
        identity,
        parameters,
        objective,
        &mut watcher,
    )?;
    match trainer.train(until, stop, &mut watcher)? {
        Outcome::Reached => Ok(()),
        Outcome::Stopped => Err(Error::Stopped),
    }
}

/// Shows a run's steps, and says when the disk holds it up.
struct Watcher<'a> {
    task: &'a mut Task,
    progress: &'a Progress,
    folder: &'a Path,
    warned: bool,
}

impl Observer for Watcher<'_> {
    fn opened(&mut self, images: u64, damaged: &[String]) {
        for sentence in damaged {
            self.progress.say(format!("passed over a damaged checkpoint: {sentence}"));
        }
        self.task.found(images);
    }

    fn step(&mut self, report: &StepReport) {
        self.task.at(report.images, || format!("loss {:.4}", report.loss));
    }

    fn window(&mut self, _window: &meme_trainer::Window, timing: &meme_trainer::Timing) {
        if timing.data_share() > 0.2 && !self.warned {
            self.warned = true;
            self.progress.say(format!(
                "{}: {:.0} % of the time goes into waiting for data",
                self.folder.display(),
                100.0 * timing.data_share()
            ));
        }
    }
}
