//! A `config.json` of diffusers, read field by field.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::refused;
use crate::error::io;
use crate::{Error, Result};

/// The fields of one file. Fields that begin with `_` are notes.
pub(super) struct Fields {
    path: PathBuf,
    map: Map<String, Value>,
}

impl Fields {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(io(path))?;
        let map = serde_json::from_str(&text).map_err(|error| refused(path, error.to_string()))?;
        Ok(Fields { path: path.to_path_buf(), map })
    }

    /// The class that wrote it.
    pub(super) fn class(&self) -> Result<&str> {
        let class = self.map.get("_class_name").and_then(Value::as_str);
        class.ok_or_else(|| self.refused("`_class_name` does not say whose file it is"))
    }

    pub(super) fn refused(&self, reason: impl Into<String>) -> Error {
        refused(&self.path, reason)
    }

    /// A field's value; `None` where it is absent or null.
    pub(super) fn get<T: DeserializeOwned>(&self, field: &str) -> Result<Option<T>> {
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value.clone())
                .map(Some)
                .map_err(|error| self.refused(format!("`{field}` is {value}: {error}"))),
        }
    }

    /// A field that must be there.
    pub(super) fn need<T: DeserializeOwned>(&self, field: &str) -> Result<T> {
        self.get(field)?.ok_or_else(|| self.refused(format!("`{field}` is missing")))
    }

    /// Refuses a field with a value other than one of `accepted`; absent ones have the accepted default.
    pub(super) fn only(&self, field: &str, accepted: &[Value]) -> Result<()> {
        match self.map.get(field) {
            None => Ok(()),
            Some(value) if accepted.iter().any(|accepted| same(accepted, value)) => Ok(()),
            Some(value) => {
                let accepted: Vec<String> = accepted.iter().map(ToString::to_string).collect();
                let accepted = accepted.join(" or ");
                Err(self
                    .refused(format!("`{field}` is {value}; networks here are as with {accepted}")))
            }
        }
    }

    /// Refuses fields of which nothing is known here: they might change the numbers.
    pub(super) fn know(&self, known: &[&str]) -> Result<()> {
        let strange = self.map.iter().find(|(name, value)| {
            !name.starts_with('_') && !known.contains(&name.as_str()) && !value.is_null()
        });
        match strange {
            None => Ok(()),
            Some((name, value)) => Err(self.refused(format!(
                "what `{name}` = {value} means for the network is not known here"
            ))),
        }
    }
}

/// Equal values; 1 and 1.0 are.
fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b)
}
