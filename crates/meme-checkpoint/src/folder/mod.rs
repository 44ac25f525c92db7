//! Checkpoints as whole folders.
//!
//! A folder is staged beside its final place, every file synced, the manifest with sizes and hashes
//! written last, and only then renamed. Whatever stands under a final name was therefore complete
//! when it got there, and whatever happened to it since shows in its hashes.

mod leftovers;
mod manifest;
mod open;
mod problem;
mod shelf;
mod writer;

pub use leftovers::{Leftovers, remove_leftovers};
pub use manifest::{FileRecord, MANIFEST, Manifest};
pub use open::{VerifiedFolder, open_folder};
pub use problem::FolderProblem;
pub use shelf::{KEEP_AT_LEAST, Latest, Listed, Pruned, Shelf, Skipped, latest_good, list, prune};
pub use writer::{Committed, FolderWriter};
