//! The marker of a finished installation: what was installed, and how to see that it is still there.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Set, VERSION, content};
use crate::error::{Error, Result};

/// Written last; a set without it was never finished.
const FILE: &str = "installed.json";

/// What was installed.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Manifest {
    /// libtorch's version.
    version: String,
    /// Which set.
    set: Set,
    /// The wheels it was made from, in the order they were unpacked.
    wheels: Vec<Installed>,
    /// Sizes in bytes of the files that say whether the set is whole: every shared library, and
    /// a few that a build reads first.
    files: Vec<Sized>,
}

/// A wheel that was unpacked.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Installed {
    /// The wheel's file name: package, version, platform.
    pub(super) wheel: String,
    /// Its size in bytes.
    pub(super) bytes: u64,
    /// How many files it held.
    pub(super) files: usize,
    /// Their size together, in bytes.
    pub(super) unpacked_bytes: u64,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Sized {
    path: PathBuf,
    bytes: u64,
}

impl Manifest {
    /// Describes the unpacked `tree`.
    pub(super) fn describe(tree: &Path, set: Set, wheels: Vec<Installed>) -> Result<Self> {
        let mut files = Vec::new();
        for path in content::key_files(tree)? {
            let bytes = fs::metadata(tree.join(&path))
                .map_err(|source| Error::io("look at", tree.join(&path), source))?
                .len();
            files.push(Sized { path, bytes });
        }
        Ok(Manifest { version: VERSION.to_owned(), set, wheels, files })
    }

    pub(super) fn write(&self, tree: &Path) -> Result<()> {
        let path = tree.join(FILE);
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| Error::io("describe", &path, source.into()))?;
        fs::write(&path, text + "\n").map_err(|source| Error::io("write", &path, source))
    }

    /// Whether `folder` holds the whole of `set`: the manifest is there, libtorch is of the
    /// version this workspace needs, and the key files are there in their sizes.
    pub(super) fn holds(folder: &Path, set: Set) -> bool {
        let Ok(text) = fs::read_to_string(folder.join(FILE)) else { return false };
        let Ok(manifest) = serde_json::from_str::<Manifest>(&text) else { return false };
        manifest.version == VERSION
            && manifest.set == set
            && content::version(&folder.join("torch")).is_some_and(|found| content::is_ours(&found))
            && !manifest.files.is_empty()
            && manifest.files.iter().all(|file| {
                fs::metadata(folder.join(&file.path)).is_ok_and(|found| found.len() == file.bytes)
            })
    }
}
