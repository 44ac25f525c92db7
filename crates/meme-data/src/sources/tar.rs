//! Images in a tar file: its headers are walked once, its contents read in place.

use super::Container;
use super::entries::{Kind, Tally, classify};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tar::{Entry, EntryType, PaxExtensions};

/// The longest name, and the longest block of extended headers, that is read into memory.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;

/// An indexed tar file.
pub(super) struct Tar {
    path: PathBuf,
    file: File,
    names: Vec<String>,
    /// Offset and size in bytes of every image.
    places: Vec<(u64, u64)>,
}

/// What extension headers said about the entry that follows them.
#[derive(Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl Tar {
    pub(super) fn open(path: &Path, file: File) -> Result<Self> {
        let damaged = |reason: String| Error::Archive { path: path.to_owned(), reason };
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let mut images = BTreeMap::new();
        let mut tally = Tally::default();
        // A second handle of its own walks the headers, so that the position that it moves belongs
        // to nobody else. Entries are taken raw: names are put together here, in bounded memory.
        let walker = File::open(path).map_err(Error::io("open", path))?;
        let mut archive = tar::Archive::new(walker);
        let mut ahead = Ahead::default();
        // `tar` places a raw entry by its header's size alone. An extended size (files over 8 GiB)
        // would put every later header elsewhere, so such an archive is refused below.
        for entry in archive.entries_with_seek().map_err(Error::io("read", path))?.raw(true) {
            let mut entry = entry.map_err(|error| damaged(error.to_string()))?;
            let kind = entry.header().entry_type();
            if is_extension(kind) {
                let block = read_extension(&mut entry).map_err(damaged)?;
                ahead.take(kind, &block).map_err(damaged)?;
                continue;
            }
            let described = std::mem::take(&mut ahead);
            let raw = described.name.unwrap_or_else(|| entry.path_bytes().into_owned());
            let name = String::from_utf8_lossy(&raw).into_owned();
            let size = entry.header().entry_size().map_err(|error| damaged(error.to_string()))?;
            if described.size.is_some_and(|extended| extended != size) {
                return Err(damaged(format!(
                    "`{}` has two different sizes; repack the images that are needed",
                    name.escape_debug()
                )));
            }
            let offset = entry.raw_file_position();
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(damaged(format!(
                    "`{}` needs {size} bytes from {offset} on, but the file ends at {length}: \
                     it was cut off; fetch it again",
                    name.escape_debug()
                )));
            }
            if !matches!(kind, EntryType::Regular | EntryType::Continuous) || described.sparse {
                continue;
            }
            match classify(&name) {
                Kind::Image(name) => drop(images.insert(name, (offset, size))),
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
        Ok(Self { path: path.to_owned(), file, names, places })
    }
}

impl Ahead {
    fn take(&mut self, kind: EntryType, block: &[u8]) -> Result<(), String> {
        match kind {
            EntryType::GNULongName => {
                let end = block.iter().position(|byte| *byte == 0).unwrap_or(block.len());
                self.name = Some(block[..end].to_vec());
            }
            EntryType::XHeader => {
                for extension in PaxExtensions::new(block) {
                    let extension = extension.map_err(|error| error.to_string())?;
                    let value = extension.value_bytes();
                    match extension.key_bytes() {
                        b"path" => self.name = Some(value.to_vec()),
                        b"size" => {
                            let text = std::str::from_utf8(value).unwrap_or_default();
                            let size = text.parse();
                            self.size = Some(size.map_err(|_| "an unreadable size".to_owned())?);
                        }
                        key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                        _ => {}
                    }
                }
            }
            // Long link targets and global headers say nothing about an image.
            _ => {}
        }
        Ok(())
    }
}

fn is_extension(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::GNULongName
            | EntryType::GNULongLink
            | EntryType::XHeader
            | EntryType::XGlobalHeader
    )
}

fn read_extension(entry: &mut Entry<'_, File>) -> Result<Vec<u8>, String> {
    let size = entry.header().entry_size().map_err(|error| error.to_string())?;
    if size > MAX_EXTENSION_BYTES {
        return Err(format!("a name or extended header of {size} bytes"));
    }
    let mut block = Vec::new();
    entry.read_to_end(&mut block).map_err(|error| error.to_string())?;
    if block.len() as u64 != size {
        return Err("it ends within an extended header: it was cut off".to_owned());
    }
    Ok(block)
}

/// Whether 512 bytes carry the checksum of a tar header.
pub(super) fn is_header(block: &[u8]) -> bool {
    if block.len() != 512 {
        return false;
    }
    let spaces = 8 * u32::from(b' ');
    let sum = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>();
    tar::Header::from_byte_slice(block).cksum().is_ok_and(|checksum| checksum == sum + spaces)
}

impl Container for Tar {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn size(&self, index: usize) -> Result<u64> {
        Ok(self.places[index].1)
    }

    fn bytes(&self, index: usize, limit: u64) -> Result<Vec<u8>> {
        let (offset, size) = self.places[index];
        super::read_at(&self.file, || self.label(index), offset, size, limit)
    }

    fn label(&self, index: usize) -> String {
        format!("{}: {}", self.path.display(), self.names[index])
    }
}
