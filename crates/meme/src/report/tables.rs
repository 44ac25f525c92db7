//! The numbers of a report as rows of text, the same for every layout.

use super::model::{DistanceReport, Report, RowReport, TrainedReport};
use super::verdicts;
use crate::progress::{clock, thousands};

/// What stands where there is nothing to say.
pub(super) const NOTHING: &str = "–";

/// A table.
pub(super) struct Table {
    pub(super) header: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// Whether all cells are words; otherwise all but the first are numbers.
    pub(super) words: bool,
}

fn mean(values: &[u64]) -> f64 {
    values.iter().sum::<u64>() as f64 / values.len().max(1) as f64
}

fn millions(values: &[u64]) -> String {
    let each = format!("{:.1} M", mean(values) / 1e6);
    if values.len() == 1 { each } else { format!("{} x {each}", values.len()) }
}

fn giga(value: f64) -> String {
    format!("{:.2} G", value / 1e9)
}

fn or_nothing(value: Option<String>) -> String {
    value.unwrap_or_else(|| NOTHING.into())
}

fn ratio(reference: f64, value: f64) -> String {
    format!("{:.2}", reference / value)
}

/// Networks at the paper's size: what the paper prints beside what is counted here.
pub(super) fn paper_networks(report: &Report) -> Table {
    let reference = reference(report);
    let rows = report
        .rows
        .iter()
        .map(|row| {
            let paper = row.paper.as_ref();
            let macs = mean(&row.paper_macs);
            vec![
                row.title.clone(),
                or_nothing(paper.and_then(|paper| paper.parameters.clone())),
                millions(&row.paper_parameters),
                or_nothing(paper.and_then(|paper| paper.macs.clone())),
                giga(macs),
                or_nothing(reference.map(|it| ratio(mean(&it.paper_macs), macs))),
                or_nothing(row.paper_seconds_per_step.map(milliseconds)),
                or_nothing(
                    reference
                        .and_then(|it| it.paper_seconds_per_step)
                        .zip(row.paper_seconds_per_step)
                        .map(|(reference, own)| ratio(reference, own)),
                ),
            ]
        })
        .collect();
    Table {
        header: vec![
            "row",
            "parameters, paper",
            "parameters, counted",
            "\"MACs\", paper",
            "MACs, counted",
            "fewer MACs than the reference (times)",
            "step here, ms",
            "faster than the reference (times)",
        ],
        rows,
        words: false,
    }
}

/// Networks at this scale.
pub(super) fn networks_here(report: &Report) -> Table {
    let reference = reference(report);
    let rows = report
        .rows
        .iter()
        .map(|row| {
            let macs = mean(&row.macs);
            vec![
                row.title.clone(),
                millions(&row.parameters),
                giga(macs),
                or_nothing(reference.map(|it| ratio(mean(&it.macs), macs))),
                or_nothing(row.seconds_per_step.map(milliseconds)),
                or_nothing(
                    reference
                        .and_then(|it| it.seconds_per_step)
                        .zip(row.seconds_per_step)
                        .map(|(reference, own)| ratio(reference, own)),
                ),
            ]
        })
        .collect();
    Table {
        header: vec![
            "row",
            "parameters",
            "MACs",
            "fewer MACs than the reference (times)",
            "step, ms",
            "faster than the reference (times)",
        ],
        rows,
        words: false,
    }
}

/// What training gave.
pub(super) fn results(report: &Report) -> Table {
    let rows = report
        .rows
        .iter()
        .map(|row| {
            let fid = row.paper.as_ref().and_then(|paper| paper.fid);
            let mut cells = vec![row.title.clone()];
            match &row.trained {
                None => cells.extend(["not trained".into(), NOTHING.into(), NOTHING.into()]),
                Some(trained) => cells.extend([
                    format!("{} x {}", row.parameters.len(), thousands(trained.images)),
                    clock(std::time::Duration::from_secs_f64(trained.seconds)),
                    or_nothing(row_distance(trained)),
                ]),
            }
            cells.push(or_nothing(mean_validation(row).map(|loss| format!("{loss:.4}"))));
            cells.push(or_nothing(fid.map(|fid| format!("{fid:.2}"))));
            cells
        })
        .collect();
    Table {
        header: vec![
            "row",
            "images seen",
            "lane time",
            "distance here [95 % interval]",
            "validation loss",
            "FID, paper (not comparable)",
        ],
        rows,
        words: false,
    }
}

/// A row's distance: the mean over repeats where there are enough for an interval, otherwise the
/// first one's with the interval over its samples.
fn row_distance(trained: &TrainedReport) -> Option<String> {
    let repeats = trained.distances();
    if let Some((low, high)) = verdicts::interval(&repeats) {
        let mean = repeats.iter().sum::<f64>() / repeats.len() as f64;
        return Some(format!("{mean:.3} [{low:.3}, {high:.3}] over {} seeds", repeats.len()));
    }
    trained.distance.as_ref().map(distance)
}

