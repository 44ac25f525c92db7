//! `meme analyze`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::common::{DeviceArgument, FirstStageArgument, PicturesArguments};
use super::{Context, output};
use crate::analysis::expert_spectrum;
use crate::pictures::Latents;
use crate::report::expert_spectra;
use crate::run::RunFolder;
use crate::{Result, error};

/// Watches the feature maps of a trained run: how much high frequency every expert keeps
#[derive(Args)]
pub(crate) struct Analyze {
    /// The run folder
    run: PathBuf,
    #[command(flatten)]
    pictures: PicturesArguments,
    /// How many of them
    #[arg(long, default_value_t = 64)]
    count: usize,
    /// Where the figure (SVG) and its numbers (CSV) go [default: RUN/analysis]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    first_stage: FirstStageArgument,
    #[command(flatten)]
    device: DeviceArgument,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Analyze {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = self.device.get()?;
        let run = RunFolder::open(&self.run)?;
        let pictures = self.pictures.open(&run.experiment.data, &context.progress)?;
        let first = self.first_stage.open_for(&run, device)?;
        let folder = self.out.unwrap_or_else(|| self.run.join("analysis"));
        std::fs::create_dir_all(&folder).map_err(error::io(&folder))?;
        let latents = Latents::of_validation(&pictures, &first, self.count)?;
        let mut spectra = Vec::new();
        for (expert, _) in run.experiment.numbered() {
            if context.stop.raised() {
                return Err(crate::Error::Stopped);
            }
            spectra.push(expert_spectrum(&run, expert, &latents, self.count, device)?);
        }
        let chart = expert_spectra(&run.experiment.title, &spectra);
        let figure = folder.join("spectra.svg");
        meme_checkpoint::write_file_whole(&figure, chart.to_svg_file().as_bytes())?;
        let csv = chart.to_csv();
        meme_checkpoint::write_file_whole(folder.join("spectra.csv"), csv.as_bytes())?;
        if self.json {
            output::json(&json!({"name": run.experiment.name, "experts": spectra}));
        } else {
            output::text(&figure.display().to_string());
        }
        Ok(())
    }
}
