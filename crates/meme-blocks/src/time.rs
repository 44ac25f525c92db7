//! From timestep indices to the vector that every residual block receives.

use meme_torch::tch::{Kind, Tensor};
use meme_torch::{Embedding, Linear, LinearConfig, Path, silu, sinusoidal};

use crate::error::Result;
use crate::{Architecture, Error};

/// Sines and cosines of the index through two linear layers, plus a vector of the class if there are classes.
///
/// Parameters: `time.hidden`, `time.output` and, with classes, `classes`.
#[derive(Debug)]
pub struct TimeEmbedding {
    hidden: Linear,
    output: Linear,
    classes: Option<Embedding>,
    count: usize,
    width: i64,
}

impl TimeEmbedding {
    /// Builds it at the network's root.
    ///
    /// # Errors
    /// [`Error::Layer`] where a parameter's name is taken.
    pub fn new(root: &Path<'_>, architecture: &Architecture) -> Result<Self> {
        let width = architecture.width as i64;
        let wide = architecture.embedding_channels() as i64;
        let classes = match architecture.embedded_classes() {
            0 => None,
            count => Some(Embedding::new(&(root / "classes"), count as i64, wide)?),
        };
        let linear = LinearConfig::default();
        Ok(TimeEmbedding {
            hidden: Linear::new(&(root / "time" / "hidden"), width, wide, linear)?,
            output: Linear::new(&(root / "time" / "output"), wide, wide, linear)?,
            classes,
            count: architecture.embedded_classes(),
            width,
        })
    }

    /// Indices 0..T, int64 `[B]`, and classes, int64 `[B]`, to [B, 4 * width].
    ///
    /// The result has gone through SiLU already, since every residual block begins with that.
    ///
    /// # Errors
    /// [`Error::Shape`] for indices that are not int64 `[B]`, [`Error::Classes`] where classes and network disagree.
    pub fn forward(&self, indices: &Tensor, classes: Option<&Tensor>) -> Result<Tensor> {
        let batch = one_a_sample("the timestep indices", indices)?;
        let waves = sinusoidal(indices, self.width)?.f_to_kind(self.hidden.weight.kind())?; // [B, width]
        let hidden = silu(&self.hidden.forward(&waves)?)?; // [B, 4 width]
        let mut embedding = self.output.forward(&hidden)?; // [B, 4 width]
        match (&self.classes, classes) {
            (None, None) => {}
            (Some(table), Some(classes)) => {
                let labels = one_a_sample("the classes", classes)?;
                if labels != batch {
                    let needed = format!("one class for each of the {batch} indices");
                    let found = classes.size();
                    return Err(Error::Shape { what: "the classes", found, needed });
                }
                embedding = embedding.f_add_(&table.forward(classes)?)?; // [B, 4 width]
            }
            (table, _) => {
                return Err(Error::Classes { classes: self.count, given: table.is_none() });
            }
        }
        Ok(silu(&embedding)?)
    }
}

/// Checks for int64 `[B]` and returns B.
pub(crate) fn one_a_sample(what: &'static str, tensor: &Tensor) -> Result<i64> {
    match (tensor.size().as_slice(), tensor.kind()) {
        (&[batch], Kind::Int64) => Ok(batch),
        (_, kind) => {
            let needed = format!("int64 numbers [B], not {kind:?}");
            Err(Error::Shape { what, found: tensor.size(), needed })
        }
    }
}
