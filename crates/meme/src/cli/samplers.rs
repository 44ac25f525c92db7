//! `meme samplers`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use meme_data::RgbImage;
use meme_metrics::{BootstrapOptions, FeatureNetwork, Gaussian, Statistics, bootstrap};
use meme_sampler::Sampler;
use meme_schedule::Schedule;
use meme_torch::tch::Device;
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::common::{DeviceArgument, FirstStageArgument, PicturesArguments};
use super::sample::sampler;
use super::{Context, output};
use crate::error::io;
use crate::experiment::SampleConfig;
use crate::pictures::first_pictures;
use crate::run::RunFolder;
use crate::sampling::Sampling;
use crate::{Error, Result, stages};

/// Pictures per forward pass of the feature network.
const BATCH: usize = 32;

/// Measures how good a trained run's pictures are for how many passes of a network, by sampler
///
/// Every sampler draws the same pictures (the same seeds) with about the same numbers of passes;
/// their distance to the held-out pictures is measured with the built-in features, which is not
/// FID. What is done is kept in the folder of --out: the same call goes on where one was stopped,
/// and a longer list adds to the table.
#[derive(Args)]
pub(crate) struct Samplers {
    /// The run folder
    run: PathBuf,
    /// Samplers to compare [default: all; `meme sample --help` explains them]
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    samplers: Vec<String>,
    /// Passes of a network per picture
    #[arg(long, value_delimiter = ',', default_values_t = [5, 10, 25, 50, 100])]
    evaluations: Vec<usize>,
    /// How many pictures each [default: the experiment's]
    #[arg(long)]
    count: Option<usize>,
    /// Pictures per forward pass [default: the experiment's]
    #[arg(long)]
    batch: Option<usize>,
    /// A folder for the table: samplers.md and samplers.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    pictures: PicturesArguments,
    #[command(flatten)]
    first_stage: FirstStageArgument,
    #[command(flatten)]
    device: DeviceArgument,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// A line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    sampler: Sampler,
    steps: usize,
    evaluations: usize,
    distance: f64,
    /// 95 % bootstrap interval.
    interval: (f64, f64),
    /// Wall time of sampling, for all pictures.
    seconds: f64,
}

/// samplers.json.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Hash of what all lines have in common.
    identity: String,
    row: String,
    scale: String,
    count: usize,
    reference: usize,
    features: String,
    /// The distance of as many training pictures: nothing drawn can be expected to do better.
    floor: f64,
    device: String,
    rows: Vec<Row>,
}

impl Samplers {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = self.device.get()?;
        let run = RunFolder::open(&self.run)?;
        let mut config = run.experiment.sample.clone();
        config.count = self.count.unwrap_or(config.count);
        config.batch = self.batch.unwrap_or(config.batch);
        if config.count < 2 || config.batch == 0 || self.evaluations.contains(&0) {
            return Err(Error::Usage(
                "--count must be at least 2, --batch and --evaluations at least 1".into(),
            ));
        }
        let samplers = match &self.samplers[..] {
            [] => Sampler::ALL.to_vec(),
            names => names.iter().map(|name| sampler(name)).collect::<Result<_>>()?,
        };
        let schedule = Schedule::new(&run.experiment.schedule)?;
        let first = self.first_stage.open(&run.experiment, device)?;
        let pictures = self.pictures.open(&run.experiment.data, &context.progress)?;
        let network = FeatureNetwork::random(Device::Cpu)?;
        let features = |pictures: &[RgbImage]| features(&network, pictures, context);
        let reference = features(&first_pictures(&pictures.validation, usize::MAX)?)?;
        let real = Gaussian::of(&Statistics::of(reference.view())?)?;
        let distance = |rows: ArrayView2<'_, f64>| -> meme_metrics::Result<f64> {
            Gaussian::of(&Statistics::of(rows)?)?.distance(&real)
        };
        let weights = crate::experts::Trained::open(&run, device)?.identity();
        let SampleConfig { count, grid, clip, seed, .. } = &config;
        let identity = stages::hash(&json!({
            "weights": weights, "first_stage": first.hash(), "grid": grid, "clip": clip,
            "seed": seed, "count": count, "reference": pictures.hash, "features": network.hash(),
        }));
        let learned_from = features(&first_pictures(&pictures.train, config.count)?)?;
        let mut table = Table {
            identity,
            row: run.experiment.title.clone(),
            scale: run.experiment.scale.clone(),
            count: config.count,
            reference: reference.nrows(),
            features: network.name().to_owned(),
            floor: distance(learned_from.view())?,
            device: meme_torch::device::device_name(device),
            rows: Vec::new(),
        };
        std::fs::create_dir_all(&self.out).map_err(io(&self.out))?;
        let file = self.out.join("samplers.json");
        table.rows = table.before(&file)?;
        let wanted = samplers.iter().flat_map(|s| self.evaluations.iter().map(move |n| (s, *n)));
        for (sampler, evaluations) in wanted {
            config.sampler = *sampler;
            let entries = |steps| Ok(config.grid.on(&schedule, steps)?.len());
            config.steps = steps(sampler, evaluations.min(schedule.steps()), &entries)?;
            let known = |row: &Row| row.sampler == *sampler && row.steps == config.steps;
            if table.rows.iter().any(known) {
                continue;
            }
            let mut sampling = Sampling::new(&run, &first, &config, device, &context.stop)?;
            let work = (config.count * sampling.steps()) as f64;
            context.progress.add_work(work);
            let label = format!("{} {}", sampler.name(), config.steps);
            let mut task = context.progress.begin(label, config.count as u64, work);
            let mut drawn: Vec<RgbImage> = Vec::with_capacity(config.count);
            let clock = Instant::now();
            sampling.images(0..config.count as u64, &mut |number, picture| {
                drawn.push(picture.clone());
                task.at(number + 1, String::new);
                Ok(())
            })?;
            let seconds = clock.elapsed().as_secs_f64();
            let drawn = features(&drawn)?;
            let value = distance(drawn.view())?;
            let options = BootstrapOptions::default();
            let interval = bootstrap(value, drawn.nrows(), &options, |rows| {
                distance(drawn.select(Axis(0), rows).view())
            })?;
            table.rows.push(Row {
                sampler: *sampler,
                steps: config.steps,
                evaluations: sampler.evaluations(sampling.steps()),
                distance: value,
                interval: (interval.low, interval.high),
                seconds,
            });
            table.write(&file)?;
        }
        context.progress.finish();
        table.write(&file)?;
        let text = table.markdown();
        let page = self.out.join("samplers.md");
        meme_checkpoint::write_file_whole(&page, text.as_bytes())?;
        if self.json {
            output::json(&table);
        } else {
            output::text(&text);
        }
        Ok(())
    }
}

