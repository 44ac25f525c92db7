//! One row of a table: data, first stage, schedule, experts, training and sampling as one value.

mod library;
mod merge;
mod suite;

use meme_autoencoder::FirstStageConfig;
use meme_blocks::Architecture;
use meme_data::Filter;
use meme_data::cache::Precision;
use meme_router::{Assignment, Expert, Intervals};
use meme_sampler::Sampler;
use meme_schedule::{Grid, LossWeight, Parametrisation, ScheduleConfig};
use meme_trainer::TrainConfig;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use library::{Resolver, Scale, experiment_from_file, scales, suite, suites};
pub use suite::{Claim, ClaimKind, Paper, Suite, SuiteRow};

pub(crate) use merge::set;

use crate::{Error, Result};

/// Everything that determines the weights and the samples of one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// `suite/row`.
    pub name: String,
    /// The row's name in tables.
    pub title: String,
    /// What the row is, in a sentence or two.
    pub about: String,
    /// The scale it was resolved for.
    pub scale: String,
    /// What the network predicts.
    pub parametrisation: Parametrisation,
    /// How losses at different noise levels are weighted.
    #[serde(default)]
    pub loss_weight: LossWeight,
    /// Upper ends of the experts' intervals in timesteps; one expert has one.
    pub intervals: Intervals,
    /// How an expert's training timesteps are drawn.
    pub assignment: Assignment,
    /// Pictures.
    pub data: DataConfig,
    /// Images to latents.
    pub first_stage: FirstStageConfig,
    /// The noise schedule.
    pub schedule: ScheduleConfig,
    /// Training numbers of every expert.
    pub train: TrainConfig,
    /// Sampling numbers.
    pub sample: SampleConfig,
    /// The experts' networks, least noise first.
    pub experts: Vec<Architecture>,
}

/// Which pictures, and how they become squares of one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Side in pixels.
    pub resolution: usize,
    /// How the shorter side is resized.
    pub filter: Filter,
    /// Pictures held out of training, drawn by seed.
    pub validation: usize,
    /// Built-in faces drawn where no pictures are given, held-out ones included.
    pub faces: usize,
    /// Seed of the faces and of the split.
    pub seed: u64,
    /// How latents are stored: `f32`, or `bf16`, which halves the file and rounds each number by up to
    /// one part in 256.
    #[serde(default)]
    pub latents: Precision,
    /// The folder of a picture is its class, and the networks are told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassConfig>,
}

/// How class-conditional networks learn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// Share of the training pictures whose class is withheld, at least 0 and less than 1: guidance
    /// needs a network that can also do without.
    pub withheld: f64,
}

/// How samples are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleConfig {
    /// Samples to make.
    pub count: usize,
    /// Samples per forward pass.
    pub batch: usize,
    /// Steps asked for (grid `ldm` may make a few more).
    pub steps: usize,
    /// The sampler.
    pub sampler: Sampler,
    /// Which timesteps it visits.
    pub grid: Grid,
    /// Whether the estimate of the clean image is clipped to [-1, 1].
    pub clip: bool,
    /// Seed of the initial noise.
    #[serde(default)]
    pub seed: u64,
    /// Strength of classifier-free guidance for class-conditional networks; 1 is none.
    #[serde(default = "unguided", skip_serializing_if = "is_unguided")]
    pub guidance: f64,
}

