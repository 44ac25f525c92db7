//! Several networks, asked by number.

use meme_router::{Expert, Index};
use meme_torch::tch::Tensor;

use crate::{Denoiser, Error, Result};

/// Several networks, asked by number: resident in memory, loaded when needed, or far away.
///
/// Closures `FnMut(Expert, &Tensor, &[Index]) -> Result<Tensor>` are sources of experts.
pub trait ExpertSource {
    /// The raw answer of one expert, as [`Denoiser::denoise`].
    ///
    /// # Errors
    /// Whatever the expert meets.
    fn denoise(&mut self, expert: Expert, x: &Tensor, indices: &[Index]) -> Result<Tensor>;

    /// Says which experts are going to be asked, in that order, each named once for a stretch of
    /// steps. Sources that load experts begin with the first; others do nothing.
    ///
    /// # Errors
    /// Where it is certain already that an expert cannot be asked.
    fn announce(&mut self, experts: &[Expert]) -> Result<()> {
        let _ = experts;
        Ok(())
    }

    /// How many experts there are, if that is known: checked against the intervals.
    fn experts(&self) -> Option<usize> {
        None
    }
}

impl<F: FnMut(Expert, &Tensor, &[Index]) -> Result<Tensor>> ExpertSource for F {
    fn denoise(&mut self, expert: Expert, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        self(expert, x, indices)
    }
}

/// Experts that are all in memory: entry 0 is expert 1.
pub struct Resident<'a> {
    experts: Vec<Box<dyn Denoiser + 'a>>,
}

impl<'a> Resident<'a> {
    /// These experts, expert 1 (least noise) first.
    #[must_use]
    pub fn new(experts: Vec<Box<dyn Denoiser + 'a>>) -> Self {
        Self { experts }
    }
}

impl std::fmt::Debug for Resident<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resident").field("experts", &self.experts.len()).finish()
    }
}

impl ExpertSource for Resident<'_> {
    fn denoise(&mut self, expert: Expert, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        let experts = self.experts.len();
        match self.experts.get_mut(expert.position()) {
            Some(network) => network.denoise(x, indices),
            None => Err(Error::NoExpert { expert, experts }),
        }
    }

    fn experts(&self) -> Option<usize> {
        Some(self.experts.len())
    }
}
