//! What the Wiener filter says about a schedule and a measured spectrum, beside what the preset has.

use meme_frequency::{RadialPower, Spectrum, Suggestion, wiener_response};
use meme_router::Index;
use meme_schedule::Schedule;
use serde_json::json;

use super::page::Page;
use super::process::thinned;
use crate::Result;
use crate::experiment::Experiment;
use crate::report::{Chart, Series};
use crate::search::{Division, divisions, suggestion};

/// Lines of a figure, about.
const LINES: usize = 8;

/// The response of the schedule for latents of this spectrum and side; boundaries and
/// high-frequency shares that follow from it, beside the experiment's. `others` are boundaries from
/// elsewhere.
pub(crate) fn theory(
    experiment: &Experiment,
    spectrum: &RadialPower,
    side: usize,
    indices: &[Index],
    others: Vec<Division>,
    page: &mut Page,
) -> Result<()> {
    let schedule = Schedule::new(&experiment.schedule)?;
    let suggestion = suggestion(experiment, &schedule, spectrum, side)?;
    page.chart("wiener", &response(&schedule, spectrum, &thinned(indices, LINES)))?;
    page.chart("recoverable", &recoverable(experiment, &suggestion))?;
    let mut boundaries = divisions(experiment, &schedule, &suggestion)?;
    boundaries.extend(others);
    let rows = boundaries.iter().map(|division| {
        let ends = division.intervals.upper_ends().iter().map(ToString::to_string);
        let ends: Vec<String> = ends.collect();
        vec![division.name.to_owned(), ends.join(" ")]
    });
    page.table(
        "Boundaries: the upper end of every expert's timesteps, as the experiment has them and \
         otherwise (equal ones once)",
        &["from", "upper ends"],
        &rows.collect::<Vec<_>>(),
    );
    let named = boundaries.iter().map(|it| (it.name.clone(), it.intervals.upper_ends().to_vec()));
    page.value("boundaries", &named.collect::<std::collections::BTreeMap<_, _>>());
    page.value(
        "high_frequency_shares",
        &json!({
            "suggested": suggestion.high_frequency_shares, "preset": preset_shares(experiment),
        }),
    );
    shares(experiment, &suggestion, page);
    Ok(())
}

/// `[stage][expert]`: the part of the heads that work on high frequency; none without mixers.
fn preset_shares(experiment: &Experiment) -> Vec<Vec<Option<f64>>> {
    let stages = experiment.experts.first().map_or(0, |first| first.channel_mult.len());
    let share = |stage: usize| {
        let experts = experiment.experts.iter();
        let of = experts.map(|expert| {
            let high = *expert.mixer.as_ref()?.high_heads.get(stage)? as f64;
            let heads = expert.width * expert.channel_mult.get(stage)? / expert.head_dim;
            Some(high / heads as f64)
        });
        of.collect()
    };
    (0..stages).map(share).collect()
}

fn shares(experiment: &Experiment, suggestion: &Suggestion, page: &mut Page) {
    let preset = preset_shares(experiment);
    let number = |share: Option<f64>| match share.filter(|share| share.is_finite()) {
        Some(share) => format!("{share:.2}"),
        None => "-".to_owned(),
    };
    let rows = suggestion.high_frequency_shares.iter().enumerate().map(|(stage, suggested)| {
        let cells = suggested.iter().enumerate().map(|(expert, &suggested)| {
            let before = preset.get(stage).and_then(|row| row.get(expert)).copied().flatten();
            format!("{} {}", number(before), number(Some(suggested)))
        });
        std::iter::once((stage + 1).to_string()).chain(cells).collect()
    });
    let experts = (1..=experiment.experts.len()).map(|expert| format!("expert {expert}"));
    let header: Vec<String> = std::iter::once("stage".to_owned()).chain(experts).collect();
    page.table(
        "High-frequency shares by stage: of the experiment's heads, and suggested by the Wiener \
         filter (for the boundaries `wiener`; our own construction, see meme-frequency)",
        &header.iter().map(String::as_str).collect::<Vec<_>>(),
        &rows.collect::<Vec<_>>(),
    );
}

fn response(schedule: &Schedule, spectrum: &RadialPower, indices: &[Index]) -> Chart {
    let line = |index: &Index| Series {
        name: format!("t = {}", index.get() + 1),
        points: spectrum
            .frequency
            .iter()
            .skip(1)
            .map(|&frequency| {
                let power = spectrum.power(frequency);
                (frequency, wiener_response(schedule.alpha_bar(*index), power))
            })
            .collect(),
    };
    Chart {
        title: "Wiener response of the forward process".into(),
        x_label: "spatial frequency, radians per pixel (to pi)".into(),
        y_label: "response".into(),
        x_log: true,
        series: indices.iter().map(line).collect(),
        ordered: true,
        ..Chart::default()
    }
}

/// How much of the band is above the noise at each timestep, with the experiment's boundaries as
/// rules and the suggested ones as points.
fn recoverable(experiment: &Experiment, suggestion: &Suggestion) -> Chart {
    let band = &suggestion.recoverable_band;
    let line = band.iter().enumerate().map(|(index, share)| ((index + 1) as f64, *share));
    let ends = suggestion.upper_ends.iter().map(|&end| (end as f64, band[end - 1]));
    let inner = experiment.intervals.upper_ends().iter().map(|&end| end as f64);
    Chart {
        title: "Recoverable part of the frequency band".into(),
        x_label: "timestep (rules: the experiment's boundaries)".into(),
        y_label: "recoverable part, octaves counting alike".into(),
        rules: inner.take(experiment.experts.len().saturating_sub(1)).collect(),
        series: vec![
            Series { name: "measured spectrum".into(), points: line.collect() },
            Series { name: "suggested boundaries".into(), points: ends.collect() },
        ],
        ..Chart::default()
    }
}
