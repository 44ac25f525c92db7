//! The first stage of an experiment, with its weights where it has any.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use meme_autoencoder::FirstStage;
use meme_torch::Parameters;
use meme_torch::tch::{Device, Tensor, no_grad};
use serde_json::json;

use crate::experiment::Experiment;
use crate::{Error, Result, stages};

/// Pictures to latents and back on one device.
pub(crate) struct First {
    /// One caller at a time: a tensor may move between threads but not be shared.
    stage: Mutex<FirstStage>,
    device: Device,
    hash: String,
}

impl First {
    /// The first stage of `experiment`, its weights read from a safetensors file with CompVis'
    /// names. One that learns nothing takes no weights.
    pub(crate) fn open(
        experiment: &Experiment,
        weights: Option<&Path>,
        device: Device,
    ) -> Result<Self> {
        let config = &experiment.first_stage;
        let mut parameters = Parameters::blank(device);
        let stage = FirstStage::new(&parameters.root(), config)?;
        let learned = !parameters.named().is_empty();
        let weights_hash = match (learned, weights) {
            (false, None) => None,
            (false, Some(file)) => {
                return Err(Error::Usage(format!(
                    "--first-stage {}: the first stage of {} learns nothing and takes no weights",
                    file.display(),
                    experiment.name
                )));
            }
            (true, None) => {
                return Err(Error::Usage(format!(
                    "{} at scale {} works on the latents of a learned first stage: give its \
                     weights with --first-stage FILE.safetensors (CompVis' names), or use another \
                     scale",
                    experiment.name, experiment.scale
                )));
            }
            (true, Some(file)) => {
                parameters.load(&meme_checkpoint::read_safetensors(file)?.tensors)?;
                let bytes = std::fs::read(file).map_err(crate::error::io(file))?;
                Some(blake3::hash(&bytes).to_hex().to_string())
            }
        };
        parameters.set_trainable(false);
        let hash = stages::hash(&json!({"config": config, "weights": weights_hash}));
        Ok(Self { stage: Mutex::new(stage), device, hash })
    }

    fn stage(&self) -> MutexGuard<'_, FirstStage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hash of description and weights.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// Where it computes.
    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// Pixels `[B, 3, H, W]` in -1..1, on any device, to latents.
    pub(crate) fn encode(&self, pixels: &Tensor) -> Result<Tensor> {
        Ok(no_grad(|| self.stage().encode(&pixels.to_device(self.device)))?)
    }

    /// Latents, on any device, to pixels `[B, 3, H, W]`.
    pub(crate) fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        Ok(no_grad(|| self.stage().decode(&latents.to_device(self.device)))?)
    }
}
