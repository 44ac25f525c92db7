//! Makes a cache, array by array, in a way that can be interrupted at any moment.

use super::{Cache, CacheHeader, CacheSpec, DATA, FORMAT, HEADER, Precision, VERSION};
use crate::source::item_len;
use crate::write::{staging_name, sync_folder, write_whole};
use crate::{Error, Result};
use half::bf16;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const PROGRESS: &str = "progress.json";
const LOCK: &str = "lock";
/// After how many bytes progress is synced by itself: what a kill costs at most, about a thousand
/// latents of 3 x 64 x 64.
const SYNC_BYTES: usize = 64 << 20;

/// Makes a [`Cache`] in a staging folder beside its final place.
///
/// Arrays are pushed in order. Killed at any moment, [`begin`](Self::begin) with the same
/// specification goes on after the last array that was synced: `written` says where. A staging
/// folder of another specification, or whose data no longer has the hash that was recorded, is
/// started anew. Only [`finish`](Self::finish) gives the cache its name, in one rename.
#[derive(Debug)]
pub struct CacheWriter {
    path: PathBuf,
    staging: PathBuf,
    spec: CacheSpec,
    item: usize,
    data: BufWriter<File>,
    hasher: blake3::Hasher,
    written: usize,
    unsynced: usize,
    scratch: Vec<u8>,
    /// Held until the writer goes; the system lets go of it when the process dies.
    _lock: File,
}

/// `progress.json` of an unfinished cache.
#[derive(Serialize, Deserialize)]
struct Progress {
    spec: CacheSpec,
    written: usize,
    blake3: String,
}

impl CacheWriter {
    /// Begins a cache at `path`, or goes on with one that was interrupted.
    ///
    /// # Errors
    /// [`Error::CacheDiffers`] or [`Error::CacheDamaged`] when a cache stands there that is not of
    /// this specification; [`Error::Setting`] when one of it does (open it instead);
    /// [`Error::CacheBusy`] when another process is making it; [`Error::Io`].
    pub fn begin(path: &Path, spec: CacheSpec) -> Result<Self> {
        let item = item_len(spec.shape)?;
        spec.data_bytes()?;
        if path.exists() {
            Cache::open_for(path, &spec)?;
            return Err(Error::Setting {
                setting: "cache",
                value: path.display().to_string(),
                requirement: "a place where no finished cache stands; this one can be opened",
            });
        }
        let staging = staging_name(path, "cache");
        fs::create_dir_all(&staging).map_err(Error::io("create", &staging))?;
        let lock_path = staging.join(LOCK);
        let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::CacheBusy { path: path.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &lock_path)(error)),
        }
        let data_path = staging.join(DATA);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&data_path)
            .map_err(Error::io("create", &data_path))?;
        let (written, hasher) = resume(&staging, &spec, &mut file)?;
        let length = written * spec.item_bytes()?;
        file.set_len(length as u64).map_err(Error::io("cut", &data_path))?;
        file.seek(SeekFrom::Start(length as u64)).map_err(Error::io("read", &data_path))?;
        Ok(Self {
            path: path.to_owned(),
            staging,
            spec,
            item,
            data: BufWriter::with_capacity(1 << 20, file),
            hasher,
            written,
            unsynced: 0,
            scratch: Vec::new(),
            _lock: lock,
        })
    }

    /// The number of arrays written so far, those of earlier attempts included: the index of the
    /// array to push next.
    pub fn written(&self) -> usize {
        self.written
    }

    /// What the cache is to hold.
    pub fn spec(&self) -> &CacheSpec {
        &self.spec
    }

    /// Writes the next array.
    ///
    /// # Errors
    /// [`Error::Length`] and [`Error::NotFinite`], both before anything is written;
    /// [`Error::CacheCount`] when all arrays are there; [`Error::Io`], after which the writer must
    /// be dropped: what was synced stays.
    pub fn push(&mut self, values: &[f32]) -> Result<()> {
        if values.len() != self.item {
            let (got, expected) = (values.len(), self.item);
            return Err(Error::Length { what: "array for the cache", got, expected });
        }
        if self.written == self.spec.count {
            return Err(self.count_error());
        }
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            let (index, value) = (self.written, values[position]);
            return Err(Error::NotFinite { index, position, value });
        }
        self.scratch.clear();
        match self.spec.precision {
            Precision::F32 => self.scratch.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            Precision::Bf16 => {
                self.scratch.extend(values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()));
            }
        }
        let written = self.data.write_all(&self.scratch);
        written.map_err(Error::io("write", self.staging.join(DATA)))?;
        self.hasher.update(&self.scratch);
        self.written += 1;
        self.unsynced += self.scratch.len();
        if self.unsynced >= SYNC_BYTES { self.sync() } else { Ok(()) }
    }

    /// Makes everything pushed so far survive a kill or a loss of power. Happens by itself every
    /// 64 MiB; call it before stopping on purpose.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&mut self) -> Result<()> {
        let data = self.staging.join(DATA);
        self.data.flush().map_err(Error::io("write", &data))?;
        self.data.get_ref().sync_data().map_err(Error::io("sync", &data))?;
        let blake3 = self.hasher.finalize().to_hex().to_string();
        let progress = Progress { spec: self.spec.clone(), written: self.written, blake3 };
        write_json(&self.staging.join(PROGRESS), &progress)?;
        self.unsynced = 0;
        Ok(())
    }

    /// Gives the cache its name and opens it.
    ///
    /// # Errors
    /// [`Error::CacheCount`] when arrays are missing; [`Error::Io`]. The staging folder stays, to
    /// be gone on with.
    pub fn finish(mut self) -> Result<Cache> {
        if self.written != self.spec.count {
            return Err(self.count_error());
        }
        self.sync()?;
        let header = CacheHeader {
            format: FORMAT.to_owned(),
            version: VERSION,
            spec: self.spec.clone(),
            blake3: self.hasher.finalize().to_hex().to_string(),
        };
        write_json(&self.staging.join(HEADER), &header)?;
        // The last two are tidied away only under the final name: up to the rename, progress is
        // what an interrupted attempt goes on from.
        fs::rename(&self.staging, &self.path).map_err(Error::io("rename to", &self.path))?;
        sync_folder(&self.path)?;
        for leftover in [PROGRESS, LOCK] {
            let _ = fs::remove_file(self.path.join(leftover));
        }
        Cache::open(&self.path)
    }

    fn count_error(&self) -> Error {
        let (written, count) = (self.written, self.spec.count);
        Error::CacheCount { path: self.path.clone(), written, count }
    }
}

/// How much of an interrupted cache can be kept: its arrays, and the hash over them.
fn resume(staging: &Path, spec: &CacheSpec, data: &mut File) -> Result<(usize, blake3::Hasher)> {
    let nothing = || Ok((0, blake3::Hasher::new()));
    let Ok(text) = fs::read(staging.join(PROGRESS)) else { return nothing() };
    let Ok(progress) = serde_json::from_slice::<Progress>(&text) else { return nothing() };
    if progress.spec != *spec || progress.written > spec.count {
        return nothing();
    }
    let bytes = (progress.written * spec.item_bytes()?) as u64;
    let mut hasher = blake3::Hasher::new();
    let data_path = staging.join(DATA);
    hasher.update_reader(Read::by_ref(data).take(bytes)).map_err(Error::io("read", &data_path))?;
    let whole = hasher.count() == bytes && hasher.finalize().to_hex().as_str() == progress.blake3;
    if whole { Ok((progress.written, hasher)) } else { nothing() }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::io("write", path)(std::io::Error::from(error)))?;
    write_whole(path, &bytes)
}
