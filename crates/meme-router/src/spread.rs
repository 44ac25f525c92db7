//! How the uniform numbers behind a batch of draws are laid out.

use std::num::NonZeroU64;

use meme_random::{Permutation, Purpose, Stream};
use serde::{Deserialize, Serialize};

use crate::expert::Expert;

/// How the uniform numbers behind the timesteps of a batch are laid out.
///
/// The loss depends strongly on the timestep, so a batch whose timesteps happen to crowd together
/// gives a noisy gradient. Laying them out evenly lowers that noise and biases nothing: each single
/// number is uniform in [0, 1) under every spread, and is a function of (seed, expert, image).
/// Batches are blocks of image counters (`image / batch`), so how a run splits its batches over
/// steps or ranks changes nothing either.
///
/// In files: `kind = "independent"` or `"antithetic"`; `kind = "stratified"` or `"low-discrepancy"`
/// with `batch = 128`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", from = "Written")]
pub enum Spread {
    /// Every image for itself.
    #[default]
    Independent,
    /// Images 2k and 2k + 1 get `u` and `1 - u`: one lands early where the other lands late
    /// (Hammersley and Morton 1956).
    Antithetic,
    /// The unit interval is cut into `batch` equal strata, and each image of a batch gets a number
    /// within a stratum of its own; who gets which is shuffled anew for every batch.
    Stratified {
        /// How many images share out the strata.
        batch: NonZeroU64,
    },
    /// One random offset a batch, and equal steps from there: `(u + k / batch) mod 1` for image k
    /// of the batch (Kingma et al., "Variational Diffusion Models", 2021, appendix I.1).
    LowDiscrepancy {
        /// How many images share one offset.
        batch: NonZeroU64,
    },
}

/// A spread as it stands in a file.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Written {
    // Braces, because serde lets a unit variant pass with unknown keys.
    Independent {},
    Antithetic {},
    Stratified { batch: NonZeroU64 },
    LowDiscrepancy { batch: NonZeroU64 },
}

impl From<Written> for Spread {
    fn from(written: Written) -> Self {
        match written {
            Written::Independent {} => Self::Independent,
            Written::Antithetic {} => Self::Antithetic,
            Written::Stratified { batch } => Self::Stratified { batch },
            Written::LowDiscrepancy { batch } => Self::LowDiscrepancy { batch },
        }
    }
}

/// The largest number below 1.
const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;

impl Spread {
    /// The uniform number in [0, 1) of one image.
    #[must_use]
    pub fn uniform(self, seed: u64, expert: Expert, image: u64) -> f64 {
        let number = expert.number();
        let of = |counter| Stream::new(seed, Purpose::Timestep, number, counter).uniform(0);
        match self {
            Self::Independent => of(image),
            // Exact, because both are multiples of 2^-53, and never 1.
            Self::Antithetic if image % 2 == 1 => BELOW_ONE - of(image - 1),
            Self::Antithetic => of(image),
            Self::Stratified { batch } => {
                let (block, place) = (image / batch, image % batch);
                // A permutation has no expert in its address; a draw that has one is its seed.
                let seed = Stream::new(seed, Purpose::Assignment, number, block).bits(0);
                let stratum =
                    Permutation::new(seed, Purpose::Assignment, block, batch.get()).at(place);
                ((stratum as f64 + of(image)) / batch.get() as f64).min(BELOW_ONE)
            }
            Self::LowDiscrepancy { batch } => {
                let (block, place) = (image / batch, image % batch);
                (of(block) + place as f64 / batch.get() as f64).fract()
            }
        }
    }
}
