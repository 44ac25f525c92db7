//! How mixers and transformers are made, stage by stage.

use serde::{Deserialize, Serialize};

use super::{HighElement, LowElement, PoolKind, PoolKinds, Stage, is_default};

/// How an inception U-Net's mixers differ from stage to stage (a stage is a level, or the middle).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MixerTable {
    /// Heads of each level that go to the high-frequency branch; the level's other heads are attended.
    /// Between 0 (attention only) and channels / `head_dim` (convolution only).
    pub high_heads: Vec<usize>,
    /// The same for the middle.
    pub middle_high_heads: usize,
    /// Side of the pooling window in front of each level's attention; 1 pools nothing.
    pub pool: Vec<usize>,
    /// The same for the middle.
    #[serde(default = "one")]
    pub middle_pool: usize,
    /// What a pooling window becomes: one kind for all stages, or a list with one for each level.
    #[serde(default)]
    pub pool_kind: PoolKinds,
    /// The same for the middle; without it, as the coarsest level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle_pool_kind: Option<PoolKind>,
    /// What convolves one half of the high-frequency channels, in all stages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub high_element: HighElement,
    /// What mixes the low-frequency channels over the pooled map, in all stages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub low_element: LowElement,
    /// Width of the feed-forward that follows each mixer, as a multiple of the channels; 0 for none.
    #[serde(default)]
    pub feed_forward: usize,
}

/// How the spatial transformers of a network are made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerTable {
    /// Numbers of one context token: cross-attention reads tokens [B, T, context].
    #[serde(default)]
    pub context: usize,
    /// Layers of each transformer (LDM: `transformer_depth`).
    #[serde(default = "one")]
    pub depth: usize,
    /// Width of the gated feed-forward of a layer, as a multiple of the channels.
    #[serde(default = "four")]
    pub feed_forward: usize,
}

impl MixerTable {
    /// High-frequency heads of a stage; 0 where the list is too short (refused by validation).
    pub(crate) fn high_heads_of(&self, stage: Stage) -> usize {
        match stage {
            Stage::Level(level) => self.high_heads.get(level).copied().unwrap_or(0),
            Stage::Middle => self.middle_high_heads,
        }
    }

    /// Pooling window of a stage; 1 where the list is too short (refused by validation).
    pub(crate) fn pool_of(&self, stage: Stage) -> usize {
        match stage {
            Stage::Level(level) => self.pool.get(level).copied().unwrap_or(1),
            Stage::Middle => self.middle_pool,
        }
    }

    /// Pooling kind of a stage; the mean where the list is too short (refused by validation).
    pub(crate) fn pool_kind_of(&self, stage: Stage) -> PoolKind {
        match (stage, &self.pool_kind) {
            (Stage::Middle, kinds) => self.middle_pool_kind.unwrap_or_else(|| kinds.coarsest()),
            (_, PoolKinds::All(kind)) => *kind,
            (Stage::Level(level), PoolKinds::Each(kinds)) => {
                kinds.get(level).copied().unwrap_or_default()
            }
        }
    }
}

fn one() -> usize {
    1
}

/// As LDM has it.
fn four() -> usize {
    4
}
