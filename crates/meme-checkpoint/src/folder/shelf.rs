//! A folder of checkpoints: which is the newest good one, which may go.

use super::leftovers::remove_leftovers_on;
use super::open::{open_on, read_manifest};
use super::{FolderWriter, Leftovers, VerifiedFolder};
use crate::staging::{DAMAGED_INFIX, create_folders, remove_whole};
use crate::storage::{Kind, RealStorage, Storage};
use crate::{Error, Result};
use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Good checkpoints that [`prune`] keeps at least, whatever it is asked for.
pub const KEEP_AT_LEAST: usize = 2;

/// A folder whose subfolders are checkpoints.
///
/// Checkpoints are named by a counter, such as `000320000` for the images seen; the newest is the one
/// with the highest number, whatever the clocks said. Subfolders with other names are listed after
/// all numbered ones and never removed. Names that begin with a dot, and damaged folders that were
/// set aside (`NAME.damaged-0`), are not looked at.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
    storage: Arc<dyn Storage>,
}

/// One checkpoint of a listing.
#[derive(Debug)]
pub struct Listed {
    /// Where it is.
    pub path: PathBuf,
    /// The checkpoint, or what is wrong with it.
    pub checked: Result<VerifiedFolder>,
}

/// A checkpoint that was passed over.
#[derive(Debug)]
pub struct Skipped {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: Error,
}

/// The newest good checkpoint and the damaged ones that are newer.
#[derive(Debug)]
pub struct Latest {
    /// The newest checkpoint in which everything is right; `None` where there is none.
    pub good: Option<VerifiedFolder>,
    /// Newer ones that are damaged, newest first; worth telling the user.
    pub skipped: Vec<Skipped>,
}

/// What [`prune`] did.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Good checkpoints that stay, newest first.
    pub kept: Vec<PathBuf>,
    /// Checkpoints that were removed, newest first.
    pub removed: Vec<PathBuf>,
    /// Damaged ones; they stay, because somebody may want to look at them.
    pub damaged: Vec<Skipped>,
}

/// Every checkpoint in `folder`, newest first, each fully checked; see [`Shelf`].
///
/// # Errors
/// [`Error::Io`] when `folder` cannot be listed; one that does not exist is empty.
pub fn list(folder: impl AsRef<Path>) -> Result<Vec<Listed>> {
    Shelf::new(folder).list()
}

/// The newest good checkpoint in `folder`; see [`Shelf`].
///
/// # Errors
/// As [`list`].
pub fn latest_good(folder: impl AsRef<Path>) -> Result<Latest> {
    Shelf::new(folder).latest_good()
}

/// Removes all but the newest `keep` good checkpoints in `folder`; see [`Shelf::prune`].
///
/// # Errors
/// As [`Shelf::prune`].
pub fn prune(folder: impl AsRef<Path>, keep: usize) -> Result<Pruned> {
    Shelf::new(folder).prune(keep)
}

impl Shelf {
    /// The checkpoints in `folder`, which need not exist yet.
    pub fn new(folder: impl AsRef<Path>) -> Shelf {
        Shelf::on(Arc::new(RealStorage), folder)
    }

    /// [`Shelf::new`] on any storage.
    pub fn on(storage: Arc<dyn Storage>, folder: impl AsRef<Path>) -> Shelf {
        Shelf { folder: folder.as_ref().to_path_buf(), storage }
    }

    /// Where the checkpoints are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The disk that they are on.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Makes the folder, with all that is missing above it; it may be there already.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses.
    pub fn make(&self) -> Result<()> {
        create_folders(&*self.storage, &self.folder)
    }

    /// Starts a checkpoint numbered `counter`, written with at least nine digits.
    ///
    /// # Errors
    /// As [`FolderWriter::begin`].
    pub fn begin(&self, counter: u64) -> Result<FolderWriter> {
        let target = self.folder.join(format!("{counter:09}"));
        FolderWriter::begin_on(Arc::clone(&self.storage), target)
    }

