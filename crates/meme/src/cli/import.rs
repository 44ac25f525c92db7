//! `meme import`.

use std::path::PathBuf;

use clap::Args;
use meme_router::{Expert, Intervals};
use serde_json::json;

use super::{Context, output};
use crate::exchange::{self, Placement, Unsaid};
use crate::experiment::Resolver;
use crate::{Error, Result};

/// Takes a checkpoint of another project into a run folder: of CompVis' latent diffusion (.ckpt), of diffusers
/// (UNet2DModel, VQModel, AutoencoderKL and pipelines of them), an exported network, or an expert of another run
#[derive(Args)]
pub(crate) struct Import {
    /// A .ckpt, .pt, .pth or .safetensors file, a folder of diffusers, an exported network, or a run
    path: PathBuf,
    /// The run folder that it becomes part of; made where it is missing
    #[arg(long, value_name = "DIR", required_unless_present = "out")]
    run: Option<PathBuf>,
    /// Which expert of the run it becomes, 1 for the least noise [default: the only one]
    #[arg(long, value_name = "N")]
    expert: Option<u16>,
    /// Upper ends of the experts' intervals in timesteps, where the run folder is new [default: one expert for all]
    #[arg(long, value_name = "T,T,...", value_delimiter = ',')]
    intervals: Option<Vec<usize>>,
    /// The experiment, or a TOML file of one, that says what the source does not
    #[arg(long, value_name = "NAME|FILE", default_value = "ffhq/ldm-s")]
    like: String,
    /// Change a value of that experiment, such as data.resolution=64
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Channels of an attention head, which CompVis' files do not say
    #[arg(long, value_name = "N", default_value_t = 32)]
    head_dim: usize,
    /// Groups of the group normalisations, which CompVis' files do not say
    #[arg(long, value_name = "N", default_value_t = 32)]
    norm_groups: usize,
    /// Where PATH is a run: which of its experts [default: the only one]
    #[arg(long, value_name = "N")]
    source_expert: Option<u16>,
    /// Write only the first stage, as a file for --first-stage
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "expert", "intervals"])]
    out: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let unsaid = Unsaid { head_dim: self.head_dim, norm_groups: self.norm_groups };
        let import = exchange::read(&self.path, expert(self.source_expert)?, unsaid)?;
        for notice in &import.notices {
            context.progress.say(format!("note: {notice}"));
        }
        let Some(run) = &self.run else { return self.first_stage(import) };
        let intervals = self.intervals.as_deref().map(Intervals::explicit).transpose()?;
        let base = Resolver::new("paper", &self.settings)?.named_or_file(&self.like)?;
        let placement =
            Placement { run, expert: expert(self.expert)?, intervals, base, source: &self.path };
        let (experiment, placed) = exchange::place(&placement, &import)?;
        let architecture = &experiment.experts[placed.position()];
        if self.json {
            output::json(&json!({
                "run": run, "expert": placed.number(), "architecture": architecture,
                "intervals": experiment.intervals, "schedule": experiment.schedule,
                "first_stage": experiment.first_stage, "resolution": experiment.data.resolution,
            }));
            return Ok(());
        }
        let [channels, height, width] = experiment.latent_shape()?;
        let steps = experiment.intervals.timesteps(placed)?;
        let count = meme_blocks::count(architecture, height, width)?;
        output::text(&format!(
            "{}: expert {} of {}, timesteps {} to {}\n{} parameters on {height} x {width} x {channels}, pictures of {} pixels",
            run.display(),
            placed.number(),
            experiment.experts.len(),
            steps.start().get(),
            steps.end().get(),
            crate::progress::thousands(count.parameters),
            experiment.data.resolution
        ));
        Ok(())
    }

    fn first_stage(&self, import: exchange::Import) -> Result<()> {
        let Some((stage, out)) = import.first_stage.zip(self.out.as_ref()) else {
            return Err(Error::Exchange {
                path: self.path.clone(),
                reason: "it holds no first stage; --run DIR takes its network".into(),
            });
        };
        meme_checkpoint::write_safetensors(out, &stage.tensors, &Default::default())?;
        if self.json {
            output::json(&json!({"out": out, "first_stage": stage.config}));
        } else {
            let config = toml::to_string(&stage.config).unwrap_or_default();
            output::text(&format!("{}\n\n{config}", out.display()));
        }
        Ok(())
    }
}

fn expert(number: Option<u16>) -> Result<Option<Expert>> {
    Ok(number.map(Expert::new).transpose()?)
}
