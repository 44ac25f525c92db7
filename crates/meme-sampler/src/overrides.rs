//! What one expert does otherwise than the others.

use meme_router::Index;
use meme_schedule::{Parametrisation, Schedule};
use meme_torch::tch::{Kind, Tensor};

use crate::{Denoiser, Error, Result};

/// A network that computes in another type than the samples have: the question is converted to
/// `kind`, the answer back.
#[derive(Debug)]
pub struct InKind<D> {
    network: D,
    kind: Kind,
}

impl<D: Denoiser> InKind<D> {
    /// `network`, whose parameters have this type.
    #[must_use]
    pub fn new(network: D, kind: Kind) -> Self {
        Self { network, kind }
    }
}

impl<D: Denoiser> Denoiser for InKind<D> {
    fn denoise(&mut self, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        let answer = self.network.denoise(&x.f_to_kind(self.kind)?, indices)?;
        Ok(answer.f_to_kind(x.kind())?)
    }

    fn announce(&mut self, indices: &[Index]) -> Result<()> {
        self.network.announce(indices)
    }
}

/// A network that predicts noise, velocity or image where a plan expects another of them. The
/// answers are converted row by row; the image that they stand for is the same.
#[derive(Debug)]
pub struct Reparametrised<D> {
    network: D,
    /// Factors of x and of the answer, by index.
    factors: Vec<(f64, f64)>,
}

impl<D: Denoiser> Reparametrised<D> {
    /// `network`, which predicts as `from` says, as one that predicts as `to` says.
    #[must_use]
    pub fn new(
        network: D,
        schedule: &Schedule,
        from: Parametrisation,
        to: Parametrisation,
    ) -> Self {
        let table = schedule.alpha_bars().iter();
        Self { network, factors: table.map(|ab| from.conversion(to, *ab)).collect() }
    }
}

impl<D: Denoiser> Denoiser for Reparametrised<D> {
    fn denoise(&mut self, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        let answer = self.network.denoise(x, indices)?;
        let factors = indices.iter().map(|index| {
            let found = self.factors.get(index.get()).filter(|(a, b)| (a + b).is_finite());
            found.copied().ok_or(Error::NoSignal { index: index.get() })
        });
        let factors = factors.collect::<Result<Vec<(f64, f64)>>>()?;
        let (of_x, of_answer): (Vec<f64>, Vec<f64>) = factors.into_iter().unzip();
        if of_x.windows(2).all(|pair| pair[0] == pair[1]) {
            let Some((of_x, of_answer)) = of_x.first().zip(of_answer.first()) else {
                return Ok(answer);
            };
            return crate::walk::combine(&[(*of_x, x), (*of_answer, &answer)]);
        }
        let column = |values: &[f64]| -> Result<Tensor> {
            let mut shape = vec![1; x.dim()];
            shape[0] = values.len() as i64;
            Ok(meme_torch::from_f64(values, &shape, x.device())?.f_to_kind(x.kind())?)
        };
        Ok(x.f_mul(&column(&of_x)?)?.f_add(&answer.f_mul(&column(&of_answer)?)?)?)
    }

    fn announce(&mut self, indices: &[Index]) -> Result<()> {
        self.network.announce(indices)
    }
}
