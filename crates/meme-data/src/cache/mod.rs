//! Arrays of one shape on disk, mapped into memory: latents that are encoded once and read often.
//!
//! A cache is a folder of two files. `data.bin` holds the arrays one after the other, row-major,
//! little-endian, nothing between them: array `i` begins at byte `i * channels * height * width *
//! size`. `header.json` says what they are and where they come from ([`CacheHeader`]), with the
//! BLAKE3 of `data.bin`. The folder gets its name only when both are complete and synced.

mod reader;
mod writer;

pub use reader::Cache;
pub use writer::CacheWriter;

use crate::source::item_len;
use crate::{Error, Result, Transform};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FORMAT: &str = "meme-array-cache";
const VERSION: u32 = 1;
const DATA: &str = "data.bin";
const HEADER: &str = "header.json";

/// How a number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Four bytes, exact.
    #[default]
    F32,
    /// Two bytes: the upper half of a float32, rounded to nearest, ties to even. Relative error up
    /// to 2^-8 for normal numbers.
    Bf16,
}

impl Precision {
    /// Bytes a number.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}

/// What a cache is to hold, and what it is made from. Two caches of equal specifications are
/// interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSpec {
    /// [`content_hash`](crate::ImageSource::content_hash) of the pictures.
    pub dataset: String,
    /// Hash of the first stage's description and weights; its maker defines it.
    pub first_stage: String,
    /// How the pictures were brought to size.
    pub transform: Transform,
    /// The number of arrays.
    pub count: usize,
    /// Channels, height, width of each.
    pub shape: [usize; 3],
    /// How numbers are stored.
    pub precision: Precision,
}

/// `header.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheHeader {
    format: String,
    version: u32,
    /// What the cache holds.
    pub spec: CacheSpec,
    /// BLAKE3 of `data.bin`, in hexadecimal.
    pub blake3: String,
}

impl CacheSpec {
    /// Bytes of one array.
    fn item_bytes(&self) -> Result<usize> {
        item_len(self.shape)?.checked_mul(self.precision.bytes()).ok_or_else(|| self.too_large())
    }

    /// Bytes of `data.bin`.
    fn data_bytes(&self) -> Result<usize> {
        self.item_bytes()?.checked_mul(self.count).ok_or_else(|| self.too_large())
    }

    fn too_large(&self) -> Error {
        Error::Setting {
            setting: "count",
            value: format!("{} arrays of {:?}", self.count, self.shape),
            requirement: "small enough to be addressed",
        }
    }

    /// Refuses a cache of this specification where `wanted` is asked for.
    fn require(&self, wanted: &Self, path: &Path) -> Result<()> {
        let fields = [
            ("data set", self.dataset.clone(), wanted.dataset.clone()),
            ("first stage", self.first_stage.clone(), wanted.first_stage.clone()),
            ("transform", format!("{:?}", self.transform), format!("{:?}", wanted.transform)),
            ("count", self.count.to_string(), wanted.count.to_string()),
            ("shape", format!("{:?}", self.shape), format!("{:?}", wanted.shape)),
            ("precision", format!("{:?}", self.precision), format!("{:?}", wanted.precision)),
        ];
        match fields.into_iter().find(|(_, found, wanted)| found != wanted) {
            Some((field, found, wanted)) => {
                Err(Error::CacheDiffers { path: path.to_owned(), field, found, wanted })
            }
            None => Ok(()),
        }
    }
}
