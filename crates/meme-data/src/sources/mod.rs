//! Images in a folder, a tar, a zip or a Parquet file, all read the same way.

mod entries;
mod folder;
#[cfg(feature = "parquet")]
mod parquet;
mod shards;
mod tar;
mod zip;

use crate::decode::{Limits, decode};
use crate::{Error, HashDepth, ImageSource, Result, RgbImage};
use rayon::prelude::*;
use std::io::Read;
use std::path::Path;

/// Named encoded images that can be read in any order, from any thread.
trait Container: Send + Sync {
    /// The names, sorted, relative, with `/` between their parts.
    fn names(&self) -> &[String];
    /// The encoded size of an entry in bytes.
    fn size(&self, index: usize) -> Result<u64>;
    /// The encoded bytes of an entry, which are refused when there are more than `limit`.
    fn bytes(&self, index: usize, limit: u64) -> Result<Vec<u8>>;
    /// How an entry is called in errors: its path, or archive and entry.
    fn label(&self, index: usize) -> String;
}

/// Opens a folder, a tar or a zip file of images, whichever is there, with the default [`Limits`].
///
/// * A **folder** is searched recursively, through symbolic links (a loop is walked once). Hidden
///   files and folders are ignored. Images are sorted by their relative name, byte by byte. A
///   folder without images that holds `.tar`, `.zip` or `.parquet` files is read as their
///   concatenation, in the order of their names: the shards of a WebDataset.
/// * A **tar** file is indexed once and read in place, also one of WebDataset's layout; its entries
///   are sorted by name too. Only uncompressed ones: a compressed tar has no random access.
/// * A **zip** file is read in place (stored or deflated entries).
/// * A **Parquet** file (feature `parquet`; uncompressed or snappy) is read row group by row group, the latest
///   ones kept in up to 512 MiB: in order of rows at the speed of the disk, in any other order at the cost of a row group
///   an image. Its images are the only column of bytes, or `image` or `image.bytes` and the like; they are named
///   by their row.
///
/// Archives are never extracted. Links and hidden entries in them are ignored, an image whose name
/// is absolute or contains `..` makes the archive refused; of two entries with one name the later
/// counts, as it would on extraction.
///
/// # Errors
/// [`Error::Missing`], [`Error::EmptyFolder`], [`Error::NoImages`] (naming what is there instead),
/// [`Error::Unsupported`], [`Error::Archive`], or [`Error::Io`].
pub fn open(path: &Path) -> Result<Box<dyn ImageSource>> {
    open_with(path, Limits::default())
}

/// As [`open`], with limits of one's own on what a single image may cost.
///
/// # Errors
/// As [`open`].
pub fn open_with(path: &Path, limits: Limits) -> Result<Box<dyn ImageSource>> {
    let container: Box<dyn Container> = match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Missing { path: path.to_owned() });
        }
        Err(error) => return Err(Error::io("look at", path)(error)),
        Ok(metadata) if metadata.is_dir() => match folder::Folder::open(path)? {
            folder::Found::Images(folder) => Box::new(folder),
            folder::Found::Archives(paths) => Box::new(shards::Shards::open(&paths)?),
        },
        Ok(metadata) if metadata.is_file() => open_archive(path)?,
        Ok(_) => {
            let reason = "neither a folder nor a file; give a folder, a tar or a zip file";
            return Err(Error::Unsupported { path: path.to_owned(), reason: reason.to_owned() });
        }
    };
    Ok(Box::new(Encoded { container, limits }))
}

