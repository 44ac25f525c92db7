//! What shapes the weights: compared with what a run was begun with, and changed on purpose only.
//!
//! The authority is the newest good checkpoint. A change that was accepted is a line of
//! `changes.jsonl`; until the next checkpoint is written that line holds beside the checkpoint, and
//! every later checkpoint carries the whole list.

use std::collections::BTreeSet;
use std::path::Path;

use meme_checkpoint::{RealStorage, VerifiedFolder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::resume::{checkpoints, number};
use crate::statistics::read_lines_on;
use crate::{Error, TrainConfig};

/// The file of accepted changes in a run folder.
pub(crate) const CHANGES: &str = "changes.jsonl";

/// One value that is no longer what the run was begun with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Images seen when it changed.
    pub images: u64,
    /// Where it stands, dotted: `train.learning_rate`.
    pub path: String,
    /// What it was; null where it was absent.
    pub was: Value,
    /// What it is; null where it is absent.
    pub now: Value,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: was {}, now {}", self.path, self.was, self.now)
    }
}

/// Refuses a configuration that is not the one that the run in `folder` has, before anything is
/// written; a folder without a checkpoint takes any.
///
/// How long the run goes on, how often it saves and validates, how many checkpoints stay and
/// whether feature maps are computed again are no part of it.
///
/// # Errors
/// [`Error::OtherConfiguration`] with every difference; what reading checkpoints can fail with.
pub fn compare(folder: &Path, config: &TrainConfig, identity: &Value) -> Result<(), Error> {
    refuse(folder, &changes(folder, config, identity)?)
}

/// Every difference between a configuration and the one that the run in `folder` has; none where
/// the folder has no checkpoint.
///
/// # Errors
/// What reading checkpoints can fail with.
pub fn changes(
    folder: &Path,
    config: &TrainConfig,
    identity: &Value,
) -> Result<Vec<Change>, Error> {
    let Some(checkpoint) = checkpoints(folder).latest_good()?.good else { return Ok(Vec::new()) };
    let accepted = read_lines_on(&RealStorage, &folder.join(CHANGES))?;
    since(&checkpoint, &accepted, config, identity)
}

pub(crate) fn refuse(folder: &Path, changes: &[Change]) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = changes.iter().map(|change| format!("  {change}")).collect();
    Err(Error::OtherConfiguration { folder: folder.to_path_buf(), difference: lines.join("\n") })
}

/// What differs from a checkpoint on which `accepted` changes were made.
pub(crate) fn since(
    checkpoint: &VerifiedFolder,
    accepted: &[Change],
    config: &TrainConfig,
    identity: &Value,
) -> Result<Vec<Change>, Error> {
    let manifest = checkpoint.extra();
    let images = number(checkpoint.path(), manifest, "images")?;
    // A field that is younger than the checkpoint had its default then.
    let before = serde_json::from_value::<TrainConfig>(manifest["train"].clone());
    let before = before.map_or_else(|_| manifest["train"].clone(), |config| json!(config));
    let mut before = whole(&manifest["configuration"], before, config);
    for change in accepted.iter().filter(|change| change.images == images) {
        put(&mut before, &change.path, &change.now);
    }
    let mut found = Vec::new();
    differences("", &before, &whole(identity, json!(config), config), &mut |path, was, now| {
        let (path, was, now) = (path.to_owned(), was.clone(), now.clone());
        found.push(Change { images, path, was, now });
    });
    Ok(found)
}

/// Identity and training numbers as one value, without what may change freely.
fn whole(identity: &Value, mut train: Value, config: &TrainConfig) -> Value {
    let free = [
        "images",
        "checkpoint_seconds",
        "keep",
        "activation_checkpointing",
        "validation_images",
        "snapshot_images",
    ];
    // A rate that falls towards the end depends on where the end is.
    let fixed = config.decay_images > 0 && config.decay.needs_the_end();
    for key in free.into_iter().filter(|key| !(fixed && *key == "images")) {
        train.as_object_mut().map(|fields| fields.remove(key));
    }
    let mut whole = identity
        .as_object()
        .cloned()
        .unwrap_or_else(|| Map::from_iter([("identity".to_owned(), identity.clone())]));
    whole.insert("train".to_owned(), train);
    Value::Object(whole)
}

fn put(value: &mut Value, path: &str, new: &Value) {
    let mut place = value;
    for key in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Some(fields) = place.as_object_mut() else { return };
        place = fields.entry(key).or_insert(Value::Null);
    }
    *place = new.clone();
}

/// Calls `found` for every leaf that differs between two JSON values; an absent one is null.
fn differences(
    path: &str,
    before: &Value,
    now: &Value,
    found: &mut dyn FnMut(&str, &Value, &Value),
) {
    let (Value::Object(a), Value::Object(b)) = (before, now) else {
        if before != now {
            found(path, before, now);
        }
        return;
    };
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let inside = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let (before, now) = (a.get(key), b.get(key));
        differences(&inside, before.unwrap_or(&Value::Null), now.unwrap_or(&Value::Null), found);
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
        differences("", &before, &now, &mut |path, was, now| {
            lines.push(format!("{path}: was {was}, now {now}"));
        });
        assert_eq!(lines, ["data.seed: was 1, now 2", "gone: was true, now null"]);
    }

    #[test]
    fn a_put_value_is_found_where_it_was_put() {
        let mut value = json!({"train": {"batch": 4}});
        put(&mut value, "train.batch", &json!(8));
        put(&mut value, "data.seed", &json!(1));
        assert_eq!(value, json!({"train": {"batch": 8}, "data": {"seed": 1}}));
    }
}
