//! A search for boundaries and head tables: start from what the spectrum of the pictures suggests,
//! train candidates for a little, keep the better half, train those for longer.
//!
//! Experts are searched one by one: each learns on its own, so each can be chosen on its own, by its
//! validation loss on the timesteps that it owns.

mod candidates;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use meme_blocks::Architecture;
use meme_frequency::Suggestion;
use meme_router::{Expert, Index, Intervals};
use meme_schedule::Schedule;
use meme_torch::tch::Device;
use meme_trainer::{Stop, Validation};
use serde::Serialize;

pub(crate) use self::candidates::{Division, divisions, suggestion};
use self::candidates::{label, tables};
use crate::analysis::latent_spectrum;
use crate::experiment::Experiment;
use crate::lanes::{self, Job};
use crate::pictures::Latents;
use crate::progress::Progress;
use crate::run::RunFolder;
use crate::training::{Training, train_expert};
use crate::{Error, Result};

/// Timesteps at which a candidate's validation loss is measured, and images it is measured on.
const POINTS: usize = 8;
const IMAGES: usize = 128;
const BATCH: usize = 32;

/// What to search, and with what.
pub(crate) struct Search<'a> {
    /// The experiment to start from.
    pub(crate) experiment: Experiment,
    /// Multiply-adds that no expert may exceed, for one image.
    pub(crate) macs: Option<u64>,
    /// Halvings of the field of candidates.
    pub(crate) rungs: u32,
    /// Images of the first rung; each later one doubles what a candidate has seen.
    pub(crate) images: u64,
    pub(crate) folder: &'a Path,
    pub(crate) latents: &'a Latents,
    pub(crate) device: Device,
    pub(crate) lanes: usize,
    pub(crate) threads: usize,
    pub(crate) progress: &'a Progress,
    pub(crate) stop: &'a Stop,
}

/// One candidate of one expert and what became of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tried {
    pub(crate) division: String,
    pub(crate) expert: usize,
    /// High-frequency heads by level, and in the middle.
    pub(crate) heads: String,
    pub(crate) macs: u64,
    /// (images seen, validation loss) of every rung it was trained in.
    pub(crate) losses: Vec<(u64, f64)>,
    pub(crate) chosen: bool,
    #[serde(skip)]
    architecture: Architecture,
    #[serde(skip)]
    intervals: Intervals,
}

/// What a search found.
pub(crate) struct Found {
    pub(crate) experiment: Experiment,
    pub(crate) division: String,
    /// Mean validation loss over all timesteps of every division, after the first rung.
    pub(crate) divisions: Vec<(String, Vec<usize>, f64)>,
    pub(crate) tried: Vec<Tried>,
}

