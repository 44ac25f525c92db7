//! Classifier-free guidance.

use std::ops::RangeInclusive;

use meme_router::{Index, Timestep};
use meme_torch::tch::Tensor;

use crate::denoiser::ask;
use crate::{Denoiser, Error, Result};

/// A conditional and an unconditional network as one denoiser (Ho and Salimans 2022, arXiv
/// 2207.12598, in the form of Saharia et al.): `unconditional + scale (conditional -
/// unconditional)`.
///
/// A scale of 1 is the conditional network, of 0 the unconditional; then, and outside the
/// timesteps of [`Guided::within`], only the one network that counts is asked. The answers of noise,
/// velocity and image networks are linear in each other for given `x`, so guidance means the same
/// in each.
#[derive(Debug)]
pub struct Guided<C, U> {
    conditional: C,
    unconditional: U,
    scale: f64,
    within: Option<RangeInclusive<Timestep>>,
}

impl<C: Denoiser, U: Denoiser> Guided<C, U> {
    /// Guidance of this strength at every timestep.
    ///
    /// # Errors
    /// [`Error::Setting`] for a scale that is not finite.
    pub fn new(conditional: C, unconditional: U, scale: f64) -> Result<Self> {
        if !scale.is_finite() {
            let allowed = "any finite number; 1 means no guidance";
            return Err(Error::Setting { name: "guidance scale", value: scale, allowed });
        }
        Ok(Self { conditional, unconditional, scale, within: None })
    }

    /// Guides only at these timesteps, and takes the conditional network as it is elsewhere
    /// (Kynkäänniemi et al. 2024, "Applying Guidance in a Limited Interval").
    #[must_use]
    pub fn within(mut self, timesteps: RangeInclusive<Timestep>) -> Self {
        self.within = Some(timesteps);
        self
    }

    fn guides(&self, index: Index) -> bool {
        self.within.as_ref().is_none_or(|within| within.contains(&index.timestep()))
    }
}

impl<C: Denoiser, U: Denoiser> Denoiser for Guided<C, U> {
    fn announce(&mut self, indices: &[Index]) -> Result<()> {
        self.conditional.announce(indices)?;
        self.unconditional.announce(indices)
    }

    fn denoise(&mut self, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        let guided = indices.iter().filter(|index| self.guides(**index)).count();
        if guided == 0 || self.scale == 1.0 {
            return ask(&mut self.conditional, x, indices);
        }
        if guided == indices.len() {
            if self.scale == 0.0 {
                return ask(&mut self.unconditional, x, indices);
            }
            let conditional = ask(&mut self.conditional, x, indices)?;
            let unconditional = ask(&mut self.unconditional, x, indices)?;
            return Ok(unconditional.f_lerp(&conditional, self.scale)?);
        }
        // A batch that is guided in part: scale 1 stands for the rows that are not.
        let conditional = ask(&mut self.conditional, x, indices)?;
        let unconditional = ask(&mut self.unconditional, x, indices)?;
        let scale = |index: &Index| if self.guides(*index) { self.scale } else { 1.0 };
        let scales: Vec<f64> = indices.iter().map(scale).collect();
        let mut shape = vec![1; x.dim()];
        if let Some(first) = shape.first_mut() {
            *first = indices.len() as i64;
        }
        let scales = meme_torch::from_f64(&scales, &shape, x.device())?.f_to_kind(x.kind())?;
        Ok(unconditional.f_lerp_tensor(&conditional, &scales)?)
    }
}
