//! What a trained row is worth: validation loss, samples, distance, spectra.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use meme_data::{ArraySource, RgbImage};
use meme_metrics::{BootstrapOptions, FeatureNetwork, Gaussian, Statistics, bootstrap};
use meme_router::Index;
use meme_schedule::Schedule;
use meme_torch::tch::Device;
use meme_trainer::{Timing, Validation, Window, read_lines};
use ndarray::{Array2, ArrayView2, Axis};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Work;
use super::train::weights_hash;
use crate::analysis::expert_spectrum;
use crate::error::io;
use crate::experiment::{Experiment, SampleConfig};
use crate::lanes::{self, Job};
use crate::pictures::{first_pictures, some_pictures};
use crate::report::{DistanceReport, ExpertSpectrum, StepsReport};
use crate::run::RunFolder;
use crate::sampling::{Sampling, file_name};
use crate::{Error, Result};

/// Timesteps at which the validation loss is measured.
const VALIDATION_POINTS: usize = 20;
/// Held-out images that it is measured on, and that spectra are watched on.
const VALIDATION_IMAGES: usize = 128;
const SPECTRUM_IMAGES: usize = 64;
/// Images per forward pass of networks and feature networks.
const BATCH: usize = 32;
/// Pictures of a preview and of a report's grid, and how many stand in a row.
pub(super) const GRID: usize = 32;
pub(super) const COLUMNS: usize = 8;
const PREVIEW: usize = 16;
/// Held-out pictures in memory at a time.
const HELD_OUT_PORTION: usize = 512;

/// Multiply-adds of measuring one row, for the share of the whole job.
pub(super) fn cost(row: &Experiment) -> Result<f64> {
    let [_, height, width] = row.latent_shape()?;
    let mut macs = 0.0;
    for architecture in &row.experts {
        macs += meme_blocks::count(architecture, height, width)?.macs as f64;
    }
    Ok(macs / row.experts.len() as f64 * (row.sample.count * row.sample.steps) as f64)
}

/// Measures every trained row, several side by side.
pub(crate) fn all_rows(work: &Work<'_>, wants: &(dyn Fn(&str) -> bool + Sync)) -> Result<()> {
    let jobs = work
        .run
        .rows
        .iter()
        .map(|row| Job {
            name: format!("measuring {}", row.name),
            after: Vec::new(),
            work: Box::new(move || one_row(work, row, wants)),
        })
        .collect();
    lanes::run(jobs, work.run.lanes, work.stop, &|lane| work.enter_lane(lane))
}

fn one_row(work: &Work<'_>, row: &Experiment, wants: &dyn Fn(&str) -> bool) -> Result<()> {
    let run = work.run.row_run(row)?;
    let weights = weights_hash(work, row);
    let once = |stage: &str, inputs: Value, output: &Path, make: &dyn Fn() -> Result<()>| {
        if !wants(stage) {
            return Ok(());
        }
        let name = format!("{stage} {}", row.name);
        work.stages.once(&name, &inputs, &[output.to_path_buf()], make).map(|_| ())
    };
    let validation = run.path.join("validation.json");
    let inputs = json!({"weights": weights, "images": VALIDATION_IMAGES});
    once("validate", inputs, &validation, &|| write(&validation, &validation_losses(work, &run)?))?;
    let samples = run.path.join("samples");
    let sampled = json!({"weights": weights, "sample": row.sample});
    once("sample", sampled.clone(), &samples, &|| sample(work, &run, &samples))?;
    let distance = run.path.join("distance.json");
    let inputs = json!({"samples": sampled, "reference": work.pictures.hash});
    once("evaluate", inputs, &distance, &|| {
        write(&distance, &evaluate(work, &read_samples(&samples, row.sample.count)?)?)
    })?;
    for steps in step_counts(work, row) {
        let file = steps_file(&run.path, steps);
        let inputs = json!({"samples": sampled, "steps": steps, "reference": work.pictures.hash});
        let stage = format!("evaluate at {steps} steps {}", row.name);
        if wants("evaluate") {
            let make = || write(&file, &evaluate_at(work, &run, steps)?);
            work.stages.once(&stage, &inputs, std::slice::from_ref(&file), make)?;
        }
    }
    let spectra = run.path.join("spectra.json");
    let inputs = json!({"weights": weights, "images": SPECTRUM_IMAGES});
    once("analyze", inputs, &spectra, &|| write(&spectra, &expert_spectra(work, &run)?))
}

