//! The way from noise to image: which indices, which predictions, where it ends.

use meme_router::Index;
use meme_schedule::{Parametrisation, Schedule};
use serde::{Deserialize, Serialize};

use crate::level::Level;
use crate::{Error, Result};

/// The noise level at which the last step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Last {
    /// No noise: alpha-bar 1, so the last step gives the predicted image itself. What EDM and
    /// k-diffusion do; diffusers' `set_alpha_to_one`, `final_sigmas_type = "zero"`.
    Clean,
    /// The least noise that training knows: alpha-bar of index 0. What DDIM does in CompVis'
    /// latent diffusion; diffusers' `final_sigmas_type = "sigma_min"`.
    First,
}

/// What is done to a predicted image before it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Threshold {
    /// Nothing: right for latents, whose range nobody knows.
    #[default]
    None,
    /// Values are cut off at -bound and bound: right for pixels, with a bound of 1.
    Clip {
        /// Above 0.
        bound: f64,
    },
    /// Imagen's dynamic thresholding (Saharia et al. 2022, arXiv 2205.11487, section 2.3): each
    /// sample is cut off at the `quantile` of its absolute values and divided by it, where that
    /// quantile is taken as at least 1 and at most `bound`.
    Dynamic {
        /// Between 0 and 1, such as 0.995.
        quantile: f64,
        /// Above 0.
        bound: f64,
    },
}

/// Everything that the samplers share: the noise levels from noisy to clean, and how to read a
/// network's answer.
///
/// ```
/// use meme_sampler::{Last, Plan, Threshold};
/// use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
///
/// let schedule = Schedule::new(&ScheduleConfig::ldm())?;
/// let indices = Grid::Ldm.indices(schedule.steps(), 50)?;
/// let plan = Plan::new(&schedule, &indices, Parametrisation::Epsilon)?
///     .threshold(Threshold::Clip { bound: 1.0 })?
///     .last(Last::Clean);
/// assert_eq!((plan.len(), plan.index(0).get(), plan.index(49).get()), (50, 981, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// From most to least noise.
    indices: Vec<Index>,
    levels: Vec<Level>,
    /// The level of index 0.
    first: Level,
    last: Option<Last>,
    pub(crate) parametrisation: Parametrisation,
    pub(crate) threshold: Threshold,
    pub(crate) rederive_epsilon: bool,
}

impl Plan {
    /// A walk over `indices` (ascending, as a grid gives them) of `schedule`, from the last to the
    /// first, with a network of this parametrisation. Nothing is cut off, and every sampler ends
    /// where it is used to end.
    ///
    /// # Errors
    /// [`Error::Grid`] for no indices, or some that do not rise, lie beyond the schedule, or do not
    /// have rising noise; [`Error::NoSignal`] where noise is predicted at an alpha-bar of 0.
    pub fn new(
        schedule: &Schedule,
        indices: &[usize],
        parametrisation: Parametrisation,
    ) -> Result<Self> {
        let grid = |problem: String| Err(Error::Grid { problem });
        let Some(highest) = indices.last() else {
            return grid("it is empty".to_owned());
        };
        if *highest >= schedule.steps() {
            let steps = schedule.steps();
            return grid(format!("index {highest} lies beyond a schedule of {steps} steps"));
        }
        if let Some(pair) = indices.windows(2).find(|pair| pair[0] >= pair[1]) {
            return grid(format!("index {} stands before index {}", pair[0], pair[1]));
        }
        let levels: Vec<Level> =
            indices.iter().rev().map(|index| Level::new(schedule.alpha_bar(*index))).collect();
        for (level, index) in levels.iter().zip(indices.iter().rev()) {
            let alpha_bar = level.alpha_bar;
            if !(0.0..1.0).contains(&alpha_bar) {
                return grid(format!("alpha-bar of index {index} is {alpha_bar}, not in [0, 1)"));
            }
            if alpha_bar == 0.0 && parametrisation == Parametrisation::Epsilon {
                return Err(Error::NoSignal { index: *index });
            }
        }
        if levels.windows(2).any(|pair| pair[0].alpha_bar >= pair[1].alpha_bar) {
            return grid("alpha-bar does not fall from one index to the next".to_owned());
        }
        Ok(Self {
            indices: indices.iter().rev().copied().map(Index::new).collect(),
            levels,
            first: Level::new(schedule.alpha_bar(0_usize)),
            last: None,
            parametrisation,
            threshold: Threshold::None,
            rederive_epsilon: true,
        })
    }

    /// Ends at this level instead of the sampler's own choice ([`Last::First`] for DDIM,
    /// [`Last::Clean`] for all others).
    #[must_use]
    pub fn last(mut self, last: Last) -> Self {
        self.last = Some(last);
        self
    }

    /// Cuts predicted images off.
    ///
    /// # Errors
    /// [`Error::Setting`] for a bound or quantile out of its range.
    pub fn threshold(mut self, threshold: Threshold) -> Result<Self> {
        let (quantile, bound) = match threshold {
            Threshold::None => (0.5, 1.0),
            Threshold::Clip { bound } => (0.5, bound),
            Threshold::Dynamic { quantile, bound } => (quantile, bound),
        };
        if !(bound > 0.0 && bound.is_finite()) {
            let allowed = "a number above 0";
            return Err(Error::Setting { name: "threshold bound", value: bound, allowed });
        }
        if !(0.0..=1.0).contains(&quantile) {
            let allowed = "0 to 1";
            return Err(Error::Setting { name: "threshold quantile", value: quantile, allowed });
        }
        self.threshold = threshold;
        Ok(self)
    }

    /// Whether the noise is computed anew from a predicted image that was cut off, so that the two
    /// still add up to `x`: yes unless said otherwise, as in OpenAI's guided diffusion. Diffusers'
    /// DDIM keeps the network's noise (its `use_clipped_model_output` is false).
    #[must_use]
    pub fn rederive_epsilon(mut self, rederive: bool) -> Self {
        self.rederive_epsilon = rederive;
        self
    }

    /// Steps in all.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // A plan without steps cannot be made.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// The index at which step `step` asks the network; step 0 has the most noise. Steps past the
    /// end ask as the last one.
    #[must_use]
    pub fn index(&self, step: usize) -> Index {
        self.indices[step.min(self.len() - 1)]
    }

    /// The indices at which the steps from `step` on ask, most noise first.
    #[must_use]
    pub fn indices_from(&self, step: usize) -> &[Index] {
        self.indices.get(step..).unwrap_or_default()
    }

    /// The level from which step `step` starts.
    pub(crate) fn level(&self, step: usize) -> Level {
        self.levels[step.min(self.len() - 1)]
    }

    /// The level to which step `step` leads; `last` is where the sampler ends unless told.
    pub(crate) fn next_level(&self, step: usize, last: Last) -> Level {
        match self.levels.get(step + 1) {
            Some(level) => *level,
            None => match self.last.unwrap_or(last) {
                Last::Clean => Level::CLEAN,
                Last::First => self.first,
            },
        }
    }
}