impl Search<'_> {
    /// Searches; what was trained before in the same folder is not trained again.
    pub(crate) fn run(&self) -> Result<Found> {
        let experiment = &self.experiment;
        let schedule = Schedule::new(&experiment.schedule)?;
        let spectrum = latent_spectrum(&*self.latents.train)?;
        let [_, height, width] = experiment.latent_shape()?;
        let suggestion = suggestion(experiment, &schedule, &spectrum, height.max(width))?;

        // Divisions are compared by little: the preset's and the suggested table of each expert.
        let mut divisions = Vec::new();
        for division in candidates::divisions(experiment, &schedule, &suggestion)? {
            let (mut few, rest) = self.field(&division, &suggestion)?;
            self.rung(&mut few, self.images)?;
            divisions.push((division, few, rest));
        }
        let means: Vec<_> = divisions
            .iter()
            .map(|(division, few, _)| {
                (division.name.clone(), division.intervals.upper_ends().to_vec(), mean_of_best(few))
            })
            .collect();
        let best = means
            .iter()
            .enumerate()
            .min_by(|a, b| a.1.2.total_cmp(&b.1.2))
            .map_or(0, |(position, _)| position);

        // From here on that division only, with all candidates; half of each expert's go on.
        let mut tried: Vec<Tried> = Vec::new();
        let mut kept = Vec::new();
        for (position, (_, few, rest)) in divisions.into_iter().enumerate() {
            if position == best {
                kept = rest;
                self.rung(&mut kept, self.images)?;
                kept.extend(few);
            } else {
                tried.extend(few);
            }
        }
        let name = means[best].0.clone();
        for rung in 1..self.rungs {
            let (stay, go) = halve(kept);
            kept = stay;
            tried.extend(go);
            self.rung(&mut kept, self.images << rung)?;
        }
        let mut chosen = experiment.clone();
        for (expert, architecture) in chosen.experts.iter_mut().enumerate() {
            let best = kept
                .iter_mut()
                .filter(|it| it.expert == expert + 1)
                .min_by(|a, b| last(a).total_cmp(&last(b)));
            if let Some(best) = best {
                best.chosen = true;
                *architecture = best.architecture.clone();
            }
        }
        if let Some(any) = kept.first() {
            chosen.intervals = any.intervals.clone();
        }
        tried.extend(kept);
        tried.sort_by_key(|it| (it.division != name, it.division.clone(), it.expert));
        chosen.name = format!("{}-found", experiment.name);
        chosen.title = format!("{}, found by search", experiment.title);
        chosen.about = format!(
            "Boundaries ({name}) and head tables chosen by short runs from {}.",
            experiment.name
        );
        Ok(Found { experiment: chosen, division: name, divisions: means, tried })
    }

    /// Candidates of every expert in one division: the first two of each, and the others.
    fn field(
        &self,
        division: &Division,
        suggestion: &Suggestion,
    ) -> Result<(Vec<Tried>, Vec<Tried>)> {
        let [_, height, width] = self.experiment.latent_shape()?;
        let (mut few, mut rest) = (Vec::new(), Vec::new());
        for (expert, preset) in self.experiment.numbered() {
            let stages = &suggestion.high_frequency_shares;
            let shares: Vec<f64> = stages.iter().map(|stage| stage[expert.position()]).collect();
            let tables = tables(preset, &shares, (height, width), self.macs)?;
            for (place, architecture) in tables.into_iter().enumerate() {
                let candidate = Tried {
                    division: division.name.clone(),
                    expert: usize::from(expert.number()),
                    heads: label(&architecture),
                    macs: meme_blocks::count(&architecture, height, width)?.macs,
                    losses: Vec::new(),
                    chosen: false,
                    architecture,
                    intervals: division.intervals.clone(),
                };
                if place < 2 { few.push(candidate) } else { rest.push(candidate) }
            }
        }
        Ok((few, rest))
    }

    /// Trains every candidate until it has seen `images`, and measures it.
    fn rung(&self, field: &mut [Tried], images: u64) -> Result<()> {
        let unit = |it: &Tried| it.macs as f64 * (images - seen(it)) as f64;
        for candidate in field.iter() {
            self.progress.add_work(unit(candidate));
        }
        let losses: Mutex<Vec<(usize, f64)>> = Mutex::new(Vec::new());
        let jobs = field
            .iter()
            .enumerate()
            .map(|(position, candidate)| {
                let losses = &losses;
                let work = unit(candidate);
                Job {
                    name: format!("expert {} with heads {}", candidate.expert, candidate.heads),
                    after: Vec::new(),
                    work: Box::new(move || {
                        let loss = self.train(candidate, images, work)?;
                        losses
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push((position, loss));
                        Ok(())
                    }),
                }
            })
            .collect();
        lanes::run(jobs, self.lanes, self.stop, &|_| {
            if let Err(error) = meme_torch::init_thread(self.threads) {
                self.progress.say(format!("threads: {error}"));
            }
        })?;
        for (position, loss) in losses.into_inner().unwrap_or_else(PoisonError::into_inner) {
            field[position].losses.push((images, loss));
        }
        Ok(())
    }

    /// Validation loss of one candidate after `images` images.
    fn train(&self, candidate: &Tried, images: u64, work: f64) -> Result<f64> {
        let expert = Expert::new(candidate.expert as u16)?;
        let run = RunFolder::create(&self.path(candidate), self.variant(candidate, images))?;
        let label = format!("expert {} {}", candidate.expert, candidate.heads);
        let task = self.progress.begin_at(label, seen(candidate), images, work);
        let training = Training {
            run: &run,
            latents: self.latents,
            device: self.device,
            progress: self.progress,
            stop: self.stop,
        };
        train_expert(&training, expert, images, task)?;
        let schedule = Schedule::new(&run.experiment.schedule)?;
        let validation = Validation {
            data: &*self.latents.validation,
            schedule: &schedule,
            parametrisation: run.experiment.parametrisation,
            images: IMAGES,
            batch: BATCH,
            seed: run.experiment.train.seed,
            device: self.device,
        };
        let own = candidate.intervals.indices(expert)?;
        let indices: Vec<Index> = (0..POINTS)
            .map(|point| own.start + (2 * point + 1) * own.len() / (2 * POINTS))
            .map(Index::new)
            .collect();
        let (network, _) = run.trained(expert, self.device)?;
        let answer = |x: &_, indices: &[Index]| {
            network.forward(x, indices).map_err(meme_trainer::Error::objective)
        };
        let losses = validation.losses(&indices, answer, self.stop)?.ok_or(Error::Stopped)?;
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    }

    /// The experiment in which one expert is the candidate.
    fn variant(&self, candidate: &Tried, images: u64) -> Experiment {
        let mut variant = self.experiment.clone();
        variant.name = format!("{}-search", self.experiment.name);
        variant.intervals = candidate.intervals.clone();
        variant.experts[candidate.expert - 1] = candidate.architecture.clone();
        variant.train.images = images;
        // A rate that falls towards an end that moves would be another run at every rung.
        variant.train.decay_images = 0;
        variant
    }

    fn path(&self, candidate: &Tried) -> PathBuf {
        self.folder
            .join("candidates")
            .join(&candidate.division)
            .join(format!("expert-{}-{}", candidate.expert, candidate.heads))
    }
}

