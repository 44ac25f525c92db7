//! Relative log amplitude of trained experts' feature maps (Park and Kim, ICLR 2022), by layer,
//! timestep and expert.

use std::collections::BTreeSet;
use std::fmt::Write;

use meme_blocks::{FeatureMap, Options, Probe};
use meme_data::ArraySource;
use meme_frequency::{AmplitudeCurve, LogAmplitude};
use meme_router::{Expert, Index};
use meme_schedule::Schedule;
use meme_torch::tch::{Device, Tensor, no_grad};
use meme_trainer::Stop;
use ndarray::ArrayView4;

use super::Shown;
use super::page::Page;
use super::shown::Spoilt;
use crate::experiment::Experiment;
use crate::report::{Chart, ExpertSpectrum, HeatMap, Series, expert_spectra};
use crate::run::{Network, RunFolder};
use crate::{Error, Result};

/// The mean curve of one feature map of one expert at one timestep.
struct MapCurve {
    expert: usize,
    index: Index,
    map: FeatureMap,
    curve: AmplitudeCurve,
}

/// Sums up the spectrum of every feature map that it is shown.
struct Watch {
    maps: Vec<(FeatureMap, Option<LogAmplitude>)>,
    failure: Option<Error>,
}

impl Probe for Watch {
    fn wants(&self, name: &str) -> bool {
        self.maps.iter().any(|(map, _)| map.name == name)
    }

    fn see(&mut self, name: &str, map: &Tensor) {
        let known = self.maps.iter_mut().find(|(known, _)| known.name == name);
        let Some((_, amplitude)) = known else { return };
        if let Err(error) = add(amplitude, map) {
            self.failure.get_or_insert(error);
        }
    }
}

fn add(amplitude: &mut Option<LogAmplitude>, map: &Tensor) -> Result<()> {
    let size: Vec<usize> = map.size().iter().map(|&side| side as usize).collect();
    let shape = |_| Error::Usage(format!("a feature map of {size:?} is no [B, C, H, W]"));
    let &[samples, channels, height, width] = size.as_slice() else { return Err(shape(())) };
    let values = meme_torch::to_f32_vec(map)?;
    let maps = ArrayView4::from_shape((samples, channels, height, width), &values)
        .map_err(|_| shape(()))?;
    let sums = match amplitude {
        Some(sums) => sums,
        None => amplitude.insert(LogAmplitude::new(height, width)?),
    };
    Ok(sums.add_batch(maps)?)
}

/// The spectra of the chosen maps of one network at the noise of `index`.
fn watch(
    network: &Network,
    experiment: &Experiment,
    expert: Expert,
    shown: &Shown<'_>,
    index: Index,
    chosen: &dyn Fn(&FeatureMap) -> bool,
) -> Result<Vec<MapCurve>> {
    let architecture = Network::architecture(experiment, expert)?;
    let maps = meme_blocks::feature_maps(architecture)?;
    let maps = maps.into_iter().filter(chosen).map(|map| (map, None)).collect();
    let mut watch = Watch { maps, failure: None };
    for rows in shown.batches() {
        // Every noise level gets the same noise: what differs is the level alone.
        let spoilt = |row| Spoilt { index, noise: row as u64 };
        let batch = shown.batch(rows.clone(), experiment.parametrisation, spoilt)?;
        let classes = shown.classes(architecture, rows)?;
        let mut options =
            Options { probe: Some(&mut watch), classes: classes.as_ref(), ..Options::default() };
        let _ = no_grad(|| network.unet.forward(&batch.noisy, &batch.indices, &mut options))?;
        if let Some(failure) = watch.failure.take() {
            return Err(failure);
        }
    }
    let number = usize::from(expert.number());
    let curves = watch.maps.into_iter().filter_map(|(map, sums)| Some((map, sums?)));
    curves
        .map(|(map, sums)| Ok(MapCurve { expert: number, index, map, curve: sums.finish()? }))
        .collect()
}

/// Whether a map counts for an expert's mean curve: blocks at the input's resolution.
fn is_finest(map: &FeatureMap) -> bool {
    map.level == 0 && !map.name.ends_with(".branches") && map.name != "output"
}

/// The middle of an expert's interval.
fn middle(experiment: &Experiment, expert: Expert) -> Result<Index> {
    let own = experiment.intervals.indices(expert)?;
    Ok(Index::new((own.start + own.end) / 2))
}

