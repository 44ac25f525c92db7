//! The disk itself.

use super::{Hold, Identity, Kind, Storage, StorageFile};
use crate::staging::parent_of;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds within which two changes may bear the same time: file systems count in steps of
/// milliseconds up to two seconds.
const SAME_TIME: i64 = 2;

/// The operating system's file system.
///
/// Holds are advisory locks (`flock`) on the file or folder: the kernel drops them when the process
/// ends, killed or not.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealStorage;

impl Storage for RealStorage {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => Ok(Kind::Folder),
            Ok(found) if found.is_symlink() => Ok(Kind::Link),
            Ok(_) => Ok(Kind::File),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kind::Missing),
            Err(error) => Err(error),
        }
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let mut names: Vec<OsString> = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let file = open_regular(path)?;
        let length = file.metadata()?.len();
        Ok((Box::new(file), length))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<Identity>> {
        let found = fs::metadata(path)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        let settled = now.as_secs().cast_signed() - found.ctime() > SAME_TIME;
        Ok(settled.then(|| Identity {
            file: (found.dev(), found.ino()),
            length: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
        }))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = File::options().write(true).create_new(true).open(path)?;
        // Where locks are not supported the file is written all the same; see `hold`.
        let _ = file.try_lock();
        Ok(Box::new(RealFile(file)))
    }

    fn hold(&self, path: &Path) -> io::Result<Option<Hold>> {
        let file = File::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Hold::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = !fs::exists(path)?;
        let mut file = File::options().create(true).append(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if new { self.sync_folder(parent_of(path)) } else { Ok(()) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

struct RealFile(File);

impl Write for RealFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl StorageFile for RealFile {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Opens a regular file for reading; a pipe or a folder is refused rather than waited for.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    File::open(path)
}
