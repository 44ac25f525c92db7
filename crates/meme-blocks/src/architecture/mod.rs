//! The description of a denoiser as a plain value, read with serde and checked as it is read.

mod elements;
mod pooling;
mod tables;
mod validate;

pub use elements::{HighElement, LowElement};
pub use pooling::{PoolKind, PoolKinds};
pub use tables::{MixerTable, TransformerTable};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

/// A U-Net as a plain value: everything that shapes the network, and nothing about its training.
///
/// Levels are numbered from the finest (level 0, the input's size) to the coarsest; each level but the last
/// halves height and width, rounding up. Level `l` has `width * channel_mult[l]` channels.
/// The encoder has `res_blocks` blocks a level, the decoder `res_blocks + 1`, the middle two.
///
/// Reading one with serde refuses unknown fields and every combination that no network can have; the message
/// names the field and the rule. A value built by hand is checked by [`Architecture::validate`], which
/// [`UNet::new`](crate::UNet::new) and [`count`](crate::count()) call.
///
/// ```
/// let text = r#"
///     in_channels = 3
///     out_channels = 3
///     width = 128
///     channel_mult = [1, 2, 3, 4]
///     res_blocks = 2
///     head_dim = 32
///     encoder = ["none", "attention", "attention", "attention"]
///     middle = "attention"
///     decoder = ["none", "attention", "attention", "attention"]
/// "#;
/// let ldm_small: meme_blocks::Architecture = toml::from_str(text)?;
/// assert_eq!(ldm_small.channels(3), 512);
///
/// let broken = text.replace("head_dim = 32", "head_dim = 48");
/// let refused = toml::from_str::<meme_blocks::Architecture>(&broken).unwrap_err().to_string();
/// assert!(refused.contains("`head_dim`: 48 does not divide the 256 channels of level 1"), "{refused}");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Architecture {
    /// Channels of the noisy input.
    pub in_channels: usize,
    /// Channels of the prediction (before doubling by [`learned_sigma`](Self::learned_sigma)).
    pub out_channels: usize,
    /// Channels of the first level at multiplier 1; also the number of sines and cosines of the time embedding,
    /// whose hidden layers are four times as wide. LDM calls it `model_channels`. Even.
    pub width: usize,
    /// Channel multiplier of each level, finest first. Its length is the number of levels.
    pub channel_mult: Vec<usize>,
    /// Residual blocks of an encoder level.
    pub res_blocks: usize,
    /// Channels of one attention head, and the unit in which a mixer's channels are shared out. Every level has as
    /// many heads as fit its channels. 0 where `heads` is given, or nothing has heads.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub head_dim: usize,
    /// Number of heads of every level, whose channels they share: the other way to say `head_dim`. 0 where that one
    /// is given.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub heads: usize,
    /// Groups of every group normalisation.
    #[serde(default = "default_norm_groups")]
    pub norm_groups: usize,
    /// What follows each residual block of the encoder, by level.
    pub encoder: Vec<Mixing>,
    /// What stands between the two residual blocks of the middle.
    pub middle: Mixing,
    /// What follows each residual block of the decoder, by level (finest first, like the encoder's list).
    pub decoder: Vec<Mixing>,
    /// How the inception mixers are made; needed where `encoder`, `middle` or `decoder` say `mixer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixer: Option<MixerTable>,
    /// How the transformers are made; needed where `encoder`, `middle` or `decoder` say `transformer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformer: Option<TransformerTable>,
    /// Probability that a channel value is dropped before a residual block's last convolution, in training only.
    #[serde(default)]
    pub dropout: f64,
    /// Whether the time embedding scales and shifts the second norm (ADM) instead of being added before it (LDM).
    #[serde(default)]
    pub scale_shift_norm: bool,
    /// How the size changes between levels.
    #[serde(default)]
    pub resampling: Resampling,
    /// Number of classes of a class-conditional network; 0 for an unconditional one.
    #[serde(default)]
    pub classes: usize,
    /// What a class becomes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub class_conditioning: ClassConditioning,
    /// Whether the output carries a second set of `out_channels` that parametrises the variance (ADM).
    #[serde(default)]
    pub learned_sigma: bool,
}

/// What mixes positions after a residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mixing {
    /// Nothing.
    None,
    /// Multi-head self-attention over all positions ([`AttentionBlock`](crate::AttentionBlock)).
    Attention,
    /// An inception mixer: part of the channels convolved, part attended ([`MixerBlock`](crate::MixerBlock)).
    Mixer,
    /// A spatial transformer: self-attention, cross-attention to context tokens, and a gated feed-forward
    /// ([`SpatialTransformer`](crate::SpatialTransformer)).
    Transformer,
}

