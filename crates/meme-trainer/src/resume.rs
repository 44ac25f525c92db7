//! Saving a run and finding it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use meme_checkpoint::{Shelf, Tensors, VerifiedFolder};
use meme_torch::map_verified;
use meme_torch::tch::Tensor;
use serde_json::{Value, json};

use crate::averages::{Data, SNAPSHOTS};
use crate::changes::{self, CHANGES, Change};
use crate::statistics::{self, Validated, Window};
use crate::{Error, Objective, Observer, Trainer};

/// Folder of the checkpoints in a run folder.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// The validation losses of a run folder.
pub(crate) const VALIDATION: &str = "validation.jsonl";

const WEIGHTS: &str = "weights.safetensors";
const EMA: &str = "ema.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// The checkpoints of one network's run folder, named by images seen.
#[must_use]
pub fn checkpoints(run: &Path) -> Shelf {
    Shelf::new(run.join(CHECKPOINTS))
}

/// The newest whole checkpoint of a run, verified, and the images it has seen.
///
/// Damaged ones are passed over. `None` where there is none.
///
/// # Errors
/// What listing the folder can fail with.
pub fn newest_checkpoint(run: &Path) -> Result<Option<(VerifiedFolder, u64)>, Error> {
    let Some(checkpoint) = checkpoints(run).latest_good()?.good else { return Ok(None) };
    let images = number(checkpoint.path(), checkpoint.extra(), "images")?;
    Ok(Some((checkpoint, images)))
}

/// The moving average of the weights in a checkpoint, which sampling uses.
///
/// # Errors
/// What reading and verifying can fail with.
pub fn read_ema(checkpoint: &VerifiedFolder) -> Result<Tensors, Error> {
    Ok(checkpoint.tensors(EMA)?)
}

/// As [`read_ema`], as tensors on the CPU, for those who read it many times: see [`map_verified`].
///
/// # Errors
/// As [`map_verified`].
pub fn map_ema(checkpoint: &VerifiedFolder) -> Result<BTreeMap<String, Tensor>, Error> {
    Ok(map_verified(checkpoint, EMA)?)
}

pub(crate) fn number(
    checkpoint: &Path,
    manifest: &Value,
    field: &'static str,
) -> Result<u64, Error> {
    manifest[field]
        .as_u64()
        .ok_or_else(|| Error::Manifest { checkpoint: checkpoint.to_path_buf(), field })
}

/// A network's state in ordinary memory, and what the manifest says of it.
struct Snapshot {
    images: u64,
    files: Vec<(String, Data)>,
    extra: Value,
}

impl Snapshot {
    /// Writes it whole, then removes the oldest beyond `keep` where there is such a number.
    fn write(self, shelf: &Shelf, keep: Option<usize>) -> Result<PathBuf, Error> {
        let mut writer = shelf.begin(self.images)?;
        for (name, tensors) in &self.files {
            writer.tensors(name, tensors, &BTreeMap::new())?;
        }
        let saved = writer.commit(self.extra)?;
        if let Some(keep) = keep {
            shelf.prune(keep)?;
        }
        Ok(saved.path)
    }
}

impl<O: Objective> Trainer<O> {
    /// Copies the state and has it written beside the loop, which goes on meanwhile; a checkpoint
    /// that is still being written is waited for first.
    pub(crate) fn save(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        if self.saved == Some(self.images) {
            return Ok(());
        }
        let clock = Instant::now();
        self.settle(true, observer)?;
        let mut files = vec![
            (WEIGHTS.to_owned(), self.parameters.to_data()?),
            (EMA.to_owned(), self.ema.to_data()?),
            (OPTIMIZER.to_owned(), self.optimizer.state()?),
        ];
        files.extend(self.averages.to_data()?);
        let extra = json!({
            "images": self.images,
            "updates": self.updates,
            "window": self.window,
            "configuration": self.identity,
            "train": self.config,
            "changes": self.changes,
            "threads": meme_torch::threads()?,
            "device": format!("{:?}", self.parameters.device()),
            "program": format!("meme-trainer {}", env!("CARGO_PKG_VERSION")),
        });
        let snapshot = Snapshot { images: self.images, files, extra };
        let (shelf, keep) = (self.shelf.clone(), self.config.keep);
        self.writing.begin(self.images, true, move || snapshot.write(&shelf, Some(keep)))?;
        self.saved = Some(self.images);
        self.timing.checkpoint += clock.elapsed().as_secs_f64();
        Ok(())
    }

