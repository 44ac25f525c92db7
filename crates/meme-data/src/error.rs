//! What can go wrong between a file on disk and an array of numbers.

use std::path::PathBuf;

/// Everything this crate can fail with. Each message names the file, the entry or the value at
/// fault and says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path given for a data set does not exist.
    #[error("{}: there is nothing here; give a folder, a tar or a zip file of images", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The operating system refused an operation.
    #[error("{}: cannot {operation}: {source}", path.display())]
    Io {
        /// What was being done, as a verb: "read", "write", "rename".
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A folder with nothing in it.
    #[error("{}: the folder is empty; put PNG, JPEG or WebP images into it", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A folder or archive without a single image.
    #[error("{}: no images inside ({found}); supported are .png, .jpg, .jpeg and .webp, or .tar and .zip of them", path.display())]
    NoImages {
        /// The folder or archive.
        path: PathBuf,
        /// What was there instead: counts by extension.
        found: String,
    },
    /// A file that is none of the supported containers.
    #[error("{}: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it seems to be and what to do.
        reason: String,
    },
    /// An archive whose own structure is broken or hostile.
    #[error("{}: damaged archive: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An image that cannot be decoded.
    #[error(
        "{name}: not a readable image: {reason}; repair or remove it, or ask to skip corrupt images"
    )]
    Decode {
        /// The image, with its archive if it is in one.
        name: String,
        /// The decoder's reason.
        reason: String,
    },
    /// An image larger than the limits allow.
    #[error(
        "{name}: {what} is {value}, over the limit of {limit}; raise the limit if this image is trusted"
    )]
    TooLarge {
        /// The image, with its archive if it is in one.
        name: String,
        /// The quantity that is too large.
        what: &'static str,
        /// Its value.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// An image smaller than the transform's `minimum_side`.
    #[error(
        "{name}: {width} x {height} pixels, but its shorter side must be at least {minimum}; remove it or lower `minimum_side`"
    )]
    TooSmall {
        /// The image.
        name: String,
        /// Its width in pixels.
        width: usize,
        /// Its height in pixels.
        height: usize,
        /// The least shorter side that is accepted.
        minimum: usize,
    },
    /// An index past the end.
    #[error("index {index} of {what}, which holds {len}")]
    OutOfRange {
        /// What was indexed.
        what: &'static str,
        /// The index.
        index: usize,
        /// The number of items there are.
        len: usize,
    },
    /// A buffer or picture whose length disagrees with its shape.
    #[error("{what}: {got} values where the shape needs {expected}")]
    Length {
        /// What has the wrong length.
        what: &'static str,
        /// The length it has.
        got: usize,
        /// The length it must have.
        expected: usize,
    },
    /// A setting outside its range.
    #[error("`{setting}` is {value}; it must be {requirement}")]
    Setting {
        /// The setting's name as it is written in a description.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        requirement: &'static str,
    },
}

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps a system error with what was being done and to which file.
    pub(crate) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }
}
