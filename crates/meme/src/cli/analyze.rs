//! `meme analyze`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Context, device, output};
use crate::analysis::expert_spectrum;
use crate::first::First;
use crate::pictures::{Latents, Pictures};
use crate::report::{Chart, Series};
use crate::run::RunFolder;
use crate::{Result, error};

/// Watches the feature maps of a trained run: how much high frequency every expert keeps
#[derive(Args)]
pub(crate) struct Analyze {
    /// The run folder
    run: PathBuf,
    /// Pictures to watch on [default: built-in faces]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// How many of them
    #[arg(long, default_value_t = 64)]
    count: usize,
    /// Where the figure (SVG) and its numbers (CSV) go [default: RUN/analysis]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Weights of a learned first stage (safetensors, CompVis' names)
    #[arg(long, value_name = "FILE")]
    first_stage: Option<PathBuf>,
    /// cpu, cuda or cuda:N [default: the first GPU that loads, else the CPU]
    #[arg(long, default_value = "auto", hide_default_value = true)]
    device: String,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Analyze {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = device(&self.device)?;
        let run = RunFolder::open(&self.run)?;
        let on_corrupt = super::encode::on_corrupt(false);
        let pictures = Pictures::open(&run.experiment.data, self.data.as_deref(), on_corrupt)?;
        let first = First::open(&run.experiment, self.first_stage.as_deref(), device)?;
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
        let series = spectra
            .iter()
            .map(|spectrum| Series {
                name: format!("expert {} at t = {}", spectrum.expert, spectrum.timestep),
                points: spectrum.points(),
            })
            .collect();
        let chart = Chart {
            title: format!("{}: relative log amplitude of feature maps", run.experiment.title),
            x_label: "spatial frequency (0 to pi)".into(),
            y_label: "log amplitude relative to frequency 0".into(),
            series,
            ..Chart::default()
        };
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
