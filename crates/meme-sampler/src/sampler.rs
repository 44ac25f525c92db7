//! Samplers as data: for configuration files and command lines.

use serde::{Deserialize, Serialize};

use crate::{
    Denoiser, DpmSolver, Error, Noise, Outcome, Plan, Result, State, UniPc, Variance, Watch, ddim,
    ddpm, dpm_solver_2m, dpm_solver_2m_sde, euler, heun, unipc,
};

/// A sampler with its options, such as `{ kind = "ddim", eta = 0.0 }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Sampler {
    /// [`ddim`].
    Ddim {
        /// 0 (default) for no noise, 1 for ancestral sampling.
        #[serde(default)]
        eta: f64,
    },
    /// [`ddpm`].
    Ddpm {
        /// How much noise a step adds.
        #[serde(default)]
        variance: Variance,
    },
    /// [`euler`].
    Euler {},
    /// [`heun`].
    Heun {},
    /// [`dpm_solver_2m`].
    #[serde(rename = "dpm-solver-2m")]
    DpmSolver2m {
        /// Its options.
        #[serde(default)]
        options: DpmSolver,
    },
    /// [`dpm_solver_2m_sde`].
    #[serde(rename = "dpm-solver-2m-sde")]
    DpmSolver2mSde {
        /// Its options.
        #[serde(default)]
        options: DpmSolver,
        /// 1 (default) for the whole noise of the stochastic equation, 0 for none.
        #[serde(default = "one")]
        eta: f64,
    },
    /// [`unipc`].
    #[serde(rename = "unipc")]
    UniPc {
        /// Its options.
        #[serde(default)]
        options: UniPc,
    },
}

fn one() -> f64 {
    1.0
}

impl Default for Sampler {
    fn default() -> Self {
        Self::Ddim { eta: 0.0 }
    }
}

impl Sampler {
    /// Every sampler, with its default options.
    pub const ALL: [Self; 7] = {
        let second_order = crate::SecondOrder::Midpoint;
        let options = DpmSolver { second_order, lower_order_final: true };
        [
            Self::Ddim { eta: 0.0 },
            Self::Ddpm { variance: Variance::Posterior },
            Self::Euler {},
            Self::Heun {},
            Self::DpmSolver2m { options },
            Self::DpmSolver2mSde { options, eta: 1.0 },
            Self::UniPc {
                options: UniPc { order: 2, bh: crate::Bh::Bh2, lower_order_final: true },
            },
        ]
    };

    /// The name on a command line and in files: `ddim`, `dpm-solver-2m`, ...
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ddim { .. } => "ddim",
            Self::Ddpm { .. } => "ddpm",
            Self::Euler {} => "euler",
            Self::Heun {} => "heun",
            Self::DpmSolver2m { .. } => "dpm-solver-2m",
            Self::DpmSolver2mSde { .. } => "dpm-solver-2m-sde",
            Self::UniPc { .. } => "unipc",
        }
    }

    /// One sentence for a help text.
    #[must_use]
    pub fn about(&self) -> &'static str {
        match self {
            Self::Ddim { .. } => {
                "deterministic, first order: what LDM's and MEME's published numbers use"
            }
            Self::Ddpm { .. } => "adds noise at every step; best with hundreds of steps",
            Self::Euler {} => "DDIM that ends at a clean image; first order",
            Self::Heun {} => "second order for two network evaluations a step",
            Self::DpmSolver2m { .. } => {
                "second order for one evaluation a step; a good choice for 15 to 50 steps"
            }
            Self::DpmSolver2mSde { .. } => "the same with noise; forgives errors of the network",
            Self::UniPc { .. } => "predictor and corrector of higher order; good below 20 steps",
        }
    }

    /// The sampler of that name, with default options.
    ///
    /// # Errors
    /// [`Error::UnknownSampler`], which names those there are.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|sampler| sampler.name() == name).ok_or_else(|| {
            Error::UnknownSampler {
                name: name.to_owned(),
                known: Self::ALL.iter().map(Self::name).collect(),
            }
        })
    }

    /// Whether it adds noise on its way, so that the same start may lead elsewhere.
    #[must_use]
    pub fn is_stochastic(&self) -> bool {
        match self {
            Self::Ddim { eta } | Self::DpmSolver2mSde { eta, .. } => *eta > 0.0,
            Self::Ddpm { .. } => true,
            _ => false,
        }
    }

    /// How many steps it is commonly given: enough for pictures that more steps hardly improve.
    /// A starting point, not a measurement.
    #[must_use]
    pub fn usual_steps(&self) -> usize {
        match self {
            Self::Ddim { .. } | Self::Euler {} | Self::DpmSolver2mSde { .. } => 50,
            Self::Ddpm { .. } => 250,
            Self::Heun {} | Self::DpmSolver2m { .. } => 25,
            Self::UniPc { .. } => 15,
        }
    }

    /// Network evaluations in a run of so many steps.
    #[must_use]
    pub fn evaluations(&self, steps: usize) -> usize {
        match self {
            // The last step is Euler's.
            Self::Heun {} => (2 * steps).saturating_sub(1),
            _ => steps,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// As the function of that sampler.
    pub fn run(
        &self,
        denoiser: &mut dyn Denoiser,
        start: impl Into<State>,
        plan: &Plan,
        noise: &mut dyn Noise,
        watch: &mut Watch<'_>,
    ) -> Result<Outcome> {
        match self {
            Self::Ddim { eta } => ddim(denoiser, start, plan, *eta, noise, watch),
            Self::Ddpm { variance } => ddpm(denoiser, start, plan, *variance, noise, watch),
            Self::Euler {} => euler(denoiser, start, plan, watch),
            Self::Heun {} => heun(denoiser, start, plan, watch),
            Self::DpmSolver2m { options } => dpm_solver_2m(denoiser, start, plan, options, watch),
            Self::DpmSolver2mSde { options, eta } => {
                dpm_solver_2m_sde(denoiser, start, plan, options, *eta, noise, watch)
            }
            Self::UniPc { options } => unipc(denoiser, start, plan, options, watch),
        }
    }
}
