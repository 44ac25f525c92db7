//! Blocks that can be run again in the backward pass.

use std::sync::{Arc, Mutex, PoisonError};

use meme_torch::Path;
use meme_torch::tch::Tensor;

use super::parts::Block;
use crate::error::Result;
use crate::plan::PlanBlock;
use crate::{Dropout, Error, Options};

/// A block that a checkpointed region can hold on to.
#[derive(Debug)]
pub(super) struct Shared(Arc<Block>);

// SAFETY: a block is not changed after it was built, and its tensors are handles whose counts are
// atomic; libtorch lets threads compute with the same weights. The second owner, a region of a graph,
// runs while the thread that called `backward` waits.
unsafe impl Send for Shared {}

impl Shared {
    pub(super) fn new(root: &Path<'_>, plan: &PlanBlock) -> Result<Self> {
        #[allow(clippy::arc_with_non_send_sync, reason = "see `Send` above")]
        Ok(Self(Arc::new(Block::new(root, plan)?)))
    }

    /// As the block's, checkpointed where the options ask for it.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        embedding: &Tensor,
        options: &mut Options<'_>,
    ) -> Result<Tensor> {
        if !options.checkpointing {
            return self.0.forward(x, embedding, options);
        }
        let (block, masks) = (Arc::clone(&self.0), Arc::new(Mutex::new(Vec::new())));
        let (input, steering) = (x.shallow_clone(), embedding.shallow_clone());
        let context = options.context.map(Tensor::shallow_clone);
        let drawn = Arc::clone(&masks);
        let again = move || {
            let mut replay = Replay { masks: Arc::clone(&drawn), next: 0 };
            let mut options = Options {
                context: context.as_ref(),
                dropout: Some(&mut replay),
                ..Options::default()
            };
            if drawn.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                options.dropout = None;
            }
            block.forward(&input, &steering, &mut options)
        };
        meme_torch::checkpoint(|| self.first(x, embedding, options, &masks), again)
    }

    /// The first pass, which writes down the masks it was given.
    fn first(
        &self,
        x: &Tensor,
        embedding: &Tensor,
        options: &mut Options<'_>,
        masks: &Mutex<Vec<Tensor>>,
    ) -> Result<Tensor> {
        let Some(inner) = options.dropout.take() else {
            return self.0.forward(x, embedding, options);
        };
        let mut recorder = |block: &str, map: &Tensor, probability: f64| {
            let mask = inner.mask(block, map, probability)?;
            masks.lock().unwrap_or_else(PoisonError::into_inner).push(mask.shallow_clone());
            Ok(mask)
        };
        let mut recording = Options {
            classes: options.classes,
            context: options.context,
            probe: None,
            dropout: Some(&mut recorder),
            checkpointing: true,
        };
        recording.probe = options.probe.as_mut().map(|probe| &mut **probe as &mut dyn crate::Probe);
        let result = self.0.forward(x, embedding, &mut recording);
        options.dropout = Some(inner);
        result
    }
}

/// The masks of the first pass, in their order.
struct Replay {
    masks: Arc<Mutex<Vec<Tensor>>>,
    next: usize,
}

impl Dropout for Replay {
    fn mask(&mut self, block: &str, map: &Tensor, _: f64) -> Result<Tensor, Error> {
        let masks = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        let mask = masks.get(self.next).map(Tensor::shallow_clone);
        self.next += 1;
        // The first pass drew one mask for each map; were there fewer, none would fit this place.
        mask.ok_or_else(|| Error::Shape {
            what: "the dropout masks of a block that is computed again",
            found: map.size(),
            needed: format!("one mask for each map of {block}"),
        })
    }
}
