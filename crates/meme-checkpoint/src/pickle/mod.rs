//! PyTorch's own files, read without executing anything.
//!
//! A `.pt`, `.pth` or `.ckpt` file holds a pickle: a program for a small stack machine that may call any
//! function of the machine it is loaded on. This reader runs that machine with nothing to call. It
//! builds numbers, strings, containers and descriptions of tensors; every other class becomes an inert
//! [`Item`] with its name, arguments and state as plain data, so that a trainer's checkpoint with
//! callbacks and configuration objects can still be read for its weights. What was met and not built
//! is listed by [`TorchFile::foreign_classes`].
//!
//! Read are the zip format that PyTorch writes since version 1.6, TorchScript archives (their weights,
//! not their code), and the older format of concatenated pickles; little-endian, uncompressed, as PyTorch
//! writes them.
//!
//! No file can exhaust the machine: nothing is decompressed, the values of a pickle are counted (at some
//! hundred megabytes a file is refused), tensors that share storage are bounded in sum by a multiple of
//! the file's size, recursion is bounded in depth.
//!
//! A flipped bit in a zip archive is noticed by its checksums; the older format has none.

mod build;
mod file;
mod graph;
mod machine;
mod problem;
mod source;
mod walk;

pub use file::{TorchFile, read_torch};
pub use graph::{Item, ItemKind};
pub use problem::PickleProblem;
