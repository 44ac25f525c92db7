//! Noise schedules as data.

use serde::{Deserialize, Serialize};

/// A noise schedule as it stands in a file: `kind = "scaled-linear"` and the parameters of that
/// kind. Parameters left out have the defaults named here; unknown ones are refused.
/// [`Schedule::new`](crate::Schedule::new) checks the values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// Latent diffusion: the square roots of beta are equally spaced (Rombach et al. 2022; called
    /// "linear" in their code).
    ScaledLinear {
        /// How many indices: T. Default 1000.
        #[serde(default = "default::steps")]
        steps: usize,
        /// beta at index 0, in (0, 1). Default 0.0015.
        #[serde(default = "default::scaled_start")]
        beta_start: f64,
        /// beta at index T-1, in (0, 1). Default 0.0195.
        #[serde(default = "default::scaled_end")]
        beta_end: f64,
    },
    /// DDPM: betas are equally spaced (Ho et al. 2020).
    Linear {
        /// How many indices: T. Default 1000.
        #[serde(default = "default::steps")]
        steps: usize,
        /// beta at index 0, in (0, 1). Default 0.0001.
        #[serde(default = "default::linear_start")]
        beta_start: f64,
        /// beta at index T-1, in (0, 1). Default 0.02.
        #[serde(default = "default::linear_end")]
        beta_end: f64,
    },
    /// `alpha_bar(t) = cos^2(pi/2 (t + s)/(1 + s)) / cos^2(pi/2 s/(1 + s))` (Nichol and Dhariwal
    /// 2021, eq. 17).
    Cosine {
        /// How many indices: T. Default 1000.
        #[serde(default = "default::steps")]
        steps: usize,
        /// s, at least 0. Default 0.008.
        #[serde(default = "default::offset")]
        offset: f64,
        /// No beta is larger, in (0, 1]. Default 0.999.
        #[serde(default = "default::max_beta")]
        max_beta: f64,
    },
    /// `alpha_bar(t)` falls along a logistic curve between `start` and `end` (Jabri et al. 2022,
    /// "Scalable Adaptive Computation for Iterative Generation", algorithm 1).
    Sigmoid {
        /// How many indices: T. Default 1000.
        #[serde(default = "default::steps")]
        steps: usize,
        /// Where on the logistic curve t = 0 lies. Default -3.
        #[serde(default = "default::sigmoid_start")]
        start: f64,
        /// Where t = 1 lies, above `start`. Default 3.
        #[serde(default = "default::sigmoid_end")]
        end: f64,
        /// The temperature, above 0; larger ones are straighter. Default 1.
        #[serde(default = "default::one")]
        tau: f64,
        /// No beta is larger, in (0, 1]. Default 0.999.
        #[serde(default = "default::max_beta")]
        max_beta: f64,
    },
    /// Betas rise along a logistic curve over -6..6 (GeoDiff, Xu et al. 2022; diffusers' "sigmoid").
    SigmoidBeta {
        /// How many indices: T. Default 1000.
        #[serde(default = "default::steps")]
        steps: usize,
        /// The lower end of the curve, in (0, 1). Default 0.0001.
        #[serde(default = "default::linear_start")]
        beta_start: f64,
        /// The upper end of the curve, in (0, 1). Default 0.02.
        #[serde(default = "default::linear_end")]
        beta_end: f64,
    },
    /// The log-SNR of a uniform t has a Laplace distribution:
    /// `log_snr(t) = mu - b sgn(1/2 - t) ln(1 - 2 |t - 1/2|)` (Hang et al. 2024, "Improved Noise
    /// Schedule for Diffusion Training", table 1).
    Laplace {
        /// How many indices: T. Default 1000.
        #[serde(default = "default::steps")]
        steps: usize,
        /// The log-SNR in the middle. Default 0.
        #[serde(default)]
        mu: f64,
        /// The width, above 0. Default 0.5.
        #[serde(default = "default::half")]
        b: f64,
        /// No beta is larger, in (0, 1]. Default 0.999.
        #[serde(default = "default::max_beta")]
        max_beta: f64,
    },
    /// EDM's noise levels as a variance-preserving schedule: index i has the i-th smallest of
    /// [`karras_sigmas`](crate::karras_sigmas), and `alpha_bar = 1 / (1 + sigma^2)` (Karras et al.
    /// 2022, eq. 5).
    Karras {
        /// How many indices: T. Default 1000.
        #[serde(default = "default::steps")]
        steps: usize,
        /// sigma at index 0, above 0. Default 0.002.
        #[serde(default = "default::sigma_min")]
        sigma_min: f64,
        /// sigma at index T-1, above `sigma_min`. Default 80.
        #[serde(default = "default::sigma_max")]
        sigma_max: f64,
        /// How much the levels crowd at low noise, above 0. Default 7.
        #[serde(default = "default::rho")]
        rho: f64,
    },
    /// A table of one's own.
    Explicit {
        /// alpha-bar by index: falling, from below 1; only the last may be 0.
        alpha_bar: Vec<f64>,
    },
    /// Another schedule, rescaled so that its last index is pure noise (Lin et al. 2024, "Common
    /// Diffusion Noise Schedules and Sample Steps are Flawed", algorithm 1).
    ZeroTerminalSnr {
        /// The schedule to rescale.
        of: Box<ScheduleConfig>,
    },
}

