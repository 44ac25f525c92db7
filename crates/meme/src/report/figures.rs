//! The charts of a report.

use super::model::{ExpertSpectrum, Report, RowReport, StepsReport, TrainedReport};
use super::plot::{Chart, Series};

/// A figure's file name and its chart.
pub(super) type Figure = (String, Chart);

/// Every chart that the report has data for.
pub(super) fn all(report: &Report) -> Vec<Figure> {
    let mut figures = Vec::new();
    figures.extend(steps(report));
    figures.extend(speed(report));
    figures.extend(validation(report));
    figures.extend(curves(report));
    figures.extend(spectra(report));
    figures.extend(data_spectrum(report));
    figures.retain(|(_, chart)| chart.series.iter().any(|series| !series.points.is_empty()));
    figures
}

fn trained(report: &Report) -> impl Iterator<Item = (&RowReport, &TrainedReport)> {
    report.rows.iter().filter_map(|row| Some((row, row.trained.as_ref()?)))
}

/// Distance against sampling steps.
fn steps(report: &Report) -> Option<Figure> {
    let series = trained(report)
        .filter(|(_, trained)| !trained.steps.is_empty())
        .map(|(row, trained)| Series {
            name: row.title.clone(),
            points: trained.steps.iter().map(|it| (it.steps as f64, it.distance.value)).collect(),
        })
        .collect();
    let chart = Chart {
        title: "Distance by sampling steps".into(),
        x_label: "sampling steps".into(),
        y_label: "distance to held-out pictures".into(),
        x_log: true,
        series,
        ..Chart::default()
    };
    Some(("distance-steps".into(), chart))
}

/// Distance against the time of one picture: every row a point, or a line over step counts.
fn speed(report: &Report) -> Option<Figure> {
    let series = trained(report)
        .filter_map(|(row, trained)| {
            let step = 1e3 * row.seconds_per_step?;
            let own = trained.distance.as_ref()?.value;
            let points = if trained.steps.is_empty() {
                vec![(step, own)]
            } else {
                let point = |it: &StepsReport| (step * it.steps as f64, it.distance.value);
                trained.steps.iter().map(point).collect()
            };
            Some(Series { name: row.title.clone(), points })
        })
        .collect::<Vec<_>>();
    let per_picture = trained(report).any(|(_, trained)| !trained.steps.is_empty());
    let chart = Chart {
        title: "Speed against quality, at this scale".into(),
        x_label: if per_picture { "ms a picture" } else { "ms a step" }.into(),
        y_label: "distance to held-out pictures".into(),
        x_log: per_picture,
        series,
        ..Chart::default()
    };
    Some(("speed-quality".into(), chart))
}

fn validation(report: &Report) -> Option<Figure> {
    let series = trained(report)
        .map(|(row, trained)| Series {
            name: row.title.clone(),
            points: trained.validation.iter().map(|&(t, loss)| (t as f64, loss)).collect(),
        })
        .collect();
    let chart = Chart {
        title: "Validation loss by timestep".into(),
        x_label: "timestep t (1 = least noise)".into(),
        y_label: "mean squared error of the prediction".into(),
        y_log: true,
        rules: vec![250.0, 500.0, 750.0],
        series,
        ..Chart::default()
    };
    Some(("validation-loss".into(), chart))
}

fn curves(report: &Report) -> Option<Figure> {
    let series = trained(report)
        .flat_map(|(row, trained)| {
            trained.curves.iter().enumerate().map(move |(expert, curve)| Series {
                name: expert_name(row, expert + 1),
                points: curve.iter().map(|&(images, loss)| (images as f64, loss)).collect(),
            })
        })
        .collect();
    let chart = Chart {
        title: "Training loss (at each network's own mix of timesteps)".into(),
        x_label: "images seen".into(),
        y_label: "loss".into(),
        y_log: true,
        series,
        ..Chart::default()
    };
    Some(("training-loss".into(), chart))
}

fn expert_name(row: &RowReport, expert: usize) -> String {
    if row.parameters.len() == 1 { row.title.clone() } else { format!("{} {expert}", row.title) }
}

fn spectra(report: &Report) -> Vec<Figure> {
    trained(report)
        .filter(|(_, trained)| !trained.spectra.is_empty())
        .map(|(row, trained)| {
            (format!("spectra-{}", row.row), expert_spectra(&row.title, &trained.spectra))
        })
        .collect()
}

/// The spectra of one row's experts.
pub(crate) fn expert_spectra(title: &str, spectra: &[ExpertSpectrum]) -> Chart {
    let series = spectra
        .iter()
        .map(|spectrum| Series {
            name: format!("expert {} at t = {}", spectrum.expert, spectrum.timestep),
            points: spectrum.points(),
        })
        .collect();
    Chart {
        title: format!("{title}: relative log amplitude of feature maps"),
        x_label: "spatial frequency (0 to pi)".into(),
        y_label: "log amplitude relative to frequency 0".into(),
        series,
        ..Chart::default()
    }
}

fn data_spectrum(report: &Report) -> Option<Figure> {
    let spectrum = report.data.spectrum.as_ref()?;
    let frequencies = || spectrum.frequencies.iter().copied();
    let law = |frequency: f64| spectrum.amplitude / frequency.powf(spectrum.exponent);
    let chart = Chart {
        title: "Radial power spectrum of the pictures".into(),
        x_label: "spatial frequency (0 to pi)".into(),
        y_label: "power".into(),
        x_log: true,
        y_log: true,
        series: vec![
            Series {
                name: "the pictures".into(),
                points: frequencies().zip(spectrum.power.iter().copied()).collect(),
            },
            Series {
                name: format!("power law, exponent {:.2}", spectrum.exponent),
                points: frequencies().map(|frequency| (frequency, law(frequency))).collect(),
            },
        ],
        ..Chart::default()
    };
    Some(("data-spectrum".into(), chart))
}
