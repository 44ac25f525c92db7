//! A model of a disk with a cache: only what was synced is sure to survive.

use crate::common::Lcg;
use meme_checkpoint::storage::{Hold, Identity, Kind, Storage, StorageFile};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a crash forgets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    /// Names and data that were not synced are gone.
    NothingUnsynced,
    /// All names are there, but data that was not synced is gone: the empty files after a crash.
    NamesButNoData,
    /// As the first, but each folder may have written its names out by itself, or not.
    SomeNames(u64),
}

type Names = BTreeMap<String, usize>;

#[derive(Clone, Debug)]
enum Inode {
    File { now: Vec<u8>, synced: Vec<u8> },
    Folder { now: Names, synced: Names },
}

#[derive(Clone, Debug)]
struct Disk {
    inodes: Vec<Inode>,
    left: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Forgetful(Arc<Mutex<Disk>>);

fn parts(path: &Path) -> Vec<String> {
    let text = path.to_str().unwrap();
    text.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
}

impl Disk {
    /// One operation; with the power gone nothing happens any more.
    fn step(&mut self) -> io::Result<()> {
        self.left =
            self.left.checked_sub(1).ok_or_else(|| io::Error::other("the power is gone"))?;
        Ok(())
    }

    fn folder(&mut self, at: usize) -> io::Result<&mut Names> {
        match &mut self.inodes[at] {
            Inode::Folder { now, .. } => Ok(now),
            Inode::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn find(&mut self, path: &Path) -> io::Result<usize> {
        parts(path).iter().try_fold(0, |at, part| {
            self.folder(at)?.get(part).copied().ok_or(io::ErrorKind::NotFound.into())
        })
    }

    fn create(&mut self, path: &Path, inode: Inode) -> io::Result<usize> {
        let parent = self.find(path.parent().unwrap())?;
        let name = parts(path).pop().unwrap();
        let new = self.inodes.len();
        let names = self.folder(parent)?;
        if names.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.insert(name, new);
        self.inodes.push(inode);
        Ok(new)
    }

    fn unlink(&mut self, path: &Path) -> io::Result<usize> {
        let found = self.find(path)?;
        let parent = self.find(path.parent().unwrap())?;
        self.folder(parent)?.remove(&parts(path).pop().unwrap());
        Ok(found)
    }
}

impl Forgetful {
    /// An empty disk with these folders, synced.
    pub(crate) fn new(folders: &[&str]) -> Forgetful {
        let root = Inode::Folder { now: Names::new(), synced: Names::new() };
        let disk = Forgetful(Arc::new(Mutex::new(Disk { inodes: vec![root], left: u64::MAX })));
        for folder in folders {
            let path = Path::new(folder);
            disk.create_folder(path).unwrap();
            disk.sync_folder(path.parent().unwrap()).unwrap();
        }
        disk
    }

    /// Lets `n` more operations through.
    pub(crate) fn cut_power_after(&self, n: u64) {
        self.lock().left = n;
    }

    /// The disk as it is found when the power is back.
    pub(crate) fn after(&self, crash: Crash) -> Forgetful {
        let mut disk = self.lock().clone();
        disk.left = u64::MAX;
        let mut random = Lcg(if let Crash::SomeNames(seed) = crash { seed } else { 0 });
        for inode in &mut disk.inodes {
            match inode {
                Inode::File { now, synced } => now.clone_from(synced),
                Inode::Folder { now, synced } => {
                    let kept = match crash {
                        Crash::NothingUnsynced => false,
                        Crash::NamesButNoData => true,
                        Crash::SomeNames(_) => random.below(2) == 0,
                    };
                    if kept { synced.clone_from(now) } else { now.clone_from(synced) }
                }
            }
        }
        Forgetful(Arc::new(Mutex::new(disk)))
    }

    /// Flips a bit in the last byte of a file behind everybody's back, as a failing disk does.
    pub(crate) fn rot(&self, path: &Path) {
        let mut disk = self.lock();
        let at = disk.find(path).unwrap();
        if let Inode::File { now, .. } = &mut disk.inodes[at] {
            *now.last_mut().unwrap() ^= 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    fn step(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.lock();
        disk.step()?;
        Ok(disk)
    }
}

impl Storage for Forgetful {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        let mut disk = self.step()?;
        match disk.find(path) {
            Ok(at) if matches!(disk.inodes[at], Inode::Folder { .. }) => Ok(Kind::Folder),
            Ok(_) => Ok(Kind::File),
            Err(_) => Ok(Kind::Missing),
        }
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let mut disk = self.step()?;
        let at = disk.find(folder)?;
        Ok(disk.folder(at)?.keys().map(OsString::from).collect())
    }

    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let mut disk = self.step()?;
        let at = disk.find(path)?;
        let Inode::File { now, .. } = &disk.inodes[at] else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        Ok((Box::new(Cursor::new(now.clone())), now.len() as u64))
    }

    /// A file is changed here by being replaced.
    fn identity(&self, path: &Path) -> io::Result<Option<Identity>> {
        let mut disk = self.step()?;
        let at = disk.find(path)?;
        let Inode::File { now, .. } = &disk.inodes[at] else { return Ok(None) };
        Ok(Some(Identity { file: (0, at as u64), length: now.len() as u64, changed: (0, 0) }))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let folder = Inode::Folder { now: Names::new(), synced: Names::new() };
        self.step()?.create(path, folder).map(|_| ())
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = Inode::File { now: Vec::new(), synced: Vec::new() };
        let at = self.step()?.create(path, file)?;
        Ok(Box::new(OpenFile { disk: self.clone(), at }))
    }

    fn hold(&self, _path: &Path) -> io::Result<Option<Hold>> {
        Ok(Some(Hold::none()))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.step()?;
        let at = match disk.find(path) {
            Err(_) => disk.create(path, Inode::File { now: Vec::new(), synced: Vec::new() })?,
            at => at?,
        };
        if let Inode::File { now, synced } = &mut disk.inodes[at] {
            now.extend(bytes);
            synced.clone_from(now);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.step()?;
        if let Ok(at) = disk.find(to)
            && disk.folder(at).is_ok_and(|names| !names.is_empty())
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let moved = disk.unlink(from)?;
        let parent = disk.find(to.parent().unwrap())?;
        disk.folder(parent)?.insert(parts(to).pop().unwrap(), moved);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut disk = self.step()?;
        let at = disk.find(folder)?;
        if let Inode::Folder { now, synced } = &mut disk.inodes[at] {
            synced.clone_from(now);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step()?.unlink(path).map(|_| ())
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.step()?;
        let at = disk.find(path)?;
        if !disk.folder(at)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        disk.unlink(path).map(|_| ())
    }
}

struct OpenFile {
    disk: Forgetful,
    at: usize,
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Inode::File { now, .. } = &mut self.disk.step()?.inodes[self.at] {
            now.extend(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageFile for OpenFile {
    fn sync(&mut self) -> io::Result<()> {
        if let Inode::File { now, synced } = &mut self.disk.step()?.inodes[self.at] {
            synced.clone_from(now);
        }
        Ok(())
    }
}
