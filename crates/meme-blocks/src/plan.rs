//! The walk through a network, block by block: made once from the description, then read by the builder, the counter
//! and the name maps, so that none of them can disagree about what stands where.

use crate::architecture::Stage;
use crate::{
    Architecture, AttentionConfig, Error, MixerBlockConfig, MixerConfig, Mixing, ResBlockConfig,
    Resample, Resampling, TransformerConfig,
};

/// Every block of a U-Net, with its name and sizes, in the order in which a forward meets them.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Finest level first.
    pub(crate) encoder: Vec<PlanLevel>,
    pub(crate) middle: PlanMiddle,
    /// Coarsest level first.
    pub(crate) decoder: Vec<PlanLevel>,
}

/// The blocks of one level of the encoder or the decoder, and the change of size that ends it.
#[derive(Clone, Debug)]
pub(crate) struct PlanLevel {
    pub(crate) level: usize,
    pub(crate) name: String,
    pub(crate) blocks: Vec<PlanBlock>,
    pub(crate) change: Option<PlanChange>,
}

/// A residual block and what mixes positions after it.
#[derive(Clone, Debug)]
pub(crate) struct PlanBlock {
    pub(crate) residual: (String, ResBlockConfig),
    pub(crate) mixing: Option<(String, PlanMixing)>,
}

#[derive(Clone, Debug)]
pub(crate) enum PlanMixing {
    Attention(AttentionConfig),
    Mixer(MixerBlockConfig),
    Transformer(TransformerConfig),
}

/// The two residual blocks of the middle, the first with what stands between them.
#[derive(Clone, Debug)]
pub(crate) struct PlanMiddle {
    pub(crate) first: PlanBlock,
    pub(crate) last: (String, ResBlockConfig),
}

/// A step to the next level.
#[derive(Clone, Debug)]
pub(crate) enum PlanChange {
    Convolution { name: String, channels: usize, direction: Resample },
    ResBlock(String, ResBlockConfig),
}

impl Plan {
    /// # Errors
    /// [`Error::Architecture`] where the description breaks a rule.
    pub(crate) fn new(a: &Architecture) -> Result<Self, Error> {
        a.validate()?;
        let levels = a.levels();
        let coarsest = a.channels(levels - 1);
        let mut channels = a.width;
        // The stem, each block and each step down leave one feature map for the decoder.
        let mut skips = vec![channels];

        let mut encoder = Vec::with_capacity(levels);
        for level in 0..levels {
            let name = format!("encoder.{level}");
            let mut blocks = Vec::with_capacity(a.res_blocks);
            for block in 0..a.res_blocks {
                blocks.push(plan_block(
                    a,
                    &format!("{name}.{block}"),
                    level,
                    channels,
                    a.encoder[level],
                ));
                channels = a.channels(level);
                skips.push(channels);
            }
            let change = (level + 1 < levels).then(|| {
                skips.push(channels);
                plan_change(a, format!("{name}.down"), channels, Resample::Down)
            });
            encoder.push(PlanLevel { level, name, blocks, change });
        }

        let middle = PlanMiddle {
            first: PlanBlock {
                residual: ("middle.first".into(), residual(a, coarsest, coarsest, None)),
                mixing: mixing(a, "middle", Stage::Middle, a.middle),
            },
            last: ("middle.last".into(), residual(a, coarsest, coarsest, None)),
        };

        let mut decoder = Vec::with_capacity(levels);
        for level in (0..levels).rev() {
            let name = format!("decoder.{level}");
            let mut blocks = Vec::with_capacity(a.res_blocks + 1);
            for block in 0..=a.res_blocks {
                let joined = channels + skips.pop().unwrap_or(0);
                blocks.push(plan_block(
                    a,
                    &format!("{name}.{block}"),
                    level,
                    joined,
                    a.decoder[level],
                ));
                channels = a.channels(level);
            }
            let change =
                (level > 0).then(|| plan_change(a, format!("{name}.up"), channels, Resample::Up));
            decoder.push(PlanLevel { level, name, blocks, change });
        }
        Ok(Plan { encoder, middle, decoder })
    }
}

fn plan_block(a: &Architecture, name: &str, level: usize, input: usize, kind: Mixing) -> PlanBlock {
    PlanBlock {
        residual: (format!("{name}.residual"), residual(a, input, a.channels(level), None)),
        mixing: mixing(a, name, Stage::Level(level), kind),
    }
}

fn residual(
    a: &Architecture,
    input: usize,
    output: usize,
    resample: Option<Resample>,
) -> ResBlockConfig {
    ResBlockConfig {
        input,
        output,
        embedding: a.embedding_channels(),
        norm_groups: a.norm_groups,
        scale_shift_norm: a.scale_shift_norm,
        resample,
        dropout: a.dropout,
    }
}

fn mixing(
    a: &Architecture,
    name: &str,
    stage: Stage,
    kind: Mixing,
) -> Option<(String, PlanMixing)> {
    let channels = match stage {
        Stage::Level(level) => a.channels(level),
        Stage::Middle => a.channels(a.levels() - 1),
    };
    let (head_dim, norm_groups) = (a.head_dim_of(channels), a.norm_groups);
    match kind {
        Mixing::None => None,
        Mixing::Attention => {
            let config = AttentionConfig { channels, head_dim, norm_groups };
            Some((format!("{name}.attention"), PlanMixing::Attention(config)))
        }
        // Validation refuses a mixer or a transformer without its table.
        Mixing::Mixer => a.mixer.as_ref().map(|table| {
            let mixer = MixerConfig {
                channels,
                head_dim,
                high_heads: table.high_heads_of(stage),
                pool: table.pool_of(stage),
                pool_kind: table.pool_kind_of(stage),
                high_element: table.high_element,
                low_element: table.low_element,
            };
            let config = MixerBlockConfig { mixer, norm_groups, feed_forward: table.feed_forward };
            (format!("{name}.mixer"), PlanMixing::Mixer(config))
        }),
        Mixing::Transformer => a.transformer.as_ref().map(|table| {
            let config = TransformerConfig {
                channels,
                head_dim,
                norm_groups,
                context: table.context,
                depth: table.depth,
                feed_forward: table.feed_forward,
            };
            (format!("{name}.transformer"), PlanMixing::Transformer(config))
        }),
    }
}

fn plan_change(a: &Architecture, name: String, channels: usize, direction: Resample) -> PlanChange {
    match a.resampling {
        Resampling::Convolution => PlanChange::Convolution { name, channels, direction },
        Resampling::ResBlock => {
            PlanChange::ResBlock(name, residual(a, channels, channels, Some(direction)))
        }
    }
}