/// Numbers of sampling steps that a row is measured at besides its own; repeats are not.
fn step_counts<'a>(work: &'a Work<'_>, row: &'a Experiment) -> impl Iterator<Item = usize> + 'a {
    let first =
        work.run.suite.rows.iter().any(|known| row.name.ends_with(&format!("/{}", known.row)));
    let steps = if first { work.run.suite.steps.as_slice() } else { &[] };
    steps.iter().copied().filter(|&steps| steps <= row.schedule.steps())
}

/// Where a row's distance at another number of steps stands.
pub(super) fn steps_file(run: &Path, steps: usize) -> PathBuf {
    run.join("steps").join(format!("{steps:04}.json"))
}

/// Samples in another number of steps, kept only as long as they are measured.
fn evaluate_at(work: &Work<'_>, run: &RunFolder, steps: usize) -> Result<StepsReport> {
    let row = &run.experiment;
    let config = SampleConfig { steps, ..row.sample.clone() };
    let total = config.count as u64;
    let label = format!("{} in {steps} steps", row.name);
    let share = cost(row)? * steps as f64 / row.sample.steps as f64;
    work.progress.add_work(share);
    let mut task = work.progress.begin(label, total, share);
    let mut sampling = Sampling::new(run, work.first, &config, work.device(), work.stop)?;
    let mut pictures = Vec::new();
    sampling.images(0..total, &mut |image, picture| {
        pictures.push(picture.clone());
        task.at(image + 1, || "sampling".into());
        Ok(())
    })?;
    let folder = run.path.join("steps");
    std::fs::create_dir_all(&folder).map_err(io(&folder))?;
    Ok(StepsReport { steps: sampling.steps(), distance: evaluate(work, &pictures)? })
}

fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).unwrap_or_default();
    Ok(meme_checkpoint::write_file_whole(path, &text)?)
}

/// Reads a measurement of a row; none where it was not made.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(io(path))?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| Error::Malformed { path: path.to_path_buf(), message: error.to_string() })
}

/// (timestep, loss) of the expert that owns it.
fn validation_losses(work: &Work<'_>, run: &RunFolder) -> Result<Vec<(usize, f64)>> {
    let experiment = &run.experiment;
    let schedule = Schedule::new(&experiment.schedule)?;
    let validation = Validation {
        data: &*work.latents.validation,
        schedule: &schedule,
        parametrisation: experiment.parametrisation,
        images: VALIDATION_IMAGES,
        batch: BATCH,
        seed: experiment.train.seed,
        device: work.device(),
    };
    let steps = schedule.steps();
    let all: Vec<usize> = (0..VALIDATION_POINTS)
        .map(|point| (2 * point + 1) * steps / (2 * VALIDATION_POINTS))
        .collect();
    let mut points = Vec::new();
    for (expert, _) in experiment.numbered() {
        let own = experiment.intervals.indices(expert)?;
        let indices: Vec<Index> =
            all.iter().copied().filter(|index| own.contains(index)).map(Index::new).collect();
        if indices.is_empty() {
            continue;
        }
        let (network, _) = run.trained(expert, work.device())?;
        let held_out = work.latents.classes.as_ref().map(|all| all.held_out(VALIDATION_IMAGES));
        let mut held_out = held_out.filter(|_| experiment.data.classes.is_some());
        let answer = |x: &_, indices: &[Index]| {
            let told = held_out.as_mut().map(|it| it.batch(indices.len() as i64, work.device()));
            let told = told.transpose().map_err(meme_trainer::Error::objective)?;
            network.forward_told(x, indices, told.as_ref()).map_err(meme_trainer::Error::objective)
        };
        let losses = validation.losses(&indices, answer, work.stop)?.ok_or(Error::Stopped)?;
        points.extend(indices.iter().map(|index| index.get() + 1).zip(losses));
    }
    Ok(points)
}

