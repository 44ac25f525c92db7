//! Clearing away what killed writers left behind.

use crate::staging::{STAGING_PREFIX, remove_all};
use crate::storage::{RealStorage, Storage};
use crate::{Error, Result};
use std::io;
use std::path::{Path, PathBuf};

/// What [`remove_leftovers`] did.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Removed: their writers are gone.
    pub removed: Vec<PathBuf>,
    /// Left alone: their writers are at work.
    pub in_use: Vec<PathBuf>,
    /// Left alone because the disk could not say whether their writers are at work; where it has no
    /// locks that is always so, and a person has to decide.
    pub undecided: Vec<(PathBuf, io::Error)>,
}

/// Removes the `.staging-*` files and folders in `folder` whose writers are gone.
///
/// A writer holds a lock on what it stages, and the kernel drops the lock when the process ends,
/// however it ends; so this may be called at any time, also while other processes write there. A
/// folder that does not exist has no leftovers.
///
/// # Errors
/// [`Error::Io`] when `folder` cannot be listed or a leftover cannot be removed.
pub fn remove_leftovers(folder: impl AsRef<Path>) -> Result<Leftovers> {
    remove_leftovers_on(&RealStorage, folder.as_ref())
}

pub(super) fn remove_leftovers_on(storage: &dyn Storage, folder: &Path) -> Result<Leftovers> {
    let mut leftovers = Leftovers::default();
    let names = match storage.names(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(leftovers),
        names => names.map_err(Error::io("list", folder))?,
    };
    for name in names {
        if !name.as_encoded_bytes().starts_with(STAGING_PREFIX.as_bytes()) {
            continue;
        }
        let path = folder.join(name);
        match storage.hold(&path) {
            Ok(Some(_hold)) => {
                remove_all(storage, &path)?;
                leftovers.removed.push(path);
            }
            Ok(None) => leftovers.in_use.push(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => leftovers.undecided.push((path, error)),
        }
    }
    Ok(leftovers)
}
