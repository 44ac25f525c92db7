//! What can go wrong while measuring.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two things that must have the same number of features don't.
    #[error(
        "the {what} has {found} features where {expected} are expected: features of different networks cannot be compared"
    )]
    Dimension {
        /// What has the wrong size.
        what: &'static str,
        /// The size it must have.
        expected: usize,
        /// The size it has.
        found: usize,
    },
    /// Too few rows or images.
    #[error("too few {what}: {found}, at least {needed} are needed")]
    TooFew {
        /// Of what.
        what: &'static str,
        /// The least number that works.
        needed: u64,
        /// The number there is.
        found: u64,
    },
    /// A NaN or an infinity.
    #[error(
        "row {row}, column {column} of the {what} is {value}; look at the image behind that row"
    )]
    NotFinite {
        /// Of what.
        what: &'static str,
        /// 0-based row.
        row: usize,
        /// 0-based column.
        column: usize,
        /// What stands there.
        value: f64,
    },
    /// An option out of its range.
    #[error("{name} is {value}; allowed is {allowed}")]
    Setting {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// Images of a shape that a feature network cannot see.
    #[error("images of shape {shape:?} cannot be measured: {wanted}")]
    ImageShape {
        /// The shape that was given.
        shape: Vec<i64>,
        /// What would do.
        wanted: &'static str,
    },
    /// A weight file that is not the one this network is defined by.
    #[error(
        "{path}: these are not the weights of {network}: BLAKE3 {found} instead of {expected}; features of other weights cannot be compared"
    )]
    UnknownWeights {
        /// The file.
        path: PathBuf,
        /// The network that was asked for.
        network: &'static str,
        /// The hash of the file.
        found: String,
        /// The hash of the right file.
        expected: &'static str,
    },
    /// A tensor that a weight or statistics file should hold but doesn't, in this form.
    #[error("{path}: tensor {name}: {problem}")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Statistics that describe something else than what they are to be compared with.
    #[error(
        "these statistics cannot be compared: {field} is {found:?} on one side and {expected:?} on the other"
    )]
    Incomparable {
        /// The field that differs.
        field: &'static str,
        /// Its value on the other side.
        expected: String,
        /// Its value here.
        found: String,
    },
    /// A statistics file without a field, or with one that cannot be read.
    #[error("{path}: metadata field {field}: {problem}; is this a statistics file?")]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A NumPy archive that does not hold statistics, or cannot be read.
    #[error("{path}: {problem}")]
    Npz {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A network whose layers are not handed out.
    #[error("the layers of {network} cannot be compared; give the weights of squeezenet-1.1")]
    NoMaps {
        /// The network.
        network: String,
    },
    /// The work was stopped from outside.
    #[error("stopped after {done} images")]
    Stopped {
        /// Images whose features were made, and are lost.
        done: usize,
    },
    /// A file could not be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A weight or statistics file could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] meme_checkpoint::Error),
    /// An image could not be read.
    #[error(transparent)]
    Data(#[from] meme_data::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Torch(#[from] meme_torch::Error),
    /// A tensor operation failed inside a feature network.
    #[error("{network}: {source}")]
    Network {
        /// The network.
        network: String,
        /// libtorch's answer.
        source: meme_torch::tch::TchError,
    },
}

/// This crate's results.
pub type Result<T> = std::result::Result<T, Error>;
