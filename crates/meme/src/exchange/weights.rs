//! Sets of tensors: from files of several kinds, in float32, under other names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use meme_blocks::NameMap;
use meme_checkpoint::{Dtype, TensorData};
use meme_torch::tch::{Device, Tensor};
use meme_torch::{data_to_tensor, tensor_to_data};
use serde::Deserialize;

use super::refused;
use crate::Result;
use crate::error::io;

/// Tensors by name.
pub(super) type Weights = BTreeMap<String, TensorData>;

/// The table of a set that lies in several files.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads a folder's tensors: `diffusion_pytorch_model.safetensors`, its shards, or the older `.bin`.
pub(super) fn read_folder(folder: &Path) -> Result<Weights> {
    const NAME: &str = "diffusion_pytorch_model";
    let single = folder.join(format!("{NAME}.safetensors"));
    if single.exists() {
        return Ok(meme_checkpoint::read_safetensors(&single)?.tensors);
    }
    let index = folder.join(format!("{NAME}.safetensors.index.json"));
    if index.exists() {
        return read_shards(folder, &index);
    }
    let pickled = folder.join(format!("{NAME}.bin"));
    if pickled.exists() {
        return Ok(meme_checkpoint::read_torch(&pickled)?.tensors);
    }
    Err(refused(
        folder,
        format!("it holds neither {NAME}.safetensors, nor its index, nor {NAME}.bin"),
    ))
}

fn read_shards(folder: &Path, index: &Path) -> Result<Weights> {
    let text = std::fs::read_to_string(index).map_err(io(index))?;
    let Index { weight_map } =
        serde_json::from_str(&text).map_err(|error| refused(index, error.to_string()))?;
    let files: BTreeSet<&String> = weight_map.values().collect();
    let mut all = Weights::new();
    for file in files {
        if Path::new(file).components().count() != 1
            || file.contains(['/', '\\'])
            || file.starts_with('.')
        {
            return Err(refused(index, format!("{file:?} is no file of this folder")));
        }
        let path = folder.join(file);
        for (name, tensor) in meme_checkpoint::read_safetensors(&path)?.tensors {
            if weight_map.get(&name) != Some(file) {
                return Err(refused(
                    &path,
                    format!("it holds {name}, which the index does not place there"),
                ));
            }
            all.insert(name, tensor);
        }
    }
    if let Some(name) = weight_map.keys().find(|name| !all.contains_key(*name)) {
        return Err(refused(index, format!("{name} is in none of the files")));
    }
    Ok(all)
}

/// The tensors whose names begin with `prefix`, without it.
pub(super) fn below(all: &Weights, prefix: &str) -> Weights {
    let inside = all.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
    inside.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
}

/// The same values in float32: exact from halves, rounded to nearest from doubles.
pub(super) fn to_f32(weights: Weights) -> Result<Weights> {
    let convert = |(name, tensor): (String, TensorData)| {
        let tensor = match tensor.dtype {
            Dtype::F32 => tensor,
            _ => TensorData::from_f32(&tensor.to_f32()?, &tensor.shape)?,
        };
        Ok((name, tensor))
    };
    weights.into_iter().map(convert).collect()
}

/// Another project's tensors under our names.
pub(super) fn to_ours(map: &NameMap, theirs: &Weights) -> Result<Weights> {
    from_tensors(&map.to_ours(&to_tensors(theirs)?)?)
}

/// Our tensors under another project's names.
pub(super) fn to_theirs(map: &NameMap, ours: &Weights) -> Result<Weights> {
    from_tensors(&map.to_theirs(&to_tensors(ours)?)?)
}

fn to_tensors(weights: &Weights) -> Result<BTreeMap<String, Tensor>> {
    let convert = |(name, data): (&String, &TensorData)| {
        Ok((name.clone(), data_to_tensor(data, Device::Cpu)?))
    };
    weights.iter().map(convert).collect()
}

fn from_tensors(tensors: &BTreeMap<String, Tensor>) -> Result<Weights> {
    let convert = |(name, tensor): (&String, &Tensor)| Ok((name.clone(), tensor_to_data(tensor)?));
    tensors.iter().map(convert).collect()
}