fn sample(work: &Work<'_>, run: &RunFolder, folder: &Path) -> Result<()> {
    let row = &run.experiment;
    let total = row.sample.count as u64;
    let mut task = work.progress.begin(format!("{} samples", row.name), total, cost(row)?);
    let mut sampling = Sampling::new(run, work.first, &row.sample, work.device(), work.stop)?;
    // A folder of fewer samples than asked for must not look finished.
    let staging = folder.with_extension("partial");
    if staging.exists() {
        std::fs::remove_dir_all(&staging).map_err(io(&staging))?;
    }
    std::fs::create_dir_all(&staging).map_err(io(&staging))?;
    sampling.images(0..total, &mut |image, picture| {
        meme_data::write_png(&staging.join(file_name(image)), picture)?;
        task.at(image + 1, || "sampling".into());
        Ok(())
    })?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(io(folder))?;
    }
    std::fs::rename(&staging, folder).map_err(io(folder))
}

/// A sheet of what a row can draw after `images` images.
///
/// None where there is one already, or where a run that was stopped has gone past that point: the
/// sheet would show something else than its name says.
pub(super) fn preview(work: &Work<'_>, row: &Experiment, images: u64) -> Result<Option<PathBuf>> {
    let run = work.run.row_run(row)?;
    let folder = run.path.join("previews");
    let path = folder.join(format!("{images:09}.png"));
    if path.exists() {
        return Ok(None);
    }
    for (expert, _) in row.numbered() {
        if run.images_seen(expert)? >= images + row.train.batch {
            return Ok(None);
        }
    }
    let mut config = row.sample.clone();
    config.count = PREVIEW.min(config.count);
    let mut sampling = Sampling::new(&run, work.first, &config, work.device(), work.stop)?;
    let mut pictures: Vec<RgbImage> = Vec::new();
    sampling.images(0..config.count as u64, &mut |_, picture| {
        pictures.push(picture.clone());
        Ok(())
    })?;
    std::fs::create_dir_all(&folder).map_err(io(&folder))?;
    write_sheet(&path, &pictures)?;
    Ok(Some(path))
}

/// Writes pictures as a sheet, small ones enlarged so that one can see them.
pub(super) fn write_sheet(path: &Path, pictures: &[RgbImage]) -> Result<()> {
    let side = pictures.first().map_or(1, |picture| picture.width);
    let factor = (96 / side.max(1)).max(1);
    let enlarged: Vec<RgbImage> =
        pictures.iter().map(|picture| enlarge(picture, factor)).collect::<Result<_>>()?;
    Ok(meme_data::write_png(path, &meme_data::grid(&enlarged, COLUMNS, 2)?)?)
}

/// Every pixel as a square of `factor` pixels.
fn enlarge(picture: &RgbImage, factor: usize) -> Result<RgbImage> {
    let (width, height) = (picture.width * factor, picture.height * factor);
    let pixel = |x: usize, y: usize| {
        let start = 3 * (y / factor * picture.width + x / factor);
        &picture.rgb[start..start + 3]
    };
    let rgb =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y).to_vec())).collect();
    Ok(RgbImage::new(width, height, rgb)?)
}

/// The samples of a row, as many as asked for.
pub(super) fn read_samples(folder: &Path, count: usize) -> Result<Vec<RgbImage>> {
    let source = meme_data::open(folder)?;
    (0..count.min(source.len())).map(|image| Ok(source.image(image, 0)?)).collect()
}