/// The mean curve over one expert's feature maps at the input's resolution, watched at the middle
/// of its interval on `images` noisy latents.
pub(crate) fn expert_spectrum(
    run: &RunFolder,
    expert: Expert,
    latents: &dyn ArraySource,
    images: usize,
    device: Device,
) -> Result<ExpertSpectrum> {
    let (network, _) = run.trained(expert, device)?;
    let schedule = Schedule::new(&run.experiment.schedule)?;
    let shown = Shown { latents, schedule, count: images, device };
    let index = middle(&run.experiment, expert)?;
    let curves = watch(&network, &run.experiment, expert, &shown, index, &is_finest)?;
    Ok(mean_curve(&curves, usize::from(expert.number()), index))
}

/// The mean over an expert's maps at the input's resolution.
fn mean_curve(curves: &[MapCurve], expert: usize, index: Index) -> ExpertSpectrum {
    let these: Vec<&AmplitudeCurve> = curves
        .iter()
        .filter(|it| it.expert == expert && it.index == index && is_finest(&it.map))
        .map(|it| &it.curve)
        .collect();
    let frequencies = these.first().map(|curve| curve.frequency.clone()).unwrap_or_default();
    let mean = |point: usize| {
        these.iter().map(|curve| curve.relative[point]).sum::<f64>() / these.len() as f64
    };
    let curve = (0..frequencies.len()).map(mean).collect();
    ExpertSpectrum { expert, timestep: index.get() + 1, frequencies, curve }
}

/// The noise levels at which maps are watched: `levels` in the middles of equal parts, the middle
/// of every expert's interval, and the middle of all.
pub(crate) fn watched_indices(experiment: &Experiment, levels: usize) -> Result<Vec<Index>> {
    let steps = experiment.schedule.steps();
    let mut indices: BTreeSet<Index> =
        (0..levels).map(|level| Index::new((2 * level + 1) * steps / (2 * levels))).collect();
    indices.insert(Index::new(steps / 2));
    for (expert, _) in experiment.numbered() {
        indices.insert(middle(experiment, expert)?);
    }
    Ok(indices.into_iter().collect())
}

/// Every feature map of every expert at every one of `indices`; puts tables and figures onto the
/// page.
pub(crate) fn maps_of(
    run: &RunFolder,
    shown: &Shown<'_>,
    indices: &[Index],
    page: &mut Page,
    stop: &Stop,
    done: &mut dyn FnMut(u64),
) -> Result<()> {
    let experiment = &run.experiment;
    let mut curves = Vec::new();
    let mut passes = 0;
    for (expert, _) in experiment.numbered() {
        let (network, _) = run.trained(expert, shown.device)?;
        for &index in indices {
            if stop.raised() {
                return Err(Error::Stopped);
            }
            curves.extend(watch(&network, experiment, expert, shown, index, &|_| true)?);
            passes += 1;
            done(passes);
        }
    }
    page.file("maps.csv", &table(&curves))?;
    let own: Vec<ExpertSpectrum> = experiment
        .numbered()
        .map(|(expert, _)| {
            let index = middle(experiment, expert)?;
            Ok(mean_curve(&curves, usize::from(expert.number()), index))
        })
        .collect::<Result<_>>()?;
    page.chart("spectra", &expert_spectra(&experiment.title, &own))?;
    if experiment.experts.len() > 1 {
        let middle = Index::new(experiment.schedule.steps() / 2);
        let same = experiment.numbered();
        let same: Vec<ExpertSpectrum> =
            same.map(|(it, _)| mean_curve(&curves, usize::from(it.number()), middle)).collect();
        let title = format!("{}, all experts at the same noise", experiment.title);
        let chart = Chart { title, ..expert_spectra(&experiment.title, &same) };
        page.chart("spectra-same-noise", &chart)?;
    }
    for (expert, _) in experiment.numbered() {
        let number = usize::from(expert.number());
        let own: Vec<&MapCurve> = curves.iter().filter(|it| it.expert == number).collect();
        let whose = match experiment.experts.len() {
            1 => experiment.title.clone(),
            _ => format!("{}, expert {number}", experiment.title),
        };
        let end = format!("expert-{number}");
        page.chart(&format!("timesteps-{end}"), &by_timestep(&curves, number, indices, &whose))?;
        let at = middle(experiment, expert)?;
        page.heat(&format!("layers-{end}"), &by_layer(&own, at, &whose))?;
        page.heat(&format!("high-{end}"), &high(&own, indices, &whose))?;
    }
    let rows = experiment.numbered().map(|(expert, _)| {
        let number = usize::from(expert.number());
        let range = experiment.intervals.indices(expert)?;
        let at = |index: Index| mean_curve(&curves, number, index).high_frequency();
        let inside: Vec<f64> = indices
            .iter()
            .filter(|index| range.contains(&index.get()))
            .map(|&index| at(index))
            .collect();
        let mean = inside.iter().sum::<f64>() / inside.len().max(1) as f64;
        let same = at(Index::new(experiment.schedule.steps() / 2));
        let numbers = [at(middle(experiment, expert)?), mean, same];
        let cells = numbers.iter().map(|number| format!("{number:.3}"));
        Ok(std::iter::once(number.to_string()).chain(cells).collect())
    });
    page.table(
        "High frequency by expert: mean relative log amplitude over the upper half of the \
         frequencies, mean over the maps at the input's resolution; nearer to 0 is more detail",
        &["expert", "middle of its interval", "mean over its interval", "middle of all timesteps"],
        &rows.collect::<Result<Vec<Vec<String>>>>()?,
    );
    page.value("experts", &own);
    Ok(())
}

