//! Pictures from a trained run.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use meme_data::RgbImage;
use meme_sampler::{Ensemble, Outcome, Plan, Progress, SampleNoise, State, Threshold};
use meme_schedule::Schedule;
use meme_torch::tch::{Device, Kind};
use meme_trainer::Stop;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::classes::Wanted;
use crate::error::io;
use crate::experiment::SampleConfig;
use crate::experts::{Experts, Placement, Trained};
use crate::first::First;
use crate::pictures::to_pictures;
use crate::run::RunFolder;
use crate::{Error, Result, stages};

/// The batch that was stopped, in the folder of the pictures that were finished.
const UNFINISHED: &str = "unfinished.safetensors";
/// The entry of its metadata that says what it belongs to.
const JOB: &str = "job";

/// A run's experts, ready to draw.
pub(crate) struct Sampling<'a> {
    ensemble: Ensemble<Experts>,
    /// What the weights are.
    weights: Value,
    first: &'a First,
    config: SampleConfig,
    plan: Plan,
    shape: [i64; 3],
    device: Device,
    stop: &'a Stop,
    /// Where the networks know classes.
    wanted: Option<Wanted>,
    /// The only class that is drawn, if not all in turn.
    only: Option<i64>,
}

/// What a stopped batch belongs to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unfinished {
    /// Hash of everything that the pictures are a function of.
    identity: String,
    /// The first picture of the whole job: those from it up to the batch are done.
    begin: u64,
    /// The batch.
    batch: Range<u64>,
    /// Steps that it has done.
    step: usize,
}

impl<'a> Sampling<'a> {
    /// Finds all experts of `run`.
    pub(crate) fn new(
        run: &RunFolder,
        first: &'a First,
        config: &SampleConfig,
        placement: impl Into<Placement>,
        stop: &'a Stop,
    ) -> Result<Self> {
        let placement = placement.into();
        let device = placement.device;
        let experiment = &run.experiment;
        let schedule = Schedule::new(&experiment.schedule)?;
        let indices = config.grid.on(&schedule, config.steps)?;
        let threshold = if config.clip { Threshold::Clip { bound: 1.0 } } else { Threshold::None };
        let plan =
            Plan::new(&schedule, &indices, experiment.parametrisation)?.threshold(threshold)?;
        let wanted = Wanted::open(&run.path, experiment, config.guidance)?;
        let trained = Trained::open(run, placement)?.wanting(wanted.clone());
        Ok(Self {
            weights: trained.identity(),
            ensemble: trained.ensemble()?,
            first,
            config: config.clone(),
            plan,
            shape: experiment.latent_shape()?.map(|side| side as i64),
            device,
            stop,
            wanted,
            only: None,
        })
    }

    /// Draws pictures of this class only; without it picture k is of class k, counted round.
    pub(crate) fn of_class(mut self, name: &str) -> Result<Self> {
        let Some(wanted) = &self.wanted else {
            return Err(Error::Usage(format!(
                "--class {name}: this run's networks know no classes"
            )));
        };
        self.only = Some(wanted.named(name)?);
        Ok(self)
    }

    /// Tells the experts which pictures come next.
    fn begin(&self, numbers: Range<u64>) {
        if let Some(wanted) = &self.wanted {
            wanted.begin(numbers, self.only);
        }
    }

    /// Steps of the sampler; grid `ldm` may have a few more than were asked for.
    pub(crate) fn steps(&self) -> usize {
        self.plan.len()
    }

    /// Draws the pictures with these numbers and hands each to `sink`.
    ///
    /// Picture k of a seed does not depend on the batch it is drawn in. Where the run is stopped,
    /// the batch under way is lost.
    pub(crate) fn images(
        &mut self,
        numbers: Range<u64>,
        sink: &mut dyn FnMut(u64, &RgbImage) -> Result<()>,
    ) -> Result<()> {
        self.draw(numbers, None, sink)?.map_or(Ok(()), |_| Err(Error::Stopped))
    }

