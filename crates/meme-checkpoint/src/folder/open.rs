//! Opening a folder: every size and hash is checked before anything is handed out.

use super::{FileRecord, FolderProblem, MANIFEST, Manifest};
use crate::safetensors::{Failure, read_stream};
use crate::storage::{Identity, RealStorage, Storage};
use crate::{Error, Result, Tensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest manifest that is read, in bytes; a damaged file system can claim anything.
const MANIFEST_LIMIT: u64 = 64 << 20;
/// Bytes that are hashed at a time.
const CHUNK: usize = 1 << 20;

/// A checkpoint folder in which every file had its size and hash when it was opened.
#[derive(Clone, Debug)]
pub struct VerifiedFolder {
    path: PathBuf,
    storage: Arc<dyn Storage>,
    manifest: Manifest,
    unlisted: Vec<String>,
    /// Of the files whose hashes were checked, where the disk can tell.
    identities: BTreeMap<String, Identity>,
}

/// Opens a checkpoint folder, checking the manifest and then size and hash of every file.
///
/// All the bytes are read once for that. Files that the manifest does not list, such as notes
/// somebody left there, are not a fault: nothing reads them ([`VerifiedFolder::unlisted`]).
///
/// # Errors
/// [`Error::Damaged`] with every problem found; [`Error::Io`] when `folder` is not there or cannot be
/// listed.
pub fn open_folder(folder: impl AsRef<Path>) -> Result<VerifiedFolder> {
    open_on(&(Arc::new(RealStorage) as Arc<dyn Storage>), folder.as_ref())
}

pub(crate) fn open_on(storage: &Arc<dyn Storage>, folder: &Path) -> Result<VerifiedFolder> {
    let names = storage.names(folder).map_err(Error::io("open", folder))?;
    let damaged = |problems| Error::Damaged { folder: folder.to_path_buf(), problems };
    let manifest = read_manifest(&**storage, folder).map_err(|problem| damaged(vec![problem]))?;
    // Taken before the hashes: who changes a file meanwhile changes this, too.
    let identity = |file: &String| {
        let identity = storage.identity(&folder.join(file)).ok().flatten()?;
        Some((file.clone(), identity))
    };
    let identities = manifest.files.keys().filter_map(identity).collect();
    let problems: Vec<FolderProblem> = manifest
        .files
        .iter()
        .filter_map(|(file, record)| check_file(&**storage, folder, file, record).err())
        .collect();
    if !problems.is_empty() {
        return Err(damaged(problems));
    }
    let unlisted = names
        .into_iter()
        .map(OsString::into_string)
        .map(|name| name.unwrap_or_else(|name| name.to_string_lossy().into_owned()))
        .filter(|name| name != MANIFEST && !manifest.files.contains_key(name))
        .collect();
    Ok(VerifiedFolder {
        path: folder.to_path_buf(),
        storage: Arc::clone(storage),
        manifest,
        unlisted,
        identities,
    })
}

impl VerifiedFolder {
    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What its writer kept beside the files; see [`Manifest::extra`].
    pub fn extra(&self) -> &Value {
        &self.manifest.extra
    }

    /// Names of things in the folder that the manifest does not know; nothing reads them.
    pub fn unlisted(&self) -> &[String] {
        &self.unlisted
    }

    /// The bytes of one file, whose size and hash are checked again while they are read.
    ///
    /// # Errors
    /// [`Error::NoSuchFile`] when the manifest does not list it; [`Error::Damaged`] when it changed
    /// since the folder was opened.
    pub fn read(&self, file: &str) -> Result<Vec<u8>> {
        self.verified(file, |reader, size| {
            let mut bytes = Vec::new();
            let wanted = usize::try_from(size).unwrap_or(usize::MAX);
            bytes.try_reserve_exact(wanted).map_err(io::Error::other).map_err(Failure::Io)?;
            reader.read_to_end(&mut bytes).map_err(Failure::Io)?;
            Ok(bytes)
        })
    }

    /// The tensors of one safetensors file, whose size and hash are checked again while it is read.
    ///
    /// The bytes go straight into their tensors: the memory needed is that of the tensors.
    ///
    /// # Errors
    /// As [`VerifiedFolder::read`], and [`Error::Safetensors`] when the file is whole but was never a
    /// valid safetensors file.
    pub fn tensors(&self, file: &str) -> Result<Tensors> {
        self.verified(file, read_stream)
    }

    /// Where a file lies that has provably not been touched since its hash was checked, for those who
    /// read it many times and will not pay for a hash each time. `None` where it has been touched, or
    /// where the disk cannot tell ([`Storage::identity`]): then [`VerifiedFolder::tensors`] decides.
    pub fn untouched(&self, file: &str) -> Option<PathBuf> {
        let path = self.path.join(file);
        let found = self.storage.identity(&path).ok().flatten()?;
        (self.identities.get(file) == Some(&found)).then_some(path)
    }

    fn verified<T>(
        &self,
        file: &str,
        read: impl FnOnce(&mut dyn Read, u64) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        let record = self.manifest.files.get(file).ok_or_else(|| Error::NoSuchFile {
            folder: self.path.clone(),
            file: file.to_owned(),
            available: self.manifest.files.keys().cloned().collect::<Vec<_>>().join(", "),
        })?;
        let path = self.path.join(file);
        let damaged =
            |problem| Error::Damaged { folder: self.path.clone(), problems: vec![problem] };
        let (reader, size) =
            self.storage.open(&path).map_err(|error| damaged(unreadable(file, &error)))?;
        check_size(file, record, size).map_err(damaged)?;
        let mut reader = Hashing { inner: reader, hasher: blake3::Hasher::new() };
        let outcome = read(&mut reader, size);
        // A wrong hash explains whatever else went wrong; only the rest of the file is still unread.
        let mut rest = vec![0; CHUNK];
        let finished = drain(&mut reader, &mut rest);
        if let Err(error) = finished {
            return Err(damaged(unreadable(file, &error)));
        }
        check_hash(file, record, &reader.hasher).map_err(damaged)?;
        outcome.map_err(|failure| failure.of(&path))
    }
}

pub(super) fn read_manifest(
    storage: &dyn Storage,
    folder: &Path,
) -> std::result::Result<Manifest, FolderProblem> {
    let (reader, length) = storage.open(&folder.join(MANIFEST)).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            FolderProblem::ManifestMissing
        } else {
            unreadable(MANIFEST, &error)
        }
    })?;
    if length > MANIFEST_LIMIT {
        let reason = format!("it has {length} bytes, more than {MANIFEST_LIMIT}");
        return Err(FolderProblem::ManifestDamaged { reason });
    }
    let mut bytes = Vec::new();
    reader
        .take(MANIFEST_LIMIT)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(MANIFEST, &error))?;
    Manifest::parse(&bytes).map_err(|reason| FolderProblem::ManifestDamaged { reason })
}

