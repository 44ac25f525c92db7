//! `meme train`.

use std::path::PathBuf;

use clap::Args;
use meme_router::Expert;

use super::common::{DeviceArgument, FirstStageArgument, PicturesArguments};
use super::{Context, dry_run, output};
use crate::experiment::{Experiment, Resolver};
use crate::pictures::Latents;
use crate::progress::Progress;
use crate::run::RunFolder;
use crate::training::{Changed, Training, train_expert_as};
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
    /// Go on with other values than the run was begun with, and record that in the run
    #[arg(long)]
    accept_changes: bool,
    /// Print what would be done, what memory it takes and about how long, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Train {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = self.device.get()?;
        let experiment = Resolver::new(&self.scale, &self.set)?.named_or_file(&self.name)?;
        let experts = self.experts(&experiment)?;
        if self.dry_run {
            output::text(&dry_run::plan(&experiment, &experts, device)?);
            return Ok(());
        }
        for expert in &experts {
            crate::exchange::refuse_training(&self.run, *expert)?;
        }
        let pictures = self.pictures.open(&experiment.data, &context.progress)?;
        RunFolder::refuse_another(&self.run, &experiment)?;
        let first = self.first_stage.open(&experiment, device)?;
        let (progress, stop) = (&context.progress, &context.stop);
        let folder = self.run.join("latents");
        let latents = Latents::prepare(&experiment, &pictures, &first, &folder, progress, stop)?;
        self.compare(&experiment, &latents.identity(), progress)?;
        let run = RunFolder::create(&self.run, experiment)?;
        let images = run.experiment.train.images;
        progress.add_work(images as f64 * experts.len() as f64);
        for expert in experts {
            let label = format!("{} {expert}", run.experiment.name);
            let task = progress.begin(label, images, images as f64);
            let training = Training { run: &run, latents: &latents, device, progress, stop };
            let changed = if self.accept_changes { Changed::Accept } else { Changed::Refuse };
            train_expert_as(&training, expert, images, task, changed)?;
        }
        progress.finish();
        output::text(&format!("{}", self.run.display()));
        Ok(())
    }

    /// Refuses values that the run was not begun with, unless they are meant.
    fn compare(&self, experiment: &Experiment, latents: &str, progress: &Progress) -> Result<()> {
        let mut fixed = Vec::new();
        let mut meant = Vec::new();
        for (expert, changes) in RunFolder::changes(&self.run, experiment, latents)? {
            for change in changes {
                let of_the_network = change.path.split('.').next() == Some("architecture");
                let lines = if of_the_network { &mut fixed } else { &mut meant };
                lines.push(format!("  {expert}: {change}"));
            }
        }
        let folder = self.run.clone();
        if !fixed.is_empty() {
            return Err(Error::OtherNetwork { folder, difference: fixed.join("\n") });
        }
        if !meant.is_empty() && !self.accept_changes {
            return Err(Error::Changed { folder, difference: meant.join("\n") });
        }
        for line in meant {
            progress.say(format!("changed: {}", line.trim_start()));
        }
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
