//! What a network computes in, by name.

use crate::error::Error;
use crate::switches::Autocast;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::{Device, Kind};

/// What convolutions and matrix products compute in. Parameters stay float32 whatever it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32 throughout.
    #[default]
    F32,
    /// bfloat16 by [`Autocast`]: weights and maps are rounded on their way into a product; norms,
    /// sums and losses are float32. Its range is float32's, so losses need no scaling.
    Bf16,
}

impl Precision {
    /// The dtype of products.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }

    /// Begins to compute so on the calling thread, until the guard is dropped; float32 needs none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for bfloat16 on a device that is neither CPU nor CUDA.
    pub fn autocast(self, device: Device) -> Result<Option<Autocast>, Error> {
        match self {
            Self::F32 => Ok(None),
            Self::Bf16 => Autocast::enter(device, Kind::BFloat16).map(Some),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}
