//! Images from folders, archives or drawn from a seed: decoding, cropping, ordering, memory-mapped caches.

#![deny(missing_docs)]

pub mod cache;
mod corrupt;
mod decode;
mod error;
pub mod faces;
mod loader;
mod names;
mod order;
mod picture;
mod pixels;
mod resize;
mod source;
mod sources;
mod transform;
mod write;

pub use corrupt::{OnCorrupt, Skipped, Survey, survey};
pub use decode::{Limits, decode};
pub use error::{Error, Result};
pub use loader::{Loaded, Loader, LoaderOptions};
pub use names::NameList;
pub use order::{Order, Place, Split};
pub use picture::RgbImage;
pub use pixels::{Pixels, Subset, flip, is_flipped};
pub use source::{ArraySource, HashDepth, ImageSource, InMemory};
pub use sources::{open, open_with};
pub use transform::{Crop, Filter, Transform};
pub use write::{encode_png, grid, write_png};
