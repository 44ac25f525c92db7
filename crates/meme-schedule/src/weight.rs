//! How much a squared error counts.

use serde::{Deserialize, Serialize};

use crate::betas::check;
use crate::convert::snr_of_alpha_bar;
use crate::error::Error;
use crate::parametrisation::Parametrisation;

/// How much the squared error of a network's output counts at a noise level.
///
/// For a given `x_t`, an error e of the image is an error `-sqrt(snr) e` of the noise and
/// `-sqrt(snr + 1) e` of the velocity. So one and the same loss has, in terms of the squared error of
/// the image, the weight w; of the noise, w / snr; of the velocity, w / (snr + 1). Min-SNR and P2 are
/// such losses and give each parametrisation its form; uniform weighting counts every squared error
/// of the output once, and is a different loss for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossWeight {
    /// 1 for every output.
    #[default]
    Uniform,
    /// `min(snr, gamma)` for the image (Hang et al. 2023, "Efficient Diffusion Training via Min-SNR
    /// Weighting Strategy", eq. 9).
    MinSnr {
        /// Above 0; the authors use 5.
        gamma: f64,
    },
    /// `1 / (k + snr)^gamma` for the noise (Choi et al. 2022, "Perception Prioritized Training of
    /// Diffusion Models", eq. 8 relative to the simple loss).
    P2 {
        /// Above 0; the authors use 1.
        k: f64,
        /// At least 0; the authors use 0.5 or 1.
        gamma: f64,
    },
}

impl LossWeight {
    /// The weight of the squared error of a network's output; finite for `alpha_bar` in [0, 1).
    #[must_use]
    pub fn of(self, parametrisation: Parametrisation, alpha_bar: f64) -> f64 {
        let snr = snr_of_alpha_bar(alpha_bar);
        // Written so that no form divides by an SNR of 0.
        match (self, parametrisation) {
            (Self::Uniform, _) => 1.0,
            (Self::MinSnr { gamma }, Parametrisation::Sample) => snr.min(gamma),
            (Self::MinSnr { gamma }, Parametrisation::Epsilon) => {
                if snr <= gamma {
                    1.0
                } else {
                    gamma / snr
                }
            }
            (Self::MinSnr { gamma }, Parametrisation::Velocity) => snr.min(gamma) / (snr + 1.0),
            (Self::P2 { k, gamma }, parametrisation) => {
                let epsilon = libm::pow(k + snr, -gamma);
                match parametrisation {
                    Parametrisation::Epsilon => epsilon,
                    Parametrisation::Sample => epsilon * snr,
                    Parametrisation::Velocity => epsilon * alpha_bar,
                }
            }
        }
    }

    /// Whether the parameters lie in their ranges.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Uniform => Ok(()),
            Self::MinSnr { gamma } => {
                check("min-SNR weight", "gamma", gamma, gamma > 0.0, "it must be above 0")
            }
            Self::P2 { k, gamma } => {
                check("P2 weight", "k", k, k > 0.0, "it must be above 0")?;
                check("P2 weight", "gamma", gamma, gamma >= 0.0, "it must be at least 0")
            }
        }
    }
}
