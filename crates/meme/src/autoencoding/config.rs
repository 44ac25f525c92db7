//! What a first stage is trained on, and for what.

use std::path::Path;

use meme_autoencoder::FirstStageConfig;
use meme_trainer::TrainConfig;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::error::io;
use crate::experiment::{DataConfig, set};
use crate::{Error, Result};

const PRESETS: [(&str, &str); 2] = [
    ("kl-small", include_str!("../../presets/first-stages/kl-small.toml")),
    ("vq-small", include_str!("../../presets/first-stages/vq-small.toml")),
];

/// Names of the built-in ones.
pub fn first_stages() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// Everything that determines the weights of a first stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstStageExperiment {
    /// Its name.
    pub name: String,
    /// What it is, in a sentence.
    pub about: String,
    /// Pictures.
    pub data: DataConfig,
    /// The network: kind `vq` or `kl`.
    pub first_stage: FirstStageConfig,
    /// What is minimised.
    #[serde(default)]
    pub loss: AutoencodingLoss,
    /// Training numbers.
    pub train: TrainConfig,
}

/// How a picture is compared with its reconstruction, value by value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reconstruction {
    /// Mean absolute difference, as LDM's first stages.
    #[default]
    Absolute,
    /// Mean squared difference.
    Squared,
}

/// What is minimised: reconstruction + perceptual + (KL or commitment).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencodingLoss {
    /// How values are compared.
    pub reconstruction: Reconstruction,
    /// Weight of the difference of feature maps, where a feature network is given.
    pub perceptual: f64,
    /// KL stages: weight of the divergence from the standard normal, in nats per value of the picture. LDM's is 1e-6,
    /// with both terms summed instead of averaged, which is the same ratio.
    pub divergence: f64,
    /// VQ stages: weight of the mean squared distance of latents to their vectors (VQ-VAE's beta).
    pub commitment: f64,
    /// VQ stages: decay of the averages that vectors follow.
    pub codebook_decay: f64,
}

impl Default for AutoencodingLoss {
    /// LDM's: absolute, perceptual 1, divergence 1e-6, commitment 0.25; and VQ-VAE's decay, 0.99.
    fn default() -> Self {
        Self {
            reconstruction: Reconstruction::Absolute,
            perceptual: 1.0,
            divergence: 1e-6,
            commitment: 0.25,
            codebook_decay: 0.99,
        }
    }
}

impl FirstStageExperiment {
    /// A built-in one by name, or a file where `name` ends in `.toml`, with `--set`'s `key=value` applied.
    ///
    /// # Errors
    /// [`Error::UnknownName`], [`Error::Io`], [`Error::Toml`] with the line, [`Error::Usage`] for a setting.
    pub fn named_or_file(name: &str, settings: &[String]) -> Result<Self> {
        let path = Path::new(name);
        let text = if path.extension().is_some_and(|extension| extension == "toml") {
            std::fs::read_to_string(path).map_err(io(path))?
        } else {
            match PRESETS.iter().find(|(known, _)| *known == name) {
                Some((_, text)) => (*text).to_owned(),
                None => return Err(Error::unknown("first stage", name, first_stages())),
            }
        };
        let experiment = Self::from_toml(&text, name)?;
        if settings.is_empty() {
            return Ok(experiment);
        }
        // Written out whole, so that every key can be set, those with default values too.
        let mut table: Table = toml::from_str(&experiment.to_toml()?)
            .map_err(|error| Error::Toml { file: name.into(), message: error.to_string() })?;
        for setting in settings {
            set(&mut table, setting)?;
        }
        Self::from_toml(&table.to_string(), name)
    }

    /// Reads a complete one.
    ///
    /// # Errors
    /// [`Error::Toml`] with the line, or a rule that the values break.
    pub fn from_toml(text: &str, file: &str) -> Result<Self> {
        let wrong = |message: String| Error::Toml { file: file.into(), message };
        let experiment: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        experiment.validate().map_err(wrong)?;
        Ok(experiment)
    }

    /// As TOML that [`Self::from_toml`] reads back.
    ///
    /// # Errors
    /// [`Error::Toml`] where a value cannot be written, which no valid one has.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| Error::Toml { file: self.name.clone(), message: error.to_string() })
    }

    /// [channels, height, width] of the latents.
    ///
    /// # Errors
    /// Where the resolution does not suit the stage.
    pub fn latent_shape(&self) -> Result<[usize; 3]> {
        let side = self.data.resolution;
        Ok(self.first_stage.latent_shape([3, side, side])?)
    }

    fn validate(&self) -> std::result::Result<(), String> {
        if !matches!(self.first_stage, FirstStageConfig::Vq { .. } | FirstStageConfig::Kl { .. }) {
            return Err("first_stage.kind: only `vq` and `kl` learn anything".into());
        }
        self.latent_shape().map_err(|error| error.to_string())?;
        let AutoencodingLoss { perceptual, divergence, commitment, codebook_decay, .. } = self.loss;
        let weights =
            [("perceptual", perceptual), ("divergence", divergence), ("commitment", commitment)];
        for (field, weight) in weights {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(format!("loss.{field}: {weight} is not a number from 0 on"));
            }
        }
        if !(0.0..1.0).contains(&codebook_decay) {
            return Err(format!("loss.codebook_decay: {codebook_decay} does not lie in [0, 1)"));
        }
        self.train.validate().map_err(|error| error.to_string())
    }
}
