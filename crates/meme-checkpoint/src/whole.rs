//! Single files written whole.

use crate::staging::{parent_of, stage};
use crate::storage::{RealStorage, Storage};
use crate::{Error, Result};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file so that `path` holds either what it held before or all of `bytes`, never a part.
///
/// The bytes go to a sibling `.staging-*` file, are synced, and are renamed over `path`; then the
/// folder is synced. This holds for errors, for a killed process and for power failure. The folder
/// must exist. A symbolic link at `path` is replaced by a file, and the permissions are those of a
/// new file. A process killed in between leaves the staging file behind; see
/// [`crate::remove_leftovers`].
///
/// # Errors
/// [`Error::Io`] with the path and the operation that failed; [`Error::Path`] when `path` has no file
/// name. Only if the very last step, syncing the folder, fails, may `path` hold the new bytes.
pub fn write_file_whole(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_file_whole_on(&RealStorage, path, bytes)
}

/// [`write_file_whole`] on any storage.
///
/// # Errors
/// As [`write_file_whole`].
pub fn write_file_whole_on(
    storage: &dyn Storage,
    path: impl AsRef<Path>,
    bytes: &[u8],
) -> Result<()> {
    write_whole(storage, path.as_ref(), |writer| writer.write_all(bytes))
}

pub(crate) fn write_whole(
    storage: &dyn Storage,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let (staged, mut file) = stage(path, "create", |staged| storage.create_file(staged))?;
    let finished = fill(&mut file)
        .map_err(Error::io("write", path))
        .and_then(|()| file.sync().map_err(Error::io("sync", path)))
        .and_then(|()| storage.rename(&staged, path).map_err(Error::io("rename onto", path)));
    drop(file);
    if finished.is_err() {
        // The first error is the one to report; what cannot be removed now is a leftover.
        let _ = storage.remove_file(&staged);
        return finished;
    }
    let parent = parent_of(path);
    storage.sync_folder(parent).map_err(Error::io("sync", parent))
}
