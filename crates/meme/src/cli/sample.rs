//! `meme sample`.

use std::path::PathBuf;

use clap::Args;
use meme_data::RgbImage;
use meme_sampler::Sampler;
use serde_json::json;

use super::common::{DeviceArgument, FirstStageArgument};
use super::{Context, output};
use crate::error::io;
use crate::run::RunFolder;
use crate::sampling::{Sampling, file_name};
use crate::{Error, Result};

/// Pictures in a row of a sheet.
const COLUMNS: usize = 8;

/// Makes pictures from a trained run; picture k of a seed is the same whatever the batch
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
    /// Steps [default: the experiment's]
    #[arg(long)]
    steps: Option<usize>,
    /// The sampler [default: the experiment's]
    ///
    /// ddim: deterministic, first order, what LDM's and MEME's published numbers use;
    /// ddpm: adds noise at every step, best with hundreds of steps;
    /// euler: DDIM that ends at a clean image;
    /// heun: second order for two network passes a step;
    /// dpm-solver-2m: second order for one pass a step, good for 15 to 50 steps;
    /// dpm-solver-2m-sde: the same with noise, forgives errors of the network;
    /// unipc: predictor and corrector of higher order, good below 20 steps
    #[arg(long, verbatim_doc_comment)]
    sampler: Option<String>,
    /// Share of fresh noise of ddim and dpm-solver-2m-sde, 0 to 1 [default: the experiment's]
    #[arg(long)]
    eta: Option<f64>,
    /// Seed of the noise [default: the experiment's]
    #[arg(long)]
    seed: Option<u64>,
    /// Pictures per forward pass [default: the experiment's]
    #[arg(long)]
    batch: Option<usize>,
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
        config.steps = self.steps.unwrap_or(config.steps);
        if let Some(name) = &self.sampler {
            config.sampler = sampler(name)?;
        }
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
        config.batch = self.batch.unwrap_or(config.batch);
        if config.steps == 0 || config.batch == 0 {
            return Err(Error::Usage("--steps and --batch must be at least 1".into()));
        }
        let count = self.count.unwrap_or(config.count as u64);
        if count == 0 {
            return Err(Error::Usage("--count must be at least 1".into()));
        }
        let sheet = self.out.extension().is_some_and(|extension| extension == "png");
        let first = self.first_stage.open_for(&run, device)?;
        let mut sampling = Sampling::new(&run, &first, &config, device, &context.stop)?;
        if !sheet {
            std::fs::create_dir_all(&self.out).map_err(io(&self.out))?;
        }
        let steps = sampling.steps();
        context.progress.add_work(1.0);
        let mut task = context.progress.begin("sampling", count, 1.0);
        let mut pictures: Vec<RgbImage> = Vec::new();
        sampling.images(self.first..self.first + count, &mut |image, picture| {
            if sheet {
                pictures.push(picture.clone());
            } else {
                let path = self.out.join(file_name(image));
                meme_data::write_png(&path, picture)?;
            }
            task.at(image - self.first + 1, || format!("{steps} steps"));
            Ok(())
        })?;
        context.progress.finish();
        if sheet {
            meme_data::write_png(&self.out, &meme_data::grid(&pictures, COLUMNS, 2)?)?;
        }
        if self.json {
            output::json(&json!({
                "out": self.out, "count": count, "first": self.first, "seed": config.seed,
                "steps": steps, "sampler": config.sampler,
            }));
        } else {
            output::text(&self.out.display().to_string());
        }
        Ok(())
    }
}

/// The sampler of that name, or a usage error that names those there are.
fn sampler(name: &str) -> Result<Sampler> {
    let known = Sampler::ALL.iter().map(Sampler::name);
    Sampler::named(name).map_err(|_| Error::unknown("sampler", name, known))
}
