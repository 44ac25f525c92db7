//! `meme search`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::common::{DeviceArgument, FirstStageArgument, PicturesArguments};
use super::{Context, output, table};
use crate::experiment::Resolver;
use crate::pictures::Latents;
use crate::search::Search;
use crate::{Error, Result};

/// Looks for boundaries and head tables within a budget: what the spectrum of the pictures suggests,
/// then short runs, the better half of which goes on
#[derive(Args)]
pub(crate) struct SearchVerb {
    /// SUITE/ROW or a TOML file to start from; its networks must have inception mixers
    name: String,
    /// smoke, tiny, small or paper
    #[arg(long, default_value = "tiny")]
    scale: String,
    /// Where candidates and the result go; gone on with where it was stopped
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Multiply-adds per image that no expert may exceed [default: no limit]
    #[arg(long, value_name = "N")]
    macs: Option<u64>,
    /// Rounds of training, each twice as long as the one before, with half the candidates
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10))]
    rungs: u32,
    /// Images a candidate sees in the first round [default: an eighth of train.images]
    #[arg(long, value_name = "N")]
    images: Option<u64>,
    #[command(flatten)]
    pictures: PicturesArguments,
    #[command(flatten)]
    first_stage: FirstStageArgument,
    #[command(flatten)]
    device: DeviceArgument,
    /// Networks trained side by side [default: one for every core; one on a GPU]
    #[arg(long)]
    lanes: Option<usize>,
    /// Change a value: key=value, for instance train.batch=32
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl SearchVerb {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = self.device.get()?;
        let experiment = Resolver::new(&self.scale, &self.set)?.named_or_file(&self.name)?;
        let pictures = self.pictures.open(&experiment.data, &context.progress)?;
        let first = self.first_stage.open(&experiment, device)?;
        std::fs::create_dir_all(&self.run).map_err(crate::error::io(&self.run))?;
        let (progress, stop) = (&context.progress, &context.stop);
        let folder = self.run.join("latents");
        let latents = Latents::prepare(&experiment, &pictures, &first, &folder, progress, stop)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = self.lanes.unwrap_or(if device.is_cuda() { 1 } else { cores });
        if lanes == 0 {
            return Err(Error::Usage("--lanes must be at least 1".into()));
        }
        let batch = experiment.train.batch;
        let images = self.images.unwrap_or(experiment.train.images / 8).max(batch);
        let search = Search {
            macs: self.macs,
            rungs: self.rungs,
            // Whole batches, so that every rung ends where it says.
            images: images / batch * batch,
            folder: &self.run,
            latents: &latents,
            device,
            lanes,
            threads: (cores / lanes).max(1),
            progress,
            stop,
            experiment,
        };
        let found = search.run()?;
        progress.finish();
        let file = self.run.join("found.toml");
        meme_checkpoint::write_file_whole(&file, found.experiment.to_toml()?.as_bytes())?;
        let value = json!({
            "division": found.division,
            "divisions": found.divisions,
            "tried": found.tried,
            "found": file.display().to_string(),
        });
        let text = serde_json::to_vec_pretty(&value).unwrap_or_default();
        meme_checkpoint::write_file_whole(self.run.join("search.json"), &text)?;
        if self.json {
            output::json(&value);
            return Ok(());
        }
        let divisions: Vec<Vec<String>> = found
            .divisions
            .iter()
            .map(|(name, ends, loss)| {
                let ends: Vec<String> = ends.iter().map(ToString::to_string).collect();
                vec![name.clone(), ends.join(" "), format!("{loss:.4}")]
            })
            .collect();
        let rows: Vec<Vec<String>> = found
            .tried
            .iter()
            .map(|it| {
                let losses: Vec<String> =
                    it.losses.iter().map(|(_, loss)| format!("{loss:.4}")).collect();
                vec![
                    it.division.clone(),
                    it.expert.to_string(),
                    it.heads.clone(),
                    format!("{:.2}", it.macs as f64 / 1e9),
                    losses.join(" "),
                    if it.chosen { "chosen".into() } else { String::new() },
                ]
            })
            .collect();
        output::text(&format!(
            "Mean validation loss over all timesteps, best candidate of each expert, after the \
             first round:\n\n{}\nCandidates (high-frequency heads by level, m: in the middle; one \
             loss for each round):\n\n{}\nOne seed, short runs: the choice says where to look, not \
             what is best.\nTrain it with\n  meme train {} --run runs/found\n",
            table(&["boundaries", "upper ends", "loss"], &divisions),
            table(&["boundaries", "expert", "heads", "GMAC", "losses", ""], &rows),
            file.display()
        ));
        Ok(())
    }
}
