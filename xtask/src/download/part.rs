//! A file that is not whole yet: `NAME.part`, and beside it `NAME.part.json`, which says where its bytes came from.
//!
//! The file under its final name is never anything but whole: bytes are appended to the part, the whole part is
//! verified, and then renamed. Whatever ends the program in between leaves the part, and the next run goes on from it.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::problem::{Problem, Result};

/// Where the bytes of a part came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) url: String,
    /// A strong ETag or a date that names the version of the file at that address.
    pub(crate) validator: Option<String>,
    /// Bytes of the whole file, where the host said so.
    pub(crate) total: Option<u64>,
}

/// The part of one file.
pub(crate) struct Part {
    target: PathBuf,
    path: PathBuf,
    note: PathBuf,
}

impl Part {
    pub(crate) fn of(target: &Path) -> Self {
        let with = |end: &str| {
            let mut name = target.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        Part { target: target.to_owned(), path: with(".part"), note: with(".part.json") }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that are there, and where they came from. Bytes of unknown origin count as none.
    pub(crate) fn state(&self) -> (u64, Option<Origin>) {
        let note = fs::read(&self.note).ok();
        let origin = note.and_then(|note| serde_json::from_slice(&note).ok());
        match (fs::symlink_metadata(&self.path), origin) {
            (Ok(found), Some(origin)) if found.is_file() => (found.len(), Some(origin)),
            _ => (0, None),
        }
    }

    /// Opens the part for more bytes: behind its first `keep` bytes, the others being cut off. The note of their origin
    /// is on the disk before any of them is.
    pub(crate) fn append(&self, keep: u64, origin: &Origin) -> Result<File> {
        let note = serde_json::to_vec(origin).unwrap_or_default();
        meme_checkpoint::write_file_whole(&self.note, &note).map_err(|error| {
            Problem::io("write", &self.note)(std::io::Error::other(error.to_string()))
        })?;
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .append(true)
            .open(&self.path)
            .map_err(Problem::io("open", &self.path))?;
        file.set_len(keep).map_err(Problem::io("cut", &self.path))?;
        Ok(file)
    }

    /// Removes it.
    pub(crate) fn discard(&self) -> Result<()> {
        for path in [&self.path, &self.note] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Problem::io("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts the verified part under its final name, with every byte on the disk.
    pub(crate) fn publish(&self) -> Result<()> {
        let file = File::open(&self.path).map_err(Problem::io("open", &self.path))?;
        file.sync_all().map_err(Problem::io("write to the disk", &self.path))?;
        fs::rename(&self.path, &self.target).map_err(Problem::io("rename onto", &self.target))?;
        if let Some(folder) = self.target.parent() {
            let open = File::open(folder).map_err(Problem::io("open", folder))?;
            open.sync_all().map_err(Problem::io("write to the disk", folder))?;
        }
        match fs::remove_file(&self.note) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Problem::io("remove", &self.note)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Appends bytes.
pub(crate) fn write(file: &mut File, bytes: &[u8], path: &Path) -> Result<()> {
    file.write_all(bytes).map_err(Problem::io("write", path))
}
