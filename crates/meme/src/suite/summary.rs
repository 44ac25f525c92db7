//! Everything a suite run has found, as one report value.

use std::f64::consts::FRAC_PI_2;
use std::path::{Path, PathBuf};

use meme_data::ArraySource;
use meme_frequency::{PowerLaw, PowerSpectrum, Window};
use ndarray::ArrayView3;

use super::measure::{self, GRID};
use super::speed::{self, RowSpeed};
use super::{MOST_REPEATS, Work, train};
use crate::Result;
use crate::experiment::{Experiment, Resolver, SuiteRow};
use crate::pictures::first_pictures;
use crate::report::{
    DataReport, ExpertSpectrum, MachineReport, Repeat, Report, RowReport, Spectrum, StepsReport,
    TrainedReport, judge,
};

/// Pictures behind the data's power spectrum.
const SPECTRUM_PICTURES: usize = 512;

/// Reads the results of all stages, and writes the sheets of pictures that the report shows.
pub(super) fn collect(work: &Work<'_>) -> Result<Report> {
    let run = work.run;
    let folder = run.folder.join("report");
    std::fs::create_dir_all(&folder).map_err(crate::error::io(&folder))?;
    let speeds = speed::measured(work)?;
    let paper = Resolver::new("paper", &[])?;
    let rows = run
        .suite
        .rows
        .iter()
        .map(|row| row_report(work, row, &paper, &speeds, &folder))
        .collect::<Result<Vec<_>>>()?;
    let real = first_pictures(&work.pictures.validation, GRID)?;
    measure::write_sheet(&folder.join("real.png"), &real)?;
    let scale = &run.resolver.scale;
    let sample = &run.rows[0].sample;
    let mut report = Report {
        suite: run.suite.name.clone(),
        title: run.suite.title.clone(),
        scale: scale.name.clone(),
        scale_about: scale.about.clone(),
        scaled_down: scale.scaled_down,
        data: data(work)?,
        machine: machine(work)?,
        reference: run.suite.reference.clone(),
        rows,
        real_grid: Some(PathBuf::from("real.png")),
        sampling: format!(
            "{}, {} steps, grid {}, the clean image {}",
            describe(&sample.sampler),
            sample.steps,
            describe(&sample.grid),
            if sample.clip { "clipped" } else { "not clipped" }
        ),
        verdicts: Vec::new(),
    };
    report.verdicts = judge(&run.suite.claims, &report);
    Ok(report)
}

/// A setting as it stands in a file, without the quotes and braces.
fn describe(setting: &impl serde::Serialize) -> String {
    serde_json::to_string(setting)
        .unwrap_or_default()
        .replace(['"', '{', '}'], "")
        .replace("kind:", "")
}

fn row_report(
    work: &Work<'_>,
    row: &SuiteRow,
    paper: &Resolver,
    speeds: &[RowSpeed],
    folder: &Path,
) -> Result<RowReport> {
    let suite = &work.run.suite;
    let here = work.run.resolver.row(suite, &row.row)?;
    let there = paper.row(suite, &row.row)?;
    let [counts, paper_counts] = [&here, &there].map(counts);
    let (counts, paper_counts) = (counts?, paper_counts?);
    let speed = speeds.iter().find(|speed| speed.row == here.name);
    // Rows that an earlier call trained in this folder are shown too.
    let trained = train::is_done(work, &here).then(|| trained_report(work, &here, folder));
    Ok(RowReport {
        row: row.row.clone(),
        title: here.title.clone(),
        about: here.about.clone(),
        paper: row.paper.clone(),
        parameters: counts.iter().map(|count| count.parameters).collect(),
        macs: counts.iter().map(|count| count.macs).collect(),
        macs_without_attention: counts.iter().map(|count| count.macs_without_attention).collect(),
        paper_parameters: paper_counts.iter().map(|count| count.parameters).collect(),
        paper_macs: paper_counts.iter().map(|count| count.macs).collect(),
        seconds_per_step: speed.map(|speed| speed.seconds),
        paper_seconds_per_step: speed.and_then(|speed| speed.paper_seconds),
        trained: trained.transpose()?,
    })
}

fn counts(row: &Experiment) -> Result<Vec<meme_blocks::Count>> {
    let [_, height, width] = row.latent_shape()?;
    row.experts
        .iter()
        .map(|architecture| Ok(meme_blocks::count(architecture, height, width)?))
        .collect()
}