fn evaluate(work: &Work<'_>, generated: &[RgbImage]) -> Result<DistanceReport> {
    let network = FeatureNetwork::random(Device::Cpu)?;
    let features = |pictures: &[RgbImage]| features(&network, pictures, work);
    let reference = held_out(work, &features)?;
    let real = Gaussian::of(&Statistics::of(reference.view())?)?;
    let distance = |rows: ArrayView2<'_, f64>| -> meme_metrics::Result<f64> {
        Gaussian::of(&Statistics::of(rows)?)?.distance(&real)
    };
    let drawn = features(generated)?;
    let value = distance(drawn.view())?;
    let interval = bootstrap(value, drawn.nrows(), &BootstrapOptions::default(), |rows| {
        distance(drawn.select(Axis(0), rows).view())
    })?;
    let learned_from = features(&first_pictures(&work.pictures.train, generated.len())?)?;
    Ok(DistanceReport {
        value,
        interval: (interval.low, interval.high),
        floor: distance(learned_from.view())?,
        generated: drawn.nrows(),
        reference: reference.nrows(),
        features: network.name().to_owned(),
        features_hash: network.hash().to_owned(),
    })
}

/// Features of all held-out pictures, which every row is compared with.
fn held_out(
    work: &Work<'_>,
    features: &dyn Fn(&[RgbImage]) -> Result<Array2<f64>>,
) -> Result<Arc<Array2<f64>>> {
    // Held while they are made: another lane that needs them waits instead of making them too.
    let mut known = work.reference.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = &*known {
        return Ok(Arc::clone(known));
    }
    let pictures = &work.pictures.validation;
    let mut parts = Vec::new();
    for first in (0..pictures.len()).step_by(HELD_OUT_PORTION) {
        let last = (first + HELD_OUT_PORTION).min(pictures.len());
        parts.push(features(&some_pictures(pictures, first..last)?)?);
    }
    let views: Vec<_> = parts.iter().map(ndarray::ArrayBase::view).collect();
    let all = ndarray::concatenate(Axis(0), &views)
        .map_err(|error| Error::Usage(format!("features of the held-out pictures: {error}")))?;
    let all = Arc::new(all);
    *known = Some(Arc::clone(&all));
    Ok(all)
}

fn features(
    network: &FeatureNetwork,
    pictures: &[RgbImage],
    work: &Work<'_>,
) -> Result<Array2<f64>> {
    let pictures = pictures.iter().map(|picture| Ok::<_, meme_metrics::Error>(picture.clone()));
    let mut watch = |_| {
        if work.stop.raised() {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    };
    match meme_metrics::extract(network, pictures, BATCH, &mut watch) {
        Err(meme_metrics::Error::Stopped { .. }) => Err(Error::Stopped),
        features => Ok(features?),
    }
}

fn expert_spectra(work: &Work<'_>, run: &RunFolder) -> Result<Vec<ExpertSpectrum>> {
    let data: &dyn ArraySource = &*work.latents.validation;
    run.experiment
        .numbered()
        .map(|(expert, _)| expert_spectrum(run, expert, data, SPECTRUM_IMAGES, work.device()))
        .collect()
}

/// For each expert the windows of its statistics.
pub(super) fn curves(run: &RunFolder) -> Result<Vec<Vec<(u64, f64)>>> {
    run.experiment
        .numbered()
        .map(|(expert, _)| {
            let path = run.expert_folder(expert).join("stats.jsonl");
            let windows: Vec<Window> = read_lines(&path)?;
            Ok(windows.iter().map(|window| (window.images, window.mean_loss())).collect())
        })
        .collect()
}

/// Wall seconds that a row's experts spent in training, summed.
pub(super) fn training_seconds(work: &Work<'_>, row: &Experiment) -> Result<f64> {
    let run = work.run.row_run(row)?;
    let mut seconds = 0.0;
    for (expert, _) in row.numbered() {
        let path = run.expert_folder(expert).join("timing.jsonl");
        let windows: Vec<Timing> = read_lines(&path)?;
        seconds += windows.iter().map(Timing::seconds).sum::<f64>();
    }
    Ok(seconds)
}
