//! What can go wrong, with the name of what was wrong.

use meme_torch::tch::TchError;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The description cannot be a network.
    #[error("architecture field `{field}`: {rule}")]
    Architecture {
        /// The field, as it is written in a description.
        field: String,
        /// What is wrong with its value.
        rule: String,
    },
    /// A size that cannot be counted.
    #[error("an input of {height} x {width} pixels cannot be counted: give 1 to {most} a side")]
    Size {
        /// Rows asked for.
        height: usize,
        /// Columns asked for.
        width: usize,
        /// The largest side.
        most: usize,
    },
    /// A number of context tokens that cannot be counted.
    #[error("{tokens} context tokens cannot be counted: give 1 to {most}")]
    Tokens {
        /// Tokens asked for.
        tokens: usize,
        /// The most.
        most: usize,
    },
    /// A count above 64 bits.
    #[error("the count {number} does not fit 64 bits; give a smaller size or width")]
    Overflow {
        /// The count.
        number: u128,
    },
    /// A tensor that does not fit the network.
    #[error("{what} has shape {found:?}, the network needs {needed}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        found: Vec<i64>,
        /// The shape that is needed, in words.
        needed: String,
    },
    /// Classes given to an unconditional network, or none to a conditional one.
    #[error("the network has {classes} classes: {}", if *.given { "leave `Options::classes` empty" } else { "set `Options::classes`" })]
    Classes {
        /// How many classes the architecture has.
        classes: usize,
        /// Whether the call named some.
        given: bool,
    },
    /// Context tokens asked of a network that has no table of them.
    #[error("classes do not become context tokens in this network (`class_conditioning`)")]
    ClassContext,
    /// No context for a network that reads one.
    #[error("the network attends to context: set `Options::context` to tokens [B, T, {width}]")]
    Context {
        /// Numbers of a token.
        width: usize,
    },
    /// A context for a network that reads none, or beside classes that become the context.
    #[error("`Options::context` is set, but {why}")]
    NoContext {
        /// Why there is no place for it.
        why: &'static str,
    },
    /// A block for which another project has no name.
    #[error("{format} has no place for `{block}`: {why}")]
    Unnamed {
        /// The other project's format.
        format: &'static str,
        /// The block.
        block: String,
        /// Why it has no counterpart.
        why: &'static str,
    },
    /// Tensors of a file that a name map does not find or does not know.
    #[error("these tensors are not a {format} network of this architecture: {}", .differences.join("; "))]
    Names {
        /// The format that was read.
        format: &'static str,
        /// The first few differences.
        differences: Vec<String>,
    },
    /// Something that happened inside a block.
    #[error("{block}: {source}")]
    Block {
        /// The block's name.
        block: String,
        /// What happened there.
        source: Box<Error>,
    },
    /// A parameter could not be made, or a layer refused its input.
    #[error(transparent)]
    Layer(#[from] meme_torch::Error),
    /// The fused norm failed.
    #[error("group norm: {message}")]
    Norm {
        /// libtorch's sentence.
        message: String,
    },
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl Error {
    /// Names the block in which this happened.
    pub(crate) fn within(self, block: &str) -> Self {
        Error::Block { block: block.to_owned(), source: Box::new(self) }
    }
}

/// What this crate's functions return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;
