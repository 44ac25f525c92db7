//! Images in a zip file: its directory is read once, its entries inflated in place.

use super::Container;
use super::entries::{Kind, Tally, classify};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zip::ZipArchive;

/// An indexed zip file.
pub(super) struct Zip {
    path: PathBuf,
    archive: ZipArchive<Positioned>,
    names: Vec<String>,
    /// Index in the archive and uncompressed size of every image.
    places: Vec<(usize, u64)>,
}

impl Zip {
    pub(super) fn open(path: &Path, file: File) -> Result<Self> {
        let damaged = |reason: String| Error::Archive { path: path.to_owned(), reason };
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let reader = Positioned { file: Arc::new(file), position: 0, length };
        let archive = ZipArchive::new(reader).map_err(|error| damaged(error.to_string()))?;
        let mut images = BTreeMap::new();
        let mut tally = Tally::default();
        for index in 0..archive.len() {
            let entry = archive.by_index_data(index).map_err(|error| damaged(error.to_string()))?;
            if entry.is_dir() || entry.is_symlink() {
                continue;
            }
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            match classify(&name) {
                Kind::Image(_) if entry.encrypted() => {
                    return Err(damaged(format!(
                        "`{}` is encrypted; unpack it with its password first",
                        name.escape_debug()
                    )));
                }
                Kind::Image(name) => drop(images.insert(name, (index, entry.size()))),
                Kind::Other(extension) => tally.add(&extension),
                Kind::Hidden => {}
                Kind::Escapes(why) => {
                    return Err(damaged(format!("`{}` is {why}", name.escape_debug())));
                }
            }
        }
        if images.is_empty() {
            return Err(Error::NoImages { path: path.to_owned(), found: tally.describe() });
        }
        let (names, places) = images.into_iter().unzip();
        Ok(Self { path: path.to_owned(), archive, names, places })
    }
}

impl Container for Zip {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn size(&self, index: usize) -> Result<u64> {
        Ok(self.places[index].1)
    }

    fn bytes(&self, index: usize, limit: u64) -> Result<Vec<u8>> {
        let (entry, size) = self.places[index];
        let what = "its encoded size in bytes";
        if size > limit {
            return Err(Error::TooLarge { name: self.label(index), what, value: size, limit });
        }
        let failed = |reason: String| Error::Decode { name: self.label(index), reason };
        // A clone shares the directory and has a position of its own: threads do not wait.
        let mut archive = self.archive.clone();
        let file = archive.by_index(entry).map_err(|error| failed(error.to_string()))?;
        let mut bytes = Vec::new();
        // One byte more than promised is enough to catch a directory that lies about sizes; and
        // only at the true end is the checksum compared.
        let mut bounded = file.take(size + 1);
        bounded.read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
        if bytes.len() as u64 != size {
            let reason = format!("the zip file promises {size} bytes and holds another number");
            return Err(failed(reason));
        }
        Ok(bytes)
    }

    fn label(&self, index: usize) -> String {
        format!("{}: {}", self.path.display(), self.names[index])
    }
}

/// A file with a position that is this reader's alone, however many share the file.
#[derive(Clone)]
struct Positioned {
    file: Arc<File>,
    position: u64,
    length: u64,
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
