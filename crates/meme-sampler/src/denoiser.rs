//! What a sampler asks a network.

use meme_router::Index;
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

    /// Says, before a run begins or goes on, at which indices it is going to ask, in that order.
    /// Whoever has something to prepare can begin; most networks have not, and this does nothing.
    ///
    /// # Errors
    /// Where it is certain already that an index cannot be answered.
    fn announce(&mut self, indices: &[Index]) -> Result<()> {
        let _ = indices;
        Ok(())
    }
}

impl<F: FnMut(&Tensor, &[Index]) -> Result<Tensor>> Denoiser for F {
    fn denoise(&mut self, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        self(x, indices)
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
