//! Whoever wants to watch: bars, logs, sample grids.

use std::path::Path;

use crate::statistics::{Timing, Validated, Window};

/// One update, as an [`Observer`] sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Images seen after this update.
    pub images: u64,
    /// Images of this update.
    pub batch: u64,
    /// Images that this call of `train` goes to.
    pub until: u64,
    /// Mean loss of the batch.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// AdamW's rate.
    pub learning_rate: f64,
    /// Wall time of the whole step in seconds.
    pub seconds: f64,
}

/// Hooks into the loop; each has an empty default.
pub trait Observer {
    /// A run was opened: images already seen, and a sentence for each damaged checkpoint that was
    /// passed over.
    fn opened(&mut self, _images: u64, _damaged: &[String]) {}
    /// An update was made.
    fn step(&mut self, _report: &StepReport) {}
    /// A window of statistics is complete.
    fn window(&mut self, _window: &Window, _timing: &Timing) {}
    /// The moving average was measured on held-out data.
    fn validated(&mut self, _validated: &Validated) {}
    /// A checkpoint is whole on disk; updates have been made since it was copied.
    fn checkpoint(&mut self, _folder: &Path, _images: u64) {}
}

/// Watches nothing.
impl Observer for () {}
