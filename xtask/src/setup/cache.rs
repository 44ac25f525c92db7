//! The per-user cache of libtorch sets: where it is, who may write, and how a set gets in.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Set, VERSION};
use crate::error::{Error, Result};

const STAGING: &str = ".staging-";

/// The user's cache folder: XDG_CACHE_HOME, else ~/.cache. A relative XDG_CACHE_HOME is to be
/// ignored, says the XDG base directory specification.
pub(crate) fn home() -> Result<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .ok_or(Error::NoHome)
}

/// The folder `meme/libtorch` in the user's cache; every checkout shares it.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) root: PathBuf,
}

impl Cache {
    /// In the user's cache folder.
    pub(super) fn locate() -> Result<Self> {
        Ok(Cache { root: home()?.join("meme").join("libtorch") })
    }

    /// Where a set is, once it is installed.
    pub(super) fn folder(&self, set: Set) -> PathBuf {
        self.root.join(folder_name(set))
    }

    /// Waits until no other setup works in this cache. The lock goes with this process, however it ends.
    pub(super) fn lock(&self) -> Result<Locked<'_>> {
        fs::create_dir_all(&self.root)
            .map_err(|source| Error::io("make the folder", &self.root, source))?;
        let path = self.root.join(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| Error::io("open the lock file", &path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("another setup is at work in {}; waiting for it", self.root.display());
                file.lock().map_err(|source| Error::io("wait for the lock", &path, source))?;
            }
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path, source)),
        }
        Ok(Locked { cache: self, _file: file })
    }
}

/// `2.11.0-cpu` and `2.11.0-cuda`.
pub(super) fn folder_name(set: Set) -> String {
    format!("{VERSION}-{set}")
}

/// The cache while nobody else writes to it.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    cache: &'a Cache,
    _file: File,
}

impl Locked<'_> {
    /// Removes what killed setups left. Whoever holds the lock may: no living setup owns it.
    pub(super) fn remove_leftovers(&self) -> Result<()> {
        let root = &self.cache.root;
        let list = |source| Error::io("list", root, source);
        for entry in fs::read_dir(root).map_err(list)? {
            let path = entry.map_err(list)?.path();
            let is_staging = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(STAGING));
            if is_staging {
                eprintln!("removing {}, left by a setup that was interrupted", path.display());
                fs::remove_dir_all(&path).map_err(|source| Error::io("remove", &path, source))?;
            }
        }
        Ok(())
    }

    /// A new staging folder. Its name is its own: a pip that outlived its killed setup cannot write here.
    pub(super) fn stage(&self, set: Set) -> Result<Staging> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        let name = format!("{STAGING}{}-{}-{nanos}", folder_name(set), std::process::id());
        let staging = Staging { folder: self.cache.root.join(name) };
        for folder in [staging.wheels(), staging.scratch(), staging.tree()] {
            fs::create_dir_all(&folder)
                .map_err(|source| Error::io("make the folder", &folder, source))?;
        }
        Ok(staging)
    }
}

/// A folder beside the final one in which a set is made; removed when it is dropped.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// What pip downloaded.
    pub(super) fn wheels(&self) -> PathBuf {
        self.folder.join("wheels")
    }

    /// pip's temporary files: on the disk whose space was checked, not in a small memory disk.
    pub(super) fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    /// What becomes the installed set.
    pub(super) fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Puts the tree, which holds its manifest, at its final place in one step, after every byte of
    /// it has reached the disk.
    pub(super) fn publish(self, folder: &Path) -> Result<()> {
        let tree = self.tree();
        sync(&tree, |open| rustix::fs::syncfs(open).map_err(Into::into))?;
        if folder.exists() {
            // Whole sets are never replaced: this one is damaged or was not made by setup.
            eprintln!("  replacing {}, which was not whole", folder.display());
            let old = self.folder.join("old");
            fs::rename(folder, &old).map_err(|source| Error::io("move away", folder, source))?;
        }
        fs::rename(&tree, folder)
            .map_err(|source| Error::io("rename the finished staging folder to", folder, source))?;
        match folder.parent() {
            Some(parent) => sync(parent, File::sync_all),
            None => Ok(()),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next setup.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn sync(folder: &Path, how: impl FnOnce(&File) -> std::io::Result<()>) -> Result<()> {
    File::open(folder)
        .and_then(|open| how(&open))
        .map_err(|source| Error::io("write to the disk everything in", folder, source))
}
