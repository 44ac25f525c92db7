//! Weights at rest: strict safetensors, whole hashed checkpoint folders, nothing executed.
//!
//! Training for a week and finding that the last checkpoint is half a file is the kind of loss this
//! crate is there to prevent. It holds bytes, types and shapes; it knows no network and links no
//! tensor library.
//!
//! # Single files
//!
//! [`read_safetensors`] and [`parse`] accept what the safetensors format promises and nothing else,
//! and hand out every tensor or none; errors name the file and the tensor. [`write_safetensors`]
//! writes one canonical file for given contents, byte for byte what the reference implementation
//! writes. [`SafetensorsFile`] reads single tensors of large files. [`write_file_whole`] writes any
//! small file so that it is never seen half written.
//!
//! [`read_torch`] reads the weights of PyTorch's own files (`.pt`, `.pth`, `.ckpt`) without executing
//! what is pickled in them; see [`pickle`].
//!
//! # Whole folders
//!
//! A checkpoint is a folder of files with a manifest of their sizes and BLAKE3 hashes. A
//! [`FolderWriter`] builds it out of sight, syncs every file, writes the manifest last and shows the
//! folder with one rename; [`open_folder`] checks every byte before it hands out any. [`latest_good`]
//! finds the newest checkpoint in which everything is right and names the damaged ones it passed
//! over; [`prune`] removes old ones only after newer ones have been checked, and keeps at least two;
//! [`remove_leftovers`] clears away what killed writers left.
//!
//! ```
//! use meme_checkpoint::{Shelf, TensorData};
//! use std::collections::BTreeMap;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let folder = scratch.path().join("checkpoints");
//! let weight = TensorData::from_f32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])?;
//! let shelf = Shelf::new(&folder);
//!
//! let mut writer = shelf.begin(320_000)?;
//! writer.tensors("weights.safetensors", [("stem.weight", &weight)], &BTreeMap::new())?;
//! writer.commit(serde_json::json!({ "images": 320_000, "threads": 1 }))?;
//! shelf.prune(2)?;
//!
//! let latest = shelf.latest_good()?;
//! assert!(latest.skipped.is_empty());
//! let checkpoint = latest.good.ok_or("no checkpoint yet")?;
//! assert_eq!(checkpoint.extra()["images"], 320_000);
//! assert_eq!(checkpoint.tensors("weights.safetensors")?.get("stem.weight")?, &weight);
//!
//! // One bit is enough to be refused.
//! let file = folder.join("000320000/weights.safetensors");
//! let mut bytes = std::fs::read(&file)?;
//! *bytes.last_mut().ok_or("empty")? ^= 1;
//! std::fs::write(&file, bytes)?;
//! let refused = shelf.latest_good()?;
//! assert!(refused.good.is_none());
//! assert!(refused.skipped[0].error.to_string().contains("weights.safetensors has changed"));
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised, and on what it rests
//!
//! * An error at any operation (no space, no permission, a broken disk) leaves what was there before
//!   as it was. The tests fail every operation in turn, three ways.
//! * A process killed at any moment leaves only complete folders under final names. The tests kill
//!   writers at random moments.
//! * A folder that was committed survives a power failure, if the disk keeps what it has synced. The
//!   tests run a model of a disk that forgets everything else.
//! * A truncated file, a flipped bit, a missing file, a damaged manifest: refused, the file named. A
//!   hash is no signature: it shows accidents, not intent.
//! * A hostile file is refused or read, within memory in proportion to its size, and its names are
//!   shown without the control characters they may hold. The tests feed every reader with mutations
//!   of valid files in a process of limited memory; half a minute of that comes with the slow tests.

#![deny(missing_docs)]

mod dtype;
mod error;
mod folder;
pub mod pickle;
pub mod safetensors;
mod staging;
pub mod storage;
mod tensor;
mod whole;

pub use dtype::Dtype;
pub use error::{Error, Result};
pub use folder::{
    Committed, FileRecord, FolderProblem, FolderWriter, KEEP_AT_LEAST, Latest, Leftovers, Listed,
    MANIFEST, Manifest, Pruned, Shelf, Skipped, VerifiedFolder, latest_good, list, open_folder,
    prune, remove_leftovers,
};
pub use pickle::read_torch;
pub use safetensors::{
    SafetensorsFile, TensorInfo, parse, read_safetensors, safetensors_bytes, write_safetensors,
};
pub use staging::{DAMAGED_INFIX, STAGING_PREFIX};
pub use storage::{Identity, RealStorage, Storage};
pub use tensor::{TensorData, Tensors};
pub use whole::{write_file_whole, write_file_whole_on};
