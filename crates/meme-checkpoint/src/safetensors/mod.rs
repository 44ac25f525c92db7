//! The safetensors format, read strictly and written in one canonical way.
//!
//! A file is eight bytes of little-endian header length, a JSON header padded with spaces, and the
//! tensors' bytes back to back. The reader accepts exactly what the format promises:
//!
//! * the header is at most [`HEADER_LIMIT`] bytes, starts with `{` and ends in nothing but spaces;
//! * no tensor name and no metadata key stands twice, no key is unknown;
//! * offsets are in order and in range, the tensors cover the data without gap or overlap, and
//!   nothing follows the last of them;
//! * every tensor has as many bytes as its type and shape need, computed without overflow;
//! * booleans are 0 or 1.
//!
//! Anything else is a [`Problem`], and then no tensor is handed out. What the format cannot notice is
//! a flipped bit among the numbers themselves: that is what the hashes of a checkpoint folder are for.

mod file;
mod header;
mod problem;
mod read;
mod write;

pub use file::SafetensorsFile;
pub use header::TensorInfo;
pub use problem::Problem;
pub(crate) use read::{Failure, read_stream};
pub use read::{parse, read_safetensors};
pub(crate) use write::Layout;
pub use write::{safetensors_bytes, write_safetensors};

/// Longest header that is read or written, in bytes; the reference implementation's limit.
pub const HEADER_LIMIT: u64 = 100_000_000;
