//! Images from anywhere, as plain arrays: folders, archives, or drawn from a seed.
//!
//! Training wants one thing from data: array number *n*, now, the same one every time. This crate
//! turns whatever lies on disk into that, in four steps that can be used alone.
//!
//! 1. An [`ImageSource`] is a list of named pictures. [`open`] makes one of a folder, a tar, a zip or (feature
//!    `parquet`) a Parquet file, whichever it finds; [`faces`] draws one that needs no files at all. Archives are read in
//!    place and never extracted.
//! 2. A [`Transform`] brings a picture to a square: shorter side to a resolution under a named
//!    [`Filter`], middle kept. The filters give the very bytes that OpenCV and Pillow give, because
//!    a Frechet distance moves with the filter.
//! 3. An [`ArraySource`] is a list of arrays of one shape, `[channels, height, width]`, float32:
//!    [`Pixels`] (decoded at every read), a [`cache::Cache`] (latents encoded once, mapped into
//!    memory), or [`InMemory`].
//! 4. An [`Order`] says which item comes at position *n* of an endless shuffled sequence, and a
//!    [`Loader`] reads along it, ahead, in parallel.
//!
//! ```
//! use meme_data::{ArraySource, Loader, LoaderOptions, Order, Pixels, RgbImage, Transform};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let folder = scratch.path();
//! for (name, colour) in [("red.png", [255, 0, 0]), ("grey.png", [51, 51, 51])] {
//!     meme_data::write_png(&folder.join(name), &RgbImage::filled(40, 30, colour))?;
//! }
//! let images = meme_data::open(folder)?;
//! assert_eq!((images.len(), images.name(0)), (2, "grey.png"));
//!
//! let pixels = Pixels::new(images, Transform::new(16))?;
//! assert_eq!(pixels.shape(), [3, 16, 16]);
//!
//! // Twelve images, six epochs of two, from position 4 on: as after a restart.
//! let order = Order::shuffled(7, pixels.len())?;
//! let options = LoaderOptions { threads: 2, start: 4, end: 12, ..LoaderOptions::default() };
//! for loaded in Loader::new(Arc::new(pixels), order, options)? {
//!     let loaded = loaded?;
//!     assert_eq!(loaded.place, order.at(loaded.place.counter));
//!     // Pixels are x / 127.5 - 1: 51 becomes -0.6.
//!     let first = if loaded.place.index == 0 { -0.6 } else { 1.0 };
//!     assert!((loaded.values[0] - first).abs() < 1e-6);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//! * **One sequence.** The item at a position is a pure function of (seed, position). Number of
//!   threads, shards, restarts and errors in between do not change it; the coin that mirrors an
//!   image is a function of the position too.
//! * **Names in errors.** What cannot be read is named, with its archive. Whether that ends the run
//!   or is skipped and reported is said once, by [`OnCorrupt`].
//! * **Bounded memory.** A file that claims more than [`Limits`] allow is refused before memory is
//!   set aside; a loader holds at most as many arrays as it was told.
//! * **Nothing half-written.** Pictures and caches get their names when they are complete and
//!   synced; a cache goes on after a kill.
//!
//! # What it does not do
//! Colour profiles are not applied, of animations only the first picture is read, a compressed tar
//! must be decompressed first, and an object store must be mounted or copied: everything here reads
//! files. Positioned reads make this crate one for Unix.

#![deny(missing_docs)]

pub mod cache;
mod corrupt;
mod decode;
mod drawn;
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
pub use drawn::DrawnFaces;
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
