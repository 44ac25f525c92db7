//! What a sampler asks a network.

use meme_router::{Expert, Index};
use meme_torch::tch::Tensor;

use crate::{Error, Result};

/// A network, or anything that stands for one, as a sampler sees it.
///
/// Closures `FnMut(&Tensor, &[Index]) -> Result<Tensor>` are denoisers.
pub trait Denoiser {
    /// The raw answer of the network to `x` [B, ...] at `indices` (one for each sample, 0..T-1), of
    /// the same shape: the noise, velocity or image, as the plan's parametrisation says.
    ///
    /// # Errors
    /// Whatever the network meets; wrap foreign errors with [`Error::denoiser`].
    fn denoise(&mut self, x: &Tensor, indices: &[Index]) -> Result<Tensor>;
}

impl<F: FnMut(&Tensor, &[Index]) -> Result<Tensor>> Denoiser for F {
    fn denoise(&mut self, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        self(x, indices)
    }
}

/// Several networks, asked by number: resident in memory, loaded when needed, or far away.
///
/// Closures `FnMut(Expert, &Tensor, &[Index]) -> Result<Tensor>` are sources of experts.
pub trait ExpertSource {
    /// The raw answer of one expert, as [`Denoiser::denoise`].
    ///
    /// # Errors
    /// Whatever the expert meets.
    fn denoise(&mut self, expert: Expert, x: &Tensor, indices: &[Index]) -> Result<Tensor>;

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

/// One index for each sample, and an answer of the shape of the question.
pub(crate) fn ask(
    denoiser: &mut (impl Denoiser + ?Sized),
    x: &Tensor,
    indices: &[Index],
) -> Result<Tensor> {
    check_batch(x, indices)?;
    let answer = denoiser.denoise(x, indices)?;
    check_answer(x, &answer, || "the denoiser's answer".to_owned())?;
    Ok(answer)
}

pub(crate) fn check_batch(x: &Tensor, indices: &[Index]) -> Result<()> {
    let batch = x.size().first().copied().unwrap_or(0) as usize;
    if batch == indices.len() {
        return Ok(());
    }
    Err(Error::Count { what: "indices", found: indices.len(), batch })
}

pub(crate) fn check_answer(x: &Tensor, answer: &Tensor, what: impl Fn() -> String) -> Result<()> {
    let (found, expected) = (answer.size(), x.size());
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape { what: what(), found, expected })
}
