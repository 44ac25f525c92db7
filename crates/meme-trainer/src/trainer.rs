//! The loop: data, forward, backward, update, average; again.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use meme_checkpoint::{RealStorage, Shelf, Storage};
use meme_torch::tch::{Cuda, Device, Tensor};
use meme_torch::{AdamW, AdamWConfig, Ema, Parameters};

use crate::averages::Averages;
use crate::changes::Change;
use crate::resume::{CHECKPOINTS, VALIDATION};
use crate::statistics::{self, Timing, Window};
use crate::writing::Writing;
use crate::{Batches, Error, Objective, Observer, StepReport, Stop, TrainConfig};

/// Batches that the loader may be ahead of the network.
const PREFETCHED: usize = 2;

/// How a call of [`Trainer::train`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The images asked for were seen and saved.
    Reached,
    /// Somebody raised [`Stop`]; everything is saved.
    Stopped,
}

/// One network in training.
///
/// Its whole state is a function of (configuration, images seen); [`Trainer::open`] goes on from
/// the newest good checkpoint of the run folder, and the numbers end bit-identical to those of a
/// run that was never interrupted (CPU, same number of threads).
pub struct Trainer<O: Objective> {
    pub(crate) config: TrainConfig,
    pub(crate) folder: PathBuf,
    pub(crate) shelf: Shelf,
    pub(crate) identity: serde_json::Value,
    pub(crate) parameters: Parameters,
    pub(crate) optimizer: AdamW,
    pub(crate) ema: Ema,
    pub(crate) averages: Averages,
    pub(crate) objective: O,
    pub(crate) images: u64,
    pub(crate) updates: u64,
    pub(crate) window: Window,
    pub(crate) timing: Timing,
    /// Images of the newest checkpoint that is written or being written.
    pub(crate) saved: Option<u64>,
    /// Images of the newest validation.
    pub(crate) validated: Option<u64>,
    /// Changes of the configuration that were made on purpose.
    pub(crate) changes: Vec<Change>,
    pub(crate) writing: Writing,
}

/// Where a run is, and what may happen to it.
struct Opening {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    accept_changes: bool,
}

impl<O: Objective> Trainer<O> {
    /// Opens the run in `folder`, made if absent, resumed where it holds checkpoints.
    ///
    /// `identity` is everything that shaped the network and its data; a folder with another
    /// identity is refused. `parameters` are those that `objective`'s network was built on.
    ///
    /// # Errors
    /// [`Error::Configuration`], [`Error::OtherConfiguration`], or what reading checkpoints and
    /// files can fail with. Damaged checkpoints are passed over and reported to `observer`.
    pub fn open(
        folder: PathBuf,
        config: TrainConfig,
        identity: serde_json::Value,
        parameters: Parameters,
        objective: O,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let opening = Opening { storage: Arc::new(RealStorage), folder, accept_changes: false };
        Self::open_as(opening, config, identity, parameters, objective, observer)
    }

    /// [`Trainer::open`] with a configuration that may differ from the one that the run has: every
    /// difference is recorded in the run (`changes.jsonl`, and each checkpoint from now on) with the
    /// images seen, and the run goes on with what is given here.
    ///
    /// # Errors
    /// As [`Trainer::open`], except that another configuration is none; a network that the saved
    /// weights do not fit is one, and then nothing is recorded.
    pub fn open_changed(
        folder: PathBuf,
        config: TrainConfig,
        identity: serde_json::Value,
        parameters: Parameters,
        objective: O,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let opening = Opening { storage: Arc::new(RealStorage), folder, accept_changes: true };
        Self::open_as(opening, config, identity, parameters, objective, observer)
    }

    /// [`Trainer::open`] on any storage: everything that the run reads and writes goes through it.
    ///
    /// # Errors
    /// As [`Trainer::open`].
    pub fn open_on(
        storage: Arc<dyn Storage>,
        folder: PathBuf,
        config: TrainConfig,
        identity: serde_json::Value,
        parameters: Parameters,
        objective: O,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let opening = Opening { storage, folder, accept_changes: false };
        Self::open_as(opening, config, identity, parameters, objective, observer)
    }

    fn open_as(
        opening: Opening,
        config: TrainConfig,
        identity: serde_json::Value,
        parameters: Parameters,
        objective: O,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let Opening { storage, folder, accept_changes } = opening;
        config.validate()?;
        let shelf = Shelf::on(storage, folder.join(CHECKPOINTS));
        let optimizer = AdamW::new(
            AdamWConfig {
                learning_rate: config.learning_rate,
                beta1: config.beta1,
                beta2: config.beta2,
                epsilon: config.epsilon,
                weight_decay: config.weight_decay,
                ..AdamWConfig::default()
            },
            parameters.named(),
        )?;
        let ema = Ema::new(&parameters)?;
        let averages = Averages::new(&config, &parameters)?;
        let window = Window::new(0, objective.buckets());
        let mut trainer = Self {
            config,
            folder,
            shelf,
            identity,
            parameters,
            optimizer,
            ema,
            averages,
            objective,
            images: 0,
            updates: 0,
            window,
            timing: Timing::default(),
            saved: None,
            validated: None,
            changes: Vec::new(),
            writing: Writing::default(),
        };
        let damaged = trainer.resume(accept_changes)?;
        observer.opened(trainer.images, &damaged);
        Ok(trainer)
    }

