//! What a network computes in, by name.

use crate::error::Error;
use crate::switches::Autocast;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::{Device, Kind};

/// What convolutions and matrix products compute in. Parameters that are trained stay float32
/// whatever it is; a form for inference may hold its own in this dtype.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32 throughout.
    #[default]
    F32,
    /// bfloat16 by [`Autocast`]: weights and maps are rounded on their way into a product; norms,
    /// sums and losses are float32. Its range is float32's, so losses need no scaling.
    Bf16,
    /// float16, the same on a GPU. Its range is small: gradients below 6e-8 vanish and losses need
    /// scaling, so it is for inference.
    F16,
}

impl Precision {
    /// The dtype of products.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
            Self::F16 => Kind::Half,
        }
    }

    /// Whether `device` computes in it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for float16 on the CPU, which is slower there than float32 and less exact
    /// than bfloat16.
    pub fn check(self, device: Device) -> Result<(), Error> {
        if self == Self::F16 && !device.is_cuda() {
            return Err(Error::Invalid {
                what: "precision f16".to_owned(),
                rule: format!("it is for GPUs, the device is {device:?}; use bf16 or f32"),
            });
        }
        Ok(())
    }

    /// Begins to compute so on the calling thread, until the guard is dropped; float32 needs none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for bfloat16 on a device that is neither CPU nor CUDA, and as
    /// [`Precision::check`].
    pub fn autocast(self, device: Device) -> Result<Option<Autocast>, Error> {
        self.check(device)?;
        match self {
            Self::F32 => Ok(None),
            Self::Bf16 | Self::F16 => Autocast::enter(device, self.kind()).map(Some),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}