fn unguided() -> f64 {
    1.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_unguided(guidance: &f64) -> bool {
    *guidance == unguided()
}

impl Experiment {
    /// Reads a complete experiment.
    ///
    /// # Errors
    /// [`Error::Toml`] with the line, or a rule that the values break.
    pub fn from_toml(text: &str, file: &str) -> Result<Self> {
        let experiment: Self = toml::from_str(text)
            .map_err(|error| Error::Toml { file: file.into(), message: error.to_string() })?;
        experiment.validate().map_err(|message| Error::Toml { file: file.into(), message })?;
        Ok(experiment)
    }

    /// The experiment as TOML that [`Experiment::from_toml`] reads back.
    ///
    /// # Errors
    /// [`Error::Toml`] where a value cannot be written, which no valid experiment has.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| Error::Toml { file: self.name.clone(), message: error.to_string() })
    }

    fn validate(&self) -> std::result::Result<(), String> {
        if self.experts.len() != self.intervals.experts() {
            return Err(format!(
                "there are {} experts but {} intervals",
                self.experts.len(),
                self.intervals.experts()
            ));
        }
        let steps = self.schedule.steps();
        if steps != self.intervals.steps() {
            return Err(format!(
                "the intervals end at timestep {}, the schedule at {steps}",
                self.intervals.steps()
            ));
        }
        let [channels, height, width] = self.latent_shape().map_err(|error| error.to_string())?;
        for (position, expert) in self.experts.iter().enumerate() {
            if expert.in_channels != channels || expert.out_channels != channels {
                return Err(format!(
                    "expert {} takes {} channels and gives {}, the first stage makes {channels}",
                    position + 1,
                    expert.in_channels,
                    expert.out_channels
                ));
            }
            expert
                .fits(height, width)
                .map_err(|error| format!("expert {}: {error}", position + 1))?;
            if (expert.classes > 0) != self.data.classes.is_some() {
                return Err(format!(
                    "expert {} has {} classes: data.classes and the experts' `classes` belong \
                     together",
                    position + 1,
                    expert.classes
                ));
            }
        }
        if self.data.classes.is_some_and(|classes| !(0.0..1.0).contains(&classes.withheld)) {
            return Err("data.classes.withheld must be at least 0 and less than 1".into());
        }
        if !self.sample.guidance.is_finite()
            || (self.data.classes.is_none() && self.sample.guidance != unguided())
        {
            return Err("sample.guidance must be a finite number, and 1 without classes".into());
        }
        if self.sample.count == 0 || self.sample.batch == 0 {
            return Err("sample.count and sample.batch must be at least 1".into());
        }
        if self.train.flip && self.first_stage != (FirstStageConfig::Identity {}) {
            return Err(
                "train.flip mirrors what the networks see, and the mirror image of a latent \
                        is not the latent of the mirror image: it needs first_stage.kind = \
                        \"identity\""
                    .into(),
            );
        }
        self.train.validate().map_err(|error| error.to_string())
    }

    /// `[channels, height, width]` of what the networks see.
    ///
    /// # Errors
    /// Where the resolution does not suit the first stage.
    pub fn latent_shape(&self) -> Result<[usize; 3]> {
        let side = self.data.resolution;
        Ok(self.first_stage.latent_shape([3, side, side])?)
    }

    /// The experts with their architectures, least noise first.
    pub fn numbered(&self) -> impl Iterator<Item = (Expert, &Architecture)> {
        self.intervals.iter().map(|(expert, _)| expert).zip(&self.experts)
    }

    /// The same experiment from other random numbers: repeat 0 is the experiment itself.
    ///
    /// Rows repeated under the same number are pairs: they learn from the same pictures in the
    /// same order with the same noise, and draw from the same noise.
    #[must_use]
    pub fn repeat(&self, number: u64) -> Self {
        let mut repeat = self.clone();
        if number > 0 {
            repeat.name = format!("{}-repeat-{number}", self.name);
            repeat.title = format!("{} (repeat {number})", self.title);
            repeat.train.seed += number;
            repeat.sample.seed += number;
        }
        repeat
    }

    /// Everything that shapes the weights of one expert, as its checkpoints record it.
    #[must_use]
    pub fn identity(&self, expert: Expert, latents: &str) -> serde_json::Value {
        let mut identity = json!({
            "latents": latents,
            "parametrisation": self.parametrisation,
            "loss_weight": self.loss_weight,
            "schedule": self.schedule,
            "intervals": self.intervals,
            "assignment": self.assignment,
            "expert": expert.number(),
            "architecture": self.experts.get(expert.position()),
        });
        if let Some(classes) = self.data.classes {
            identity["classes"] = json!(classes);
        }
        identity
    }
}
