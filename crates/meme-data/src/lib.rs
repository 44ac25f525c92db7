//! Images from folders, archives or drawn from a seed: decoding, cropping, ordering, memory-mapped caches.

#![deny(missing_docs)]

mod error;
pub mod faces;
mod picture;
mod source;
mod transform;

pub use error::{Error, Result};
pub use picture::RgbImage;
pub use source::{ArraySource, HashDepth, ImageSource, InMemory};
pub use transform::{Crop, Filter, Transform};
