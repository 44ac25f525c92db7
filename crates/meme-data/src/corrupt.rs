//! What to do about images that cannot be read.

use crate::{ArraySource, Error, Result};
use rayon::prelude::*;

/// What to do about an image that cannot be read: corrupt, too large, too small, or unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnCorrupt {
    /// Stop with an error that names it.
    #[default]
    Refuse,
    /// Go on without it, and keep its name and the reason for a report.
    SkipAndReport,
}

/// An item that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its index in the source.
    pub index: usize,
    /// The error's sentence; names the file.
    pub reason: String,
}

/// What can be read of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The indices that can be read, ascending.
    pub readable: Vec<usize>,
    /// The others, ascending.
    pub skipped: Vec<Skipped>,
}

/// Reads every item of a source once, on all threads of the current rayon pool, keeping none: what
/// is found here is what a later pass will find. Memory stays bounded by one array per thread.
///
/// # Errors
/// Under [`OnCorrupt::Refuse`] the error of the first unreadable item in the source's order;
/// [`Error::AllSkipped`] when nothing can be read.
pub fn survey(source: &dyn ArraySource, policy: OnCorrupt) -> Result<Survey> {
    let item: usize = source.shape().iter().product();
    let mut found = Survey { readable: Vec::new(), skipped: Vec::new() };
    // In pieces, so that a refusal comes soon.
    let indices: Vec<usize> = (0..source.len()).collect();
    for piece in indices.chunks(1024) {
        let results: Vec<Result<()>> = piece
            .par_iter()
            .map_init(|| vec![0.0; item], |out, index| guarded_read(source, *index, out))
            .collect();
        for (index, result) in piece.iter().copied().zip(results) {
            match (result, policy) {
                (Ok(()), _) => found.readable.push(index),
                (Err(error), OnCorrupt::Refuse) => return Err(error),
                (Err(error), OnCorrupt::SkipAndReport) => {
                    found.skipped.push(Skipped { index, reason: error.to_string() });
                }
            }
        }
    }
    match found.skipped.first() {
        Some(first) if found.readable.is_empty() => {
            Err(Error::AllSkipped { count: found.skipped.len(), first: first.reason.clone() })
        }
        _ => Ok(found),
    }
}

/// Reads an item; a panic in a decoder becomes an error of that item.
pub(crate) fn guarded_read(source: &dyn ArraySource, index: usize, out: &mut [f32]) -> Result<()> {
    // Whatever a panic leaves behind in `out` is never looked at.
    let read = std::panic::AssertUnwindSafe(|| source.read(index, out));
    std::panic::catch_unwind(read).unwrap_or_else(|_| {
        let reason = "its decoder panicked".to_owned();
        Err(Error::Decode { name: format!("item {index}"), reason })
    })
}
