//! What can go wrong while sampling.

use meme_router::Expert;
use meme_torch::tch::TchError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A list of indices that no sampler can walk.
    #[error("the grid of indices cannot be used: {problem}")]
    Grid {
        /// What is wrong with it.
        problem: String,
    },
    /// The clean image cannot be computed from predicted noise where there is no signal at all.
    #[error(
        "alpha-bar of index {index} is 0: from a predicted noise no image follows there; use a network that predicts velocity or the image, or leave the index out of the grid"
    )]
    NoSignal {
        /// The index.
        index: usize,
    },
    /// An option out of its range.
    #[error("{name} is {value}; allowed is {allowed}")]
    Setting {
        /// The option.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// A name that is no sampler's.
    #[error("there is no sampler {name:?}; there are {}", known.join(", "))]
    UnknownSampler {
        /// The name.
        name: String,
        /// Those there are.
        known: Vec<&'static str>,
    },
    /// A tensor of an unexpected shape.
    #[error("{what} has shape {found:?} where {expected:?} is expected")]
    Shape {
        /// Which tensor.
        what: String,
        /// The shape it has.
        found: Vec<i64>,
        /// The shape it must have.
        expected: Vec<i64>,
    },
    /// Not one index, or one noise stream, for each sample.
    #[error("{found} {what} for a batch of {batch} samples")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The number of samples.
        batch: usize,
    },
    /// More or fewer networks than intervals.
    #[error("{found} networks for {expected} intervals: each interval needs exactly one")]
    Experts {
        /// Intervals.
        expected: usize,
        /// Networks.
        found: usize,
    },
    /// An expert that the source does not have.
    #[error("there is no {expert}; the source has {experts}")]
    NoExpert {
        /// The expert that was asked for.
        expert: Expert,
        /// How many there are.
        experts: usize,
    },
    /// An expert that is larger than the memory allowed for all of them.
    #[error(
        "{expert} takes {bytes} bytes, the experts may take {budget} in all; allow at least as much as the largest of them"
    )]
    Budget {
        /// The expert.
        expert: Expert,
        /// What it takes.
        bytes: u64,
        /// What is allowed.
        budget: u64,
    },
    /// The thread that loads experts is gone, because the loader panicked.
    #[error("{expert} cannot be loaded: the thread that loads experts has ended in a panic")]
    LoaderGone {
        /// The expert that was wanted.
        expert: Expert,
    },
    /// The thread that loads experts could not be started.
    #[error("the thread that loads experts cannot be started: {0}")]
    NoThread(#[source] std::io::Error),
    /// A saved state that doesn't belong to this run.
    #[error("the saved state cannot be continued: {problem}")]
    State {
        /// What is wrong with it.
        problem: String,
    },
    /// The run was stopped by its callback, so there is no sample yet.
    #[error("stopped after {done} of {total} steps; continue from the state, or start again")]
    Stopped {
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// A denoiser failed.
    #[error("the denoiser failed: {0}")]
    Denoiser(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Routing failed.
    #[error(transparent)]
    Router(#[from] meme_router::Error),
    /// A tensor operation of this workspace failed.
    #[error(transparent)]
    Torch(#[from] meme_torch::Error),
    /// libtorch refused an operation of a sampler.
    #[error("libtorch refused an operation of the sampler: {0}")]
    Tch(#[from] TchError),
}

impl Error {
    /// Wraps whatever made a denoiser fail.
    pub fn denoiser(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Denoiser(source.into())
    }
}

/// This crate's results.
pub type Result<T> = std::result::Result<T, Error>;
