//! How long, how fast, how often: the numbers of a training run.

use meme_torch::Precision;
use serde::{Deserialize, Serialize};

use crate::{Decay, Error};

/// The training numbers of one network.
///
/// Lengths are counted in images, never in steps, so that a run keeps its meaning when the batch
/// changes. Defaults are those of latent diffusion on FFHQ (Rombach et al. 2022).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Images to see in all.
    pub images: u64,
    /// Images per update.
    pub batch: u64,
    /// Images per forward pass; the gradient of a batch is summed over its micro-batches.
    /// 0 means the whole batch at once.
    pub micro_batch: u64,
    /// AdamW's rate after the warm-up.
    pub learning_rate: f64,
    /// Images over which the rate rises linearly from 0.
    pub warmup_images: u64,
    /// Images over which the rate falls, as `decay` says; 0 keeps it constant as LDM does.
    pub decay_images: u64,
    /// How the rate falls.
    pub decay: Decay,
    /// AdamW's decay of the first moment.
    pub beta1: f64,
    /// AdamW's decay of the second moment.
    pub beta2: f64,
    /// AdamW's guard against division by zero.
    pub epsilon: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Ceiling of the gradient's global norm; 0 does not clip.
    pub clip_norm: f64,
    /// Ceiling of the decay of the weights' moving average, `min(ceiling, (1 + n) / (10 + n))`.
    pub ema_decay: f64,
    /// Relative standard deviations of power-function averages that are kept beside it, 0.0001 to
    /// 0.2886; EDM2 keeps 0.05 and 0.1.
    pub power_averages: Vec<f64>,
    /// Images between two snapshots of those averages, from which
    /// [`posthoc_average`](crate::posthoc_average) puts others together; 0 takes none.
    pub snapshot_images: u64,
    /// What the forward pass and the loss compute in. Weights, moments and averages are float32
    /// whatever stands here.
    pub precision: Precision,
    /// Compute feature maps again in the backward pass instead of keeping them: less memory, more
    /// time, the same gradients. It is up to the network to follow it.
    pub activation_checkpointing: bool,
    /// Mirror images at random.
    pub flip: bool,
    /// Seed of every draw of this run.
    pub seed: u64,
    /// Images between two lines of `stats.jsonl`.
    pub window_images: u64,
    /// Images between two validations with the moving average, where the objective has held-out
    /// data; 0 makes none.
    pub validation_images: u64,
    /// Seconds between two checkpoints; one is also written at the end and when stopped.
    pub checkpoint_seconds: u64,
    /// Checkpoints kept, two at least.
    pub keep: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            images: 26_670_000,
            batch: 42,
            micro_batch: 0,
            learning_rate: 8.4e-5,
            warmup_images: 0,
            decay_images: 0,
            decay: Decay::Linear,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            clip_norm: 0.0,
            ema_decay: 0.9999,
            power_averages: Vec::new(),
            snapshot_images: 0,
            precision: Precision::F32,
            activation_checkpointing: false,
            flip: false,
            seed: 0,
            window_images: 4_200,
            validation_images: 0,
            checkpoint_seconds: 600,
            keep: 2,
        }
    }
}

impl TrainConfig {
    /// Refuses numbers that make no sense, naming the field and its rule.
    ///
    /// # Errors
    /// [`Error::Configuration`] for the first field that breaks its rule.
    pub fn validate(&self) -> Result<(), Error> {
        let rules: [(&'static str, &'static str, bool, f64); 10] = [
            ("images", "must be at least 1", self.images >= 1, self.images as f64),
            ("batch", "must be at least 1", self.batch >= 1, self.batch as f64),
            (
                "micro_batch",
                "must be at most the batch",
                self.micro_batch <= self.batch,
                self.micro_batch as f64,
            ),
            (
                "learning_rate",
                "must be positive and finite",
                self.learning_rate > 0.0 && self.learning_rate.is_finite(),
                self.learning_rate,
            ),
            ("beta1", "must lie in [0, 1)", (0.0..1.0).contains(&self.beta1), self.beta1),
            ("beta2", "must lie in [0, 1)", (0.0..1.0).contains(&self.beta2), self.beta2),
            ("weight_decay", "must not be negative", self.weight_decay >= 0.0, self.weight_decay),
            (
                "ema_decay",
                "must lie in [0, 1)",
                (0.0..1.0).contains(&self.ema_decay),
                self.ema_decay,
            ),
            (
                "window_images",
                "must be at least 1",
                self.window_images >= 1,
                self.window_images as f64,
            ),
            ("keep", "must be at least 2", self.keep >= 2, self.keep as f64),
        ];
        for (field, rule, holds, value) in rules {
            if !holds {
                return Err(Error::Configuration { field, rule, value: value.to_string() });
            }
        }
        if self.precision == Precision::F16 {
            return Err(Error::Configuration {
                field: "precision",
                rule: "must be f32 or bf16: gradients vanish in float16 unless losses are scaled",
                value: self.precision.to_string(),
            });
        }
        for (position, &deviation) in self.power_averages.iter().enumerate() {
            let wrong = |rule| Error::Configuration {
                field: "power_averages",
                rule,
                value: deviation.to_string(),
            };
            meme_torch::PowerFunction::new(deviation)
                .map_err(|_| wrong("each must be from 0.0001 to 0.2886"))?;
            if self.power_averages[..position].contains(&deviation) {
                return Err(wrong("each may stand there once"));
            }
        }
        if self.snapshot_images > 0 && self.power_averages.is_empty() {
            return Err(Error::Configuration {
                field: "snapshot_images",
                rule: "must be 0 where there are no power_averages",
                value: self.snapshot_images.to_string(),
            });
        }
        Ok(())
    }

    /// AdamW's rate for the update that begins at `image`.
    #[must_use]
    pub fn rate_at(&self, image: u64) -> f64 {
        let end = (image + self.batch) as f64;
        let rise = if self.warmup_images == 0 { 1.0 } else { end / self.warmup_images as f64 };
        let fall = self.decay.share(image, self.images, self.decay_images);
        self.learning_rate * rise.min(1.0) * fall
    }

    /// Whether an update that ended at `images` passed a multiple of `interval`; never where that
    /// is 0. Updates begin at multiples of the batch.
    pub(crate) fn passed(&self, interval: u64, images: u64) -> bool {
        if interval == 0 || images == 0 {
            return false;
        }
        let begun = (images - 1) / self.batch * self.batch;
        images / interval > begun / interval
    }

    /// Images in the forward pass: the micro-batch, or the batch where none is set.
    #[must_use]
    pub fn forward_images(&self) -> u64 {
        if self.micro_batch == 0 { self.batch } else { self.micro_batch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_over_the_warm_up_and_falls_over_the_decay() {
        let config = TrainConfig {
            images: 1000,
            batch: 10,
            learning_rate: 1.0,
            warmup_images: 100,
            decay_images: 500,
            ..TrainConfig::default()
        };
        assert_eq!(config.rate_at(0), 0.1);
        assert_eq!(config.rate_at(90), 1.0);
        assert_eq!(config.rate_at(500), 1.0);
        assert_eq!(config.rate_at(750), 0.5);
        assert_eq!(config.rate_at(990), 0.02);
    }

    #[test]
    fn a_senseless_number_is_refused_by_name() {
        let config = TrainConfig { beta2: 1.0, ..TrainConfig::default() };
        let message = config.validate().unwrap_err().to_string();
        assert_eq!(message, "train.beta2: must lie in [0, 1), but it is 1");
    }
}