/// The paper's claims and their answers.
pub(super) fn claims(report: &Report) -> Table {
    let rows = report
        .verdicts
        .iter()
        .map(|verdict| {
            vec![verdict.claim.clone(), verdict.answer.words().into(), verdict.finding.clone()]
        })
        .collect();
    Table { header: vec!["the paper says", "this run", "because"], rows, words: true }
}

/// What the claims' answers mean.
pub(super) fn about_claims(report: &Report) -> String {
    let scale =
        if report.scaled_down { "at this scale only; the paper's is another" } else { "here" };
    format!(
        "Answers hold {scale}. A claim about pictures is decided by a 95 % interval over paired \
         seeds, three or more; one seed decides nothing, however narrow the interval over its \
         samples."
    )
}

/// Distances at other numbers of sampling steps.
pub(super) fn steps(report: &Report) -> Option<Table> {
    let rows: Vec<Vec<String>> = report
        .rows
        .iter()
        .filter_map(|row| Some((row, row.trained.as_ref()?)))
        .flat_map(|(row, trained)| {
            trained.steps.iter().map(move |measured| {
                let seconds = row.seconds_per_step.map(|one| one * measured.steps as f64);
                vec![
                    row.title.clone(),
                    measured.steps.to_string(),
                    or_nothing(seconds.map(milliseconds)),
                    distance(&measured.distance),
                ]
            })
        })
        .collect();
    let header = vec!["row", "steps", "ms a picture", "distance here [95 % interval]"];
    (!rows.is_empty()).then_some(Table { header, rows, words: false })
}

/// A distance with its interval.
pub(super) fn distance(distance: &DistanceReport) -> String {
    let (low, high) = distance.interval;
    format!("{:.3} [{:.3}, {:.3}]", distance.value, low, high)
}

/// Mean over timesteps of a row's validation loss.
fn mean_validation(row: &RowReport) -> Option<f64> {
    let losses = &row.trained.as_ref()?.validation;
    let sum: f64 = losses.iter().map(|point| point.1).sum();
    (!losses.is_empty()).then(|| sum / losses.len() as f64)
}

/// Seconds as milliseconds.
fn milliseconds(seconds: f64) -> String {
    format!("{:.1}", 1e3 * seconds)
}

/// The row that ratios are taken to.
fn reference(report: &Report) -> Option<&RowReport> {
    report.rows.iter().find(|row| row.row == report.reference)
}

/// Where the time went.
pub(super) fn stages(report: &Report) -> Table {
    let rows = report
        .machine
        .stages
        .iter()
        .map(|(stage, seconds)| {
            vec![stage.clone(), clock(std::time::Duration::from_secs_f64(*seconds))]
        })
        .collect();
    Table { header: vec!["stage", "time, summed over rows"], rows, words: false }
}

/// Sentences a reader needs before any number.
pub(super) fn cautions(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if report.scaled_down {
        lines.push(format!(
            "Scaled down (scale {}): {} Distances and losses here cannot be compared with the \
             paper's, only with each other.",
            report.scale, report.scale_about
        ));
    }
    lines.push(
        "Every network saw the same number of images, so a row of four experts saw four times as \
         many in all, and took four times as long, as a row of one."
            .into(),
    );
    let untrained: Vec<&str> = report
        .rows
        .iter()
        .filter(|row| row.trained.is_none())
        .map(|row| row.title.as_str())
        .collect();
    if !untrained.is_empty() {
        lines.push(format!(
            "Not trained in this run: {}. Their counts and speeds are shown; `--rows all` trains \
             them.",
            untrained.join(", ")
        ));
    }
    lines.push(
        "The architecture of the inception U-Nets is reconstructed: the paper prints four cells \
         of its head table, the others and the places of the mixers are fitted to its parameter \
         counts."
            .into(),
    );
    let certain: Vec<String> = report
        .rows
        .iter()
        .filter_map(|row| {
            let paper = row.paper.as_ref()?;
            Some(format!("{} ({})", row.title, paper.certainty))
        })
        .collect();
    if !certain.is_empty() {
        lines.push(format!("How sure the paper's numbers are: {}.", certain.join("; ")));
    }
    lines
}

/// What the distances are.
pub(super) fn about_distance(report: &Report) -> Option<String> {
    let distance = report.rows.iter().find_map(|row| row.trained.as_ref()?.distance.as_ref())?;
    Some(format!(
        "Frechet distance on the features of {} (weights {}…), {} samples against {} held-out \
         real pictures. It is not FID. As many real training pictures reach {:.3} against the \
         same held-out ones: no row can be expected below that floor. Intervals are 95 % \
         bootstrap intervals over the samples. Sampling: {}.",
        distance.features,
        distance.features_hash.get(..12).unwrap_or(&distance.features_hash),
        distance.generated,
        distance.reference,
        distance.floor,
        report.sampling
    ))
}
