//! Whether the disk can hold what is to come.

use std::path::Path;

use super::bar::size;
use super::problem::{Problem, Result};

/// Kept free beyond what is needed.
const SPARE: u64 = 64 << 20;

/// Refuses where the disk under `path` has less than `need` bytes.
pub(crate) fn check(path: &Path, need: u64, what: &str) -> Result<()> {
    if need == 0 {
        return Ok(());
    }
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder)
        .map_err(|source| Problem::io("ask for the free space of", folder)(source.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= need.saturating_add(SPARE) {
        return Ok(());
    }
    let (need, free) = (size(need), size(free));
    Err(Problem::Space { at: folder.to_owned(), what: what.to_owned(), need, free })
}