/// Every point of every curve.
fn table(curves: &[MapCurve]) -> String {
    let mut text =
        "expert,timestep,map,level,channels,frequency,log_amplitude,relative\n".to_owned();
    for MapCurve { expert, index, map, curve } in curves {
        let timestep = index.get() + 1;
        let points = curve.frequency.iter().zip(&curve.log_amplitude).zip(&curve.relative);
        for ((frequency, amplitude), relative) in points {
            let FeatureMap { name, level, channels } = map;
            let _ = writeln!(
                text,
                "{expert},{timestep},{name},{level},{channels},{frequency},{amplitude},{relative}"
            );
        }
    }
    text
}

fn by_timestep(curves: &[MapCurve], expert: usize, indices: &[Index], whose: &str) -> Chart {
    let series = indices.iter().map(|&index| Series {
        name: format!("t = {}", index.get() + 1),
        points: mean_curve(curves, expert, index).points(),
    });
    Chart {
        title: format!("{whose}: feature maps at the input's resolution"),
        x_label: "spatial frequency, radians per pixel (0 to pi)".into(),
        y_label: "log amplitude relative to frequency 0".into(),
        series: series.collect(),
        ordered: true,
        ..Chart::default()
    }
}

/// Maps over frequency, at one timestep; coarser maps have fewer points, each of which fills more
/// columns.
fn by_layer(own: &[&MapCurve], at: Index, whose: &str) -> HeatMap {
    let here: Vec<&&MapCurve> = own.iter().filter(|it| it.index == at).collect();
    let finest = here.iter().map(|it| it.curve.frequency.len()).max().unwrap_or(0);
    let frequency = |column: usize| std::f64::consts::PI * column as f64 / finest as f64;
    let rows = here.iter().map(|it| {
        let points = it.curve.relative.len();
        let value = |column: usize| match points {
            // Frequency 0 alone says nothing.
            1 => f64::NAN,
            _ => it.curve.relative[column * points / finest],
        };
        let values = (0..finest).map(value);
        (it.map.name.clone(), values.collect())
    });
    HeatMap {
        title: format!("{whose}: feature maps at t = {}", at.get() + 1),
        x_label: "spatial frequency, radians per pixel of the map".into(),
        y_label: "feature map, from input to output".into(),
        z_label: "log amplitude relative to frequency 0".into(),
        columns: (0..finest).map(|column| format!("{:.2}", frequency(column))).collect(),
        rows: rows.collect(),
    }
}

/// Maps over timesteps, the upper half of the frequencies.
fn high(own: &[&MapCurve], indices: &[Index], whose: &str) -> HeatMap {
    let first = indices.first();
    let names = own.iter().filter(|it| Some(&it.index) == first).map(|it| &it.map.name);
    let value = |name: &str, index: Index| {
        let found = own.iter().find(|it| it.index == index && it.map.name == name);
        found.map_or(f64::NAN, |it| upper_half(&it.curve))
    };
    HeatMap {
        title: format!("{whose}: high frequency by layer and timestep"),
        x_label: "timestep".into(),
        y_label: "feature map, from input to output".into(),
        z_label: "relative log amplitude, upper half".into(),
        columns: indices.iter().map(|index| (index.get() + 1).to_string()).collect(),
        rows: names
            .map(|name| (name.clone(), indices.iter().map(|&it| value(name, it)).collect()))
            .collect(),
    }
}

/// Mean relative log amplitude over the upper half of the frequencies; NaN for a map so small that
/// it has none.
fn upper_half(curve: &AmplitudeCurve) -> f64 {
    if curve.relative.len() < 2 {
        return f64::NAN;
    }
    let upper = &curve.relative[curve.relative.len() / 2..];
    upper.iter().sum::<f64>() / upper.len() as f64
}
