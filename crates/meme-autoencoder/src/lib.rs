//! First stages of latent diffusion: VQ, KL, space-to-depth and identity.
#![deny(missing_docs)]

mod coder;
mod config;
mod count;
mod error;
mod first_stage;
mod kl;
mod vq;

pub use config::{CoderConfig, FirstStageConfig};
pub use count::Count;
pub use error::Error;
pub use first_stage::FirstStage;
pub use kl::KlAutoencoder;
pub use vq::VqAutoencoder;
