//! `meme train-first-stage`.

use std::path::PathBuf;

use clap::Args;
use meme_metrics::{FeatureNetwork, Mode};
use serde_json::json;

use super::common::{DeviceArgument, PicturesArguments};
use super::{Context, output};
use crate::Result;
use crate::autoencoding::{self, FirstStageExperiment};

/// Trains a small first stage (VQ or KL); goes on by itself where the folder holds its run
#[derive(Args)]
pub(crate) struct TrainFirstStage {
    /// kl-small, vq-small, or a TOML file (--show prints one to start from)
    name: String,
    /// The run folder, made if absent; the weights end up there as first-stage.safetensors
    #[arg(long, value_name = "DIR", required_unless_present = "show")]
    run: Option<PathBuf>,
    #[command(flatten)]
    pictures: PicturesArguments,
    /// Weights of a feature network (SqueezeNet's): its maps of picture and reconstruction are compared too
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
    /// Change a value: key=value, for instance train.images=64000
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print it fully resolved, as TOML, and do nothing
    #[arg(long)]
    show: bool,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl TrainFirstStage {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let experiment = FirstStageExperiment::named_or_file(&self.name, &self.set)?;
        let (false, Some(run)) = (self.show, &self.run) else {
            output::text(&experiment.to_toml()?);
            return Ok(());
        };
        let device = self.device.get()?;
        autoencoding::refuse_another(run)?;
        let features = self
            .features
            .map(|file| FeatureNetwork::open(&file, Mode::Clean, device))
            .transpose()?;
        let pictures = self.pictures.open(&experiment.data, &context.progress)?;
        let (progress, stop) = (&context.progress, &context.stop);
        let trained =
            autoencoding::train(&experiment, &pictures, features, run, device, (progress, stop))?;
        progress.finish();
        if self.json {
            output::json(&json!({
                "weights": trained.weights,
                "first_stage": experiment.first_stage,
                "mean_absolute_difference": trained.difference,
                "latent_deviation": trained.deviation,
                "pictures": trained.pictures,
            }));
        } else {
            output::text(&format!(
                "{}: {} held-out pictures come back {:.4} from what they were, on average of \
                 values in -1..1; their latents deviate by {:.3}",
                trained.weights.display(),
                trained.pictures,
                trained.difference,
                trained.deviation
            ));
        }
        Ok(())
    }
}