impl ScheduleConfig {
    /// The schedule of latent diffusion: scaled-linear, 0.0015 to 0.0195, 1000 steps.
    #[must_use]
    pub fn ldm() -> Self {
        Self::ScaledLinear {
            steps: default::steps(),
            beta_start: default::scaled_start(),
            beta_end: default::scaled_end(),
        }
    }

    /// The schedule of Stable Diffusion 1 and 2: scaled-linear, 0.00085 to 0.012, 1000 steps.
    #[must_use]
    pub fn stable_diffusion() -> Self {
        Self::ScaledLinear { steps: default::steps(), beta_start: 0.00085, beta_end: 0.012 }
    }

    /// The schedule of DDPM: linear, 0.0001 to 0.02, 1000 steps.
    #[must_use]
    pub fn ddpm() -> Self {
        Self::Linear {
            steps: default::steps(),
            beta_start: default::linear_start(),
            beta_end: default::linear_end(),
        }
    }

    /// The cosine schedule of Nichol and Dhariwal with so many steps.
    #[must_use]
    pub fn cosine(steps: usize) -> Self {
        Self::Cosine { steps, offset: default::offset(), max_beta: default::max_beta() }
    }

    /// How many indices the schedule has: T.
    #[must_use]
    pub fn steps(&self) -> usize {
        match self {
            Self::ScaledLinear { steps, .. }
            | Self::Linear { steps, .. }
            | Self::Cosine { steps, .. }
            | Self::Sigmoid { steps, .. }
            | Self::SigmoidBeta { steps, .. }
            | Self::Laplace { steps, .. }
            | Self::Karras { steps, .. } => *steps,
            Self::Explicit { alpha_bar } => alpha_bar.len(),
            Self::ZeroTerminalSnr { of } => of.steps(),
        }
    }
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self::ldm()
    }
}

/// serde takes defaults as functions.
mod default {
    macro_rules! constants {
        ($($name:ident: $kind:ty = $value:expr;)*) => {
            $(pub(super) const fn $name() -> $kind { $value })*
        };
    }

    constants! {
        steps: usize = 1000;
        scaled_start: f64 = 0.0015;
        scaled_end: f64 = 0.0195;
        linear_start: f64 = 0.0001;
        linear_end: f64 = 0.02;
        offset: f64 = 0.008;
        max_beta: f64 = 0.999;
        sigmoid_start: f64 = -3.0;
        sigmoid_end: f64 = 3.0;
        one: f64 = 1.0;
        half: f64 = 0.5;
        sigma_min: f64 = 0.002;
        sigma_max: f64 = 80.0;
        rho: f64 = 7.0;
    }
}
