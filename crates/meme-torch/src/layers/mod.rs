//! The plain layers: a struct, a configuration with a `Default`, a constructor on a path, `forward`.
//!
//! Weights have PyTorch's names, shapes and default initialisation, so state dictionaries carry
//! over name by name.

mod conv;
mod embedding;
mod ffi;
mod linear;
mod maps;
mod maximum;
mod norm;
mod packed;
mod plain;

pub use conv::{Conv2d, Conv2dConfig};
pub use embedding::Embedding;
pub use linear::{Linear, LinearConfig};
pub use maps::{
    Activation, Channels, Steering, affine, affine_and_copy, affine_in_place, depthwise,
    interleave, max_around, norm_affine, pool_windows,
};
pub use maximum::max_pool_around;
pub use norm::{GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig};
pub use packed::{PackedConv2d, PackedConv2dConfig};

use crate::Error;
use crate::parameters::Path;

/// An error about a layer on a path.
fn invalid(path: &Path<'_>, kind: &str, rule: String) -> Error {
    let place = if path.name().is_empty() { "the root" } else { path.name() };
    Error::Invalid { what: format!("{kind} at {place}"), rule }
}
