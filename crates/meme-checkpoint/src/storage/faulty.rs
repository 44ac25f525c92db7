//! A disk that fails on command.

use super::{Hold, Kind, RealStorage, Storage, StorageFile};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `ENOSPC`: no space left on the device.
    NoSpace,
    /// `EACCES`: permission denied.
    Permission,
    /// `EIO`: input/output error.
    InputOutput,
}

impl Fault {
    /// All three.
    pub const ALL: [Fault; 3] = [Fault::NoSpace, Fault::Permission, Fault::InputOutput];

    fn error(self) -> io::Error {
        // Linux's numbers, so that the message is the one a real disk gives.
        io::Error::from_raw_os_error(match self {
            Fault::NoSpace => 28,
            Fault::Permission => 13,
            Fault::InputOutput => 5,
        })
    }
}

/// [`RealStorage`] with a fault at the n-th operation; for tests of code that saves.
///
/// Every operation counts: each call of [`Storage`], each write of a file, each read, each sync. A
/// write that fails has first written half of its bytes, as a full disk does.
#[derive(Clone, Debug)]
pub struct FaultyStorage {
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    fault: Fault,
    first: u64,
    last: u64,
    done: AtomicU64,
}

impl FaultyStorage {
    /// Only operation number `n` fails, counted from 0.
    pub fn once(fault: Fault, n: u64) -> FaultyStorage {
        FaultyStorage::between(fault, n, n)
    }

    /// Operation number `n` and all after it fail.
    pub fn from(fault: Fault, n: u64) -> FaultyStorage {
        FaultyStorage::between(fault, n, u64::MAX)
    }

    fn between(fault: Fault, first: u64, last: u64) -> FaultyStorage {
        FaultyStorage { plan: Arc::new(Plan { fault, first, last, done: AtomicU64::new(0) }) }
    }

    /// Operations asked for so far, failed ones included.
    pub fn operations(&self) -> u64 {
        self.plan.done.load(Ordering::SeqCst)
    }

    /// Whether a fault has been delivered.
    pub fn has_failed(&self) -> bool {
        self.operations() > self.plan.first
    }
}

impl Plan {
    fn step(&self) -> io::Result<()> {
        let n = self.done.fetch_add(1, Ordering::SeqCst);
        if (self.first..=self.last).contains(&n) { Err(self.fault.error()) } else { Ok(()) }
    }
}

impl Storage for FaultyStorage {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        self.plan.step()?;
        RealStorage.kind(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.plan.step()?;
        RealStorage.names(folder)
    }

    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)> {
        self.plan.step()?;
        let (inner, length) = RealStorage.open(path)?;
        Ok((Box::new(FaultyReader { inner, plan: Arc::clone(&self.plan) }), length))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.plan.step()?;
        RealStorage.create_folder(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.plan.step()?;
        let inner = RealStorage.create_file(path)?;
        Ok(Box::new(FaultyFile { inner, plan: Arc::clone(&self.plan) }))
    }

    fn hold(&self, path: &Path) -> io::Result<Option<Hold>> {
        self.plan.step()?;
        RealStorage.hold(path)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.plan.step() {
            RealStorage.append(path, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        RealStorage.append(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.step()?;
        RealStorage.rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.plan.step()?;
        RealStorage.sync_folder(folder)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.plan.step()?;
        RealStorage.remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.plan.step()?;
        RealStorage.remove_folder(path)
    }
}

struct FaultyFile {
    inner: Box<dyn StorageFile>,
    plan: Arc<Plan>,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.plan.step() {
            self.inner.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl StorageFile for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        self.plan.step()?;
        self.inner.sync()
    }
}

struct FaultyReader {
    inner: Box<dyn Read + Send>,
    plan: Arc<Plan>,
}

impl Read for FaultyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.plan.step()?;
        self.inner.read(into)
    }
}
