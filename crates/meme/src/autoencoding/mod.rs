//! Training a first stage of one's own: a small VQ or KL autoencoder, by the same trainer as the experts.
//!
//! What is minimised is [`Autoencoding`], an [`Objective`](meme_trainer::Objective); how much of what, and on which
//! pictures, a [`FirstStageExperiment`] says. LDM's first stages were trained with a discriminator besides, which is
//! not here: pictures come out smoother than theirs.

mod config;
mod objective;
mod run;

pub use config::{AutoencodingLoss, FirstStageExperiment, Reconstruction, first_stages};
pub use objective::{Autoencoding, Pixels};
pub(crate) use run::{refuse_another, train};
