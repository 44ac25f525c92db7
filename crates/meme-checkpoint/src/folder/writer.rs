//! Writing a folder: staged, synced, hashed manifest last, renamed.

use super::manifest::file_name_fault;
use super::open::open_on;
use super::{FileRecord, FolderProblem, MANIFEST, Manifest};
use crate::safetensors::Layout;
use crate::staging::{create_folders, parent_of, remove_all, set_aside, stage};
use crate::storage::{Hold, Kind, RealStorage, Storage, StorageFile};
use crate::{Error, Result, TensorData};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A checkpoint folder that is being written.
///
/// Nothing stands at the final place until [`FolderWriter::commit`] returns: the folder is built
/// under a `.staging-*` name beside it, every file is synced, the manifest with sizes and hashes comes
/// last, and one rename shows it. Dropping the writer without a commit removes what it built.
///
/// What holds when: an error at any point leaves whatever was there before as it was. A killed
/// process leaves either the complete folder or a staging folder, which
/// [`remove_leftovers`](super::remove_leftovers) clears away. After a power failure the folder is
/// there if `commit` had returned; if it had not, it is complete or absent. All of this rests on the
/// disk keeping what it said it had synced, and on the parent folder being on one file system.
#[derive(Debug)]
pub struct FolderWriter {
    storage: Arc<dyn Storage>,
    target: PathBuf,
    staged: PathBuf,
    files: BTreeMap<String, FileRecord>,
    // Keeps cleaners away.
    _hold: Option<Hold>,
    committed: bool,
}

/// A checkpoint that has been put in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Where it stands.
    pub path: PathBuf,
    /// Where a damaged checkpoint that stood there went, if there was one.
    pub set_aside: Option<PathBuf>,
}

impl FolderWriter {
    /// Starts a checkpoint that is to stand at `target`; missing folders above it are created.
    ///
    /// A damaged checkpoint at `target` is set aside by the commit, as `NAME.damaged-0` and so on. A
    /// good one is never touched.
    ///
    /// # Errors
    /// [`Error::AlreadyThere`] when a good checkpoint stands at `target`, [`Error::Occupied`] when
    /// something else does; [`Error::Io`] when the disk refuses; [`Error::Path`] when `target` has no
    /// last component.
    pub fn begin(target: impl AsRef<Path>) -> Result<FolderWriter> {
        FolderWriter::begin_on(Arc::new(RealStorage), target)
    }

