//! `meme sample`.

use std::path::PathBuf;

use clap::Args;
use meme_data::RgbImage;
use meme_sampler::Sampler;
use meme_torch::Precision;
use serde_json::json;

use super::common::{DeviceArgument, FirstStageArgument};
use super::{Context, output};
use crate::error::io;
use crate::experts::{Placement, Residency};
use crate::run::RunFolder;
use crate::sampling::{Sampling, beside, file_name};
use crate::{Error, Result};

/// Pictures in a row of a sheet.
const COLUMNS: usize = 8;

/// Makes pictures from a trained run
///
/// Picture k of a seed is the same whatever the batch it is drawn in. A call that is stopped (Ctrl-C)
/// keeps the batch it was at; the same call goes on from the step at which it was stopped.
#[derive(Args)]
pub(crate) struct Sample {
    /// The run folder
    run: PathBuf,
    /// How many pictures [default: the experiment's]
    #[arg(long)]
    count: Option<u64>,
    /// The first picture's number; --count 4 --first 8 makes pictures 8 to 11
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Steps [default: the experiment's, or, with --sampler, that sampler's (in brackets there)]
    #[arg(long)]
    steps: Option<usize>,
    /// How noise becomes a picture [default: the experiment's]
    ///
    /// What counts is how often a network is asked: once a step, by heun twice.
    ///
    /// ddim               [50] one straight step after another; no noise is added, so a seed's
    ///                         picture changes little with the number of steps; what the published
    ///                         numbers of LDM and MEME use, there with 200
    /// ddpm              [250] adds fresh noise at every step, as training removed it; wants
    ///                         hundreds of steps
    /// euler              [50] ddim whose last step goes to no noise at all
    /// heun               [25] looks ahead and takes the mean slope: second order, two passes a step
    /// dpm-solver-2m      [25] second order from the step before, one pass a step; the first choice
    ///                         where 15 to 50 steps must do
    /// dpm-solver-2m-sde  [50] the same with fresh noise, which forgives errors of the network
    /// unipc              [15] predicts and corrects, third order, one pass a step; the first choice
    ///                         for less than 20 steps
    #[arg(long, verbatim_doc_comment)]
    sampler: Option<String>,
    /// Share of fresh noise of ddim [default: 0] and dpm-solver-2m-sde [default: 1], 0 to 1
    #[arg(long)]
    eta: Option<f64>,
    /// Seed of the noise [default: the experiment's]
    #[arg(long)]
    seed: Option<u64>,
    /// Pictures of this class only; the folders' names are the classes [default: each in turn]
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Strength of guidance towards the class; 1 is none [default: the experiment's]
    #[arg(long, value_name = "SCALE")]
    guidance: Option<f64>,
    /// Pictures per forward pass [default: the experiment's]
    #[arg(long)]
    batch: Option<usize>,
    /// Experts in memory at once: all, next, or a size
    ///
    /// all: every expert stays; fastest.
    /// next: the one at work, and the next one, which another thread reads meanwhile.
    /// A size such as 800MiB or 2GiB: as many as fit, the others come from the disk in their turn.
    /// The pictures are the same.
    #[arg(long, verbatim_doc_comment, value_name = "all|next|SIZE", default_value = "all")]
    resident: Residency,
    /// What the networks compute in: f32, bf16 or f16, for all experts, or one for each
    ///
    /// bf16 keeps eight bits of every number: half the memory, faster where the processor knows it,
    /// and slightly other pictures. f16 is for GPUs. f32,f32,bf16,bf16 gives the two experts of the
    /// noisier half bf16.
    #[arg(long, value_delimiter = ',', value_parser = precision, default_value = "f32")]
    precision: Vec<Precision>,
    /// A folder for numbered pictures, or a file ending in .png for one sheet
    #[arg(long, value_name = "DIR|FILE")]
    out: PathBuf,
    #[command(flatten)]
    first_stage: FirstStageArgument,
    #[command(flatten)]
    device: DeviceArgument,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Sample {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = self.device.get()?;
        let run = RunFolder::open(&self.run)?;
        let mut config = run.experiment.sample.clone();
        if let Some(name) = &self.sampler {
            config.sampler = sampler(name)?;
            config.steps = config.sampler.usual_steps();
        }
        config.steps = self.steps.unwrap_or(config.steps);
        if let Some(share) = self.eta {
            match &mut config.sampler {
                Sampler::Ddim { eta } | Sampler::DpmSolver2mSde { eta, .. } => *eta = share,
                other => {
                    let name = other.name();
                    return Err(Error::Usage(format!(
                        "--eta: {name} has no share of noise to set"
                    )));
                }
            }
        }
        config.seed = self.seed.unwrap_or(config.seed);
        if self.guidance.is_some() && run.experiment.data.classes.is_none() {
            return Err(Error::Usage("--guidance: this run's networks know no classes".into()));
        }
        config.guidance = self.guidance.unwrap_or(config.guidance);
        config.batch = self.batch.unwrap_or(config.batch);
        if config.steps == 0 || config.batch == 0 {
            return Err(Error::Usage("--steps and --batch must be at least 1".into()));
        }
        let count = self.count.unwrap_or(config.count as u64);
        if count == 0 {
            return Err(Error::Usage("--count must be at least 1".into()));
        }
        let first = self.first_stage.open_for(&run, device)?;
        let placement = Placement { device, residency: self.resident, precision: self.precision };
        let mut sampling = Sampling::new(&run, &first, &config, placement, &context.stop)?;
        if let Some(class) = &self.class {
            sampling = sampling.of_class(class)?;
        }
        let steps = sampling.steps();
        context.progress.add_work(1.0);
        let mut task = context.progress.begin("sampling", count, 1.0);
        let numbers = self.first..self.first + count;
        let mut done = |image| task.at(image - self.first + 1, || format!("{steps} steps"));
        if self.out.extension().is_some_and(|extension| extension == "png") {
            let folder = beside(&self.out);
            sampling.fill_folder(&folder, numbers.clone(), &mut done)?;
            let pictures = numbers.map(|number| {
                let path = folder.join(file_name(number));
                let bytes = std::fs::read(&path).map_err(io(&path))?;
                let name = path.display().to_string();
                Ok(meme_data::decode(&name, &bytes, [0; 3], &meme_data::Limits::default())?)
            });
            let pictures = pictures.collect::<Result<Vec<RgbImage>>>()?;
            meme_data::write_png(&self.out, &meme_data::grid(&pictures, COLUMNS, 2)?)?;
            std::fs::remove_dir_all(&folder).map_err(io(&folder))?;
        } else {
            sampling.fill_folder(&self.out, numbers, &mut done)?;
        }
        context.progress.finish();
        if self.json {
            output::json(&json!({
                "out": self.out, "count": count, "first": self.first, "seed": config.seed,
                "steps": steps, "evaluations": config.sampler.evaluations(steps),
                "sampler": config.sampler,
            }));
        } else {
            output::text(&self.out.display().to_string());
        }
        Ok(())
    }
}

/// The precision of that name, for clap.
pub(super) fn precision(name: &str) -> std::result::Result<Precision, String> {
    let all = [Precision::F32, Precision::Bf16, Precision::F16];
    let known = all.into_iter().find(|precision| precision.to_string() == name);
    known.ok_or_else(|| "it must be f32, bf16 or f16".to_owned())
}

/// The sampler of that name, or a usage error that names those there are.
pub(super) fn sampler(name: &str) -> Result<Sampler> {
    let known = Sampler::ALL.iter().map(Sampler::name);
    Sampler::named(name).map_err(|_| Error::unknown("sampler", name, known))
}