fn seen(candidate: &Tried) -> u64 {
    candidate.losses.last().map_or(0, |(images, _)| *images)
}

fn last(candidate: &Tried) -> f64 {
    candidate.losses.last().map_or(f64::INFINITY, |(_, loss)| *loss)
}

/// The better half of every expert's candidates, rounded up, and the others.
fn halve(mut field: Vec<Tried>) -> (Vec<Tried>, Vec<Tried>) {
    field.sort_by(|a, b| {
        (a.expert, last(a)).partial_cmp(&(b.expert, last(b))).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut places = std::collections::BTreeMap::<usize, usize>::new();
    let counts =
        field.iter().fold(std::collections::BTreeMap::<usize, usize>::new(), |mut all, it| {
            *all.entry(it.expert).or_default() += 1;
            all
        });
    field.into_iter().partition(|candidate| {
        let place = places.entry(candidate.expert).or_default();
        *place += 1;
        *place <= counts[&candidate.expert].div_ceil(2)
    })
}

/// Mean over all timesteps of the loss of the best candidate of each expert.
fn mean_of_best(field: &[Tried]) -> f64 {
    let mut best = std::collections::BTreeMap::<usize, (f64, usize)>::new();
    for candidate in field {
        let Ok(expert) = Expert::new(candidate.expert as u16) else { continue };
        let width = candidate.intervals.indices(expert).map_or(0, |own| own.len());
        let entry = best.entry(candidate.expert).or_insert((f64::INFINITY, width));
        entry.0 = entry.0.min(last(candidate));
    }
    let steps: usize = best.values().map(|it| it.1).sum();
    best.values().map(|(loss, width)| loss * *width as f64).sum::<f64>() / steps.max(1) as f64
}
