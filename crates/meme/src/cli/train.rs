//! `meme train`.

use std::path::PathBuf;

use clap::Args;
use meme_router::Expert;

use super::common::{DeviceArgument, FirstStageArgument, PicturesArguments};
use super::{Context, output};
use crate::experiment::{Experiment, Resolver};
use crate::pictures::Latents;
use crate::progress::thousands;
use crate::run::RunFolder;
use crate::training::{Training, train_expert};
use crate::{Error, Result};

/// Trains an experiment, expert after expert; goes on by itself where the folder holds its run
#[derive(Args)]
pub(crate) struct Train {
    /// SUITE/ROW, or a TOML file (`meme show` prints one to start from)
    name: String,
    /// smoke, tiny, small or paper
    #[arg(long, default_value = "tiny")]
    scale: String,
    /// The run folder, made if absent
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    #[command(flatten)]
    pictures: PicturesArguments,
    /// Train this expert only, counted from 1
    #[arg(long, value_name = "N")]
    expert: Option<u16>,
    #[command(flatten)]
    first_stage: FirstStageArgument,
    #[command(flatten)]
    device: DeviceArgument,
    /// Change a value: key=value, for instance train.images=64000
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Train {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = self.device.get()?;
        let experiment = Resolver::new(&self.scale, &self.set)?.named_or_file(&self.name)?;
        let experts = self.experts(&experiment)?;
        if self.dry_run {
            output::text(&plan(&experiment, &experts)?);
            return Ok(());
        }
        let pictures = self.pictures.open(&experiment.data, &context.progress)?;
        let run = RunFolder::create(&self.run, experiment)?;
        let first = self.first_stage.open(&run.experiment, device)?;
        let (progress, stop) = (&context.progress, &context.stop);
        let folder = self.run.join("latents");
        let latents =
            Latents::prepare(&run.experiment, &pictures, &first, &folder, progress, stop)?;
        let images = run.experiment.train.images;
        progress.add_work(images as f64 * experts.len() as f64);
        for expert in experts {
            let label = format!("{} {expert}", run.experiment.name);
            let task = progress.begin(label, images, images as f64);
            let training = Training { run: &run, latents: &latents, device, progress, stop };
            train_expert(&training, expert, images, task)?;
        }
        progress.finish();
        output::text(&format!("{}", self.run.display()));
        Ok(())
    }

    fn experts(&self, experiment: &Experiment) -> Result<Vec<Expert>> {
        let all = experiment.numbered().map(|(expert, _)| expert);
        let Some(number) = self.expert else { return Ok(all.collect()) };
        let expert = Expert::new(number)?;
        if expert.position() >= experiment.experts.len() {
            return Err(Error::Usage(format!(
                "--expert {number}: {} has experts 1 to {}",
                experiment.name,
                experiment.experts.len()
            )));
        }
        Ok(vec![expert])
    }
}

fn plan(experiment: &Experiment, experts: &[Expert]) -> Result<String> {
    let [channels, height, width] = experiment.latent_shape()?;
    let mut text = format!(
        "{} at scale {}: {} images of {channels} x {height} x {width} per expert in batches of \
         {}\n",
        experiment.title,
        experiment.scale,
        thousands(experiment.train.images),
        experiment.train.batch
    );
    for (expert, architecture) in experiment.numbered() {
        if !experts.contains(&expert) {
            continue;
        }
        let count = meme_blocks::count(architecture, height, width)?;
        let own = experiment.intervals.indices(expert)?;
        text.push_str(&format!(
            "{expert}: timesteps {}..={}, {} parameters, {} MACs an image, {:.2} GB a \
             checkpoint\n",
            own.start + 1,
            own.end,
            thousands(count.parameters),
            thousands(count.macs),
            16.0 * count.parameters as f64 / 1e9
        ));
    }
    text.push_str("Nothing was written.\n");
    Ok(text)
}