    /// Draws the latents with these numbers, and shows `see` every step of every batch.
    pub(crate) fn watched(
        &mut self,
        numbers: Range<u64>,
        see: &mut dyn FnMut(&Progress<'_>) -> Result<()>,
    ) -> Result<()> {
        let batch = self.config.batch.max(1) as u64;
        for first in numbers.clone().step_by(batch as usize) {
            let these = first..(first + batch).min(numbers.end);
            self.ensemble.followed_by((these.end < numbers.end).then(|| self.plan.index(0)));
            self.begin(these.clone());
            let samples = these.map(|number| (self.config.seed, number)).collect();
            let mut noise = SampleNoise::new(samples);
            let state = State::from(noise.start(&self.shape, Kind::Float, self.device)?);
            let (mut seen, stop) = (Ok(()), self.stop);
            let watch = &mut |progress: &Progress<'_>| {
                seen = see(progress);
                match stop.raised() || seen.is_err() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            };
            let (plan, network) = (&self.plan, &mut self.ensemble);
            let outcome = self.config.sampler.run(network, state, plan, &mut noise, watch)?;
            seen?;
            if let Outcome::Stopped { .. } = outcome {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }

    /// Draws the pictures with these numbers into `folder`. Where the run is stopped, the batch
    /// under way is kept there between two of its steps, and the same call, also in another
    /// process, goes on from that step: batch and count may be others then.
    ///
    /// `done` is called with the number of each picture that is on the disk.
    pub(crate) fn fill_folder(
        &mut self,
        folder: &Path,
        numbers: Range<u64>,
        done: &mut dyn FnMut(u64),
    ) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        let kept = folder.join(UNFINISHED);
        let under_way = self.take_up(&kept, numbers.start)?;
        let begin = numbers.start;
        let rest = under_way.as_ref().map_or(begin, |(batch, _)| batch.start)..numbers.end;
        (numbers.start..rest.start).for_each(&mut *done);
        let left = self.draw(rest, under_way, &mut |number, picture| {
            meme_data::write_png(&folder.join(file_name(number)), picture)?;
            done(number);
            Ok(())
        })?;
        match left {
            Some((batch, state)) => {
                self.keep(&kept, begin, batch, &state)?;
                Err(Error::Stopped)
            }
            None if kept.exists() => std::fs::remove_file(&kept).map_err(io(&kept)),
            None => Ok(()),
        }
    }

    /// Draws batch after batch, the one that is under way first. The batch at which it was stopped
    /// and its state; none where everything is drawn.
    fn draw(
        &mut self,
        numbers: Range<u64>,
        mut under_way: Option<(Range<u64>, State)>,
        sink: &mut dyn FnMut(u64, &RgbImage) -> Result<()>,
    ) -> Result<Option<(Range<u64>, State)>> {
        let mut next = numbers.start;
        while next < numbers.end {
            let (batch, state) = match under_way.take() {
                Some((batch, state)) => (batch, Some(state)),
                None => (next..(next + self.config.batch.max(1) as u64).min(numbers.end), None),
            };
            next = batch.end;
            let another = (next < numbers.end).then(|| self.plan.index(0));
            self.ensemble.followed_by(another);
            self.begin(batch.clone());
            let samples = batch.clone().map(|number| (self.config.seed, number)).collect();
            let mut noise = SampleNoise::new(samples);
            let state = match state {
                Some(state) => state,
                None => State::from(noise.start(&self.shape, Kind::Float, self.device)?),
            };
            let stop = self.stop;
            let watch = &mut |_: &Progress<'_>| match stop.raised() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            let (plan, network) = (&self.plan, &mut self.ensemble);
            match self.config.sampler.run(network, state, plan, &mut noise, watch)? {
                Outcome::Stopped { state, .. } => return Ok(Some((batch, state))),
                Outcome::Finished(latents) => {
                    let pictures = to_pictures(&self.first.decode(&latents)?)?;
                    let inside = batch.zip(&pictures).filter(|(number, _)| *number < numbers.end);
                    for (number, picture) in inside {
                        sink(number, picture)?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Everything that picture k is a function of, but k.
    fn identity(&self) -> String {
        let SampleConfig { sampler, grid, steps, clip, seed, guidance, .. } = &self.config;
        stages::hash(&json!({
            "weights": self.weights, "first_stage": self.first.hash(), "sampler": sampler,
            "grid": grid, "steps": steps, "clip": clip, "seed": seed, "guidance": guidance,
            "class": self.only,
        }))
    }

    fn keep(&self, file: &Path, begin: u64, batch: Range<u64>, state: &State) -> Result<()> {
        let job = Unfinished { identity: self.identity(), begin, batch, step: state.step() };
        let text = serde_json::to_string(&job).unwrap_or_default();
        let tensors = state
            .named()
            .into_iter()
            .map(|(name, tensor)| Ok((name, meme_torch::tensor_to_data(&tensor)?)));
        let tensors = tensors.collect::<Result<Vec<_>>>()?;
        let tensors = tensors.iter().map(|(name, data)| (name.as_str(), data));
        let metadata = BTreeMap::from([(JOB.to_owned(), text)]);
        Ok(meme_checkpoint::write_safetensors(file, tensors, &metadata)?)
    }

    /// The batch that a stopped call has left in this folder.
    fn take_up(&self, file: &Path, begin: u64) -> Result<Option<(Range<u64>, State)>> {
        if !file.exists() {
            return Ok(None);
        }
        let kept = meme_checkpoint::read_safetensors(file)?;
        let job = kept.metadata.get(JOB).and_then(|job| serde_json::from_str(job).ok());
        let Some(Unfinished { identity, begin: begun, batch, step }) = job else {
            let message = "it does not say which batch it holds".to_owned();
            return Err(Error::Malformed { path: file.to_path_buf(), message });
        };
        if identity != self.identity() || begin != begun {
            return Err(Error::Usage(format!(
                "{} holds the beginning of other pictures (another run, checkpoint, seed, sampler, \
                 number of steps or first picture): ask for those again to finish them, remove that \
                 file, or use another --out",
                file.display()
            )));
        }
        let tensors = kept
            .tensors
            .iter()
            .map(|(name, data)| Ok((name.clone(), meme_torch::data_to_tensor(data, self.device)?)));
        let state = State::restore(step, tensors.collect::<Result<Vec<_>>>()?)?;
        Ok(Some((batch, state)))
    }
}

/// The folder in which the pictures of a sheet wait until all are there.
pub(crate) fn beside(sheet: &Path) -> PathBuf {
    let mut name = sheet.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// The file that picture `number` goes to.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:06}.png")
}
