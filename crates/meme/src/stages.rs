//! Which stages of a run are done, and for which inputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::io;
use crate::{Error, Result};

/// `stages.json` of a run folder: a hash of every stage's inputs, and how long it took.
pub(crate) struct Stages {
    path: PathBuf,
    records: Mutex<BTreeMap<String, Record>>,
}

/// One stage that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// BLAKE3 of the inputs.
    pub(crate) inputs: String,
    /// Wall seconds.
    pub(crate) seconds: f64,
}

impl Stages {
    /// Reads the record of a run, empty where there is none.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Malformed`] for a file that is not ours.
    pub(crate) fn open(run: &Path) -> Result<Self> {
        let path = run.join("stages.json");
        let records = if path.exists() {
            let text = std::fs::read_to_string(&path).map_err(io(&path))?;
            serde_json::from_str(&text).map_err(|error| Error::Malformed {
                path: path.clone(),
                message: error.to_string(),
            })?
        } else {
            BTreeMap::new()
        };
        Ok(Self { path, records: Mutex::new(records) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `stage` was done for these inputs and all of `outputs` are still there.
    #[must_use]
    pub(crate) fn is_done(&self, stage: &str, inputs: &Value, outputs: &[PathBuf]) -> bool {
        let known = self.lock().get(stage).is_some_and(|record| record.inputs == hash(inputs));
        known && outputs.iter().all(|output| output.exists())
    }

    /// Does `work` unless it was done for these inputs; returns whether it did.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Io`] where the record cannot be written.
    pub(crate) fn once(
        &self,
        stage: &str,
        inputs: &Value,
        outputs: &[PathBuf],
        work: impl FnOnce() -> Result<()>,
    ) -> Result<bool> {
        if self.is_done(stage, inputs, outputs) {
            return Ok(false);
        }
        let started = Instant::now();
        work()?;
        self.record(stage, inputs, started.elapsed().as_secs_f64())?;
        Ok(true)
    }

    /// Notes that `stage` is done.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where the file cannot be written.
    pub(crate) fn record(&self, stage: &str, inputs: &Value, seconds: f64) -> Result<()> {
        let mut records = self.lock();
        records.insert(stage.into(), Record { inputs: hash(inputs), seconds });
        let text = serde_json::to_vec_pretty(&*records).unwrap_or_default();
        Ok(meme_checkpoint::write_file_whole(&self.path, &text)?)
    }

    /// What is done, by name.
    #[must_use]
    pub(crate) fn records(&self) -> BTreeMap<String, Record> {
        self.lock().clone()
    }
}

/// BLAKE3 of a JSON value; object keys are sorted, so equal values have equal hashes.
#[must_use]
pub(crate) fn hash(value: &Value) -> String {
    blake3::hash(value.to_string().as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stage_is_done_again_only_for_other_inputs_or_a_lost_output() {
        let run = tempfile::tempdir().unwrap();
        let output = run.path().join("result");
        let outputs = [output.clone()];
        let make = || std::fs::write(&output, "x").map_err(io(&output));
        let inputs = json!({"seed": 1});
        assert!(Stages::open(run.path()).unwrap().once("s", &inputs, &outputs, make).unwrap());
        let again = Stages::open(run.path()).unwrap();
        assert!(!again.once("s", &inputs, &outputs, make).unwrap());
        assert!(again.once("s", &json!({"seed": 2}), &outputs, make).unwrap());
        std::fs::remove_file(&output).unwrap();
        assert!(again.once("s", &json!({"seed": 2}), &outputs, make).unwrap());
    }
}
