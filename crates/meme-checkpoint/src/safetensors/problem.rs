//! What can be wrong with a safetensors file.

use crate::Dtype;

/// One reason to refuse a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There are not even the eight bytes that say how long the header is.
    #[error("it has only {length} bytes, it is empty or cut short")]
    TooShort {
        /// Bytes in the file.
        length: u64,
    },
    /// The header's length is zero or beyond [`super::HEADER_LIMIT`].
    #[error(
        "its header claims {claimed} bytes; at least 2 and at most {} are allowed",
        super::HEADER_LIMIT
    )]
    HeaderLength {
        /// What the first eight bytes say.
        claimed: u64,
    },
    /// The header is longer than the file.
    #[error("its header claims {claimed} bytes and only {available} follow: it was cut short")]
    HeaderTruncated {
        /// What the first eight bytes say.
        claimed: u64,
        /// Bytes after them.
        available: u64,
    },
    /// The header is not the JSON it should be.
    #[error("its header is broken: {message}")]
    Header {
        /// The parser's words, with the tensor's name where there is one.
        message: String,
    },
    /// A tensor's name stands twice in the header.
    #[error("tensor `{tensor}` stands twice in its header")]
    DuplicateTensor {
        /// The name.
        tensor: String,
    },
    /// A metadata key stands twice, or `__metadata__` itself does.
    #[error("metadata key `{key}` stands twice in its header")]
    DuplicateMetadata {
        /// The key.
        key: String,
    },
    /// The element type is not one of [`Dtype::ALL`].
    #[error("tensor `{tensor}` has the unsupported type `{dtype}`")]
    UnknownDtype {
        /// The tensor.
        tensor: String,
        /// What the header calls its type.
        dtype: String,
    },
    /// A tensor ends before it begins.
    #[error("tensor `{tensor}` begins at {start} and ends at {end}")]
    Offsets {
        /// The tensor.
        tensor: String,
        /// First byte, counted from the end of the header.
        start: u64,
        /// Byte after the last.
        end: u64,
    },
    /// The number of elements or bytes does not fit in the machine's integers.
    #[error("tensor `{tensor}` has the impossible shape {shape:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// Offsets disagree with type and shape.
    #[error("tensor `{tensor}` ({dtype}, shape {shape:?}) needs {needed} bytes and has {found}")]
    ByteCount {
        /// The tensor.
        tensor: String,
        /// Its element type.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<usize>,
        /// Bytes that type and shape need.
        needed: u64,
        /// Bytes that the offsets span.
        found: u64,
    },
    /// Bytes that belong to no tensor stand before one.
    #[error("tensor `{tensor}` begins at {start} where {expected} was expected: a gap")]
    Gap {
        /// The tensor.
        tensor: String,
        /// Where it begins.
        start: u64,
        /// Where the tensor before it ends.
        expected: u64,
    },
    /// Two tensors share bytes.
    #[error(
        "tensor `{tensor}` begins at {start}, inside the one before it, which ends at {expected}"
    )]
    Overlap {
        /// The tensor.
        tensor: String,
        /// Where it begins.
        start: u64,
        /// Where the tensor before it ends.
        expected: u64,
    },
    /// A tensor reaches beyond the end of the file.
    #[error(
        "tensor `{tensor}` ends at {end} and there are only {available} bytes of data: it was cut short"
    )]
    Truncated {
        /// The tensor.
        tensor: String,
        /// Where it ends.
        end: u64,
        /// Bytes of data in the file.
        available: u64,
    },
    /// Bytes follow the last tensor.
    #[error("{count} bytes follow the last tensor")]
    Trailing {
        /// How many.
        count: u64,
    },
    /// A boolean tensor holds something other than 0 and 1.
    #[error("element {position} of the boolean tensor `{tensor}` is {value}")]
    Boolean {
        /// The tensor.
        tensor: String,
        /// Index of the element.
        position: usize,
        /// Its value.
        value: u8,
    },
    /// A tensor does not fit in memory.
    #[error("there is no memory for the {bytes} bytes of tensor `{tensor}`")]
    Memory {
        /// The tensor.
        tensor: String,
        /// Its size.
        bytes: u64,
    },
    /// A tensor was to be written under a name that the format reserves.
    #[error("`{tensor}` is reserved and cannot name a tensor")]
    Reserved {
        /// The name.
        tensor: String,
    },
}
