//! Boundaries at equal steps of log-SNR.

use crate::error::Error;
use crate::intervals::{Intervals, check_count};

impl Intervals {
    /// Boundaries at equal steps of log-SNR: the range from the first to the last value is cut into
    /// N equal parts, and each expert owns the indices in its part.
    ///
    /// `log_snr` has one entry per index, falling; its length is T. Infinite entries at the ends (a
    /// schedule that reaches pure noise) belong to the outer experts and don't widen the range.
    ///
    /// # Errors
    /// [`Error::BadValue`] where an entry is not a number or larger than the one before, or where no
    /// entry is finite; [`Error::EmptyInterval`] where a part holds no index (use fewer experts);
    /// [`Error::NoExperts`], [`Error::TooManyExperts`].
    pub fn equal_log_snr(experts: usize, log_snr: &[f64]) -> Result<Self, Error> {
        check_count(experts, log_snr.len())?;
        let bad = |index, needed| Error::BadValue {
            table: "log-SNR",
            index,
            value: log_snr[index],
            needed,
        };
        if let Some(index) = log_snr.iter().position(|value| value.is_nan()) {
            return Err(bad(index, "it must be a number"));
        }
        if let Some(before) = log_snr.windows(2).position(|pair| pair[1] > pair[0]) {
            return Err(bad(before + 1, "it must not rise with the index"));
        }
        let mut finite = log_snr.iter().copied().filter(|value| value.is_finite());
        let Some(highest) = finite.next() else {
            return Err(bad(0, "some of them must be finite"));
        };
        let lowest = finite.next_back().unwrap_or(highest);
        let end = |n: usize| {
            let bound = highest + (lowest - highest) * (n as f64 / experts as f64);
            log_snr.partition_point(|value| *value > bound)
        };
        let upper_ends: Vec<usize> = (1..experts).map(end).chain([log_snr.len()]).collect();
        Self::explicit(&upper_ends)
    }
}
