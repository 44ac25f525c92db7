//! `.libtorch`: this checkout's link into the cache.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Set;
use super::cache::folder_name;
use crate::error::{Error, Result};
use crate::workspace::Workspace;

/// A set that a checkout is linked to; it need not be whole.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) set: Set,
    /// The set's folder in the cache.
    pub(super) folder: PathBuf,
}

/// The set that `.libtorch` leads to, if it is a link that setup made for this version.
pub(super) fn read(workspace: &Workspace) -> Option<Linked> {
    let target = fs::read_link(workspace.link()).ok()?;
    let folder = target.parent()?;
    let name = folder.file_name()?.to_str()?;
    let set = [Set::Cpu, Set::Cuda].into_iter().find(|set| folder_name(*set) == name)?;
    Some(Linked { set, folder: folder.to_owned() })
}

/// Whether `.libtorch` is a folder that the user put there.
pub(super) fn is_folder(workspace: &Workspace) -> bool {
    fs::symlink_metadata(workspace.link()).is_ok_and(|found| found.is_dir())
}

/// Points `.libtorch` to `torch`, in one step.
pub(super) fn make(workspace: &Workspace, torch: &Path) -> Result<()> {
    let link = workspace.link();
    if fs::read_link(&link).is_ok_and(|target| target == torch) {
        return Ok(());
    }
    let fresh = workspace.root.join(format!(".libtorch-{}", std::process::id()));
    symlink(torch, &fresh)
        .and_then(|()| fs::rename(&fresh, &link))
        .map_err(|source: io::Error| Error::io("make the link", &link, source))
}