/// Opens an archive by its first bytes.
fn open_archive(path: &Path) -> Result<Box<dyn Container>> {
    let mut file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    let mut head = Vec::with_capacity(512);
    file.by_ref().take(512).read_to_end(&mut head).map_err(Error::io("read", path))?;
    let unsupported =
        |reason: &str| Err(Error::Unsupported { path: path.to_owned(), reason: reason.to_owned() });
    match head.as_slice() {
        [] => unsupported("the file is empty; give a folder, a tar or a zip file of images"),
        #[cfg(feature = "parquet")]
        head if head.starts_with(parquet::MAGIC) => {
            Ok(Box::new(parquet::Parquet::open(path, file)?))
        }
        #[cfg(not(feature = "parquet"))]
        [b'P', b'A', b'R', b'1', ..] => unsupported(
            "a Parquet file; this program was built without the feature `parquet` of meme-data",
        ),
        [b'P', b'K', 3 | 5 | 6 | 7, ..] => Ok(Box::new(zip::Zip::open(path, file)?)),
        [0x1F, 0x8B, ..]
        | [0x28, 0xB5, 0x2F, 0xFD, ..]
        | [b'B', b'Z', b'h', ..]
        | [0xFD, b'7', b'z', b'X', b'Z', ..] => unsupported(
            "a compressed file has no random access; decompress it to a plain .tar first",
        ),
        [0x89, b'P', b'N', b'G', ..] | [0xFF, 0xD8, 0xFF, ..] | [b'R', b'I', b'F', b'F', ..] => {
            unsupported("a single image; give the folder that it lies in")
        }
        [b'7', b'z', 0xBC, 0xAF, ..] | [b'R', b'a', b'r', b'!', ..] => {
            unsupported("this kind of archive is not supported; unpack it, or repack it as .tar")
        }
        // Nothing but zeros is an empty tar; everything else must have a tar header's checksum.
        head if tar::is_header(head) || (head.len() == 512 && head.iter().all(|b| *b == 0)) => {
            Ok(Box::new(tar::Tar::open(path, file)?))
        }
        _ => unsupported("neither a tar nor a zip file; give a folder, a tar or a zip of images"),
    }
}

/// Images of a container, decoded on demand.
struct Encoded {
    container: Box<dyn Container>,
    limits: Limits,
}

impl Encoded {
    fn check(&self, index: usize) -> Result<()> {
        let len = self.len();
        if index >= len {
            return Err(Error::OutOfRange { what: "the image source", index, len });
        }
        Ok(())
    }
}

impl ImageSource for Encoded {
    fn len(&self) -> usize {
        self.container.names().len()
    }

    fn name(&self, index: usize) -> &str {
        self.container.names().get(index).map_or("", String::as_str)
    }

    fn image(&self, index: usize, resolution: usize) -> Result<RgbImage> {
        self.image_on(index, resolution, [255; 3])
    }

    fn image_on(&self, index: usize, _resolution: usize, background: [u8; 3]) -> Result<RgbImage> {
        self.check(index)?;
        let bytes = self.container.bytes(index, self.limits.max_bytes)?;
        decode(&self.container.label(index), &bytes, background, &self.limits)
    }

    fn content_hash(&self, depth: HashDepth) -> Result<String> {
        // One digest an image, so that they can be made in parallel and in bounded memory.
        let digest = |index: usize| -> Result<(u64, Option<blake3::Hash>)> {
            match depth {
                HashDepth::Names => Ok((self.container.size(index)?, None)),
                HashDepth::Bytes => {
                    let bytes = self.container.bytes(index, self.limits.max_bytes)?;
                    Ok((bytes.len() as u64, Some(blake3::hash(&bytes))))
                }
            }
        };
        let digests: Vec<_> = (0..self.len()).into_par_iter().map(digest).collect::<Result<_>>()?;
        let mut hasher = blake3::Hasher::new_derive_key("meme-data 1 content of an image set");
        for (name, (size, digest)) in self.container.names().iter().zip(digests) {
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            hasher.update(&size.to_le_bytes());
            if let Some(digest) = digest {
                hasher.update(digest.as_bytes());
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

/// Reads exactly `size` bytes at `offset`, without moving any shared position.
fn read_at(
    file: &std::fs::File,
    label: impl FnOnce() -> String,
    offset: u64,
    size: u64,
    limit: u64,
) -> Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    if size > limit {
        let what = "its encoded size in bytes";
        return Err(Error::TooLarge { name: label(), what, value: size, limit });
    }
    let mut bytes = vec![0; size as usize];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Error::io("read", label())(error)),
    }
}
