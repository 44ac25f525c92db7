//! What can go wrong, with the name of what was wrong.

use tch::TchError;

/// Everything that fails in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// libtorch refused an operation.
    #[error("{operation}: {message}")]
    Torch {
        /// What was asked for.
        operation: &'static str,
        /// libtorch's own sentence, without its C++ backtrace.
        message: String,
    },
    /// A parameter's name was used twice.
    #[error("the parameter {name} exists already; two layers were built on the same path")]
    Duplicate {
        /// The full, dotted name.
        name: String,
    },
    /// A layer or tensor was described by impossible numbers.
    #[error("{what}: {rule}")]
    Invalid {
        /// The layer, field or tensor.
        what: String,
        /// The rule that it breaks.
        rule: String,
    },
    /// Tensors offered to a store do not match it. Nothing was copied.
    #[error("{what} does not fit, nothing was loaded: {}", list(.mismatches))]
    Mismatch {
        /// What was being loaded.
        what: &'static str,
        /// Every difference, in the order of names.
        mismatches: Vec<Mismatch>,
    },
    /// A file of tensors could not be read.
    #[error(transparent)]
    File(#[from] meme_checkpoint::Error),
    /// A gradient norm is not finite. Nothing was changed.
    #[error("the gradient norm is {norm}: not finite in {}", names(.tensors))]
    NotFinite {
        /// The norm that was found.
        norm: f64,
        /// The tensors that hold a value that is not finite; empty if only their sum overflows.
        tensors: Vec<String>,
    },
    /// A parameter that the optimizer moves has no gradient.
    #[error("{name} has no gradient: run backward first, or freeze what the loss does not reach")]
    NoGradient {
        /// The parameter.
        name: String,
    },
    /// A device's name was not understood, or the device is not there.
    #[error("device {name:?}: {reason}")]
    Device {
        /// As it was given.
        name: String,
        /// Why it cannot be used.
        reason: String,
    },
}

/// One difference between the tensors that a store has and those that it was offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The store has it, the offer does not.
    #[error("{name} is missing")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// The offer has it, the store does not.
    #[error("{name} is not known here")]
    Extra {
        /// The tensor.
        name: String,
    },
    /// Both have it, in different shapes.
    #[error("{name} has shape {found:?} where {expected:?} is needed")]
    Shape {
        /// The tensor.
        name: String,
        /// The store's shape.
        expected: Vec<i64>,
        /// The offer's shape.
        found: Vec<i64>,
    },
    /// Both have it, in different dtypes.
    #[error("{name} has dtype {found} where {expected} is needed")]
    Dtype {
        /// The tensor.
        name: String,
        /// The store's dtype.
        expected: String,
        /// The offer's dtype.
        found: String,
    },
    /// The number of bytes does not follow from shape and dtype.
    #[error("{name} holds {found} bytes where its shape needs {expected}")]
    Length {
        /// The tensor.
        name: String,
        /// Bytes that shape and dtype need.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// A counter is below zero.
    #[error("{name} is {found}, which is no count")]
    Count {
        /// The tensor.
        name: String,
        /// The value.
        found: i64,
    },
}

/// How many differences a message spells out before it only counts the rest.
const SPELT_OUT: usize = 8;

fn list(mismatches: &[Mismatch]) -> String {
    shorten(mismatches.iter().map(ToString::to_string), mismatches.len())
}

fn names(tensors: &[String]) -> String {
    if tensors.is_empty() {
        return "no single tensor, but their sum of squares overflows".to_owned();
    }
    shorten(tensors.iter().cloned(), tensors.len())
}

fn shorten(parts: impl Iterator<Item = String>, count: usize) -> String {
    let mut text = parts.take(SPELT_OUT).collect::<Vec<_>>().join("; ");
    if count > SPELT_OUT {
        text.push_str(&format!("; and {} more", count - SPELT_OUT));
    }
    text
}

/// Names the operation that tch's error belongs to.
pub(crate) trait Context<T> {
    fn during(self, operation: &'static str) -> Result<T, Error>;
}

impl<T> Context<T> for Result<T, TchError> {
    fn during(self, operation: &'static str) -> Result<T, Error> {
        self.map_err(|error| {
            let text = match error {
                TchError::Torch(text) => text,
                other => other.to_string(),
            };
            // The sentence comes first, libtorch's own stack of calls after it.
            let message = text.split("\nException raised from").next().unwrap_or("").trim();
            Error::Torch { operation, message: message.to_owned() }
        })
    }
}
