//! Descriptions of first stages as plain values, checked as they are read.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;
use crate::error::Result;

/// Which first stage stands between pixels and the latents that the denoiser sees.
///
/// ```
/// use meme_autoencoder::FirstStageConfig;
///
/// let vq_f4: FirstStageConfig = toml::from_str(r#"
///     kind = "vq"
///     codebook = 8192
///     embedding = 3
///     [coder]
///     image_channels = 3
///     latent_channels = 3
///     width = 128
///     channel_mult = [1, 2, 4]
///     res_blocks = 2
/// "#)?;
/// assert_eq!(vq_f4.latent_shape([3, 256, 256])?, [3, 64, 64]);
/// assert_eq!(vq_f4.count(256, 256)?.parameters, 55_322_782);
///
/// let cells: FirstStageConfig = toml::from_str("kind = 'space-to-depth'\nfactor = 2")?;
/// assert_eq!(cells.latent_shape([3, 32, 32])?, [12, 16, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields, remote = "Self")]
pub enum FirstStageConfig {
    /// Pixels are the latents.
    Identity {},
    /// Each cell of `factor` x `factor` pixels becomes one position with `factor * factor` times the channels.
    SpaceToDepth {
        /// Side of a cell, at least 1.
        factor: usize,
    },
    /// A vector-quantised autoencoder (Esser et al., arXiv 2012.09841, as latent diffusion uses it).
    Vq {
        /// Encoder and decoder.
        coder: CoderConfig,
        /// Vectors in the codebook.
        codebook: usize,
        /// Numbers in a vector, which are the latent's channels.
        embedding: usize,
    },
    /// A variational autoencoder with a diagonal normal posterior (latent and Stable Diffusion).
    Kl {
        /// Encoder and decoder.
        coder: CoderConfig,
        /// The latent's channels.
        embedding: usize,
        /// What latents are multiplied by, so that their deviation is about 1 (0.18215 in Stable Diffusion).
        #[serde(default = "unscaled")]
        scale: f64,
    },
}

/// Encoder and decoder of a learned first stage: mirror images, without skips.
///
/// Levels are numbered from the finest; each but the last halves both sides.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CoderConfig {
    /// Channels of an image, in and out.
    pub image_channels: usize,
    /// Channels between encoder and decoder (`z_channels`).
    pub latent_channels: usize,
    /// Channels of the first level at multiplier 1 (`ch`).
    pub width: usize,
    /// Channel multiplier of each level, finest first.
    pub channel_mult: Vec<usize>,
    /// Residual blocks of an encoder level; the decoder has one more.
    pub res_blocks: usize,
    /// Levels whose residual blocks are followed by attention. The middle always has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attention_levels: Vec<usize>,
    /// Groups of every group normalisation.
    #[serde(default = "norm_groups")]
    pub norm_groups: usize,
}

/// 32, as in latent diffusion.
fn norm_groups() -> usize {
    32
}

fn unscaled() -> f64 {
    1.0
}

/// Nothing is wider than this, in channels, vectors or pixels of a side; it keeps counts and indices in range.
const MOST: usize = 1 << 16;
/// Nor has more vectors.
const MOST_VECTORS: usize = 1 << 24;
/// Nor more levels or residual blocks.
const MOST_LEVELS: usize = 16;

fn within(field: &str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let rule = format!("{value} is not between {least} and {most}");
    Err(Error::Config { field: field.into(), rule })
}

