//! `meme evaluate`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use meme_data::{Filter, HashDepth, ImageSource, Pixels, Transform};
use meme_metrics::{Compared, EvaluationOptions, FeatureNetwork};
use ndarray::Array2;

use super::common::DeviceArgument;
use super::{Context, output};
use crate::{Error, Result};

/// Pictures per forward pass of the feature network.
const BATCH: usize = 32;

/// The feature networks that `--features` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Features {
    /// 64 features of a fixed random network; needs no file
    Random,
    /// SqueezeNet v1.1, 512 features; needs --weights
    Squeezenet,
}

/// Measures the distance between generated and real pictures
#[derive(Args)]
pub(crate) struct Evaluate {
    /// Generated pictures: a folder, a tar or a zip
    #[arg(long, value_name = "PATH")]
    generated: PathBuf,
    /// Real pictures: a folder, a tar or a zip
    #[arg(long, value_name = "PATH")]
    reference: PathBuf,
    /// The feature network; only Inception's distance is called FID, and these are not Inception
    #[arg(long, value_enum, default_value_t = Features::Random)]
    features: Features,
    /// Weights of the feature network (a safetensors file)
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Bring all pictures to this side first [default: the side of the first generated one]
    #[arg(long)]
    resolution: Option<usize>,
    #[command(flatten)]
    device: DeviceArgument,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let device = self.device.get()?;
        let network = match (self.features, &self.weights) {
            (Features::Random, _) => FeatureNetwork::random(device)?,
            (Features::Squeezenet, Some(file)) => FeatureNetwork::squeezenet(file, device)?,
            (Features::Squeezenet, None) => {
                return Err(Error::Usage("--features squeezenet needs --weights FILE".into()));
            }
        };
        let generated = meme_data::open(&self.generated)?;
        let reference = meme_data::open(&self.reference)?;
        let resolution = match self.resolution {
            Some(resolution) => resolution,
            None => {
                let first = generated.image(0, 0)?;
                first.width.min(first.height)
            }
        };
        let compared = Compared {
            network: network.identity().clone(),
            resize: format!("shorter side to {resolution} with pil-box, centre crop"),
            generated: self.generated.display().to_string(),
            generated_hash: generated.content_hash(HashDepth::Bytes)?,
            reference: self.reference.display().to_string(),
            reference_hash: reference.content_hash(HashDepth::Bytes)?,
        };
        let drawn = extract(context, &network, generated, resolution, &self.generated)?;
        let real = extract(context, &network, reference, resolution, &self.reference)?;
        let options = EvaluationOptions::default();
        let evaluation = meme_metrics::evaluate(drawn.view(), real.view(), compared, &options)?;
        if self.json {
            output::json(&evaluation);
            return Ok(());
        }
        let interval = &evaluation.interval;
        let mut text = format!(
            "{}: {:.4}, 95 % interval {:.4} to {:.4}\n{} generated against {} real pictures\n",
            evaluation.metric,
            evaluation.value,
            interval.low,
            interval.high,
            evaluation.generated,
            evaluation.reference
        );
        if let Some(floor) = &evaluation.floor {
            text.push_str(&format!(
                "real against real, {} each: {:.4} +- {:.4}\n",
                floor.images, floor.value, floor.deviation
            ));
        }
        text.push_str(&format!(
            "features {}, weights {}\n{}\n",
            network.name(),
            network.hash(),
            evaluation.compared.resize
        ));
        output::text(&text);
        Ok(())
    }
}

fn extract(
    context: &Context,
    network: &FeatureNetwork,
    source: Box<dyn ImageSource>,
    resolution: usize,
    path: &Path,
) -> Result<Array2<f64>> {
    let total = source.len();
    let label = path.display().to_string();
    let mut task = context.progress.begin(label, total as u64, 0.0);
    let transform = Transform { filter: Filter::PilBox, ..Transform::new(resolution) };
    let pixels = Pixels::new(source, transform)?;
    let pictures = (0..total).map(|index| pixels.picture(index));
    let mut watch = |done: usize| {
        task.at(done as u64, || "features".into());
        if context.stop.raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match meme_metrics::extract(network, pictures, BATCH, &mut watch) {
        Err(meme_metrics::Error::Stopped { .. }) => Err(Error::Stopped),
        features => Ok(features?),
    }
}