fn trained_report(work: &Work<'_>, row: &Experiment, folder: &Path) -> Result<TrainedReport> {
    let run = work.run.row_run(row)?;
    let samples = run.path.join("samples");
    let name = PathBuf::from(format!("{}.png", row.name.rsplit('/').next().unwrap_or(&row.name)));
    let grid = if samples.exists() {
        measure::write_sheet(&folder.join(&name), &measure::read_samples(&samples, GRID)?)?;
        Some(name)
    } else {
        None
    };
    let spectra: Option<Vec<ExpertSpectrum>> = measure::read(&run.path.join("spectra.json"))?;
    let validation: Option<Vec<(usize, f64)>> = measure::read(&run.path.join("validation.json"))?;
    let spectra = spectra.unwrap_or_default();
    let repeats = (0..MOST_REPEATS)
        .map(|number| (number, row.repeat(number)))
        .filter(|(_, row)| train::is_done(work, row))
        .map(|(number, row)| repeat(work, number, &row))
        .collect::<Result<Vec<_>>>()?;
    let mut steps = Vec::new();
    for &count in &work.run.suite.steps {
        steps.extend(measure::read::<StepsReport>(&measure::steps_file(&run.path, count))?);
    }
    Ok(TrainedReport {
        images: row.train.images,
        seconds: measure::training_seconds(work, row)?,
        curves: measure::curves(&run)?,
        validation: validation.unwrap_or_default(),
        spectra,
        grid,
        distance: measure::read(&run.path.join("distance.json"))?,
        repeats,
        steps,
        sources: sources(&run.path),
    })
}

/// What one repeat of a row gave.
fn repeat(work: &Work<'_>, number: u64, row: &Experiment) -> Result<Repeat> {
    let folder = work.run.row_folder(row);
    let validation: Option<Vec<(usize, f64)>> = measure::read(&folder.join("validation.json"))?;
    let spectra: Option<Vec<ExpertSpectrum>> = measure::read(&folder.join("spectra.json"))?;
    let spectra = spectra.unwrap_or_default();
    let fall = match spectra.as_slice() {
        [first, .., last] => Some(first.high_frequency() - last.high_frequency()),
        _ => None,
    };
    Ok(Repeat {
        number,
        distance: measure::read(&folder.join("distance.json"))?,
        validation: validation
            .filter(|points| !points.is_empty())
            .map(|points| points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64),
        high_frequency_fall: fall,
    })
}

/// The files behind a row's numbers, relative to the report's folder.
fn sources(run: &Path) -> Vec<PathBuf> {
    let row = Path::new("..").join("rows").join(run.file_name().unwrap_or_default());
    ["experiment.toml", "validation.json", "distance.json", "spectra.json", "samples", "steps"]
        .into_iter()
        .filter(|name| run.join(name).exists())
        .map(|name| row.join(name))
        .collect()
}

fn data(work: &Work<'_>) -> Result<DataReport> {
    let first = &work.run.rows[0];
    Ok(DataReport {
        description: work.pictures.description.clone(),
        resolution: first.data.resolution,
        latent_shape: first.latent_shape()?,
        train: work.pictures.train.len(),
        validation: work.pictures.validation.len(),
        hash: work.latents.identity(),
        spectrum: spectrum(work)?,
    })
}

/// Mean radial power of some pictures, and the power law that fits it best.
fn spectrum(work: &Work<'_>) -> Result<Option<Spectrum>> {
    let source = &work.pictures.train;
    let [channels, height, width] = source.shape();
    let mut sum = PowerSpectrum::new(height, width, Window::Hann)?;
    let mut values = vec![0f32; channels * height * width];
    for image in 0..SPECTRUM_PICTURES.min(source.len()) {
        source.read(image, &mut values)?;
        if let Ok(view) = ArrayView3::from_shape((channels, height, width), &values) {
            sum.add(view)?;
        }
    }
    let spectrum = sum.radial()?;
    // The last octave is left out: sampling has changed it.
    let Ok(fit) = PowerLaw::fit(&spectrum, 0.0, FRAC_PI_2) else { return Ok(None) };
    let (frequencies, power): (Vec<f64>, Vec<f64>) = spectrum
        .frequency
        .into_iter()
        .zip(spectrum.power)
        .filter(|(frequency, _)| *frequency > 0.0)
        .unzip();
    let PowerLaw { amplitude, exponent } = fit.law;
    Ok(Some(Spectrum { frequencies, power, amplitude, exponent }))
}

fn machine(work: &Work<'_>) -> Result<MachineReport> {
    // One line a kind of stage: rows are summed.
    let mut stages: Vec<(String, f64)> = Vec::new();
    for (name, record) in work.stages.records() {
        let kind = name.split(' ').next().unwrap_or(&name).to_owned();
        match stages.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, seconds)) => *seconds += record.seconds,
            None => stages.push((kind, record.seconds)),
        }
    }
    stages.sort_by_key(|(kind, _)| super::STAGES.iter().position(|stage| stage == kind));
    Ok(MachineReport {
        processor: processor(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        device: meme_torch::device::device_name(work.run.devices[0]),
        libtorch: meme_torch::device::libtorch_version()?,
        version: env!("CARGO_PKG_VERSION").into(),
        stages,
        peak_memory: meme_torch::peak_memory(),
    })
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or("unknown processor".into(), |(_, name)| name.trim().to_owned())
}
