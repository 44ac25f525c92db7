//! What a network is told besides its input: time, classes, context tokens.

use meme_torch::tch::Tensor;
use meme_torch::{Embedding, Path};

use crate::error::Result;
use crate::time::one_a_sample;
use crate::{Architecture, ClassConditioning, Error, TimeEmbedding};

/// The embeddings at a network's root, and the checks of what comes in.
#[derive(Debug)]
pub(crate) struct Conditioning {
    time: TimeEmbedding,
    in_channels: i64,
    /// Numbers of a context token; 0 without cross-attention.
    context: usize,
    /// The table of a network whose classes become context tokens.
    class_tokens: Option<Embedding>,
    classes: usize,
}

impl Conditioning {
    pub(crate) fn new(root: &Path<'_>, architecture: &Architecture) -> Result<Self> {
        let time = TimeEmbedding::new(root, architecture)?;
        let (classes, context) = (architecture.classes, architecture.context_channels());
        let class_tokens = (architecture.class_conditioning == ClassConditioning::Context)
            .then(|| Embedding::new(&(root / "classes"), classes as i64, context as i64))
            .transpose()?;
        let in_channels = architecture.in_channels as i64;
        Ok(Conditioning { time, in_channels, context, class_tokens, classes })
    }

    /// As [`UNet::time_embedding`](super::UNet::time_embedding).
    pub(crate) fn time_embedding(
        &self,
        indices: &Tensor,
        classes: Option<&Tensor>,
    ) -> Result<Tensor> {
        self.time.forward(indices, classes.filter(|_| self.class_tokens.is_none()))
    }

    /// As [`UNet::class_context`](super::UNet::class_context).
    pub(crate) fn class_context(&self, classes: &Tensor) -> Result<Tensor> {
        let Some(table) = &self.class_tokens else {
            return Err(Error::ClassContext);
        };
        one_a_sample("the classes", classes)?;
        Ok(table.forward(classes)?.f_unsqueeze(1)?)
    }

    /// Whether classes become context tokens.
    pub(crate) fn has_class_tokens(&self) -> bool {
        self.class_tokens.is_some()
    }

    /// The context tokens [B, T, D] of a pass, if the network reads any.
    pub(crate) fn context(
        &self,
        batch: i64,
        context: Option<&Tensor>,
        classes: Option<&Tensor>,
    ) -> Result<Option<Tensor>> {
        let context = match (context, &self.class_tokens, classes) {
            (Some(_), ..) if self.context == 0 => {
                return Err(Error::NoContext { why: "the network has no cross-attention" });
            }
            (Some(_), Some(_), Some(_)) => {
                return Err(Error::NoContext {
                    why: "so is `Options::classes`; give one of the two",
                });
            }
            (Some(context), ..) => context.shallow_clone(),
            (None, Some(_), Some(classes)) => self.class_context(classes)?,
            (None, Some(_), None) => {
                return Err(Error::Classes { classes: self.classes, given: false });
            }
            (None, None, _) if self.context == 0 => return Ok(None),
            (None, None, _) => return Err(Error::Context { width: self.context }),
        };
        match context.size().as_slice() {
            &[1, tokens, width] => Ok(Some(context.f_expand([batch, tokens, width], false)?)),
            _ => Ok(Some(context)),
        }
    }

    /// The number of samples.
    pub(crate) fn check(&self, x: &Tensor, embedding: &Tensor) -> Result<i64> {
        let size = x.size();
        let batch = match size.as_slice() {
            &[batch, channels, height, width]
                if channels == self.in_channels && height > 0 && width > 0 =>
            {
                batch
            }
            _ => {
                let needed = format!("[B, {}, H, W]", self.in_channels);
                return Err(Error::Shape { what: "the input", found: size, needed });
            }
        };
        match embedding.size().as_slice() {
            &[rows, _] if rows == batch || rows == 1 => Ok(batch),
            found => {
                let needed = format!("one row for each of the {batch} samples, or one for all");
                Err(Error::Shape { what: "the time embedding", found: found.to_vec(), needed })
            }
        }
    }
}
