//! What can go wrong with a download, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

pub(crate) type Result<T, E = Problem> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{file}: {message}")]
    Sources { file: String, message: String },

    #[error("{0}")]
    Licence(String),

    #[error(
        "{path} could not be had:\n{tried}\n\n  \
         By hand: download it on any machine that reaches one of these, and put it at\n    {}\n  \
         then run this again: it is verified and used (or name its place with --from FILE).\n  \
         Behind a proxy set HTTPS_PROXY (and HTTP_PROXY, NO_PROXY); where it signs with a certificate of its own, set \
         SSL_CERT_FILE.{by_hand}",
        target.display()
    )]
    Unreachable { path: String, target: PathBuf, tried: String, by_hand: String },

    #[error(
        "{title} cannot be downloaded by a program. Missing in {}:\n{missing}\n{by_hand}",
        folder.display()
    )]
    ByHand { title: String, folder: PathBuf, missing: String, by_hand: String },

    #[error(
        "{} is not what it should be: {difference}.\n  Nothing was changed. Remove it and run this again.",
        path.display()
    )]
    Wrong { path: PathBuf, difference: String },

    #[error(
        "too little space at {}: {what} needs {need}, {free} are free.\n  \
         Free some, or choose another place with --to DIR.",
        at.display()
    )]
    Space { at: PathBuf, what: String, need: String, free: String },

    #[error("{}: cannot be unpacked: {reason}. Nothing of it was unpacked.", archive.display())]
    Archive { archive: PathBuf, reason: String },

    #[error("{}: {message}", lock.display())]
    Lock { lock: PathBuf, message: String },

    #[error("another download is at work in {}; wait for it, or use another folder (--to DIR)", .0.display())]
    Busy(PathBuf),

    #[error("could not {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl Problem {
    /// An input or output error with what was being done to which path.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Problem::Io { doing, path, source }
    }
}
