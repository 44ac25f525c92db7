//! What a run says of itself: `stats.jsonl` and `timing.jsonl`.
//!
//! `stats.jsonl` holds only numbers that are functions of (configuration, images seen): a run that
//! was killed and resumed writes the same bytes as one that was not. Wall times are no such
//! function and go to `timing.jsonl`.

use std::io::{ErrorKind, Read};
use std::path::Path;

use meme_checkpoint::{RealStorage, Storage};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Losses of one bucket of timesteps within a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Images drawn into this bucket.
    pub count: u64,
    /// Sum of their losses.
    pub sum: f64,
}

/// Statistics over the images since the last window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Images seen at the end of the window.
    pub images: u64,
    /// Updates in the window.
    pub updates: u64,
    /// Images in the window.
    pub count: u64,
    /// Sum of the images' losses.
    pub loss_sum: f64,
    /// Sum over updates of the gradient's norm before clipping.
    pub gradient_norm_sum: f64,
    /// Largest gradient norm.
    pub gradient_norm_max: f64,
    /// AdamW's rate at the last update.
    pub learning_rate: f64,
    /// Losses and draws by timestep, low to high: the realised histogram of t.
    pub buckets: Vec<Bucket>,
}

impl Window {
    /// An empty window that starts at `images`.
    #[must_use]
    pub fn new(images: u64, buckets: usize) -> Self {
        Self { images, buckets: vec![Bucket::default(); buckets], ..Self::default() }
    }

    /// Takes in the losses of one batch.
    pub fn add_losses(&mut self, losses: &[f32], buckets: &[usize]) {
        for (&loss, &bucket) in losses.iter().zip(buckets) {
            self.count += 1;
            self.loss_sum += f64::from(loss);
            if let Some(slot) = self.buckets.get_mut(bucket) {
                slot.count += 1;
                slot.sum += f64::from(loss);
            }
        }
    }

    /// Takes in one update.
    pub fn add_update(&mut self, images: u64, gradient_norm: f64, learning_rate: f64) {
        self.images = images;
        self.updates += 1;
        self.gradient_norm_sum += gradient_norm;
        self.gradient_norm_max = self.gradient_norm_max.max(gradient_norm);
        self.learning_rate = learning_rate;
    }

    /// Mean loss of the window; NaN where it is empty.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        self.loss_sum / self.count as f64
    }
}

/// A line of `validation.jsonl`: losses of the moving average on held-out data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Validated {
    /// Images seen when the average was what was measured.
    pub images: u64,
    /// Timesteps, from 1.
    pub timesteps: Vec<u64>,
    /// Mean squared error at each.
    pub losses: Vec<f64>,
}

impl Validated {
    /// Mean over the timesteps; NaN where there are none.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }
}

/// Where the wall time went since the line before, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// Images seen at the end.
    pub images: u64,
    /// Images in that time.
    pub count: u64,
    /// Waiting for data.
    pub data: f64,
    /// Forward pass and loss.
    pub forward: f64,
    /// Backward pass.
    pub backward: f64,
    /// Clipping, AdamW, moving average.
    pub update: f64,
    /// Copying checkpoints for the thread that writes them, and waiting for it.
    pub checkpoint: f64,
    /// Writing checkpoints beside the loop; no part of the time that the loop took.
    pub writing: f64,
}

impl Timing {
    /// All that the loop took.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.data + self.forward + self.backward + self.update + self.checkpoint
    }

    /// Images per second.
    #[must_use]
    pub fn images_per_second(&self) -> f64 {
        self.count as f64 / self.seconds()
    }

    /// Share of the time spent waiting for data, 0 to 1.
    #[must_use]
    pub fn data_share(&self) -> f64 {
        if self.seconds() > 0.0 { self.data / self.seconds() } else { 0.0 }
    }
}

/// Appends one JSON line.
pub(crate) fn append(
    storage: &dyn Storage,
    path: &Path,
    line: &impl Serialize,
) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_path_buf(), source };
    let mut text = serde_json::to_vec(line).map_err(|error| io(error.into()))?;
    text.push(b'\n');
    storage.append(path, &text).map_err(io)
}

/// The text of a file; empty where there is none.
fn read_text(storage: &dyn Storage, path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let read = storage.open(path).and_then(|(mut file, _)| file.read_to_string(&mut text));
    match read {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(Error::Io { path: path.to_path_buf(), source })
        }
        _ => Ok(text),
    }
}

/// Reads every whole line of a `.jsonl` file; a torn last line is passed over.
///
/// # Errors
/// [`Error::Io`] where the file exists but cannot be read.
pub fn read_lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>, Error> {
    read_lines_on(&RealStorage, path)
}

pub(crate) fn read_lines_on<T: for<'de> Deserialize<'de>>(
    storage: &dyn Storage,
    path: &Path,
) -> Result<Vec<T>, Error> {
    let text = read_text(storage, path)?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Drops every line beyond `images`: the tail that a killed run wrote after its last checkpoint.
pub(crate) fn truncate(storage: &dyn Storage, path: &Path, images: u64) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Stamp {
        images: u64,
    }
    let text = read_text(storage, path)?;
    let kept: String = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .filter(|line| {
            serde_json::from_str::<Stamp>(line).is_ok_and(|stamp| stamp.images <= images)
        })
        .collect();
    if kept.len() != text.len() {
        meme_checkpoint::write_file_whole_on(storage, path, kept.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_keeps_lines_up_to_the_checkpoint_and_drops_a_torn_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.jsonl");
        for images in [10, 20, 30] {
            append(&RealStorage, &path, &Window::new(images, 0)).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"images\": 5"].concat()).unwrap();
        truncate(&RealStorage, &path, 20).unwrap();
        let kept: Vec<Window> = read_lines(&path).unwrap();
        assert_eq!(kept.iter().map(|window| window.images).collect::<Vec<_>>(), [10, 20]);
        assert!(whole.starts_with(&std::fs::read(&path).unwrap()));
    }

    #[test]
    fn sums_survive_json_to_the_last_bit() {
        let mut window = Window::new(0, 2);
        window.add_losses(&[0.1, 1.0 / 3.0, 2e-30], &[0, 1, 1]);
        window.add_update(3, 1.0 / 7.0, 1e-3);
        let text = serde_json::to_string(&window).unwrap();
        assert_eq!(serde_json::from_str::<Window>(&text).unwrap(), window);
    }
}