    /// Copies the power-function averages and has them written beside the loop.
    pub(crate) fn snapshot(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let clock = Instant::now();
        self.settle(true, observer)?;
        let shelf = self.snapshot_shelf();
        let extra = json!({"images": self.images, "batch": self.config.batch});
        let snapshot = Snapshot { images: self.images, files: self.averages.to_data()?, extra };
        self.writing.begin(self.images, false, move || snapshot.write(&shelf, None))?;
        self.timing.checkpoint += clock.elapsed().as_secs_f64();
        Ok(())
    }

    fn snapshot_shelf(&self) -> Shelf {
        Shelf::on(std::sync::Arc::clone(self.shelf.storage()), self.folder.join(SNAPSHOTS))
    }

    /// Takes note of what has been written meanwhile; waits for it where `wait` says so.
    pub(crate) fn settle(&mut self, wait: bool, observer: &mut dyn Observer) -> Result<(), Error> {
        let written = self.writing.take(wait).inspect_err(|_| self.saved = None)?;
        if let Some(written) = written {
            self.timing.writing += written.seconds;
            if written.checkpoint {
                observer.checkpoint(&written.path, written.images);
            }
        }
        Ok(())
    }

    /// Goes on from the newest good checkpoint; returns a sentence for each damaged one. Nothing is
    /// written before the configuration has been compared.
    pub(crate) fn resume(&mut self, accept_changes: bool) -> Result<Vec<String>, Error> {
        let storage = std::sync::Arc::clone(self.shelf.storage());
        let latest = self.shelf.latest_good()?;
        if latest.good.is_none() && !latest.skipped.is_empty() {
            let reasons: Vec<_> = latest.skipped.iter().map(|it| it.error.to_string()).collect();
            let (folder, reasons) = (self.folder.clone(), reasons.join("\n"));
            return Err(Error::NoGoodCheckpoint { folder, reasons });
        }
        let accepted = statistics::read_lines_on(&*storage, &self.folder.join(CHANGES))?;
        let mut changed = Vec::new();
        if let Some(checkpoint) = &latest.good {
            changed = changes::since(checkpoint, &accepted, &self.config, &self.identity)?;
            if !accept_changes {
                changes::refuse(&self.folder, &changed)?;
            }
            self.adopt(checkpoint)?;
        }
        self.shelf.make()?;
        self.shelf.remove_leftovers()?;
        for file in ["stats.jsonl", "timing.jsonl", VALIDATION, CHANGES] {
            statistics::truncate(&*storage, &self.folder.join(file), self.images)?;
        }
        self.forget_later_snapshots()?;
        for change in &changed {
            self.append(CHANGES, change)?;
        }
        self.changes =
            accepted.into_iter().filter(|it: &Change| it.images <= self.images).collect();
        self.changes.extend(changed);
        let validated: Vec<Validated> =
            statistics::read_lines_on(&*storage, &self.folder.join(VALIDATION))?;
        self.validated = validated.last().map(|it| it.images);
        Ok(latest.skipped.iter().map(|skipped| skipped.error.to_string()).collect())
    }

    fn adopt(&mut self, checkpoint: &VerifiedFolder) -> Result<(), Error> {
        let (folder, manifest) = (checkpoint.path(), checkpoint.extra());
        let window: Window = serde_json::from_value(manifest["window"].clone())
            .map_err(|_| Error::Manifest { checkpoint: folder.to_path_buf(), field: "window" })?;
        let images = number(folder, manifest, "images")?;
        let updates = number(folder, manifest, "updates")?;
        let weights = checkpoint.tensors(WEIGHTS)?.tensors;
        self.parameters.load(&weights)?;
        self.ema.load(&checkpoint.tensors(EMA)?.tensors)?;
        self.optimizer.load_state(&checkpoint.tensors(OPTIMIZER)?.tensors)?;
        self.averages.load(checkpoint, &weights)?;
        (self.images, self.updates, self.window) = (images, updates, window);
        self.saved = Some(images);
        Ok(())
    }

    /// Removes snapshots that a killed run took after its last checkpoint: it takes them again.
    fn forget_later_snapshots(&self) -> Result<(), Error> {
        let shelf = self.snapshot_shelf();
        shelf.remove_leftovers()?;
        for path in shelf.paths()? {
            let number = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
            if number.is_some_and(|images| images > self.images) {
                shelf.remove(&path)?;
            }
        }
        Ok(())
    }
}
