//! A table of vectors.

use super::invalid;
use crate::Init;
use crate::error::{Context, Error};
use crate::parameters::Path;
use tch::Tensor;

/// A table of `count` vectors of `features` numbers, standard normal at first as in PyTorch.
#[derive(Debug)]
pub struct Embedding {
    /// `[count, features]`.
    pub weight: Tensor,
}

impl Embedding {
    /// Creates `weight` at `path`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for sizes below 1, [`Error::Duplicate`] where the path is taken.
    pub fn new(path: &Path<'_>, count: i64, features: i64) -> Result<Self, Error> {
        if count < 1 || features < 1 {
            let rule = format!("{count} vectors of {features} numbers: both must be at least 1");
            return Err(invalid(path, "embedding", rule));
        }
        let weight = path.parameter("weight", &[count, features], Init::Normal { std: 1.0 })?;
        Ok(Self { weight })
    }

    /// Indices (int64, `[...]`) in `0..count` to vectors, `[..., features]`.
    ///
    /// # Errors
    /// [`Error::Torch`] for an index outside the table or indices that are not integers.
    pub fn forward(&self, indices: &Tensor) -> Result<Tensor, Error> {
        Tensor::f_embedding(&self.weight, indices, -1, false, false).during("embedding")
    }
}