    /// Images seen so far.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.images
    }

    /// Changes of the configuration that were made on purpose, oldest first.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The network's parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The moving average of the parameters, which sampling uses.
    #[must_use]
    pub fn ema(&self) -> &Ema {
        &self.ema
    }

    /// Trains until `until` images are seen (to the end of the batch that reaches it, at most
    /// `config.images`), then saves.
    ///
    /// Batches start at multiples of the batch size whatever `until` is, so training in portions
    /// gives the same numbers as training at once.
    ///
    /// # Errors
    /// [`Error::NotFinite`] before the update that would have spoilt the weights, and whatever
    /// data, network and file system can fail with. The last checkpoint stays good.
    pub fn train(
        &mut self,
        until: u64,
        stop: &Stop,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Error> {
        let until = until.min(self.config.images);
        let batches = self.objective.batches();
        let forwards = forwards(&self.config, self.images, until);
        std::thread::scope(|scope| {
            // Dropping the receiver, on any way out, ends the loader at its next send.
            let (sender, receiver) = sync_channel(PREFETCHED);
            scope.spawn(move || load(&*batches, forwards, &sender));
            self.run(until, &receiver, stop, observer)
        })
    }

    fn run(
        &mut self,
        until: u64,
        loader: &Receiver<Result<O::Batch, Error>>,
        stop: &Stop,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Error> {
        let outcome = self.steps(until, loader, stop, observer);
        // Whatever happened, what is being written is written to its end.
        let settled = self.settle(true, observer);
        let outcome = outcome?;
        settled?;
        self.note_timing()?;
        Ok(outcome)
    }

    fn steps(
        &mut self,
        until: u64,
        loader: &Receiver<Result<O::Batch, Error>>,
        stop: &Stop,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Error> {
        let mut saved_at = Instant::now();
        // A run that was stopped while it validated does it now.
        self.validate(stop, observer)?;
        while self.images < until && !stop.raised() {
            let report = self.step(until, loader)?;
            observer.step(&report);
            if self.window.count >= self.config.window_images || self.images == self.config.images {
                self.close_window(observer)?;
            }
            self.validate(stop, observer)?;
            if self.config.passed(self.config.snapshot_images, self.images) {
                self.snapshot(observer)?;
            }
            self.settle(false, observer)?;
            if saved_at.elapsed().as_secs() >= self.config.checkpoint_seconds {
                self.save(observer)?;
                saved_at = Instant::now();
            }
        }
        self.save(observer)?;
        Ok(if self.images < until { Outcome::Stopped } else { Outcome::Reached })
    }

    /// Measures the moving average on held-out data where it is time to.
    fn validate(&mut self, stop: &Stop, observer: &mut dyn Observer) -> Result<(), Error> {
        let due = self.config.passed(self.config.validation_images, self.images);
        if !due || self.validated == Some(self.images) || stop.raised() {
            return Ok(());
        }
        self.ema.swap()?;
        let validated = self.objective.validate(stop);
        self.ema.swap()?;
        if let Some(mut validated) = validated? {
            validated.images = self.images;
            self.append(VALIDATION, &validated)?;
            observer.validated(&validated);
            self.validated = Some(self.images);
        }
        Ok(())
    }

    /// One update.
    fn step(
        &mut self,
        until: u64,
        loader: &Receiver<Result<O::Batch, Error>>,
    ) -> Result<StepReport, Error> {
        let started = Instant::now();
        let batch = update_range(&self.config, self.images);
        self.parameters.zero_grad();
        let mut loss_sum = 0.0;
        for micro in micro_batches(&self.config, &batch) {
            loss_sum += self.accumulate(&batch, &micro, loader)?;
        }
        let clock = Instant::now();
        let gradient_norm = self.clip(&batch)?;
        let learning_rate = self.config.rate_at(self.images);
        self.optimizer.set_learning_rate(learning_rate)?;
        self.optimizer.step()?;
        self.updates += 1;
        self.ema.update(meme_torch::ldm_decay(self.updates).min(self.config.ema_decay))?;
        self.images = batch.end;
        self.averages.update(batch.end, batch.end - batch.start)?;
        self.timing.update += clock.elapsed().as_secs_f64();
        self.window.add_update(self.images, gradient_norm, learning_rate);
        Ok(StepReport {
            images: self.images,
            batch: batch.end - batch.start,
            until,
            loss: loss_sum / (batch.end - batch.start) as f64,
            gradient_norm,
            learning_rate,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Forward and backward of one micro-batch; returns the sum of its losses.
    fn accumulate(
        &mut self,
        batch: &Range<u64>,
        micro: &Range<u64>,
        loader: &Receiver<Result<O::Batch, Error>>,
    ) -> Result<f64, Error> {
        let clock = Instant::now();
        let prepared = loader.recv().map_err(|_| Error::LoaderGone { image: batch.start })??;
        self.timing.data += clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let loss = {
            let _autocast = self.config.precision.autocast(self.parameters.device())?;
            self.objective.loss(&prepared)?
        };
        let values = meme_torch::to_f32_vec(&loss.per_image.detach())?;
        self.timing.forward += clock.elapsed().as_secs_f64();
        for (&value, image) in values.iter().zip(micro.clone()) {
            if !value.is_finite() {
                return Err(self.spoilt("loss", value.into(), format!("image {image}"), batch));
            }
        }

        let clock = Instant::now();
        let share: Tensor =
            loss.per_image.sum(loss.per_image.kind()) / (batch.end - batch.start) as f64;
        share.f_backward().map_err(Error::objective)?;
        if let Device::Cuda(index) = self.parameters.device() {
            // Otherwise its time would be counted as the update's, which waits for it.
            Cuda::synchronize(index as i64);
        }
        self.timing.backward += clock.elapsed().as_secs_f64();

        self.timing.count += values.len() as u64;
        self.window.add_losses(&values, &loss.buckets);
        Ok(values.iter().map(|&value| f64::from(value)).sum())
    }

    /// The gradient's norm, clipped where the configuration asks for it.
    fn clip(&self, batch: &Range<u64>) -> Result<f64, Error> {
        let ceiling =
            if self.config.clip_norm > 0.0 { self.config.clip_norm } else { f64::INFINITY };
        match meme_torch::clip_and_check(&self.parameters.gradients(), ceiling) {
            Err(meme_torch::Error::NotFinite { norm, tensors }) => {
                let place = match tensors.as_slice() {
                    [] => "every value is finite, but not their squares' sum".to_owned(),
                    [only] => format!("gradient of {only}"),
                    [first, others @ ..] => {
                        format!("gradients of {first} and {} more", others.len())
                    }
                };
                Err(self.spoilt("gradient norm", norm, place, batch))
            }
            norm => Ok(norm?),
        }
    }

    fn spoilt(&self, what: &'static str, value: f64, place: String, batch: &Range<u64>) -> Error {
        let (first, end, seed) = (batch.start, batch.end, self.config.seed);
        Error::NotFinite { what, value, place, first, end, seed }
    }

    fn close_window(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        self.append("stats.jsonl", &self.window)?;
        self.timing.images = self.images;
        observer.window(&self.window, &self.timing);
        self.window = Window::new(self.images, self.objective.buckets());
        self.note_timing()
    }

    pub(crate) fn append(&self, file: &str, line: &impl serde::Serialize) -> Result<(), Error> {
        statistics::append(&**self.shelf.storage(), &self.folder.join(file), line)
    }

    /// Wall times since the last line, at the end of a window or of a portion.
    fn note_timing(&mut self) -> Result<(), Error> {
        if self.timing != Timing::default() {
            self.timing.images = self.images;
            self.append("timing.jsonl", &self.timing)?;
            self.timing = Timing::default();
        }
        Ok(())
    }
}

/// The images of the update that begins at `images`, which is a multiple of the batch.
fn update_range(config: &TrainConfig, images: u64) -> Range<u64> {
    images..(images + config.batch).min(config.images)
}

fn micro_batches(
    config: &TrainConfig,
    batch: &Range<u64>,
) -> impl Iterator<Item = Range<u64>> + use<> {
    let (end, step) = (batch.end, config.forward_images());
    (batch.start..end).step_by(step as usize).map(move |first| first..(first + step).min(end))
}

/// The micro-batches from `images` to the end of the update that reaches `until`.
fn forwards(config: &TrainConfig, images: u64, until: u64) -> Vec<Range<u64>> {
    (images..until)
        .step_by(config.batch as usize)
        .flat_map(|first| micro_batches(config, &update_range(config, first)))
        .collect()
}

fn load<B: Send>(
    batches: &dyn Batches<Batch = B>,
    forwards: Vec<Range<u64>>,
    sender: &SyncSender<Result<B, Error>>,
) {
    for images in forwards {
        let batch = batches.prepare(images);
        let failed = batch.is_err();
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_start_at_multiples_whatever_the_portion() {
        let config =
            TrainConfig { images: 100, batch: 16, micro_batch: 7, ..TrainConfig::default() };
        let whole = forwards(&config, 0, 100);
        assert_eq!(whole[..4], [0..7, 7..14, 14..16, 16..23]);
        assert_eq!(whole.last(), Some(&(96..100)));
        // 40 lies inside the batch 32..48: the portion ends at 48 and the next starts there.
        let mut portions = forwards(&config, 0, 40);
        assert_eq!(portions.last(), Some(&(46..48)));
        portions.extend(forwards(&config, 48, 100));
        assert_eq!(portions, whole);
    }
}
