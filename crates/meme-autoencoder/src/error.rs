//! What can go wrong, with the name of what was wrong.

use meme_torch::tch::TchError;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The description cannot be a first stage.
    #[error("first stage field `{field}`: {rule}")]
    Config {
        /// The field, as it is written in a description.
        field: String,
        /// What is wrong with its value.
        rule: String,
    },
    /// A tensor or an image that does not fit the first stage.
    #[error("{what} has shape {found:?}, the first stage needs {needed}")]
    Shape {
        /// What was given.
        what: &'static str,
        /// Its shape.
        found: Vec<i64>,
        /// The shape that is needed, in words.
        needed: String,
    },
    /// A count above 64 bits.
    #[error("the count {number} does not fit 64 bits; give a smaller size or width")]
    Overflow {
        /// The count.
        number: u128,
    },
    /// A parameter could not be made, or a layer refused its input.
    #[error(transparent)]
    Layer(#[from] meme_torch::Error),
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// What this crate's functions return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;
