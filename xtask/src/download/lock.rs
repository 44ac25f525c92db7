//! `download.lock`: what every file was when it was first downloaded, beside the folders of all sources.
//!
//! Where a publisher gives no checksum, the first download decides what the file is, and a later one that differs is
//! refused. The file is small and meant to be kept, and to be copied to other machines.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::hash::Fingerprint;
use super::problem::{Problem, Result};

const NAME: &str = "download.lock";

/// The records, and the right to change them.
pub(crate) struct Lock {
    path: PathBuf,
    records: Vec<Record>,
    /// Held as long as this lives; goes with the process, however it ends.
    _guard: File,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default, rename = "file")]
    files: Vec<Record>,
}

/// What one file was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) source: String,
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// Where it came from.
    pub(crate) from: String,
    /// What it was compared with: `published checksum`, or `first use`.
    pub(crate) checked: String,
}

impl Lock {
    /// Opens the records in `folder`, which is made where it is missing; nobody else downloads there meanwhile.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Problem::io("make the folder", folder))?;
        let guard_path = folder.join(".download.guard");
        let guard = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&guard_path)
            .map_err(Problem::io("open", &guard_path))?;
        match guard.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Problem::Busy(folder.to_owned())),
            Err(TryLockError::Error(source)) => {
                return Err(Problem::io("lock", &guard_path)(source));
            }
        }
        let path = folder.join(NAME);
        let records = if path.exists() {
            let text = fs::read_to_string(&path).map_err(Problem::io("read", &path))?;
            let text: Text = toml::from_str(&text).map_err(|error| Problem::Lock {
                lock: path.clone(),
                message: error.to_string(),
            })?;
            text.files
        } else {
            Vec::new()
        };
        Ok(Lock { path, records, _guard: guard })
    }

    /// What a file was when it was downloaded first.
    pub(crate) fn get(&self, source: &str, path: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.source == source && record.path == path)
    }

    /// Records a file, in place of an earlier record of it.
    pub(crate) fn record(&mut self, record: Record) -> Result<()> {
        self.records.retain(|old| (&old.source, &old.path) != (&record.source, &record.path));
        self.records.push(record);
        self.records.sort_by(|a, b| (&a.source, &a.path).cmp(&(&b.source, &b.path)));
        let text = Text { files: self.records.clone() };
        let text = toml::to_string(&text).map_err(|error| Problem::Lock {
            lock: self.path.clone(),
            message: error.to_string(),
        })?;
        let text = format!(
            "# What was downloaded, and what it was. A later download that differs is refused;\n\
             # to accept it, remove the file's entry here.\n\n{text}"
        );
        meme_checkpoint::write_file_whole(&self.path, text.as_bytes())
            .map_err(|error| Problem::Lock { lock: self.path.clone(), message: error.to_string() })
    }
}

impl Record {
    /// How a file differs from what it was; `None` where it does not.
    pub(crate) fn difference(&self, found: &Fingerprint) -> Option<String> {
        (self.sha256 != found.sha256).then(|| {
            format!(
                "its SHA-256 is {}, at its first use ({} bytes from {}) it was {}",
                found.sha256, self.size, self.from, self.sha256
            )
        })
    }
}
