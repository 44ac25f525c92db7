//! `meme inspect`.

use std::path::{Path, PathBuf};

use clap::Args;
use meme_checkpoint::{Tensors, VerifiedFolder};
use meme_trainer::{Change, Window};
use serde_json::{Value, json};

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
                let hash = file.blake3.chars().take(16).collect();
                Ok(vec![
                    name.clone(),
                    meaning(name),
                    held(&folder, name)?,
                    thousands(file.size),
                    hash,
                ])
            })
            .collect::<Result<_>>()?;
        let header = ["file", "what it is", "numbers", "bytes", "BLAKE3"];
        let mut text = output::table(&header, &rows);
        text.push_str("\nEvery size and hash is right.\n");
        text.push_str(&explain(folder.extra(), &accepted_since(&self.path)?));
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

/// What a file of a checkpoint is for.
fn meaning(name: &str) -> String {
    let average = name.strip_prefix("average-").and_then(|rest| rest.strip_suffix(".safetensors"));
    match (name, average) {
        ("weights.safetensors", _) => "weights".into(),
        ("ema.safetensors", _) => "moving average, which sampling uses".into(),
        ("optimizer.safetensors", _) => "AdamW's moments and steps".into(),
        (_, Some(deviation)) => format!("power-function average, deviation {deviation}"),
        _ => String::new(),
    }
}

/// How many numbers a safetensors file of a checkpoint holds.
fn held(folder: &VerifiedFolder, name: &str) -> Result<String> {
    if !name.ends_with(".safetensors") {
        return Ok(String::new());
    }
    let numbers: usize = folder.tensors(name)?.iter().map(|(_, data)| data.count()).sum();
    Ok(thousands(numbers as u64))
}

/// Changes that were accepted on this checkpoint, or after it.
fn accepted_since(path: &Path) -> Result<Vec<Change>> {
    let run = path.parent().and_then(Path::parent);
    let Some(run) = run else { return Ok(Vec::new()) };
    Ok(meme_trainer::read_lines(&run.join("changes.jsonl"))?)
}

/// The state of a checkpoint in sentences, then all that its manifest says.
fn explain(state: &Value, accepted: &[Change]) -> String {
    let mut text = String::new();
    if let Some(images) = state["images"].as_u64() {
        text.push_str(&format!("\nAfter {} images", thousands(images)));
        if let Some(updates) = state["updates"].as_u64() {
            text.push_str(&format!(" in {} updates", thousands(updates)));
        }
        let of = state["train"]["images"].as_u64();
        text.push_str(&of.map_or(String::new(), |of| format!(", of {} asked for", thousands(of))));
        text.push_str(".\n");
    }
    if let Ok(window) = serde_json::from_value::<Window>(state["window"].clone())
        && window.count > 0
    {
        text.push_str(&format!(
            "Loss {:.4} and gradient norm {:.4} over the last {} images, at rate {:e}.\n",
            window.mean_loss(),
            window.gradient_norm_sum / window.updates.max(1) as f64,
            thousands(window.count),
            window.learning_rate
        ));
    }
    let mut made = Vec::new();
    for (words, key) in [("with", "program"), ("on", "device")] {
        made.extend(state[key].as_str().map(|value| format!("{words} {value}")));
    }
    made.extend(state["threads"].as_u64().map(|threads| format!("{threads} threads")));
    if !made.is_empty() {
        text.push_str(&format!("Made {}.\n", made.join(", ")));
    }
    let mut changes: Vec<Change> =
        serde_json::from_value(state["changes"].clone()).unwrap_or_default();
    changes.extend(accepted.iter().filter(|it| !changes.contains(it)).cloned().collect::<Vec<_>>());
    if !changes.is_empty() {
        text.push_str("Changed on purpose:\n");
        for change in changes {
            text.push_str(&format!("  after {} images, {change}\n", thousands(change.images)));
        }
    }
    for (title, key) in [("What it was made of", "configuration"), ("Training numbers", "train")] {
        if let Some(fields) = state[key].as_object() {
            text.push_str(&format!("\n{title}:\n"));
            for (field, value) in fields {
                text.push_str(&format!("  {field}: {value}\n"));
            }
        }
    }
    text
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
