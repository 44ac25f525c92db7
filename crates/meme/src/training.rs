//! Training one expert of a run.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meme_blocks::Dropout;
use meme_random::{Purpose, Stream};
use meme_router::{Expert, Index};
use meme_schedule::Schedule;
use meme_torch::tch::{Device, Tensor};
use meme_trainer::tensorboard::{Picture, TensorBoard};
use meme_trainer::{
    Diffusion, DiffusionConfig, HeldOut, Observer, Outcome, PerImage, StepReport, Stop, Timing,
    Trainer, Validated, Window,
};

use crate::classes::{self, Lessons};
use crate::experiment::Experiment;
use crate::pictures::Latents;
use crate::progress::{Progress, Task};
use crate::run::{Network, RunFolder};
use crate::{Error, Result};

/// Buckets of timesteps in the training statistics.
const BUCKETS: usize = 20;

/// Held-out images and timesteps of an expert's validation while it trains.
const VALIDATION_IMAGES: usize = 64;
const VALIDATION_POINTS: usize = 5;

/// What the experts of one run share.
pub(crate) struct Training<'a> {
    pub(crate) run: &'a RunFolder,
    pub(crate) latents: &'a Latents,
    pub(crate) device: Device,
    pub(crate) progress: &'a Progress,
    pub(crate) stop: &'a Stop,
}

/// What happens where a run was begun with other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    /// The difference is shown, and nothing is touched.
    Refuse,
    /// The run goes on with the new ones and records it.
    Accept,
}

/// Trains `expert` until it has seen `until` images, going on from its newest checkpoint.
pub(crate) fn train_expert(
    training: &Training<'_>,
    expert: Expert,
    until: u64,
    task: Task,
) -> Result<()> {
    train_expert_as(training, expert, until, task, Changed::Refuse)
}

/// [`train_expert`] with a word on what happens where the run was begun with other values.
pub(crate) fn train_expert_as(
    training: &Training<'_>,
    expert: Expert,
    until: u64,
    mut task: Task,
    changed: Changed,
) -> Result<()> {
    let &Training { run, latents, device, progress, stop } = training;
    let experiment = &run.experiment;
    let Network { parameters, unet, .. } = Network::untrained(experiment, expert, device)?;
    let checkpointing = experiment.train.activation_checkpointing;
    let seed = experiment.train.seed;
    let config = DiffusionConfig {
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
    };
    let mut told = told(run, expert, latents, &config)?;
    let objective = Diffusion::new(
        config,
        PerImage(move |noisy: &Tensor, indices: &Tensor, images: Option<Range<u64>>| {
            let classes = told.as_mut().map(|(lessons, held_out)| match images.clone() {
                Some(images) => lessons.batch(images, device),
                None => held_out.batch(indices.size()[0], device),
            });
            let classes = classes.transpose().map_err(meme_trainer::Error::objective)?;
            let mut masks = images.map(|images| Masks { seed, expert, images });
            let mut options = meme_blocks::Options {
                classes: classes.as_ref(),
                checkpointing,
                dropout: masks.as_mut().map(|masks| masks as &mut dyn Dropout),
                ..Default::default()
            };
            unet.forward(noisy, indices, &mut options).map_err(meme_trainer::Error::objective)
        }),
    )?
    .with_held_out(held_out(experiment, expert, latents)?)?;
    let folder = run.expert_folder(expert);
    let identity = experiment.identity(expert, &latents.identity());
    let board = TensorBoard::new(board_folder(&run.path, &format!("expert-{}", expert.number())));
    let mut watcher = Watcher { task: &mut task, progress, unwarned: Some(&folder), board };
    let open = match changed {
        Changed::Refuse => Trainer::open,
        Changed::Accept => Trainer::open_changed,
    };
    let train = experiment.train.clone();
    let mut trainer = open(folder.clone(), train, identity, parameters, objective, &mut watcher)?;
    let outcome = trainer.train(until, stop, &mut watcher);
    watcher.tell_what_the_board_lacks();
    match outcome? {
        Outcome::Reached => Ok(()),
        Outcome::Stopped => Err(Error::Stopped),
    }
}

/// What an expert is told about classes while it learns and while it is validated; nothing where it
/// knows none.
fn told(
    run: &RunFolder,
    expert: Expert,
    latents: &Latents,
    config: &DiffusionConfig,
) -> Result<Option<(Lessons, classes::HeldOut)>> {
    let experiment = &run.experiment;
    let none = classes::none_of(Network::architecture(experiment, expert)?);
    let (Some(classes), Some(class), Some(none)) =
        (&latents.classes, experiment.data.classes, none)
    else {
        return Ok(None);
    };
    classes.check(experiment)?;
    classes.record(&run.path)?;
    let lessons = Lessons {
        classes: Arc::clone(classes),
        order: config.order()?,
        withheld: class.withheld,
        none,
        seed: config.seed,
        expert,
    };
    Ok(Some((lessons, classes.held_out(VALIDATION_IMAGES))))
}

