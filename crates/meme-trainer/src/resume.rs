//! Saving a run and finding it again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use meme_checkpoint::{Shelf, Tensors, VerifiedFolder};
use serde_json::{Value, json};

use crate::statistics::{self, Window};
use crate::{Error, Objective, Observer, Trainer};

/// Folder of the checkpoints in a run folder.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

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

fn number(checkpoint: &Path, manifest: &Value, field: &'static str) -> Result<u64, Error> {
    manifest[field]
        .as_u64()
        .ok_or_else(|| Error::Manifest { checkpoint: checkpoint.to_path_buf(), field })
}

impl<O: Objective> Trainer<O> {
    /// Writes a whole checkpoint, then removes the oldest ones beyond `keep`.
    pub(crate) fn save(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        if self.saved == Some(self.images) {
            return Ok(());
        }
        let clock = std::time::Instant::now();
        let mut writer = self.shelf.begin(self.images)?;
        let metadata = BTreeMap::new();
        writer.tensors(WEIGHTS, &self.parameters.to_data()?, &metadata)?;
        writer.tensors(EMA, &self.ema.to_data()?, &metadata)?;
        writer.tensors(OPTIMIZER, &self.optimizer.state()?, &metadata)?;
        let saved = writer.commit(json!({
            "images": self.images,
            "updates": self.updates,
            "window": self.window,
            "configuration": self.identity,
            "train": self.config,
            "threads": meme_torch::threads()?,
            "device": format!("{:?}", self.parameters.device()),
        }))?;
        self.shelf.prune(self.config.keep)?;
        self.saved = Some(self.images);
        self.timing.checkpoint += clock.elapsed().as_secs_f64();
        observer.checkpoint(&saved.path, self.images);
        Ok(())
    }

    /// Goes on from the newest good checkpoint; returns a sentence for each damaged one.
    pub(crate) fn resume(&mut self) -> Result<Vec<String>, Error> {
        self.shelf.make()?;
        self.shelf.remove_leftovers()?;
        let latest = self.shelf.latest_good()?;
        if let Some(checkpoint) = latest.good {
            self.adopt(&checkpoint)?;
        }
        let damaged = latest.skipped.iter().map(|skipped| skipped.error.to_string()).collect();
        for file in ["stats.jsonl", "timing.jsonl"] {
            statistics::truncate(&**self.shelf.storage(), &self.folder.join(file), self.images)?;
        }
        Ok(damaged)
    }

    fn adopt(&mut self, checkpoint: &VerifiedFolder) -> Result<(), Error> {
        let (folder, manifest) = (checkpoint.path(), checkpoint.extra());
        self.refuse_another_run(manifest)?;
        let window: Window = serde_json::from_value(manifest["window"].clone())
            .map_err(|_| Error::Manifest { checkpoint: folder.to_path_buf(), field: "window" })?;
        let images = number(folder, manifest, "images")?;
        let updates = number(folder, manifest, "updates")?;
        self.parameters.load(&checkpoint.tensors(WEIGHTS)?.tensors)?;
        self.ema.load(&checkpoint.tensors(EMA)?.tensors)?;
        self.optimizer.load_state(&checkpoint.tensors(OPTIMIZER)?.tensors)?;
        (self.images, self.updates, self.window) = (images, updates, window);
        self.saved = Some(images);
        Ok(())
    }

    /// The numbers that shape the weights must be those the run was begun with; how long it goes
    /// on and how often it saves may change.
    fn refuse_another_run(&self, manifest: &Value) -> Result<(), Error> {
        let mut lines = Vec::new();
        differences("", &manifest["configuration"], &self.identity, &mut lines);
        let mut before = manifest["train"].clone();
        let mut now = json!(self.config);
        for free in ["images", "checkpoint_seconds", "keep"] {
            // A rate that falls towards the end depends on where the end is.
            if free == "images" && self.config.decay_images > 0 {
                continue;
            }
            for value in [&mut before, &mut now] {
                value.as_object_mut().map(|fields| fields.remove(free));
            }
        }
        differences("train", &before, &now, &mut lines);
        if lines.is_empty() {
            return Ok(());
        }
        Err(Error::OtherConfiguration { folder: self.folder.clone(), difference: lines.join("\n") })
    }
}

/// One line for every leaf that differs between two JSON values.
fn differences(path: &str, before: &Value, now: &Value, lines: &mut Vec<String>) {
    let inside = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (before, now) = (a.get(key), b.get(key));
                differences(
                    &inside(key),
                    before.unwrap_or(&Value::Null),
                    now.unwrap_or(&Value::Null),
                    lines,
                );
            }
        }
        _ if before != now => lines.push(format!("  {path}: was {before}, now {now}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_leaf_is_shown_with_its_path_and_both_values() {
        let mut lines = Vec::new();
        let before = json!({"data": {"seed": 1, "size": 32}, "gone": true});
        let now = json!({"data": {"seed": 2, "size": 32}});
        differences("", &before, &now, &mut lines);
        assert_eq!(lines, ["  data.seed: was 1, now 2", "  gone: was true, now null"]);
    }
}
