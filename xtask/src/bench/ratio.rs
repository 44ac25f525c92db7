//! Times to ratios.

use serde::Serialize;

/// How many times as long the other side takes as ours: above 1, ours is faster.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Ratio {
    /// Median of the rounds' ratios.
    pub(super) median: f64,
    /// The smallest of them.
    pub(super) lowest: f64,
    /// The largest of them.
    pub(super) highest: f64,
    /// Their fastest round over our fastest one, which need not be the same round.
    pub(super) of_fastest: f64,
}

impl Ratio {
    /// From the times of each round, `theirs[k]` and `ours[k]` taken in the same one. A round that
    /// one of them did not finish is left out; `None` where no round is left.
    pub(super) fn new(theirs: &[f64], ours: &[f64]) -> Option<Self> {
        let mut ratios: Vec<f64> = theirs.iter().zip(ours).map(|(t, o)| t / o).collect();
        ratios.sort_by(f64::total_cmp);
        Some(Ratio {
            median: median(&ratios)?,
            lowest: *ratios.first()?,
            highest: *ratios.last()?,
            of_fastest: fastest(theirs)? / fastest(ours)?,
        })
    }
}

/// The middle value, or the mean of the two middle ones; `None` of nothing.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted.get(middle - 1)? + upper) / 2.0)
}

/// The smallest value; `None` of nothing.
pub(super) fn fastest(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::{Ratio, fastest, median};

    #[test]
    fn medians_are_those_of_the_textbook() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(fastest(&[0.5, 0.25, 1.0]), Some(0.25));
    }

    // The machine is half as fast in the second round: times change, the ratio does not.
    #[test]
    fn a_machine_that_slows_down_for_both_does_not_move_the_ratio() {
        let ratio = Ratio::new(&[2.0, 4.0, 2.0], &[1.0, 2.0, 1.0]).unwrap();
        let expected = Ratio { median: 2.0, lowest: 2.0, highest: 2.0, of_fastest: 2.0 };
        assert_eq!(ratio, expected);
    }

    #[test]
    fn one_disturbed_round_moves_only_the_extremes() {
        let ratio = Ratio::new(&[3.0, 3.0, 3.0], &[1.0, 6.0, 1.5]).unwrap();
        let expected = Ratio { median: 2.0, lowest: 0.5, highest: 3.0, of_fastest: 3.0 };
        assert_eq!(ratio, expected);
    }

    #[test]
    fn rounds_that_one_side_did_not_finish_are_left_out() {
        assert_eq!(Ratio::new(&[2.0, 8.0], &[1.0]).unwrap().median, 2.0);
        assert_eq!(Ratio::new(&[], &[1.0]), None);
    }
}
