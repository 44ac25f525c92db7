//! One training loop for diffusion experts.
//!
//! A [`Trainer`] minimises an [`Objective`] and keeps three promises:
//!
//! * **Nothing is lost.** Its state is a function of (configuration, images seen). Checkpoints are
//!   whole, hashed folders; a run that is killed at any moment goes on from the newest good one
//!   and ends with the same bits as a run that was left alone.
//!   Checkpoints are copied in the loop and written beside it.
//! * **Nothing is spoilt.** A loss or gradient that is not finite stops the run before the update.
//!   A configuration that is not the run's is refused before anything is written ([`compare`]), or
//!   taken on purpose and recorded ([`Trainer::open_changed`]).
//! * **Everything is counted in images**, so that a run means the same whatever its batch.
//!
//! The diffusion loss of one expert is [`Diffusion`]; the network is a closure, so this crate knows
//! no architecture. Whoever wants to watch implements [`Observer`]; [`tensorboard`] is one that
//! writes what TensorBoard opens. [`train_several`] trains several networks from one call, in turn
//! on one device and side by side on several. [`posthoc_average`] makes averages of any length from
//! snapshots (EDM2).
//!
//! ```
//! use std::sync::Arc;
//! use meme_data::InMemory;
//! use meme_router::{Assignment, Expert, Intervals};
//! use meme_schedule::{LossWeight, Parametrisation, Schedule, ScheduleConfig};
//! use meme_torch::{Init, Parameters, tch::{Device, Tensor}};
//! use meme_trainer::{Diffusion, DiffusionConfig, Outcome, Stop, TrainConfig, Trainer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Eight one-pixel "images" and a network with one weight: output = weight * input.
//! let data = Arc::new(InMemory::new([1, 1, 1], vec![0.5; 8])?);
//! let mut parameters = Parameters::new(Device::Cpu, 0, 1);
//! let weight = parameters.root().parameter("weight", &[1], Init::Zeros)?;
//! let objective = Diffusion::new(
//!     DiffusionConfig {
//!         data,
//!         schedule: Schedule::new(&ScheduleConfig::ldm())?,
//!         parametrisation: Parametrisation::Epsilon,
//!         weight: LossWeight::Uniform,
//!         intervals: Intervals::uniform(4, 1000)?,
//!         assignment: Assignment::Hard,
//!         expert: Expert::new(4)?,
//!         seed: 0,
//!         flip: false,
//!         buckets: 10,
//!         device: Device::Cpu,
//!     },
//!     move |noisy: &Tensor, _indices: &Tensor| Ok(noisy * &weight),
//! )?;
//! let folder = tempfile::tempdir()?;
//! let config =
//!     TrainConfig { images: 800, batch: 8, learning_rate: 0.05, ..TrainConfig::default() };
//! let identity = serde_json::json!({"network": "one weight"});
//! let run = folder.path().to_path_buf();
//! let mut trainer = Trainer::open(run, config, identity, parameters, objective, &mut ())?;
//! assert_eq!(trainer.train(800, &Stop::new(), &mut ())?, Outcome::Reached);
//! // Expert 4 sees almost pure noise, so it learns to answer with its input.
//! let weight = meme_torch::to_f32_vec(&trainer.parameters().named()[0].1)?[0];
//! assert!((weight - 1.0).abs() < 0.1, "{weight}");
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

mod averages;
mod changes;
mod config;
mod diffusion;
mod error;
mod objective;
mod observer;
mod rate;
mod resume;
mod several;
mod statistics;
mod stop;
pub mod tensorboard;
mod trainer;
mod validation;
mod writing;

pub use averages::{posthoc_average, snapshots};
pub use changes::{Change, changes, compare};
pub use config::TrainConfig;
pub use diffusion::{Diffusion, DiffusionBatch, DiffusionConfig, HeldOut, InTraining, PerImage};
pub use error::Error;
pub use objective::{Batches, Loss, Objective};
pub use observer::{Observer, StepReport};
pub use rate::Decay;
pub use resume::{checkpoints, map_ema, newest_checkpoint, read_ema};
pub use several::{Task, train_several};
pub use statistics::{Bucket, Timing, Validated, Window, read_lines};
pub use stop::{STOPPED_EXIT_CODE, Stop};
pub use trainer::{Outcome, Trainer};
pub use validation::Validation;