/// How the size changes between levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampling {
    /// 3x3 convolution of stride 2 downwards; nearest neighbour and a 3x3 convolution upwards (LDM).
    #[default]
    Convolution,
    /// A residual block that resamples inside: 2x2 mean downwards, nearest neighbour upwards (ADM).
    ResBlock,
}

/// How a class reaches the blocks of a class-conditional network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassConditioning {
    /// As a vector of `4 * width` numbers, added to the time embedding (ADM).
    #[default]
    Embedding,
    /// As one context token of `transformer.context` numbers, which cross-attention reads (LDM).
    Context,
}

/// A place of the network that can carry a mixer: a level, or the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Level(usize),
    Middle,
}

impl Architecture {
    /// Number of resolutions.
    pub fn levels(&self) -> usize {
        self.channel_mult.len()
    }

    /// Channels of level `level` (0 is the finest); 0 where there is no such level.
    pub fn channels(&self, level: usize) -> usize {
        self.channel_mult.get(level).map_or(0, |mult| mult * self.width)
    }

    /// Channels of one head where a level has so many `channels`; 0 where the description gives neither `head_dim`
    /// nor `heads`.
    pub fn head_dim_of(&self, channels: usize) -> usize {
        channels.checked_div(self.heads).unwrap_or(self.head_dim)
    }

    /// Classes whose vectors are added to the time embedding; 0 for a network without any.
    pub fn embedded_classes(&self) -> usize {
        match self.class_conditioning {
            ClassConditioning::Embedding => self.classes,
            ClassConditioning::Context => 0,
        }
    }

    /// Width of the context tokens that the transformers read; 0 for a network without cross-attention.
    pub fn context_channels(&self) -> usize {
        let reads = self.stages().any(|(_, mixing, _)| mixing == Mixing::Transformer);
        self.transformer.as_ref().filter(|_| reads).map_or(0, |table| table.context)
    }

    /// Channels of the time embedding that every residual block receives: `4 * width`.
    pub fn embedding_channels(&self) -> usize {
        4 * self.width
    }

    /// Channels that the network returns: twice `out_channels` with a learned sigma.
    pub fn predicted_channels(&self) -> usize {
        self.out_channels * if self.learned_sigma { 2 } else { 1 }
    }

    /// Checks every rule that a network needs.
    ///
    /// # Errors
    /// [`Error::Architecture`] with the field and the rule that it breaks.
    pub fn validate(&self) -> Result<(), Error> {
        validate::validate(self)
    }

    /// Checks that no level of an input of `height` x `width` pixels is smaller than the pooling window of its mixers.
    /// A network computes smaller ones too, with windows cut at the edge, but a whole level in one window is seldom
    /// what was meant: whoever reads a description together with a size asks this.
    ///
    /// ```
    /// # let text = r#"in_channels = 3
    /// # out_channels = 3
    /// # width = 32
    /// # channel_mult = [1, 2]
    /// # res_blocks = 1
    /// # head_dim = 32
    /// # encoder = ["mixer", "mixer"]
    /// # middle = "none"
    /// # decoder = ["none", "none"]
    /// # mixer = { high_heads = [1, 1], middle_high_heads = 1, pool = [2, 4] }"#;
    /// # let architecture: meme_blocks::Architecture = toml::from_str(text)?;
    /// architecture.fits(16, 16)?;
    /// let refused = architecture.fits(16, 6).unwrap_err().to_string();
    /// assert_eq!(refused, "architecture field `mixer.pool[1]`: a window of 4 pixels is larger than level 1, \
    ///     which has 8 x 3 pixels for an input of 16 x 6");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Architecture`] with the pooling window's field, or whatever [`validate`](Self::validate) finds.
    pub fn fits(&self, height: usize, width: usize) -> Result<(), Error> {
        validate::validate(self)?;
        validate::fits(self, height, width)
    }

    /// Every stage that carries a mixer kind, with its channels, in the order of the levels.
    pub(crate) fn stages(&self) -> impl Iterator<Item = (Stage, Mixing, usize)> + '_ {
        let levels = 0..self.levels();
        let at = |list: &[Mixing], level: usize| list.get(level).copied().unwrap_or(Mixing::None);
        levels
            .flat_map(move |level| {
                [at(&self.encoder, level), at(&self.decoder, level)]
                    .map(|mixing| (Stage::Level(level), mixing, self.channels(level)))
            })
            .chain(std::iter::once((
                Stage::Middle,
                self.middle,
                self.channels(self.levels().saturating_sub(1)),
            )))
    }
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let architecture = Self::deserialize(deserializer)?;
        architecture.validate().map_err(serde::de::Error::custom)?;
        Ok(architecture)
    }
}

impl Serialize for Architecture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// 32, as in DDPM, LDM and ADM.
fn default_norm_groups() -> usize {
    32
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
