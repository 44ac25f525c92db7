//! What a forward pass can be given besides its input, and how it is watched.

use meme_torch::tch::Tensor;

use crate::Error;

/// What a forward pass can be given besides its input; the default is a plain evaluation.
#[derive(Default)]
pub struct Options<'a> {
    /// Class of each sample, int64 `[B]`, for a class-conditional network.
    pub classes: Option<&'a Tensor>,
    /// Context tokens of each sample, [B, T, D] with D = `transformer.context`, for a network with transformers; [1,
    /// T, D] serves all samples alike. Not given where classes become the context.
    pub context: Option<&'a Tensor>,
    /// Who watches feature maps.
    pub probe: Option<&'a mut dyn Probe>,
    /// Who draws the dropout masks of a training step; without one nothing is dropped.
    pub dropout: Option<&'a mut dyn Dropout>,
    /// Whether each block's feature maps are computed again in the backward pass instead of being kept: less memory,
    /// about a third more time, the same gradients to the last bit where the operations repeat. Dropout masks are kept.
    pub checkpointing: bool,
}

impl Options<'_> {
    /// Shows a feature map to the probe, if there is one that wants it.
    pub(crate) fn watch(&mut self, name: &str, map: &Tensor) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.wants(name)) {
            probe.see(name, map);
        }
    }

    /// Shows tokens [B, H W, C] as the map [B, C, H, W] that they are, if the probe wants it.
    pub(crate) fn watch_tokens(
        &mut self,
        name: &str,
        tokens: &Tensor,
        (height, width): (i64, i64),
    ) -> Result<(), Error> {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.wants(name)) {
            let map = tokens.f_transpose(1, 2)?.f_unflatten(2, [height, width])?;
            probe.see(name, &map);
        }
        Ok(())
    }

    /// The same options with these context tokens and no classes.
    pub(crate) fn with_context<'b>(&'b mut self, context: &'b Tensor) -> Options<'b> {
        Options {
            classes: None,
            context: Some(context),
            probe: self.probe.as_mut().map(|probe| &mut **probe as &mut dyn Probe),
            dropout: self.dropout.as_mut().map(|dropout| &mut **dropout as &mut dyn Dropout),
            checkpointing: self.checkpointing,
        }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("classes", &self.classes)
            .field("context", &self.context)
            .field("probe", &self.probe.is_some())
            .field("dropout", &self.dropout.is_some())
            .field("checkpointing", &self.checkpointing)
            .finish()
    }
}

/// Someone who watches named feature maps of a forward pass. [`feature_maps`](crate::feature_maps) lists the names.
///
/// ```
/// use meme_blocks::Probe;
/// use meme_torch::tch::Tensor;
///
/// /// Keeps the middle's output.
/// struct Middle(Option<Tensor>);
///
/// impl Probe for Middle {
///     fn wants(&self, name: &str) -> bool {
///         name == "middle.last"
///     }
///     fn see(&mut self, _: &str, map: &Tensor) {
///         self.0 = Some(map.detach());
///     }
/// }
/// ```
pub trait Probe {
    /// Whether [`see`](Self::see) is to be called for this feature map.
    fn wants(&self, name: &str) -> bool;

    /// The feature map itself, [B, C, H, W], with its gradient's history. Copy what is kept: the network goes on to
    /// use the tensor.
    fn see(&mut self, name: &str, map: &Tensor);
}

/// Someone who draws dropout masks, from a generator of the caller's choice. Closures do.
///
/// `meme_torch::dropout_mask` makes one from a stream for each sample; give each block streams of its own, for example
/// by mixing `meme_torch::name_counter(block)` into their counters.
pub trait Dropout {
    /// The mask of one block's feature map of shape [B, C, H, W]: each element is 0 with `probability`, otherwise
    /// `1 / (1 - probability)`. Dtype, device and shape must be the map's.
    ///
    /// # Errors
    /// Whatever keeps the mask from being drawn.
    fn mask(&mut self, block: &str, map: &Tensor, probability: f64) -> Result<Tensor, Error>;
}

impl<F: FnMut(&str, &Tensor, f64) -> Result<Tensor, Error>> Dropout for F {
    fn mask(&mut self, block: &str, map: &Tensor, probability: f64) -> Result<Tensor, Error> {
        self(block, map, probability)
    }
}
