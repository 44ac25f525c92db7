//! Many experts behind one denoiser.

use meme_router::{Expert, Index, Intervals, positions, split};
use meme_torch::from_i64;
use meme_torch::tch::Tensor;

use crate::denoiser::{check_answer, check_batch};
use crate::{Denoiser, Error, ExpertSource, Result};

/// Routes every sample to the expert that owns its index: exactly one expert runs for each sample
/// and step, and each expert sees its samples in one batch.
///
/// The samples of a batch may be at different indices; the answer is the one that each would get
/// alone. A batch that belongs to one expert is handed on as it is, without a copy.
#[derive(Debug)]
pub struct Ensemble<S> {
    intervals: Intervals,
    source: S,
    followed_by: Option<Index>,
}

impl<S: ExpertSource> Ensemble<S> {
    /// The experts of `source`, each for its interval.
    ///
    /// # Errors
    /// [`Error::Experts`] where the source knows that it has another number of experts.
    pub fn new(intervals: Intervals, source: S) -> Result<Self> {
        let expected = intervals.experts();
        match source.experts() {
            Some(found) if found != expected => Err(Error::Experts { expected, found }),
            _ => Ok(Self { intervals, source, followed_by: None }),
        }
    }

    /// Which expert owns which timesteps.
    #[must_use]
    pub fn intervals(&self) -> &Intervals {
        &self.intervals
    }

    /// Says at which index the run after the next one is going to begin, so that a source that
    /// loads experts can have that one ready too; `None`, as at first, where no other run follows.
    pub fn followed_by(&mut self, index: Option<Index>) {
        self.followed_by = index;
    }

    /// The experts.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    fn ask(&mut self, expert: Expert, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        let answer = self.source.denoise(expert, x, indices)?;
        check_answer(x, &answer, || format!("the answer of {expert}"))?;
        Ok(answer)
    }
}

impl<S: ExpertSource> Denoiser for Ensemble<S> {
    fn announce(&mut self, indices: &[Index]) -> Result<()> {
        let indices = indices.iter().chain(&self.followed_by);
        let experts = indices.map(|index| self.intervals.expert_of(*index));
        let mut experts = experts.collect::<std::result::Result<Vec<Expert>, _>>()?;
        experts.dedup();
        self.source.announce(&experts)
    }

    fn denoise(&mut self, x: &Tensor, indices: &[Index]) -> Result<Tensor> {
        check_batch(x, indices)?;
        let groups = split(indices, &self.intervals)?;
        if let [(expert, _)] = groups.as_slice() {
            return self.ask(*expert, x, indices);
        }
        if groups.is_empty() {
            return Ok(x.f_zeros_like()?);
        }
        let device = x.device();
        let select = |from: &Tensor, rows: &[usize]| -> Result<Tensor> {
            let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
            Ok(from.f_index_select(0, &from_i64(&rows, &[rows.len() as i64], device)?)?)
        };
        let mut answers = Vec::with_capacity(groups.len());
        for (expert, rows) in &groups {
            let own: Vec<Index> = rows.iter().map(|row| indices[*row]).collect();
            answers.push(self.ask(*expert, &select(x, rows)?, &own)?);
        }
        select(&Tensor::f_cat(&answers, 0)?, &positions(&groups)?)
    }
}
