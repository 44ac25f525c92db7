//! What a pooling window becomes, for all stages or for each.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What a pooling window in front of a mixer's attention becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolKind {
    /// The mean of its pixels (iFormer).
    #[default]
    Average,
    /// The largest of its pixels.
    Max,
}

/// Pooling kinds of the levels: one word for all (`"max"`), or a list (`["average", "max"]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PoolKinds {
    /// The same for every stage.
    All(PoolKind),
    /// One for each level, finest first.
    Each(Vec<PoolKind>),
}

impl PoolKinds {
    /// That of the coarsest level.
    pub(crate) fn coarsest(&self) -> PoolKind {
        match self {
            PoolKinds::All(kind) => *kind,
            PoolKinds::Each(kinds) => kinds.last().copied().unwrap_or_default(),
        }
    }
}

impl Default for PoolKinds {
    fn default() -> Self {
        PoolKinds::All(PoolKind::default())
    }
}

impl<'de> Deserialize<'de> for PoolKinds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrList;

        impl<'de> Visitor<'de> for WordOrList {
            type Value = PoolKinds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`average`, `max`, or a list with one of them for each level")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<PoolKinds, E> {
                match word {
                    "average" => Ok(PoolKinds::All(PoolKind::Average)),
                    "max" => Ok(PoolKinds::All(PoolKind::Max)),
                    other => Err(E::unknown_variant(other, &["average", "max"])),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<PoolKinds, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list))
                    .map(PoolKinds::Each)
                    .map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(WordOrList)
    }
}