/// The most steps of a sampler that take no more than so many evaluations, where a grid for so many
/// steps has `entries` of them; one step at least.
fn steps(
    sampler: &Sampler,
    evaluations: usize,
    entries: &dyn Fn(usize) -> Result<usize>,
) -> Result<usize> {
    for steps in (1..=evaluations).rev() {
        if sampler.evaluations(entries(steps)?) <= evaluations {
            return Ok(steps);
        }
    }
    Ok(1)
}

impl Table {
    /// The lines of an earlier call.
    fn before(&self, file: &Path) -> Result<Vec<Row>> {
        if !file.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(file).map_err(io(file))?;
        let before: Self = serde_json::from_str(&text).map_err(|error| Error::Malformed {
            path: file.to_path_buf(),
            message: error.to_string(),
        })?;
        if before.identity != self.identity {
            return Err(Error::Usage(format!(
                "{} measures something else (another run, checkpoint, number of pictures or \
                 reference): use another --out",
                file.display()
            )));
        }
        Ok(before.rows)
    }

    fn write(&self, file: &Path) -> Result<()> {
        let value: Value = json!(self);
        let text = serde_json::to_vec_pretty(&value).unwrap_or_default();
        Ok(meme_checkpoint::write_file_whole(file, &text)?)
    }

    /// A line for each sampler, a column for each number of evaluations.
    fn markdown(&self) -> String {
        let mut text = format!(
            "Distance to {} held-out pictures ({}, not FID) of {} pictures, by evaluations of a \
             network per picture; {} at scale {}. 95 % bootstrap intervals over the pictures; as \
             many training pictures: {:.3}. Device: {}.\n\n\
             | sampler | steps | evaluations | distance | 95 % | seconds |\n\
             |---|---:|---:|---:|---:|---:|\n",
            self.reference,
            self.features,
            self.count,
            self.row,
            self.scale,
            self.floor,
            self.device
        );
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        let place = |row: &Row| Sampler::ALL.iter().position(|s| s.name() == row.sampler.name());
        rows.sort_by_key(|row| (place(row), row.evaluations));
        for Row { sampler, steps, evaluations, distance, interval: (low, high), seconds } in rows {
            text.push_str(&format!(
                "| {} | {steps} | {evaluations} | {distance:.3} | {low:.3} to {high:.3} | \
                 {seconds:.1} |\n",
                sampler.name()
            ));
        }
        text
    }
}

fn features(
    network: &FeatureNetwork,
    pictures: &[RgbImage],
    context: &Context,
) -> Result<Array2<f64>> {
    let pictures = pictures.iter().map(|picture| Ok::<_, meme_metrics::Error>(picture.clone()));
    let mut watch = |_| match context.stop.raised() {
        true => std::ops::ControlFlow::Break(()),
        false => std::ops::ControlFlow::Continue(()),
    };
    match meme_metrics::extract(network, pictures, BATCH, &mut watch) {
        Err(meme_metrics::Error::Stopped { .. }) => Err(Error::Stopped),
        features => Ok(features?),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::steps;
    use meme_sampler::Sampler;

    #[test]
    fn no_sampler_gets_more_evaluations_than_were_asked_for() {
        let exact = |steps| Ok(steps);
        assert_eq!(steps(&Sampler::default(), 10, &exact).unwrap(), 10);
        assert_eq!(steps(&Sampler::Heun {}, 10, &exact).unwrap(), 5);
        assert_eq!(steps(&Sampler::Heun {}, 1, &exact).unwrap(), 1);
        // Grid `ldm` makes 4 of 3 and 2 of 2.
        let ldm = |steps| Ok(meme_schedule::Grid::Ldm.indices(1000, steps)?.len());
        assert_eq!(steps(&Sampler::Heun {}, 5, &ldm).unwrap(), 2);
    }
}