impl FirstStageConfig {
    /// Checks every rule that a first stage needs.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and the rule that it breaks.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Identity {} => Ok(()),
            Self::SpaceToDepth { factor } => within("factor", *factor, 1, 256),
            Self::Vq { coder, codebook, embedding } => {
                within("codebook", *codebook, 1, MOST_VECTORS)?;
                within("embedding", *embedding, 1, MOST)?;
                coder.validate()
            }
            Self::Kl { coder, embedding, scale } => {
                within("embedding", *embedding, 1, MOST)?;
                if !(scale.is_finite() && *scale > 0.0) {
                    let rule = format!("{scale} is not a positive number");
                    return Err(Error::Config { field: "scale".into(), rule });
                }
                coder.validate()
            }
        }
    }

    /// How many pixels of a side make one position of the latent.
    pub fn factor(&self) -> usize {
        match self {
            Self::Identity {} => 1,
            Self::SpaceToDepth { factor } => *factor,
            Self::Vq { coder, .. } | Self::Kl { coder, .. } => coder.factor(),
        }
    }

    /// The latent's [C, H, W] for an image's [C, H, W].
    ///
    /// # Errors
    /// [`Error::Shape`] where the sides are not multiples of [`factor`](Self::factor) or the channels do not fit.
    pub fn latent_shape(&self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3]> {
        let factor = self.factor();
        let fits = [height, width].iter().all(|side| *side > 0 && side.is_multiple_of(factor));
        let latent_channels = match self {
            Self::Identity {} => Some(channels),
            Self::SpaceToDepth { factor } => channels.checked_mul(factor * factor),
            Self::Vq { coder, embedding, .. } | Self::Kl { coder, embedding, .. } => {
                (coder.image_channels == channels).then_some(*embedding)
            }
        };
        match latent_channels {
            Some(latent) if fits && channels > 0 => Ok([latent, height / factor, width / factor]),
            _ => Err(Error::Shape {
                what: "the image",
                found: [channels, height, width]
                    .map(|n| i64::try_from(n).unwrap_or(i64::MAX))
                    .into(),
                needed: self.needed_image(),
            }),
        }
    }

    /// The images that fit, in words.
    pub(crate) fn needed_image(&self) -> String {
        let channels = match self {
            Self::Vq { coder, .. } | Self::Kl { coder, .. } => coder.image_channels.to_string(),
            _ => "C".into(),
        };
        match self.factor() {
            1 => format!("[{channels}, H, W] with H and W at least 1"),
            factor => format!("[{channels}, H, W] with H and W multiples of {factor}"),
        }
    }
}

impl CoderConfig {
    /// How many pixels of a side make one position: 2 to the number of levels but one.
    pub fn factor(&self) -> usize {
        1 << self.channel_mult.len().saturating_sub(1)
    }

    /// Channels of a level; 0 where there is none.
    pub fn channels(&self, level: usize) -> usize {
        self.channel_mult.get(level).map_or(0, |mult| mult * self.width)
    }

    /// Number of resolutions.
    pub fn levels(&self) -> usize {
        self.channel_mult.len()
    }

    fn validate(&self) -> Result<()> {
        within("coder.image_channels", self.image_channels, 1, MOST)?;
        within("coder.latent_channels", self.latent_channels, 1, MOST)?;
        within("coder.width", self.width, 1, MOST)?;
        within("coder.res_blocks", self.res_blocks, 1, MOST_LEVELS)?;
        within("coder.norm_groups", self.norm_groups, 1, MOST)?;
        within("coder.channel_mult (its length)", self.levels(), 1, MOST_LEVELS)?;
        for (level, &mult) in self.channel_mult.iter().enumerate() {
            within(&format!("coder.channel_mult[{level}]"), mult, 1, MOST)?;
            within(&format!("coder.channel_mult[{level}] * width"), mult * self.width, 1, MOST)?;
        }
        for &level in &self.attention_levels {
            within("coder.attention_levels", level, 0, self.levels() - 1)?;
        }
        let channels = (0..self.levels()).map(|level| self.channels(level));
        for channels in channels.chain([self.width]) {
            if !channels.is_multiple_of(self.norm_groups) {
                let rule = format!("{} does not divide {channels} channels", self.norm_groups);
                return Err(Error::Config { field: "coder.norm_groups".into(), rule });
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for FirstStageConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = Self::deserialize(deserializer)?;
        config.validate().map_err(serde::de::Error::custom)?;
        Ok(config)
    }
}

impl Serialize for FirstStageConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}