/// The dropout masks of one batch: those of an image are a function of its counter, of the expert and
/// of the block, so that they repeat however batches are cut and runs are stopped.
struct Masks {
    seed: u64,
    expert: Expert,
    images: Range<u64>,
}

impl Dropout for Masks {
    fn mask(&mut self, block: &str, map: &Tensor, rate: f64) -> Result<Tensor, meme_blocks::Error> {
        let stream = |image: u64| {
            let counter = meme_torch::name_counter(&format!("{block}, image {image}"));
            Stream::new(self.seed, Purpose::Dropout, self.expert.number(), counter)
        };
        let streams: Vec<Stream> = self.images.clone().map(stream).collect();
        let size = map.size();
        let mask = meme_torch::dropout_mask(&streams, &size[1..], rate, map.device())?;
        Ok(meme_torch::channels_last(&mask)?.f_to_kind(map.kind())?)
    }
}

/// What an expert is validated on while it trains: the same noise for every expert, at timesteps
/// spread over its own interval.
fn held_out(experiment: &Experiment, expert: Expert, latents: &Latents) -> Result<HeldOut> {
    let own = experiment.intervals.indices(expert)?;
    let place = |point: usize| own.start + (2 * point + 1) * own.len() / (2 * VALIDATION_POINTS);
    let mut indices: Vec<usize> = (0..VALIDATION_POINTS).map(place).collect();
    indices.dedup();
    Ok(HeldOut {
        data: Arc::clone(&latents.validation) as _,
        images: VALIDATION_IMAGES,
        batch: experiment.train.forward_images() as usize,
        indices: indices.into_iter().map(Index::new).collect(),
        seed: experiment.train.seed,
    })
}

/// Where TensorBoard finds what belongs to one part of a run: `tensorboard --logdir RUN`.
fn board_folder(run: &Path, part: &str) -> PathBuf {
    run.join("tensorboard").join(part)
}

/// Shows a sheet of pictures (PNG) in TensorBoard, as what the run in `run` drew after so many
/// images.
pub(crate) fn show_sheet(run: &Path, images: u64, sheet: &Path) -> Result<()> {
    let png = std::fs::read(sheet).map_err(crate::error::io(sheet))?;
    let (width, height) = image::image_dimensions(sheet).map_err(|error| Error::Malformed {
        path: sheet.to_path_buf(),
        message: error.to_string(),
    })?;
    let mut board = TensorBoard::new(board_folder(run, "samples"));
    board.go_on_from(images.saturating_sub(1));
    board.picture("samples", images, Picture { png: &png, width, height });
    Ok(())
}

/// Shows a run's steps, and says when the disk holds it up.
pub(crate) struct Watcher<'a> {
    pub(crate) task: &'a mut Task,
    pub(crate) progress: &'a Progress,
    /// What is named when training waits for data; none once that was said, or where it need not be.
    pub(crate) unwarned: Option<&'a Path>,
    pub(crate) board: TensorBoard,
}

impl Watcher<'_> {
    /// Says so where the files for TensorBoard could not be written to the end.
    pub(crate) fn tell_what_the_board_lacks(&self) {
        if let Some(failure) = self.board.failure() {
            self.progress.say(format!("TensorBoard shows no more of this run: {failure}"));
        }
    }
}

impl Observer for Watcher<'_> {
    fn opened(&mut self, images: u64, damaged: &[String]) {
        for sentence in damaged {
            self.progress.say(format!("passed over a damaged checkpoint: {sentence}"));
        }
        self.task.found(images);
        self.board.go_on_from(images);
    }

    fn step(&mut self, report: &StepReport) {
        self.task.at(report.images, || {
            let rate = (report.batch as f64) / report.seconds;
            format!("loss {:.4}, {rate:.0} images/s", report.loss)
        });
    }

    fn validated(&mut self, validated: &Validated) {
        self.board.validated(validated);
    }

    fn window(&mut self, window: &Window, timing: &Timing) {
        self.board.window(window, timing);
        if timing.data_share() > 0.2
            && let Some(folder) = self.unwarned.take()
        {
            self.progress.say(format!(
                "{}: {:.0} % of the time goes into waiting for data",
                folder.display(),
                100.0 * timing.data_share()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meme_torch::tch::Kind;

    #[test]
    fn dropout_of_an_image_is_the_same_in_any_batch_and_another_in_any_other_block() {
        let draw = |expert, block: &str, images: Range<u64>| {
            let map = Tensor::zeros(
                [(images.end - images.start) as i64, 8, 4, 4],
                (Kind::Float, Device::Cpu),
            );
            let expert = Expert::new(expert).unwrap();
            Masks { seed: 5, expert, images }.mask(block, &map, 0.25).unwrap()
        };
        let together = draw(1, "middle.first", 6..10);
        let alone = draw(1, "middle.first", 8..9);
        assert!(together.narrow(0, 2, 1) == alone);
        assert!(alone != draw(1, "middle.last", 8..9));
        assert!(alone != draw(2, "middle.first", 8..9));
        let mean = together.mean(Kind::Double).double_value(&[]);
        assert!((mean - 1.0).abs() < 0.1, "{mean}");
    }
}
