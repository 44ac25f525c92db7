//! Counts, saving as it goes; kill it however you like and start it again.
//!
//! With a folder it counts for ever: `cargo run -p meme-checkpoint --example survivor -- FOLDER`.
//! Without one it counts to three in a temporary folder, twice.
#![allow(clippy::print_stdout)]

use meme_checkpoint::{Shelf, TensorData};
use std::collections::BTreeMap;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(folder) = std::env::args().nth(1) {
        return count(Path::new(&folder), u64::MAX);
    }
    let folder = tempfile::tempdir()?;
    count(folder.path(), 3)?;
    count(folder.path(), 3)
}

/// Goes on from the newest good checkpoint in `folder` and saves so many more.
fn count(folder: &Path, saves: u64) -> Result<(), Box<dyn std::error::Error>> {
    let shelf = Shelf::new(folder);
    shelf.remove_leftovers()?;
    let latest = shelf.latest_good()?;
    for skipped in &latest.skipped {
        println!("passed over: {}", skipped.error);
    }
    let mut weights = vec![0.0f32; 1_000_000];
    let mut step = 0;
    if let Some(checkpoint) = latest.good {
        println!("continuing from {}", checkpoint.path().display());
        weights = checkpoint.tensors("weights.safetensors")?.get("weights")?.to_f32()?;
        step = checkpoint.extra()["step"].as_u64().ok_or("the manifest has no step")?;
    }
    for _ in 0..saves {
        step += 1;
        weights.iter_mut().for_each(|weight| *weight += 1.0);
        let tensor = TensorData::from_f32(&weights, &[1000, 1000])?;
        let mut writer = shelf.begin(step)?;
        writer.tensors("weights.safetensors", [("weights", &tensor)], &BTreeMap::new())?;
        let committed = writer.commit(serde_json::json!({ "step": step }))?;
        println!("saved {}", committed.path.display());
        shelf.prune(2)?;
    }
    Ok(())
}
