//! `meme inspect`.

use std::path::{Path, PathBuf};

use clap::Args;
use meme_checkpoint::Tensors;
use serde_json::json;

use super::output;
use crate::Result;
use crate::progress::thousands;

/// Says what a checkpoint folder or a safetensors file holds, every byte verified
#[derive(Args)]
pub(crate) struct Inspect {
    /// A checkpoint folder (expert-N/checkpoints/IMAGES) or a .safetensors file
    path: PathBuf,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<()> {
        if self.path.is_dir() { self.folder() } else { self.file() }
    }

    fn folder(&self) -> Result<()> {
        let folder = meme_checkpoint::open_folder(&self.path)?;
        let manifest = folder.manifest();
        if self.json {
            let files: Vec<_> = manifest
                .files
                .iter()
                .map(
                    |(name, file)| json!({"name": name, "bytes": file.size, "blake3": file.blake3}),
                )
                .collect();
            output::json(&json!({"files": files, "state": folder.extra()}));
            return Ok(());
        }
        let rows: Vec<Vec<String>> = manifest
            .files
            .iter()
            .map(|(name, file)| {
                vec![name.clone(), thousands(file.size), file.blake3.chars().take(16).collect()]
            })
            .collect();
        let mut text = output::table(&["file", "bytes", "BLAKE3"], &rows);
        text.push_str("\nEvery size and hash is right. State:\n\n");
        text.push_str(&serde_json::to_string_pretty(folder.extra()).unwrap_or_default());
        output::text(&text);
        Ok(())
    }

    fn file(&self) -> Result<()> {
        let tensors = meme_checkpoint::read_safetensors(&self.path)?;
        if self.json {
            output::json(&describe(&tensors));
            return Ok(());
        }
        output::text(&list(&self.path, &tensors));
        Ok(())
    }
}

fn describe(tensors: &Tensors) -> serde_json::Value {
    let list: Vec<_> = tensors
        .iter()
        .map(|(name, data)| json!({"name": name, "dtype": data.dtype.name(), "shape": data.shape}))
        .collect();
    json!({"metadata": tensors.metadata, "tensors": list})
}

fn list(path: &Path, tensors: &Tensors) -> String {
    let rows: Vec<Vec<String>> = tensors
        .iter()
        .map(|(name, data)| {
            vec![name.to_owned(), data.dtype.name().to_owned(), format!("{:?}", data.shape)]
        })
        .collect();
    let elements: usize = tensors.iter().map(|(_, data)| data.count()).sum();
    format!(
        "{}: {} tensors, {} numbers, {} bytes\n\n{}",
        path.display(),
        tensors.len(),
        thousands(elements as u64),
        thousands(tensors.byte_count() as u64),
        output::table(&["tensor", "dtype", "shape"], &rows)
    )
}
