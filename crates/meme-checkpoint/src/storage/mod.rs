//! The few operations on a disk that writing safely needs, behind a trait.
//!
//! Everything in this crate that writes goes through [`Storage`]. [`RealStorage`] is the disk;
//! [`FaultyStorage`] is the disk with a fault at a chosen operation, so that the promise "the old one
//! is intact" can be tested for every operation that could fail.

mod faulty;
mod real;

pub use faulty::{Fault, FaultyStorage};
pub use real::RealStorage;
pub(crate) use real::open_regular;

use std::any::Any;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

/// What stands at a path; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Missing,
    /// A folder.
    Folder,
    /// A symbolic link, whatever it points to.
    Link,
    /// A file or anything else.
    File,
}

/// What one state of a file has in common with no other state of it and with no other file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Number of the disk and of the file on it.
    pub file: (u64, u64),
    /// Length in bytes.
    pub length: u64,
    /// Seconds and nanoseconds of the last change of contents or properties, which no program can set.
    pub changed: (i64, i64),
}

/// A file that is being written.
pub trait StorageFile: Write + Send {
    /// Returns once everything written so far would survive a power failure.
    ///
    /// # Errors
    /// The operating system's; the contents may then be lost.
    fn sync(&mut self) -> io::Result<()>;
}

/// Keeps others from cleaning a file or folder away until it is dropped.
pub struct Hold(Option<Box<dyn Any + Send>>);

impl Hold {
    /// A hold that lasts as long as `guard` lives.
    pub fn new(guard: impl Any + Send) -> Hold {
        Hold(Some(Box::new(guard)))
    }

    /// A hold that keeps nobody out, for storage where nobody else could be.
    pub fn none() -> Hold {
        Hold(None)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hold({})", if self.0.is_some() { "held" } else { "nothing" })
    }
}

/// A disk.
///
/// Operations mean what POSIX means by them: a rename is atomic, replaces a file or an empty folder,
/// and refuses to replace a folder that is not empty.
pub trait Storage: fmt::Debug + Send + Sync {
    /// What stands at `path`.
    ///
    /// # Errors
    /// The operating system's, but not for a path where nothing is.
    fn kind(&self, path: &Path) -> io::Result<Kind>;

    /// Names of everything in `folder`, sorted.
    ///
    /// # Errors
    /// The operating system's.
    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// Opens a regular file (links are followed); returns its reader and its length in bytes.
    ///
    /// # Errors
    /// The operating system's; [`io::ErrorKind::InvalidInput`] where `path` is not a regular file.
    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)>;

    /// Tells this state of a file (links are followed) from every other without reading it. `None`
    /// where the disk cannot tell, or where the last change is so recent that another one could bear
    /// the same time.
    ///
    /// # Errors
    /// The operating system's.
    fn identity(&self, path: &Path) -> io::Result<Option<Identity>> {
        let _ = path;
        Ok(None)
    }

    /// Creates a folder.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where something stands; the operating system's.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Creates a file, held (see [`Storage::hold`]) until the result is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where something stands; the operating system's.
    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Holds a file or folder until the result is dropped or the process ends, however it ends;
    /// `None` where somebody else holds it.
    ///
    /// # Errors
    /// The operating system's; [`io::ErrorKind::Unsupported`] where the disk cannot do it.
    fn hold(&self, path: &Path) -> io::Result<Option<Hold>>;

    /// Appends to a file, made if absent, and returns once the bytes would survive a power failure.
    ///
    /// After an error any first part of the bytes may stand at the end of the file.
    ///
    /// # Errors
    /// The operating system's.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Renames atomically.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Returns once the names in `folder` would survive a power failure.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Removes a file or a link.
    ///
    /// # Errors
    /// The operating system's.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// The operating system's.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
}
