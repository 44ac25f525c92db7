//! What the numbers of a report say to the paper's claims.

use serde::{Deserialize, Serialize};

use super::model::{Report, RowReport};
use crate::experiment::{Claim, ClaimKind};

/// Repeats from different seeds below which nothing is decided: an interval over samples says
/// nothing about how much another training run would differ.
const ENOUGH_REPEATS: usize = 3;

/// Two-sided 95 % quantiles of Student's t for 2, 3, ... degrees of freedom.
const STUDENT: [f64; 14] = [
    4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
    2.131,
];
/// The quantile of the normal distribution, for more.
const NORMAL: f64 = 1.96;

/// A claim and what this run has to say about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The claim in words.
    pub claim: String,
    /// The answer.
    pub answer: Answer,
    /// The numbers behind it.
    pub finding: String,
}

/// What can be said to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The numbers here agree beyond their uncertainty.
    Supported,
    /// The numbers here contradict it beyond their uncertainty.
    NotSupported,
    /// Not decidable from what was run.
    NotDecidable,
}

impl Answer {
    /// The answer in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::NotSupported => "not supported",
            Self::NotDecidable => "not decidable here",
        }
    }
}

/// Judges every claim.
pub(crate) fn judge(claims: &[Claim], report: &Report) -> Vec<Verdict> {
    claims
        .iter()
        .map(|claim| {
            let (answer, finding) = one(claim, report);
            Verdict { claim: claim.text.clone(), answer, finding }
        })
        .collect()
}

fn one(claim: &Claim, report: &Report) -> (Answer, String) {
    let find = |name: &str| report.rows.iter().find(|row| row.row == name);
    let (Some(row), Some(than)) = (find(&claim.row), find(&claim.than)) else {
        return (Answer::NotDecidable, "a row is missing from this report".into());
    };
    match claim.kind {
        ClaimKind::Faster => faster(claim, row, than),
        ClaimKind::Closer => closer(row, than),
        ClaimKind::Spectra => spectra(row, than),
    }
}

fn faster(claim: &Claim, row: &RowReport, than: &RowReport) -> (Answer, String) {
    let (Some(own), Some(other)) = (row.paper_seconds_per_step, than.paper_seconds_per_step) else {
        return (Answer::NotDecidable, "networks of the paper's size were not timed".into());
    };
    let (measured, claimed) = (other / own, claim.times.unwrap_or(1.0));
    // A tenth of the claim: the paper does not say what it timed, or whether it counted.
    let answer = if measured >= 0.9 * claimed { Answer::Supported } else { Answer::NotSupported };
    (answer, format!("{measured:.2} times per step at the paper's size on this machine"))
}

fn closer(row: &RowReport, than: &RowReport) -> (Answer, String) {
    let pairs = paired(row, than, |repeat| Some(repeat.distance.as_ref()?.value));
    if pairs.is_empty() {
        return untrained(row, than);
    }
    let gains: Vec<f64> = pairs.iter().map(|(own, other)| other - own).collect();
    let (mean_own, mean_other) = means(&pairs);
    let numbers = format!("distance {mean_own:.3} against {mean_other:.3}");
    decide(&gains, &numbers, "smaller")
}

fn spectra(row: &RowReport, than: &RowReport) -> (Answer, String) {
    let pairs = paired(row, than, |repeat| repeat.high_frequency_fall);
    if pairs.is_empty() {
        return untrained(row, than);
    }
    let (own, other) = means(&pairs);
    let numbers = format!(
        "upper half of the spectrum, first expert over last: {own:+.3} in {}, {other:+.3} in {}",
        row.title, than.title
    );
    // Both parts of the claim: the first expert is richer, and more so than in the other row.
    let gains: Vec<f64> = pairs.iter().map(|(own, other)| own.min(own - other)).collect();
    decide(&gains, &numbers, "richer")
}

fn untrained(row: &RowReport, than: &RowReport) -> (Answer, String) {
    let missing: Vec<&str> = [row, than]
        .into_iter()
        .filter(|row| row.trained.is_none())
        .map(|row| row.title.as_str())
        .collect();
    let finding = if missing.is_empty() {
        "not measured".into()
    } else {
        format!("not trained here: {}", missing.join(", "))
    };
    (Answer::NotDecidable, finding)
}

/// The values of both rows in every repeat that has both.
fn paired(
    row: &RowReport,
    than: &RowReport,
    value: impl Fn(&super::model::Repeat) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let (Some(own), Some(other)) = (&row.trained, &than.trained) else { return Vec::new() };
    own.repeats
        .iter()
        .filter_map(|repeat| {
            let twin = other.repeats.iter().find(|twin| twin.number == repeat.number)?;
            Some((value(repeat)?, value(twin)?))
        })
        .collect()
}

fn means(pairs: &[(f64, f64)]) -> (f64, f64) {
    let count = pairs.len() as f64;
    let sum = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    (sum.0 / count, sum.1 / count)
}

/// Positive gains speak for the claim.
fn decide(gains: &[f64], numbers: &str, word: &str) -> (Answer, String) {
    let Some((low, high)) = interval(gains) else {
        let points = if gains.iter().all(|gain| *gain > 0.0) {
            "the order is as claimed"
        } else {
            "the order is not as claimed"
        };
        let seeds =
            if gains.len() == 1 { "one seed".into() } else { format!("{} seeds", gains.len()) };
        return (
            Answer::NotDecidable,
            format!(
                "{numbers}; {points}, but from {seeds} (--repeats {ENOUGH_REPEATS} or more decide)"
            ),
        );
    };
    let answer = if low > 0.0 {
        Answer::Supported
    } else if high < 0.0 {
        Answer::NotSupported
    } else {
        Answer::NotDecidable
    };
    let seeds = gains.len();
    (answer, format!("{numbers}; {word} by [{low:.3}, {high:.3}] (95 %, {seeds} paired seeds)"))
}

/// Student's 95 % interval of the mean; none from too few values.
pub(super) fn interval(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < ENOUGH_REPEATS {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    // Two values have one degree of freedom, which is never enough here.
    let quantile = STUDENT.get(values.len() - ENOUGH_REPEATS).copied().unwrap_or(NORMAL);
    let half = quantile * (variance / count).sqrt();
    Some((mean - half, mean + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_scipys() {
        // scipy.stats.t.interval(0.95, 4, loc=mean, scale=sem) of these five numbers.
        let (low, high) = interval(&[1.0, 2.0, 4.0, 4.5, 3.0]).unwrap();
        assert!((low - 1.122_21).abs() < 1e-3 && (high - 4.677_79).abs() < 1e-3, "{low} {high}");
        assert_eq!(interval(&[1.0, 2.0]), None);
    }

    #[test]
    fn one_seed_decides_nothing_and_three_that_agree_do() {
        assert_eq!(decide(&[5.0], "", "smaller").0, Answer::NotDecidable);
        assert_eq!(decide(&[1.0, 1.1, 0.9], "", "smaller").0, Answer::Supported);
        assert_eq!(decide(&[-1.0, -1.1, -0.9], "", "smaller").0, Answer::NotSupported);
        assert_eq!(decide(&[-1.0, 1.1, 0.9], "", "smaller").0, Answer::NotDecidable);
    }
}
