//! Taking a mixed batch apart by expert, and putting the answers back in order.

use crate::error::Error;
use crate::expert::Expert;
use crate::intervals::Intervals;
use crate::timestep::Index;

/// A batch taken apart: each expert that has work, and the rows that are its, in rising order.
pub type Groups = Vec<(Expert, Vec<usize>)>;

/// Takes a batch apart row by row: row k goes to the expert that owns `indices[k]`. Experts rise;
/// those without a row don't appear.
///
/// # Errors
/// [`Error::IndexOutOfRange`].
pub fn split(indices: &[Index], intervals: &Intervals) -> Result<Groups, Error> {
    let mut rows = vec![Vec::new(); intervals.experts()];
    for (row, index) in indices.iter().enumerate() {
        rows[intervals.expert_of(*index)?.position()].push(row);
    }
    let numbered = rows.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty());
    Ok(numbered.map(|(position, rows)| (Expert::at(position), rows)).collect())
}

/// The rows of the batch in the order in which the experts answer: entry j is the row that the j-th
/// answer belongs to. Use it to scatter: `out[rows[j]] = answers[j]`.
#[must_use]
pub fn rows(groups: &[(Expert, Vec<usize>)]) -> Vec<usize> {
    groups.iter().flat_map(|(_, rows)| rows).copied().collect()
}

/// Where each row's answer stands when the experts' answers are laid end to end: the inverse of
/// [`rows`]. Use it to gather: `out[k] = answers[positions[k]]`.
///
/// # Errors
/// [`Error::NotAPartition`] where the groups are not the rows of one batch, each once.
pub fn positions(groups: &[(Expert, Vec<usize>)]) -> Result<Vec<usize>, Error> {
    let rows = rows(groups);
    let mut positions = vec![usize::MAX; rows.len()];
    for (position, row) in rows.iter().enumerate() {
        match positions.get_mut(*row) {
            Some(slot) if *slot == usize::MAX => *slot = position,
            _ => return Err(Error::NotAPartition { row: *row }),
        }
    }
    Ok(positions)
}

/// Puts the experts' answers back in the order of the batch. `answers[g]` holds one answer for each
/// row of `groups[g]`, in the same order.
///
/// # Errors
/// [`Error::GroupCount`], [`Error::AnswerCount`], [`Error::NotAPartition`].
pub fn put_back<T>(groups: &[(Expert, Vec<usize>)], answers: Vec<Vec<T>>) -> Result<Vec<T>, Error> {
    if answers.len() != groups.len() {
        return Err(Error::GroupCount { groups: groups.len(), answers: answers.len() });
    }
    for ((expert, rows), answers) in groups.iter().zip(&answers) {
        let (expert, rows, answers) = (*expert, rows.len(), answers.len());
        if rows != answers {
            return Err(Error::AnswerCount { expert, rows, answers });
        }
    }
    positions(groups)?;
    let mut placed: Vec<(usize, T)> =
        rows(groups).into_iter().zip(answers.into_iter().flatten()).collect();
    placed.sort_unstable_by_key(|(row, _)| *row);
    Ok(placed.into_iter().map(|(_, answer)| answer).collect())
}
