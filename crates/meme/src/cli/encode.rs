//! `meme encode`.

use std::path::PathBuf;

use clap::Args;
use meme_data::{ArraySource, OnCorrupt};
use serde_json::json;

use super::{Context, device, output};
use crate::Result;
use crate::experiment::Resolver;
use crate::first::First;
use crate::pictures::{Latents, Pictures};

/// Turns pictures into a cache of latents that training reads at memory speed
#[derive(Args)]
pub(crate) struct Encode {
    /// SUITE/ROW or a TOML file: its resolution, filter, split and first stage are used
    name: String,
    /// smoke, tiny, small or paper
    #[arg(long, default_value = "tiny")]
    scale: String,
    /// Pictures: a folder, a tar or a zip [default: built-in faces]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// The cache, a folder with `train` and `validation`; one that was interrupted is gone on with
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Leave out pictures that cannot be read instead of refusing the data
    #[arg(long)]
    skip_corrupt: bool,
    /// Weights of a learned first stage (safetensors, CompVis' names)
    #[arg(long, value_name = "FILE")]
    first_stage: Option<PathBuf>,
    /// cpu, cuda or cuda:N [default: the first GPU that loads, else the CPU]
    #[arg(long, default_value = "auto", hide_default_value = true)]
    device: String,
    /// Change a value: key=value
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Encode {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = device(&self.device)?;
        let experiment = Resolver::new(&self.scale, &self.set)?.named_or_file(&self.name)?;
        let pictures =
            Pictures::open(&experiment.data, self.data.as_deref(), on_corrupt(self.skip_corrupt))?;
        for sentence in &pictures.skipped {
            context.progress.say(format!("left out: {sentence}"));
        }
        let first = First::open(&experiment, self.first_stage.as_deref(), device)?;
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

/// What `--skip-corrupt` means.
pub(super) fn on_corrupt(skip: bool) -> OnCorrupt {
    if skip { OnCorrupt::SkipAndReport } else { OnCorrupt::Refuse }
}
