//! A finished cache, read at memory speed.

use super::{CacheHeader, CacheSpec, DATA, FORMAT, HEADER, Precision, VERSION};
use crate::source::{check_read, item_len};
use crate::{ArraySource, Error, Result};
use half::bf16;
use memmap2::Mmap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest header that is read.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// A finished cache: random access, shared by as many threads as like, no larger in memory than
/// what the system keeps of it.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    header: CacheHeader,
    data: Mmap,
    item: usize,
}

impl Cache {
    /// Opens a cache and checks its header and the size of its data; [`verify`](Self::verify)
    /// checks the bytes too.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, [`Error::CacheDamaged`] when its files disagree,
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let damaged = |reason: String| Error::CacheDamaged { path: path.to_owned(), reason };
        let header = read_header(path)?;
        let item = item_len(header.spec.shape).map_err(|error| damaged(error.to_string()))?;
        let expected = header.spec.data_bytes().map_err(|error| damaged(error.to_string()))?;
        let data_path = path.join(DATA);
        let file = File::open(&data_path).map_err(Error::io("open", &data_path))?;
        let size = file.metadata().map_err(Error::io("read", &data_path))?.len();
        if size != expected as u64 {
            let reason = format!("{DATA} holds {size} bytes where the header needs {expected}");
            return Err(damaged(reason));
        }
        // SAFETY: the mapping is only read, as bytes, of which every value is valid. Nothing in this
        // crate writes to a finished cache. A foreign process that changes the file changes the
        // numbers read, and one that cuts it off makes the next read fault: the price of mapping.
        let data = unsafe { Mmap::map(&file) }.map_err(Error::io("map", &data_path))?;
        Ok(Self { path: path.to_owned(), header, data, item })
    }

    /// As [`open`](Self::open), and refuses a cache made from anything but `wanted`.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Error::CacheDiffers`] naming the first difference.
    pub fn open_for(path: &Path, wanted: &CacheSpec) -> Result<Self> {
        let cache = Self::open(path)?;
        cache.header.spec.require(wanted, path)?;
        Ok(cache)
    }

    /// Compares every byte with the header's hash; reads the whole cache.
    ///
    /// # Errors
    /// [`Error::CacheDamaged`].
    pub fn verify(&self) -> Result<()> {
        if blake3::hash(&self.data).to_hex().as_str() != self.header.blake3 {
            let reason = format!("{DATA} does not have the hash that the header records");
            return Err(Error::CacheDamaged { path: self.path.clone(), reason });
        }
        Ok(())
    }

    /// What the cache holds and where it comes from.
    pub fn header(&self) -> &CacheHeader {
        &self.header
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl ArraySource for Cache {
    fn len(&self) -> usize {
        self.header.spec.count
    }

    fn shape(&self) -> [usize; 3] {
        self.header.spec.shape
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        check_read("the cache", index, self.len(), out.len(), self.item)?;
        let precision = self.header.spec.precision;
        let size = self.item * precision.bytes();
        let bytes = &self.data[index * size..(index + 1) * size];
        match precision {
            Precision::F32 => {
                for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            Precision::Bf16 => {
                for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *value = bf16::from_le_bytes(*bytes).to_f32();
                }
            }
        }
        Ok(())
    }
}

fn read_header(path: &Path) -> Result<CacheHeader> {
    let damaged = |reason: String| Error::CacheDamaged { path: path.to_owned(), reason };
    if !path.exists() {
        return Err(Error::Missing { path: path.to_owned() });
    }
    let header_path = path.join(HEADER);
    let file = File::open(&header_path).map_err(Error::io("open", &header_path))?;
    let mut text = Vec::new();
    file.take(MAX_HEADER_BYTES).read_to_end(&mut text).map_err(Error::io("read", &header_path))?;
    let header: CacheHeader = serde_json::from_slice(&text)
        .map_err(|error| damaged(format!("{HEADER} cannot be understood: {error}")))?;
    if header.format != FORMAT || header.version != VERSION {
        return Err(damaged(format!(
            "it is a `{}` of version {}, not a `{FORMAT}` of version {VERSION}",
            header.format.escape_debug(),
            header.version
        )));
    }
    Ok(header)
}
