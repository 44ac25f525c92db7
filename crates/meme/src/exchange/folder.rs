//! The layout in which networks with mixers are exchanged (docs/checkpoints.md): `architecture.json`, the description,
//! and `model.safetensors`, the parameters under this project's names.

use std::collections::BTreeMap;
use std::path::Path;

use meme_blocks::Architecture;

use super::weights::{Weights, to_f32};
use super::{Import, NetworkWeights, refused};
use crate::Result;
use crate::error::io;

/// The description.
pub(super) const ARCHITECTURE: &str = "architecture.json";
/// The parameters.
pub(super) const MODEL: &str = "model.safetensors";
/// The diffusers whose folders were compared.
pub(super) const DIFFUSERS: &str = "0.35.2";

/// Reads such a folder.
pub(super) fn read(folder: &Path) -> Result<Import> {
    let file = folder.join(ARCHITECTURE);
    let text = std::fs::read_to_string(&file).map_err(io(&file))?;
    let architecture: Architecture =
        serde_json::from_str(&text).map_err(|error| refused(&file, error.to_string()))?;
    let weights = to_f32(meme_checkpoint::read_safetensors(folder.join(MODEL))?.tensors)?;
    let network = NetworkWeights { architecture, weights, average: None };
    Ok(Import { network: Some(network), ..Import::default() })
}

/// Writes one into a folder that exists.
pub(super) fn write(folder: &Path, architecture: &Architecture, weights: &Weights) -> Result<()> {
    let file = folder.join(ARCHITECTURE);
    let text = serde_json::to_string_pretty(architecture)
        .map_err(|error| refused(&file, error.to_string()))?;
    meme_checkpoint::write_file_whole(&file, format!("{text}\n").as_bytes())?;
    let metadata = BTreeMap::from([("format".to_owned(), "meme".to_owned())]);
    meme_checkpoint::write_safetensors(folder.join(MODEL), weights, &metadata)?;
    Ok(())
}
