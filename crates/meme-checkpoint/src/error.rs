//! Everything that can be wrong, with the name of what was wrong.

use crate::folder::FolderProblem;
use crate::pickle::PickleProblem;
use crate::safetensors::Problem;
use std::io;
use std::path::{Path, PathBuf};

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong while weights are written, read or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was being done, as a verb: `write`, `sync`, `rename` and so on.
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// The operating system's own words.
        source: io::Error,
    },

    /// A file is not a valid safetensors file; nothing of it was loaded.
    #[error("{file}: not a valid safetensors file: {}", printable(problem))]
    Safetensors {
        /// The file, or `bytes in memory`.
        file: String,
        /// What exactly is wrong, with the tensor's name where it concerns one.
        problem: Problem,
    },

    /// A file is not what PyTorch writes; nothing of it was loaded, nothing was executed.
    #[error("{file}: cannot be read as a PyTorch file: {}", printable(problem))]
    Pickle {
        /// The file.
        file: String,
        /// What exactly is wrong, with the tensor's path where it concerns one.
        problem: PickleProblem,
    },

    /// A checkpoint folder does not hold what its manifest promises; nothing of it was loaded.
    #[error("checkpoint {} is damaged: {}; use another checkpoint or delete this folder",
        folder.display(), join(problems))]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// Every problem found, each with the file's name.
        problems: Vec<FolderProblem>,
    },

    /// A good checkpoint already stands where one was about to be written.
    #[error("{} already holds a good checkpoint; delete it first or write somewhere else", .0.display())]
    AlreadyThere(PathBuf),

    /// Something that is no checkpoint stands where one was about to be written.
    #[error("{} holds something that is not a checkpoint; write somewhere else", .0.display())]
    Occupied(PathBuf),

    /// A name that cannot be a file of a checkpoint folder.
    #[error("`{name}` cannot be the name of a checkpoint's file: {reason}")]
    FileName {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },

    /// A path without a last component, such as `/` or `..`.
    #[error("`{}` does not name a file or folder that could be written", .0.display())]
    Path(PathBuf),

    /// A tensor that was asked for is not in the file.
    #[error("no tensor `{tensor}`; there are {}", printable(available))]
    NoSuchTensor {
        /// The name that was asked for.
        tensor: String,
        /// How many there are and what the first are called.
        available: String,
    },

    /// A file that was asked for is not in the checkpoint's manifest.
    #[error("checkpoint {} has no file `{file}`; it has {}", folder.display(), printable(available))]
    NoSuchFile {
        /// The folder.
        folder: PathBuf,
        /// The name that was asked for.
        file: String,
        /// The names that the manifest lists.
        available: String,
    },

    /// Elements were asked for as a type that cannot hold them.
    #[error("a tensor of {found} cannot be read as {wanted}")]
    Conversion {
        /// The tensor's type.
        found: crate::Dtype,
        /// The type that was asked for.
        wanted: &'static str,
    },

    /// Bytes, type and shape of a tensor contradict each other.
    #[error("a tensor of {dtype} and shape {shape:?} does not take {bytes} bytes")]
    ByteCount {
        /// Element type.
        dtype: crate::Dtype,
        /// Shape.
        shape: Vec<usize>,
        /// The bytes that were there.
        bytes: usize,
    },

    /// A manifest could not be rendered as JSON.
    #[error("cannot render the manifest of {}: {source}", folder.display())]
    Manifest {
        /// The folder whose manifest it was to be.
        folder: PathBuf,
        /// The serialiser's own words.
        source: serde_json::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { action, path, source }
    }
}

/// What the reader of the message can do about it.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull => {
            "; free some space on that disk: nothing that was there before has been touched"
        }
        io::ErrorKind::QuotaExceeded => {
            "; free some of your quota: nothing that was there before has been touched"
        }
        io::ErrorKind::PermissionDenied => "; check who may write and read there",
        io::ErrorKind::ReadOnlyFilesystem => "; choose a folder that can be written",
        io::ErrorKind::NotFound => "; check the path",
        _ => "",
    }
}

fn join(problems: &[FolderProblem]) -> String {
    let words: Vec<String> = problems.iter().map(printable).collect();
    words.join("; ")
}

/// Characters of a sentence about a file's contents that are shown at most.
const SHOWN: usize = 1000;

/// What is said of a file, with names out of that file in it: a hostile one must not steer the
/// terminal that shows them, nor fill it.
fn printable(words: &impl std::fmt::Display) -> String {
    let words = words.to_string();
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
