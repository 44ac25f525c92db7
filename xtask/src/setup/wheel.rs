//! Wheels: zip archives with a METADATA file (PEP 427).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use zip::ZipArchive;
use zip::result::ZipError;

use super::manifest::Installed;
use super::requirement::Requirement;
use crate::error::{Error, Result};

/// Unpacking is decompression and writing; more threads than this only wait for the disk.
const THREADS: usize = 4;

/// A downloaded wheel.
#[derive(Debug)]
pub(super) struct Wheel {
    path: PathBuf,
}

impl Wheel {
    /// The wheel of the package that a requirement such as `torch==2.11.0` names. A wheel's name
    /// begins with the package's, dashes as underscores.
    pub(super) fn find(folder: &Path, requirement: &str) -> Result<Self> {
        let end = requirement.find(['=', '<', '>', '~', '!']).unwrap_or(requirement.len());
        let package = requirement[..end].replace(['-', '.'], "_").to_ascii_lowercase();
        let list = |source| Error::io("list", folder, source);
        for entry in fs::read_dir(folder).map_err(list)? {
            let path = entry.map_err(list)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_it = name
                .split('-')
                .next()
                .is_some_and(|found| found.replace('.', "_").eq_ignore_ascii_case(&package));
            if is_it && name.ends_with(".whl") {
                return Ok(Wheel { path });
            }
        }
        let problem = "pip reported success, but left no such wheel".to_owned();
        Err(Error::Wheel { wheel: requirement.to_owned(), problem })
    }

    /// The file's name: package, version, Python, platform.
    pub(super) fn file_name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or("?")
    }

    /// What the wheel says it depends on.
    pub(super) fn requirements(&self) -> Result<Vec<Requirement>> {
        let mut archive = self.open()?;
        let name = archive
            .file_names()
            .filter_map(std::result::Result::ok)
            .find(|name| name.ends_with(".dist-info/METADATA"))
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| self.wrong("it holds no METADATA"))?;
        let mut text = String::new();
        archive
            .by_name(&name)
            .map_err(|error| self.broken(error))?
            .read_to_string(&mut text)
            .map_err(|error| self.wrong(format!("its METADATA cannot be read: {error}")))?;
        Ok(text
            .lines()
            // The headers end at the first empty line; a description follows.
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.strip_prefix("Requires-Dist:"))
            .filter_map(Requirement::parse)
            .collect())
    }

    /// Unpacks everything into `tree`. Every file's checksum is checked on the way.
    pub(super) fn unpack(&self, tree: &Path) -> Result<Installed> {
        let mut archive = self.open()?;
        let mut files = Vec::new();
        let mut unpacked_bytes = 0;
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(|error| self.broken(error))?;
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            let path = inside(&name)
                .ok_or_else(|| self.wrong(format!("it holds {name:?}, which leads out of it")))?;
            if entry.is_symlink() {
                return Err(self.wrong(format!("it holds the link {}", path.display())));
            }
            if !entry.is_dir() {
                unpacked_bytes += entry.size();
                files.push((entry.size(), index, tree.join(path)));
            }
        }
        drop(archive);
        // The largest first: two libraries make up most of a wheel, and each goes to a thread.
        files.sort_by(|left, right| right.cmp(left));
        for (_, _, path) in &files {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)
                    .map_err(|source| Error::io("make the folder", folder, source))?;
            }
        }
        self.extract(&files)?;
        let bytes = fs::metadata(&self.path)
            .map_err(|source| Error::io("look at", &self.path, source))?
            .len();
        let wheel = self.file_name().to_owned();
        Ok(Installed { wheel, bytes, files: files.len(), unpacked_bytes })
    }

    /// Writes each (size, index in the archive, path), a few at a time.
    fn extract(&self, files: &[(u64, usize, PathBuf)]) -> Result<()> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            let mut archive = self.open()?;
            while let Some((size, index, path)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.extract_one(&mut archive, *index, *size, path)?;
            }
            Ok(())
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    fn extract_one(
        &self,
        archive: &mut ZipArchive<BufReader<File>>,
        index: usize,
        size: u64,
        path: &Path,
    ) -> Result<()> {
        let mut entry = archive.by_index(index).map_err(|error| self.broken(error))?;
        let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true) // wheels of one vendor share small files, as pip lets them
            .mode(if executable { 0o755 } else { 0o644 })
            .open(path)
            .map_err(|source| Error::io("make", path, source))?;
        let written = io::copy(&mut entry, &mut file).map_err(|source| match source.kind() {
            // What the archive itself holds wrong, as opposed to what the disk does.
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::Other => self.wrong(format!("{} in it: {source}", entry_name(path))),
            _ => Error::io("unpack", path, source),
        })?;
        if written != size {
            let name = entry_name(path);
            return Err(self.wrong(format!("{name} in it has {written} bytes, not {size}")));
        }
        Ok(())
    }

    /// Removes the wheel, to have its space for the next.
    pub(super) fn discard(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|source| Error::io("remove", &self.path, source))
    }

    fn open(&self) -> Result<ZipArchive<BufReader<File>>> {
        let file =
            File::open(&self.path).map_err(|source| Error::io("open", &self.path, source))?;
        ZipArchive::new(BufReader::with_capacity(1 << 18, file)).map_err(|error| self.broken(error))
    }

    fn broken(&self, error: ZipError) -> Error {
        match error {
            ZipError::Io(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
                Error::io("read", &self.path, source)
            }
            error => self.wrong(format!("it is no readable archive ({error})")),
        }
    }

    fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::Wheel { wheel: self.file_name().to_owned(), problem: problem.into() }
    }
}

/// The path of an archive's entry, if every part of it is a plain name.
fn inside(name: &str) -> Option<PathBuf> {
    let folder_or_file = name.strip_suffix('/').unwrap_or(name);
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    folder_or_file.split('/').all(plain).then(|| PathBuf::from(folder_or_file))
}

fn entry_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
