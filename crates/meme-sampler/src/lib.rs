//! From noise to samples: diffusion samplers as plain functions, and many experts behind one
//! network.
//!
//! A sampler needs four things. A [`Denoiser`] answers what a network says about noisy samples at
//! some indices; any closure is one. A [`Plan`] says which noise levels are visited and how to read
//! the answers. Start noise, and for stochastic samplers noise on the way, comes from
//! [`SampleNoise`] or from a closure. A callback sees every step and may stop the run. Everything
//! else is arithmetic, and it is all here: [`ddim`], [`ddpm`], [`euler`], [`heun`],
//! [`dpm_solver_2m`], [`dpm_solver_2m_sde`], [`unipc`], or any of them as a value, [`Sampler`].
//!
//! ```
//! use meme_router::{Expert, Index, Intervals};
//! use meme_sampler::{Ensemble, Plan, SampleNoise, ddim, unwatched};
//! use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
//! use meme_torch::tch::{Device, Kind, Tensor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schedule = Schedule::new(&ScheduleConfig::ldm())?;
//! let indices = Grid::Ldm.indices(schedule.steps(), 20)?;
//! let plan = Plan::new(&schedule, &indices, Parametrisation::Epsilon)?;
//!
//! // Two experts share the timesteps. The data are one grey image, 0.5 everywhere, for which the
//! // perfect network is known: epsilon = (x - sqrt(ab) 0.5) / sqrt(1 - ab).
//! let mut calls = [0, 0];
//! let experts = |expert: Expert, x: &Tensor, indices: &[Index]| {
//!     calls[expert.position()] += 1;
//!     let alpha_bar = schedule.alpha_bar(indices[0]);
//!     Ok((x - 0.5 * alpha_bar.sqrt()) / (1.0 - alpha_bar).sqrt())
//! };
//! let mut ensemble = Ensemble::new(Intervals::uniform(2, schedule.steps())?, experts)?;
//!
//! // Images 0, 1 and 2 of seed 7: the same noise whatever else is in the batch.
//! let mut noise = SampleNoise::new((0..3).map(|image| (7, image)).collect());
//! let start = noise.start(&[3, 8, 8], Kind::Float, Device::Cpu)?;
//! let samples = ddim(&mut ensemble, start, &plan, 0.0, &mut noise, &mut unwatched)?.finished()?;
//!
//! // Index 1's noise, alpha-bar 0.9985, is left: DDIM ends there, as latent diffusion does.
//! assert!(f64::try_from((samples - 0.5).abs().max())? < 0.2);
//! assert_eq!(calls, [10, 10]);
//! # Ok(()) }
//! ```
//!
//! # Experts
//! An [`Ensemble`] is a denoiser that asks, for every sample, the expert that owns its index. The
//! samplers know nothing of it. Where the experts are is the matter of an [`ExpertSource`]:
//! [`Resident`] keeps all of them in memory; [`Paged`] keeps one and has another thread load the
//! next while it works, or as many as fit into so many bytes; a closure does as it likes. A run
//! announces in advance at which indices it is going to ask, and so who comes next.
//!
//! Each expert may be different: one in half precision ([`InKind`]), one that predicts something
//! else than the plan says ([`Reparametrised`]), one guided more strongly ([`Guided`]). These wrap a
//! network and are networks again.
//!
//! # Numbers
//! Schedules and coefficients are float64. The samples have the type and device of the start noise;
//! each step multiplies and adds tensors of that type with float64 factors. Nothing inside a step
//! reads a tensor's values back from a GPU.
//!
//! # Stopping and going on
//! A callback that breaks ends the run after its step with a [`State`], which can be written down as
//! named tensors and taken up by another process: the rest is bit for bit what it would have been.
#![deny(missing_docs)]

mod denoiser;
mod ensemble;
mod error;
mod experts;
mod guidance;
mod level;
mod loader;
mod noise;
mod overrides;
mod paged;
mod plan;
mod sampler;
mod solvers;
mod state;
mod walk;

pub use denoiser::Denoiser;
pub use ensemble::Ensemble;
pub use error::{Error, Result};
pub use experts::{ExpertSource, Resident};
pub use guidance::Guided;
pub use loader::{Loaded, Loader};
pub use noise::{Noise, SampleNoise};
pub use overrides::{InKind, Reparametrised};
pub use paged::{Paged, Room};
pub use plan::{Last, Plan, Threshold};
pub use sampler::Sampler;
pub use solvers::ddim::ddim;
pub use solvers::ddpm::{Variance, ddpm};
pub use solvers::dpm_solver::{DpmSolver, SecondOrder, dpm_solver_2m, dpm_solver_2m_sde};
pub use solvers::euler::euler;
pub use solvers::heun::heun;
pub use solvers::unipc::{Bh, UniPc, unipc};
pub use state::{Outcome, Progress, State, Watch, unwatched};
