//! Counts for ever, saving as it goes; kill it however you like and start it again.
//!
//! Run with `cargo run -p meme-checkpoint --example survivor FOLDER`.
#![allow(clippy::print_stdout)]

use meme_checkpoint::{Shelf, TensorData};
use std::collections::BTreeMap;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder for the checkpoints")?;
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
    loop {
        step += 1;
        weights.iter_mut().for_each(|weight| *weight += 1.0);
        let tensor = TensorData::from_f32(&weights, &[1000, 1000])?;
        let mut writer = shelf.begin(step)?;
        writer.tensors("weights.safetensors", [("weights", &tensor)], &BTreeMap::new())?;
        let committed = writer.commit(serde_json::json!({ "step": step }))?;
        println!("saved {}", committed.path.display());
        shelf.prune(2)?;
    }
}
