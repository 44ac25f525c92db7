//! Which expert owns which diffusion timestep.
//!
//! A multi-expert diffusion model splits the timesteps 1..T among N networks. This crate is the
//! bookkeeping of that split, in numbers only: who owns a timestep, where the boundaries lie, which
//! timesteps an expert is trained on, and how a batch that mixes timesteps is taken apart and put
//! back together. It knows no tensor and no network, so it serves any of them.
//!
//! ```
//! use meme_router::{Assignment, Expert, Index, Intervals, positions, split};
//!
//! # fn main() -> Result<(), meme_router::Error> {
//! // Four experts share 1000 timesteps; expert 1 takes those with least noise.
//! let intervals = Intervals::uniform(4, 1000)?;
//! assert_eq!(intervals.upper_ends(), [250, 500, 750, 1000]);
//! assert_eq!(intervals.expert_of(Index::new(249))?, Expert::new(1)?);
//! assert_eq!(intervals.expert_of(Index::new(250))?, Expert::new(2)?);
//!
//! // Training: expert 2 draws from its own interval with p = 0.4, else from everywhere. The draw
//! // for training image 31 415 is a function of (seed, expert, image) and of nothing else.
//! let assignment = Assignment::soft(4)?;
//! let index = assignment.draw(&intervals, 7, Expert::new(2)?, 31_415)?;
//! assert!(index.get() < 1000);
//!
//! // Sampling: a batch that mixes timesteps goes row by row to the experts, and comes back.
//! let batch = [900, 3, 901, 4].map(Index::new);
//! let groups = split(&batch, &intervals)?;
//! assert_eq!(groups, [(Expert::new(1)?, vec![1, 3]), (Expert::new(4)?, vec![0, 2])]);
//! assert_eq!(positions(&groups)?, [2, 0, 3, 1]);
//! # Ok(()) }
//! ```
//!
//! # Two numbers, two types
//! An [`Index`] in 0..T-1 is what tables, time embeddings and checkpoints use. A [`Timestep`] in
//! 1..T is what papers, intervals and people use; timestep 0 is the clean image. They differ by
//! one, and mixing them up is the classic mistake of the field, so here it does not compile: only
//! an `Index` turns into a `usize`.
//!
//! # Boundaries are data
//! [`Intervals`] is a list of upper ends in timesteps, and reads and writes (serde) as just that.
//! Equal widths, an explicit list, ranges, equal steps of log-SNR, or interval clustering make it.
//!
//! # What an expert is trained on
//! [`Assignment`] gives the probability of every timestep for every expert: hard, constant, soft
//! or complement. [`Spread`] says how the uniform numbers behind the draws are laid out over a
//! batch: independently, stratified, antithetic or with low discrepancy. Whatever the spread, each
//! single image's timestep has exactly the probabilities of the assignment.
//!
//! # Where the constants come from
//! [`paper`] holds the numbers of "Multi-Architecture Multi-Expert Diffusion Models" (Lee et al.,
//! AAAI 2024, arXiv 2306.04990), each with how sure we are of it.
#![deny(missing_docs)]

mod assignment;
mod boundaries;
mod cluster;
mod error;
mod expert;
mod intervals;
pub mod paper;
mod route;
mod spread;
mod stitch;
mod timestep;

pub use assignment::Assignment;
pub use cluster::ClusterCost;
pub use error::Error;
pub use expert::Expert;
pub use intervals::Intervals;
pub use route::{Groups, positions, put_back, rows, split};
pub use spread::Spread;
pub use stitch::Stitch;
pub use timestep::{Index, Timestep};

/// What a fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;