fn check_file(
    storage: &dyn Storage,
    folder: &Path,
    file: &str,
    record: &FileRecord,
) -> std::result::Result<(), FolderProblem> {
    let (inner, size) =
        storage.open(&folder.join(file)).map_err(|error| unreadable(file, &error))?;
    check_size(file, record, size)?;
    let mut reader = Hashing { inner, hasher: blake3::Hasher::new() };
    drain(&mut reader, &mut vec![0; CHUNK]).map_err(|error| unreadable(file, &error))?;
    check_hash(file, record, &reader.hasher)
}

fn check_size(
    file: &str,
    record: &FileRecord,
    found: u64,
) -> std::result::Result<(), FolderProblem> {
    if found == record.size {
        return Ok(());
    }
    Err(FolderProblem::Size { file: file.to_owned(), expected: record.size, found })
}

fn check_hash(
    file: &str,
    record: &FileRecord,
    hasher: &blake3::Hasher,
) -> std::result::Result<(), FolderProblem> {
    let found = hasher.finalize().to_hex();
    if found.as_str() == record.blake3 {
        return Ok(());
    }
    let (file, expected) = (file.to_owned(), record.blake3.clone());
    Err(FolderProblem::Hash { file, expected, found: found.to_string() })
}

fn unreadable(file: &str, error: &io::Error) -> FolderProblem {
    let file = file.to_owned();
    if error.kind() == io::ErrorKind::NotFound {
        FolderProblem::Missing { file }
    } else {
        FolderProblem::Unreadable { file, reason: error.to_string() }
    }
}

/// Reads to the end; what was read is dropped.
fn drain(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        match reader.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Hashes what passes through.
struct Hashing {
    inner: Box<dyn Read + Send>,
    hasher: blake3::Hasher,
}

impl Read for Hashing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.hasher.update(&into[..count]);
        Ok(count)
    }
}
