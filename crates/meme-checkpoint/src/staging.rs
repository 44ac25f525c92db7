//! Names beside the final ones, under which things are built and taken apart.

use crate::storage::{Kind, Storage};
use crate::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// First part of the name of everything that is not finished.
pub const STAGING_PREFIX: &str = ".staging-";

/// Stands between the name of a damaged folder and a number once the folder has been set aside.
pub const DAMAGED_INFIX: &str = ".damaged-";

/// Makes something under a staging name beside `target`, on the same file system.
pub(crate) fn stage<T>(
    target: &Path,
    action: &'static str,
    make: impl Fn(&Path) -> io::Result<T>,
) -> Result<(PathBuf, T)> {
    let process = std::process::id();
    let named = |name: &OsStr, attempt: u64| {
        let mut staged = OsString::from(STAGING_PREFIX);
        staged.push(name);
        staged.push(format!("-{process}-{attempt}"));
        staged
    };
    first_free(target, action, named, make)
}

/// Makes something beside `target` under the first of the numbered names that is free.
///
/// `make` must fail with [`io::ErrorKind::AlreadyExists`] where something stands, so that any number
/// of writers can be at work on one target.
fn first_free<T>(
    target: &Path,
    action: &'static str,
    named: impl Fn(&OsStr, u64) -> OsString,
    make: impl Fn(&Path) -> io::Result<T>,
) -> Result<(PathBuf, T)> {
    let name = target.file_name().ok_or_else(|| Error::Path(target.to_path_buf()))?;
    let parent = parent_of(target);
    for attempt in 0.. {
        let path = parent.join(named(name, attempt));
        match make(&path) {
            Ok(made) => return Ok((path, made)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(action, &path)(error)),
        }
    }
    Err(Error::Path(target.to_path_buf()))
}

/// The folder that holds `path`.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Creates a folder with all that is missing above it, each name synced into its parent.
pub(crate) fn create_folders(storage: &dyn Storage, folder: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut at = folder;
    while storage.kind(at).map_err(Error::io("look at", at))? == Kind::Missing {
        missing.push(at);
        at = parent_of(at);
    }
    for folder in missing.into_iter().rev() {
        match storage.create_folder(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create", folder)(error));
            }
            _ => {}
        }
        let parent = parent_of(folder);
        storage.sync_folder(parent).map_err(Error::io("sync", parent))?;
    }
    Ok(())
}

/// Removes a file, a link or a folder with everything in it; links are removed, not followed.
pub(crate) fn remove_all(storage: &dyn Storage, path: &Path) -> Result<()> {
    match storage.kind(path).map_err(Error::io("look at", path))? {
        Kind::Missing => Ok(()),
        Kind::File | Kind::Link => storage.remove_file(path).map_err(Error::io("remove", path)),
        Kind::Folder => {
            for name in storage.names(path).map_err(Error::io("list", path))? {
                remove_all(storage, &path.join(name))?;
            }
            storage.remove_folder(path).map_err(Error::io("remove", path))
        }
    }
}

/// Moves a folder out of sight in one step, so that it is never seen half removed, and removes it.
pub(crate) fn remove_whole(storage: &dyn Storage, folder: &Path) -> Result<()> {
    // The empty folder reserves the name; a folder renamed onto an empty one replaces it.
    let (aside, ()) = stage(folder, "create", |aside| storage.create_folder(aside))?;
    move_onto(storage, folder, &aside)?;
    let parent = parent_of(folder);
    storage.sync_folder(parent).map_err(Error::io("sync", parent))?;
    remove_all(storage, &aside)
}

/// Renames a damaged folder to a name that says so, beside it; nothing is lost.
pub(crate) fn set_aside(storage: &dyn Storage, folder: &Path) -> Result<PathBuf> {
    let named = |name: &OsStr, attempt: u64| {
        let mut aside = name.to_owned();
        aside.push(format!("{DAMAGED_INFIX}{attempt}"));
        aside
    };
    let (aside, ()) = first_free(folder, "create", named, |aside| storage.create_folder(aside))?;
    move_onto(storage, folder, &aside)?;
    Ok(aside)
}

fn move_onto(storage: &dyn Storage, folder: &Path, empty: &Path) -> Result<()> {
    storage.rename(folder, empty).map_err(|error| {
        let _ = storage.remove_folder(empty);
        Error::io("rename", folder)(error)
    })
}
