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
    #[error("{}: no images inside ({}); supported are .png, .jpg, .jpeg and .webp, or .tar and .zip of them", path.display(), printable(found))]
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
    #[error("{}: damaged archive: {}", path.display(), printable(reason))]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An image that cannot be decoded.
    #[error(
        "{}: not a readable image: {}; repair or remove it, or ask to skip corrupt images",
        printable(name),
        printable(reason)
    )]
    Decode {
        /// The image, with its archive if it is in one.
        name: String,
        /// The decoder's reason.
        reason: String,
    },
    /// An image larger than the limits allow.
    #[error(
        "{}: {what} is {value}, over the limit of {limit}; raise the limit if this image is trusted",
        printable(name)
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
        "{}: {width} x {height} pixels, but its shorter side must be at least {minimum}; remove it or lower `minimum_side`",
        printable(name)
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
    /// Not one item of a source could be read.
    #[error("none of {count} images can be read; one of the reasons: {first}")]
    AllSkipped {
        /// How many were tried.
        count: usize,
        /// One of the reasons.
        first: String,
    },
    /// A list of names that does not fit the data set.
    #[error("{}: {reason}; give the list that belongs to this data set, or none for a seeded split", path.display())]
    Names {
        /// The list.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A cache that was made from something else.
    #[error("{}: this cache was made with another {field}: {found}, wanted {wanted}; choose another place or remove it", path.display())]
    CacheDiffers {
        /// The cache.
        path: PathBuf,
        /// The first field that differs.
        field: &'static str,
        /// Its value in the cache.
        found: String,
        /// The value asked for.
        wanted: String,
    },
    /// A cache whose files are not what its header says.
    #[error("{}: damaged cache: {reason}; remove it and make it again", path.display())]
    CacheDamaged {
        /// The cache.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something else is writing the same cache.
    #[error("{}: another process is making this cache; wait for it or choose another place", path.display())]
    CacheBusy {
        /// The cache.
        path: PathBuf,
    },
    /// A cache finished too early, or given too much.
    #[error("{}: {written} of {count} arrays are written", path.display())]
    CacheCount {
        /// The cache.
        path: PathBuf,
        /// Arrays written.
        written: usize,
        /// Arrays that it is to hold.
        count: usize,
    },
    /// A value that is infinite or not a number.
    #[error(
        "array {index} holds {value} at position {position}; find out which image it comes from and why"
    )]
    NotFinite {
        /// The array.
        index: usize,
        /// The position in it.
        position: usize,
        /// The value.
        value: f32,
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
pub type Result<T, E = Error> = std::result::Result<T, E>;

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

/// Characters of a name or a reason that are shown at most.
const SHOWN: usize = 1000;

/// A name out of an archive, or what is said of its contents: a hostile one must not steer the
/// terminal that shows it, nor fill it.
fn printable(words: &str) -> String {
    let mut shown = String::new();
    for letter in words.chars().take(SHOWN) {
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    if words.chars().nth(SHOWN).is_some() {
        shown.push_str(" ...");
    }
    shown
}
