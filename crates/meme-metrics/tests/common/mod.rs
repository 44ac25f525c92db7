//! Reading what other implementations left.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use meme_checkpoint::{Tensors, read_safetensors};
use ndarray::Array2;

/// A golden file of this crate.
pub(crate) fn golden(name: &str) -> Tensors {
    read_safetensors(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

/// A tensor of rank 2 in float64.
pub(crate) fn matrix(file: &Tensors, name: &str) -> Array2<f64> {
    let data = file.get(name).unwrap();
    Array2::from_shape_vec((data.shape[0], data.shape[1]), data.to_f64().unwrap()).unwrap()
}

/// A number in the metadata.
pub(crate) fn number(file: &Tensors, name: &str) -> f64 {
    file.metadata[name].parse().unwrap()
}

pub(crate) fn assert_close(found: f64, expected: f64, relative: f64) {
    let error = (found - expected).abs();
    assert!(error <= relative * expected.abs(), "{found} is not {expected}: off by {error:e}");
}

/// Third-party data, where there is any.
pub(crate) fn test_data(file: &str) -> Option<PathBuf> {
    let path = std::env::var_os("MEME_TEST_DATA").map(|folder| PathBuf::from(folder).join(file));
    let path = path.filter(|path| path.exists());
    if path.is_none() {
        eprintln!("skipped: MEME_TEST_DATA names no folder with {file}");
    }
    path
}
