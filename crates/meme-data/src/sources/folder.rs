//! Images in a folder and the folders in it.

use super::Container;
use super::entries::{Kind, Tally, classify, extension_of};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The images of a folder, sorted by relative name.
pub(super) struct Folder {
    names: Vec<String>,
    paths: Vec<PathBuf>,
}

/// What a folder holds.
pub(super) enum Found {
    Images(Folder),
    /// No images, but archives, sorted by name.
    Archives(Vec<PathBuf>),
}

/// A folder still to be read: where it is, and its name relative to the root, with a final slash.
struct Pending {
    path: PathBuf,
    prefix: String,
}

impl Folder {
    pub(super) fn open(root: &Path) -> Result<Found> {
        let mut images = Vec::new();
        let mut archives = Vec::new();
        let mut tally = Tally::default();
        // Real paths already walked: a symbolic link that leads back is not followed again. What
        // is walked first depends on the sorted names alone, so the result does not depend on the
        // order in which the system lists a folder.
        let mut walked = BTreeSet::new();
        let mut pending = vec![Pending { path: root.to_owned(), prefix: String::new() }];
        while let Some(folder) = pending.pop() {
            let real = folder.path.canonicalize().map_err(Error::io("open", &folder.path))?;
            if !walked.insert(real) {
                continue;
            }
            let mut inner = Vec::new();
            for (name, path) in list(&folder.path)? {
                let relative = format!("{}{name}", folder.prefix);
                // A dangling link is kept under its name: reading it then says what is wrong.
                let is_dir = path.metadata().is_ok_and(|metadata| metadata.is_dir());
                if name.starts_with('.') {
                    continue;
                } else if is_dir {
                    inner.push(Pending { path, prefix: format!("{relative}/") });
                } else if matches!(extension_of(&name).as_deref(), Some("tar" | "zip" | "parquet"))
                {
                    archives.push((relative, path));
                } else {
                    match classify(&name) {
                        Kind::Image(_) => images.push((relative, path)),
                        Kind::Other(extension) => tally.add(&extension),
                        Kind::Hidden | Kind::Escapes(_) => tally.add(""),
                    }
                }
            }
            pending.extend(inner.into_iter().rev());
        }
        images.sort();
        archives.sort();
        if !images.is_empty() {
            let (names, paths) = images.into_iter().unzip();
            Ok(Found::Images(Self { names, paths }))
        } else if !archives.is_empty() {
            Ok(Found::Archives(archives.into_iter().map(|(_, path)| path).collect()))
        } else if list(root)?.is_empty() {
            Err(Error::EmptyFolder { path: root.to_owned() })
        } else {
            Err(Error::NoImages { path: root.to_owned(), found: tally.describe() })
        }
    }
}

/// The entries of one folder, sorted by name. A name that is not UTF-8 is shown with replacement
/// characters and opened under its true bytes.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

impl Container for Folder {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn size(&self, index: usize) -> Result<u64> {
        let path = &self.paths[index];
        Ok(path.metadata().map_err(Error::io("read", path))?.len())
    }

    fn bytes(&self, index: usize, limit: u64) -> Result<Vec<u8>> {
        let path = &self.paths[index];
        let metadata = path.metadata().map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            // Opening a pipe or a device would wait or go on for ever.
            return Err(Error::Decode {
                name: self.label(index),
                reason: "it is not a regular file".to_owned(),
            });
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        super::read_at(&file, || self.label(index), 0, metadata.len(), limit)
    }

    fn label(&self, index: usize) -> String {
        self.paths[index].display().to_string()
    }
}
