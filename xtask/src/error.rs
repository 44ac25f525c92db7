//! Everything that can go wrong in a chore, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),

    #[error(
        "no workspace here: neither this folder nor one above it holds a Cargo.toml with [workspace].\n  \
         Change into the checkout and run this again."
    )]
    NoWorkspace,

    #[error(
        "libtorch 2.11.0 comes as a ready library for 64-bit x86 Linux with glibc only; this is {os} on {arch}{libc}.\n  \
         If you have a libtorch 2.11.0 for this machine, set LIBTORCH to its folder and run this again."
    )]
    Host { os: String, arch: String, libc: String },

    #[error(
        "the C++ compiler `{wanted}` is not on PATH; the bindings to libtorch are compiled with it.\n  \
         Install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++), or set CXX to yours."
    )]
    NoCompiler { wanted: String },

    #[error(
        "the C++ compiler `{compiler}` cannot compile a C++17 program that includes <string>:\n{said}\n  \
         Install a complete one (Debian, Ubuntu: apt install g++), or set CXX to another."
    )]
    BrokenCompiler { compiler: String, said: String },

    #[error(
        "python3 is not on PATH; setup needs it once, to download libtorch with pip.\n  \
         Install it (Debian, Ubuntu: apt install python3 python3-pip; Fedora: dnf install python3-pip) and run this again."
    )]
    NoPython,

    #[error(
        "python3 is here, but its pip is not: {said}\n  \
         Install it (Debian, Ubuntu: apt install python3-pip; in a virtual environment: python3 -m ensurepip) and run this again."
    )]
    NoPip { said: String },

    #[error(
        "pip {version} is too old: setup needs 20.3 or later.\n  \
         Bring it up to date: python3 -m pip install --user --upgrade pip"
    )]
    OldPip { version: String },

    #[error(
        "pip, whose words stand above, reached no package index while downloading {wanted}.\n  \
         Check the network; behind a proxy set HTTPS_PROXY, with a mirror of your own PIP_INDEX_URL; then run this again.\n  \
         Without any network, set LIBTORCH to the folder of a libtorch 2.11.0."
    )]
    Network { wanted: String },

    #[error(
        "the package index that pip asks has no {wanted} for CPython 3.12 on 64-bit x86 Linux.\n  \
         Check `python3 -m pip config list`: PIP_INDEX_URL or index-url may name a mirror that lacks it."
    )]
    NotFound { wanted: String },

    #[error(
        "what pip downloaded is not what this workspace was tested with: the hashes, above, are not the same.\n  \
         The index or a cache in between serves another file. Try `python3 -m pip cache purge`, or another index (PIP_INDEX_URL)."
    )]
    WrongHash,

    #[error("pip failed ({status}) while downloading {wanted}; its words stand above.")]
    Pip { wanted: String, status: String },

    #[error(
        "too little space at {}: {set} needs {} there, {} are free.\n  \
         Free some, or set XDG_CACHE_HOME to a folder on a larger disk.",
        at.display(), gigabytes(*need), gigabytes(*free)
    )]
    Space { at: PathBuf, set: &'static str, need: u64, free: u64 },

    #[error(
        "the disk is full: could not {doing} {}.\n  \
         Free some space and run this again; what was half done is removed.",
        path.display()
    )]
    DiskFull { doing: &'static str, path: PathBuf },

    #[error(
        "the wheel {wheel} is not what it should be: {problem}\n  \
         Nothing was installed. Try `python3 -m pip cache purge` and run this again."
    )]
    Wheel { wheel: String, problem: String },

    #[error(
        "the libtorch that {source_of_it} names, {}, cannot be used: {problem}\n  \
         {mend}",
        folder.display()
    )]
    Own { source_of_it: &'static str, folder: PathBuf, problem: String, mend: &'static str },

    #[error(
        "neither XDG_CACHE_HOME nor HOME is set to an absolute folder: set one of them, the libtorch cache lies there"
    )]
    NoHome,

    #[error("could not {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },

    #[error("could not run {program}: {source}")]
    Run { program: String, source: io::Error },

    #[error(
        "step `{step}` failed ({problem}) after {seconds:.1} s; the steps after it were not run.\n  Run it alone: {alone}"
    )]
    Step { step: &'static str, problem: String, seconds: f64, alone: String },

    #[error(transparent)]
    Download(#[from] crate::download::Problem),

    #[error("{0}")]
    Smoke(String),

    #[error("{0}")]
    Bench(String),

    #[error("{command} failed ({status})")]
    Command { command: String, status: String },

    #[error(
        "cargo built no program named `{0}`; its package must hold a binary target of that name"
    )]
    NoProgram(String),
}

impl Error {
    /// An input or output error with what was being done to which path; a full disk has its own words.
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::DiskFull { doing, path }
            }
            _ => Error::Io { doing, path, source },
        }
    }

    /// 2 for a command line that makes no sense, 1 for everything else.
    pub(crate) fn exit_code(&self) -> u8 {
        if matches!(self, Error::Usage(_)) { 2 } else { 1 }
    }
}

/// Bytes as a person reads them.
fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