    /// [`FolderWriter::begin`] on any storage.
    ///
    /// # Errors
    /// As [`FolderWriter::begin`].
    pub fn begin_on(storage: Arc<dyn Storage>, target: impl AsRef<Path>) -> Result<FolderWriter> {
        let target = target.as_ref();
        create_folders(&*storage, parent_of(target))?;
        standing(&storage, target)?;
        let (staged, hold) = stage(target, "create", |staged| {
            storage.create_folder(staged)?;
            match storage.hold(staged) {
                Ok(Some(hold)) => Ok(Some(hold)),
                // A cleaner was quicker than the hold; the next name is tried.
                Ok(None) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(io::ErrorKind::AlreadyExists.into())
                }
                // No locks here: then cleaners cannot tell either, and stay away by themselves.
                Err(_) => Ok(None),
            }
        })?;
        Ok(FolderWriter {
            storage,
            target: target.to_path_buf(),
            staged,
            files: BTreeMap::new(),
            _hold: hold,
            committed: false,
        })
    }

    /// Where the checkpoint will stand.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Writes one file.
    ///
    /// # Errors
    /// [`Error::FileName`] when `name` is not a plain file name, stands already, or is the
    /// manifest's; [`Error::Io`] when the disk refuses.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.check_name(name)?;
        self.file(name, |writer| writer.write_all(bytes))
    }

    /// Writes one safetensors file; see [`crate::safetensors_bytes`] for its layout.
    ///
    /// # Errors
    /// As [`FolderWriter::write`], and [`Error::Safetensors`] when the tensors cannot be written.
    pub fn tensors<'a, S: AsRef<str>>(
        &mut self,
        name: &str,
        tensors: impl IntoIterator<Item = (S, &'a TensorData)>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.check_name(name)?;
        let layout = Layout::plan(tensors, metadata).map_err(|problem| Error::Safetensors {
            file: self.target.join(name).display().to_string(),
            problem,
        })?;
        self.file(name, |writer| layout.write_to(writer))
    }

    /// Writes the manifest with `extra` in it and puts the folder in its place.
    ///
    /// # Errors
    /// As [`FolderWriter::begin`], and [`Error::Manifest`] when `extra` is nested too deeply. Only if
    /// the very last step, syncing the parent folder, fails, does the new checkpoint stand there.
    pub fn commit(mut self, extra: Value) -> Result<Committed> {
        let manifest = Manifest { files: std::mem::take(&mut self.files), extra };
        let text = manifest
            .render()
            .map_err(|source| Error::Manifest { folder: self.target.clone(), source })?;
        self.file(MANIFEST, |writer| writer.write_all(text.as_bytes()))?;
        self.storage.sync_folder(&self.staged).map_err(Error::io("sync", &self.target))?;
        let set_aside = match standing(&self.storage, &self.target)? {
            Standing::Nothing => None,
            Standing::Damaged => Some(set_aside(&*self.storage, &self.target)?),
        };
        if let Err(error) = self.storage.rename(&self.staged, &self.target) {
            if let Some(aside) = set_aside {
                // It was damaged, but it goes back to where its owner knows it.
                let _ = self.storage.rename(&aside, &self.target);
            }
            return Err(Error::io("rename onto", &self.target)(error));
        }
        self.committed = true;
        let parent = parent_of(&self.target);
        self.storage.sync_folder(parent).map_err(Error::io("sync", parent))?;
        Ok(Committed { path: self.target.clone(), set_aside })
    }

    fn check_name(&self, name: &str) -> Result<()> {
        let taken = self.files.contains_key(name).then_some("that file is already written");
        match file_name_fault(name).or(taken) {
            Some(reason) => Err(Error::FileName { name: name.to_owned(), reason }),
            None => Ok(()),
        }
    }

    fn file(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        // Messages name the final place: the staging name means nothing to whoever reads them.
        let shown = self.target.join(name);
        let inner = self
            .storage
            .create_file(&self.staged.join(name))
            .map_err(Error::io("create", &shown))?;
        let mut writer = Recording { inner, size: 0, hasher: blake3::Hasher::new() };
        fill(&mut writer).map_err(Error::io("write", &shown))?;
        writer.inner.sync().map_err(Error::io("sync", &shown))?;
        let blake3 = writer.hasher.finalize().to_hex().to_string();
        self.files.insert(name.to_owned(), FileRecord { size: writer.size, blake3 });
        Ok(())
    }
}

impl Drop for FolderWriter {
    fn drop(&mut self) {
        if !self.committed {
            // Best effort: what stays is a leftover that cleaning finds.
            let _ = remove_all(&*self.storage, &self.staged);
        }
    }
}

/// What stands where a checkpoint is to go.
enum Standing {
    Nothing,
    Damaged,
}

/// Looks at the target and refuses what must not be replaced.
fn standing(storage: &Arc<dyn Storage>, target: &Path) -> Result<Standing> {
    let occupied = || Error::Occupied(target.to_path_buf());
    match storage.kind(target).map_err(Error::io("look at", target))? {
        Kind::Missing => Ok(Standing::Nothing),
        Kind::File | Kind::Link => Err(occupied()),
        Kind::Folder => match open_on(storage, target) {
            Ok(_) => Err(Error::AlreadyThere(target.to_path_buf())),
            Err(Error::Damaged { problems, .. }) => {
                // Without a manifest it may be anybody's folder, unless there is nothing in it.
                if problems.contains(&FolderProblem::ManifestMissing)
                    && !storage.names(target).map_err(Error::io("list", target))?.is_empty()
                {
                    return Err(occupied());
                }
                Ok(Standing::Damaged)
            }
            Err(error) => Err(error),
        },
    }
}

/// Counts and hashes what is written, so that the manifest tells what was meant, not what the disk
/// made of it.
struct Recording {
    inner: Box<dyn StorageFile>,
    size: u64,
    hasher: blake3::Hasher,
}

impl Write for Recording {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
