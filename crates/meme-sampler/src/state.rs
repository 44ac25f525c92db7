//! A run between two steps, and what its callback sees.

use std::ops::ControlFlow;

use meme_router::Index;
use meme_torch::tch::Tensor;

use crate::{Error, Result};

/// A run between two steps: all that a sampler needs in order to go on.
///
/// A fresh run is made from its start noise (`State::from(noise)`). One that was stopped can be
/// written down ([`State::named`]) and taken up elsewhere ([`State::restore`]): with the same
/// plan, sampler, networks and noise, the rest of the run is what it would have been.
#[derive(Debug)]
pub struct State {
    pub(crate) step: usize,
    pub(crate) x: Tensor,
    /// What multistep samplers remember, most recent first.
    pub(crate) history: Vec<Tensor>,
}

impl From<Tensor> for State {
    fn from(x: Tensor) -> Self {
        Self { step: 0, x, history: Vec::new() }
    }
}

impl From<&Tensor> for State {
    fn from(x: &Tensor) -> Self {
        Self::from(x.shallow_clone())
    }
}

impl State {
    /// Steps done.
    #[must_use]
    pub fn step(&self) -> usize {
        self.step
    }

    /// The noisy samples [B, ...].
    pub fn x(&self) -> &Tensor {
        &self.x
    }

    /// All tensors by name (`x`, `history.0`, ...), for a file.
    #[must_use]
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let history = self.history.iter().enumerate();
        std::iter::once(("x".to_owned(), self.x.shallow_clone()))
            .chain(history.map(|(n, past)| (format!("history.{n}"), past.shallow_clone())))
            .collect()
    }

    /// The state after `step` steps from its tensors, in any order.
    ///
    /// # Errors
    /// [`Error::State`] for a missing or unknown name, [`Error::Shape`] where they don't all have
    /// one shape.
    pub fn restore(step: usize, named: impl IntoIterator<Item = (String, Tensor)>) -> Result<Self> {
        let mut named: Vec<(String, Tensor)> = named.into_iter().collect();
        let mut take = |name: &str| {
            let place = named.iter().position(|(found, _)| found == name)?;
            Some(named.swap_remove(place).1)
        };
        let Some(x) = take("x") else {
            return Err(Error::State { problem: "it has no tensor x".to_owned() });
        };
        let mut history = Vec::new();
        while let Some(past) = take(&format!("history.{}", history.len())) {
            let (found, expected) = (past.size(), x.size());
            if found != expected {
                let what = format!("history.{}", history.len());
                return Err(Error::Shape { what, found, expected });
            }
            history.push(past);
        }
        match named.first() {
            Some((name, _)) => Err(Error::State { problem: format!("it has a tensor {name}") }),
            None => Ok(Self { step, x, history }),
        }
    }
}

/// What a run has come to.
#[derive(Debug)]
pub enum Outcome {
    /// The samples [B, ...].
    Finished(Tensor),
    /// The callback stopped the run.
    Stopped {
        /// From here it can go on.
        state: State,
        /// Steps in all.
        total: usize,
    },
}

impl Outcome {
    /// The samples.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn finished(self) -> Result<Tensor> {
        match self {
            Self::Finished(samples) => Ok(samples),
            Self::Stopped { state, total } => Err(Error::Stopped { done: state.step, total }),
        }
    }
}

/// What a callback sees after every step. Looking at a tensor's values on a GPU makes the run wait
/// for them; the tensors themselves cost nothing.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Steps done, from 1.
    pub step: usize,
    /// Steps in all.
    pub total: usize,
    /// The index at which the network was asked.
    pub index: Index,
    /// The images that the network predicted in this step, cut off as the plan says, [B, ...].
    pub x0: &'a Tensor,
    /// The samples after this step, [B, ...].
    pub x: &'a Tensor,
}

/// What a sampler calls after every step; breaking stops the run.
pub type Watch<'a> = dyn FnMut(&Progress<'_>) -> ControlFlow<()> + 'a;

/// The callback that does nothing: `&mut unwatched`.
pub fn unwatched(_: &Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
