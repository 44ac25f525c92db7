//! What a network predicts.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::schedule::Schedule;

/// What a network predicts. One type for the loss and for every sampler, so that none of them has a
/// case distinction of its own.
///
/// With `a = sqrt(alpha_bar)`, `b = sqrt(1 - alpha_bar)` and `x_t = a x_0 + b eps`, knowing `x_t`
/// makes the three equivalent: each is a linear combination of `x_t` and any other. All functions
/// give the two coefficients for one noise level; `alpha_bar` lies in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parametrisation {
    /// The noise `eps` (Ho et al. 2020).
    #[default]
    Epsilon,
    /// The velocity `v = a eps - b x_0` (Salimans and Ho 2022, appendix D).
    Velocity,
    /// The image `x_0` itself.
    Sample,
}

impl Parametrisation {
    /// `(a, b)` such that what the network should answer is `a x_0 + b eps`.
    #[must_use]
    pub fn target_coefficients(self, alpha_bar: f64) -> (f64, f64) {
        let (a, b) = roots(alpha_bar);
        match self {
            Self::Epsilon => (0.0, 1.0),
            Self::Velocity => (-b, a),
            Self::Sample => (1.0, 0.0),
        }
    }

    /// `(s, o)` such that `x_0 = s x_t + o output`. Infinite for [`Parametrisation::Epsilon`] at pure
    /// noise (`alpha_bar` 0); see [`Parametrisation::check`].
    #[must_use]
    pub fn x0_coefficients(self, alpha_bar: f64) -> (f64, f64) {
        let (a, b) = roots(alpha_bar);
        match self {
            Self::Epsilon => (1.0 / a, -b / a),
            Self::Velocity => (a, -b),
            Self::Sample => (0.0, 1.0),
        }
    }

    /// `(s, o)` such that `eps = s x_t + o output`. Infinite for [`Parametrisation::Sample`] without
    /// noise (`alpha_bar` 1), which no schedule holds.
    #[must_use]
    pub fn epsilon_coefficients(self, alpha_bar: f64) -> (f64, f64) {
        let (a, b) = roots(alpha_bar);
        match self {
            Self::Epsilon => (0.0, 1.0),
            Self::Velocity => (b, a),
            Self::Sample => (1.0 / b, -a / b),
        }
    }

    /// `(s, o)` such that `v = s x_t + o output`. Infinite where [`Parametrisation::x0_coefficients`]
    /// or [`Parametrisation::epsilon_coefficients`] is.
    #[must_use]
    pub fn velocity_coefficients(self, alpha_bar: f64) -> (f64, f64) {
        let (a, b) = roots(alpha_bar);
        match self {
            Self::Epsilon => (-b / a, 1.0 / a),
            Self::Velocity => (0.0, 1.0),
            Self::Sample => (a / b, -1.0 / b),
        }
    }

    /// `(s, o)` such that what a network of kind `to` would answer is `s x_t + o output`: so networks
    /// of different kinds can serve one sampler.
    #[must_use]
    pub fn conversion(self, to: Self, alpha_bar: f64) -> (f64, f64) {
        match to {
            Self::Epsilon => self.epsilon_coefficients(alpha_bar),
            Self::Velocity => self.velocity_coefficients(alpha_bar),
            Self::Sample => self.x0_coefficients(alpha_bar),
        }
    }

    /// Whether images can be computed from this prediction at every index of a schedule.
    ///
    /// # Errors
    /// [`Error::PureNoise`] for [`Parametrisation::Epsilon`] on a schedule that ends in pure noise.
    pub fn check(self, schedule: &Schedule) -> Result<(), Error> {
        if self == Self::Epsilon && schedule.ends_in_pure_noise() {
            Err(Error::PureNoise { parametrisation: self.name() })
        } else {
            Ok(())
        }
    }

    /// The name in files: `epsilon`, `velocity` or `sample`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::Velocity => "velocity",
            Self::Sample => "sample",
        }
    }
}

fn roots(alpha_bar: f64) -> (f64, f64) {
    (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt())
}
