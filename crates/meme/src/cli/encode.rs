//! `meme encode`.

use std::path::PathBuf;

use clap::Args;
use meme_data::ArraySource;
use serde_json::json;

use super::common::{DeviceArgument, FirstStageArgument, PicturesArguments};
use super::{Context, output};
use crate::Result;
use crate::experiment::Resolver;
use crate::pictures::Latents;

/// Turns pictures into a cache of latents that training reads at memory speed
#[derive(Args)]
pub(crate) struct Encode {
    /// SUITE/ROW or a TOML file: its resolution, filter, split and first stage are used
    name: String,
    /// smoke, tiny, small or paper
    #[arg(long, default_value = "tiny")]
    scale: String,
    #[command(flatten)]
    pictures: PicturesArguments,
    /// The cache, a folder with `train` and `validation`; one that was interrupted is gone on with
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    first_stage: FirstStageArgument,
    #[command(flatten)]
    device: DeviceArgument,
    /// Change a value: key=value
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Encode {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = self.device.get()?;
        let experiment = Resolver::new(&self.scale, &self.set)?.named_or_file(&self.name)?;
        let pictures = self.pictures.open(&experiment.data, &context.progress)?;
        let first = self.first_stage.open(&experiment, device)?;
        let (progress, stop) = (&context.progress, &context.stop);
        let latents = Latents::prepare(&experiment, &pictures, &first, &self.out, progress, stop)?;
        let (train, validation) = (latents.train.len(), latents.validation.len());
        if self.json {
            output::json(&json!({
                "train": train, "validation": validation, "shape": latents.train.shape(),
                "blake3": latents.identity(), "skipped": pictures.skipped,
            }));
        } else {
            output::text(&format!(
                "{}: {train} latents to learn from and {validation} held out, {:?} each",
                self.out.display(),
                latents.train.shape()
            ));
        }
        Ok(())
    }
}