    /// Paths of all checkpoints, newest first, unchecked.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed; one that does not exist is empty.
    pub fn paths(&self) -> Result<Vec<PathBuf>> {
        let names = match self.storage.names(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(Error::io("list", &self.folder))?,
        };
        let mut paths = Vec::new();
        for name in names.into_iter().filter_map(|name| name.into_string().ok()) {
            if name.starts_with('.') || name.contains(DAMAGED_INFIX) {
                continue;
            }
            let path = self.folder.join(&name);
            match self.storage.kind(&path).map_err(Error::io("look at", &path))? {
                Kind::Folder | Kind::Link => paths.push((counter(&name), name, path)),
                Kind::File | Kind::Missing => {}
            }
        }
        // `None` is less than any number.
        paths.sort_by_key(|(counter, name, _)| Reverse((*counter, name.clone())));
        Ok(paths.into_iter().map(|(_, _, path)| path).collect())
    }

    /// Every checkpoint, newest first, each fully checked.
    ///
    /// # Errors
    /// As [`Shelf::paths`].
    pub fn list(&self) -> Result<Vec<Listed>> {
        let check = |path: PathBuf| Listed { checked: open_on(&self.storage, &path), path };
        Ok(self.paths()?.into_iter().map(check).collect())
    }

    /// The newest checkpoint in which everything is right, and the newer ones that are damaged.
    ///
    /// # Errors
    /// As [`Shelf::paths`].
    pub fn latest_good(&self) -> Result<Latest> {
        let mut skipped = Vec::new();
        for path in self.paths()? {
            match open_on(&self.storage, &path) {
                Ok(folder) => return Ok(Latest { good: Some(folder), skipped }),
                Err(error) => skipped.push(Skipped { path, error }),
            }
        }
        Ok(Latest { good: None, skipped })
    }

    /// Removes all but the newest `keep` good checkpoints, and never leaves less than
    /// [`KEEP_AT_LEAST`].
    ///
    /// Those that stay are fully checked first, so that a damaged one never counts; older ones are
    /// removed if they are numbered and have a manifest, oldest first, each in one step as far as
    /// anybody can see.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed or a checkpoint cannot be removed.
    pub fn prune(&self, keep: usize) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let mut doomed = Vec::new();
        for path in self.paths()? {
            if path.file_name().and_then(|name| counter(name.to_str()?)).is_none() {
                continue;
            }
            if pruned.kept.len() < keep.max(KEEP_AT_LEAST) {
                match open_on(&self.storage, &path) {
                    Ok(_) => pruned.kept.push(path),
                    Err(error) => pruned.damaged.push(Skipped { path, error }),
                }
            } else {
                let kind = self.storage.kind(&path).map_err(Error::io("look at", &path))?;
                match read_manifest(&*self.storage, &path) {
                    Ok(_) if kind == Kind::Folder => doomed.push(path),
                    Ok(_) => pruned.kept.push(path),
                    Err(problem) => {
                        let error =
                            Error::Damaged { folder: path.clone(), problems: vec![problem] };
                        pruned.damaged.push(Skipped { path, error });
                    }
                }
            }
        }
        for path in doomed.into_iter().rev() {
            remove_whole(&*self.storage, &path)?;
            pruned.removed.insert(0, path);
        }
        Ok(pruned)
    }

    /// Removes one checkpoint, in one step as far as anybody can see.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there or cannot be removed.
    pub fn remove(&self, path: &Path) -> Result<()> {
        remove_whole(&*self.storage, path)
    }

    /// Removes what killed writers left; see [`remove_leftovers`](super::remove_leftovers).
    ///
    /// # Errors
    /// As [`remove_leftovers`](super::remove_leftovers).
    pub fn remove_leftovers(&self) -> Result<Leftovers> {
        remove_leftovers_on(&*self.storage, &self.folder)
    }
}

/// The number that a checkpoint's name is, if it is one.
fn counter(name: &str) -> Option<u64> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) { name.parse().ok() } else { None }
}
