//! How AdamW's rate changes over a run.

use serde::{Deserialize, Serialize};

/// The shape of the rate's fall; [`TrainConfig::decay_images`](crate::TrainConfig::decay_images)
/// says over how many images, and 0 keeps the rate constant whatever the shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Linearly to 0 over the last `decay_images`.
    #[default]
    Linear,
    /// Along half a cosine to 0 over the last `decay_images` (Loshchilov and Hutter, arXiv
    /// 1608.03983, equation 5 without restarts).
    Cosine,
    /// Constant for the first `decay_images`, then with `1 / sqrt(images)` (EDM2, arXiv 2312.02696,
    /// equation 67). It does not depend on where the run ends, so a run may be made longer.
    InverseSqrt,
}

impl Decay {
    /// The share of the full rate, 0 to 1, for the update that begins at `image` of a run of
    /// `images`.
    #[must_use]
    pub fn share(self, image: u64, images: u64, decay_images: u64) -> f64 {
        if decay_images == 0 {
            return 1.0;
        }
        let length = decay_images as f64;
        let left = (images.saturating_sub(image) as f64 / length).min(1.0);
        match self {
            Self::Linear => left,
            Self::Cosine => 0.5 * (1.0 - (std::f64::consts::PI * left).cos()),
            Self::InverseSqrt => (image as f64 / length).max(1.0).sqrt().recip(),
        }
    }

    /// Whether the rate depends on where the run ends.
    #[must_use]
    pub fn needs_the_end(self) -> bool {
        self != Self::InverseSqrt
    }
}
