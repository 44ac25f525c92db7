//! Spectra of latents on their way into noise, and of samples on their way out of it.

use meme_frequency::{PowerSpectrum, RadialPower, Window};
use meme_router::Index;
use meme_schedule::Parametrisation;
use meme_torch::tch::Tensor;
use ndarray::ArrayView4;

use super::page::Page;
use super::shown::Spoilt;
use super::{Shown, points};
use crate::report::{Chart, Series};
use crate::sampling::Sampling;
use crate::{Error, Result};

/// Lines of a figure, about.
const LINES: usize = 8;

/// Spectra of the same latents and the same noise at each of `indices`, clean ones first.
pub(crate) fn forward(shown: &Shown<'_>, indices: &[Index], page: &mut Page) -> Result<()> {
    let [_, height, width] = shown.latents.shape();
    let mut clean = PowerSpectrum::new(height, width, Window::Hann)?;
    let mut lines = Vec::new();
    for &index in thinned(indices, LINES).iter() {
        let mut noisy = PowerSpectrum::new(height, width, Window::Hann)?;
        for rows in shown.batches() {
            // What a network should answer is of no interest here, but for the clean image.
            let target = Parametrisation::Sample;
            let spoilt = |row| Spoilt { index, noise: row as u64 };
            let batch = shown.batch(rows, target, spoilt)?;
            add(&mut noisy, &batch.noisy)?;
            if lines.is_empty() {
                add(&mut clean, &batch.target)?;
            }
        }
        lines.push((format!("t = {}", index.get() + 1), noisy.radial()?));
    }
    lines.insert(0, ("clean".to_owned(), clean.radial()?));
    page.chart("latents-forward", &chart("Latents along the forward process", &lines))
}

/// Spectra along `count` samples: of `x` after some of the steps, and of the clean image that the
/// network then expects.
pub(crate) fn trajectory(
    sampling: &mut Sampling<'_>,
    [height, width]: [usize; 2],
    count: u64,
    real: &RadialPower,
    page: &mut Page,
) -> Result<()> {
    let total = sampling.steps();
    let steps: Vec<usize> = (1..=total).collect();
    let steps = thinned(&steps, LINES);
    let empty = || PowerSpectrum::new(height, width, Window::Hann);
    let mut sums = Vec::new();
    for &step in &steps {
        sums.push((step, 0, empty()?, empty()?));
    }
    sampling.watched(0..count, &mut |progress| {
        let Some(it) = sums.iter_mut().find(|it| it.0 == progress.step) else { return Ok(()) };
        it.1 = progress.index.get() + 1;
        add(&mut it.2, progress.x)?;
        add(&mut it.3, progress.x0)
    })?;
    let (mut x, mut x0) = (Vec::new(), Vec::new());
    for (step, timestep, of_x, of_x0) in &sums {
        let name = format!("step {step} of {total}, t = {timestep}");
        x.push((name.clone(), of_x.radial()?));
        x0.push((name, of_x0.radial()?));
    }
    for lines in [&mut x, &mut x0] {
        lines.push(("real latents".to_owned(), real.clone()));
    }
    page.chart("trajectory-x", &chart("Latents along sampling, after the step", &x))?;
    page.chart("trajectory-x0", &chart("Clean latents that are predicted along sampling", &x0))
}

fn chart(title: &str, lines: &[(String, RadialPower)]) -> Chart {
    let series = lines
        .iter()
        .map(|(name, spectrum)| Series { name: name.clone(), points: points(spectrum) })
        .collect();
    Chart {
        title: title.to_owned(),
        x_label: "spatial frequency, radians per pixel (to pi)".into(),
        y_label: "power (noise of variance 1: 1)".into(),
        x_log: true,
        y_log: true,
        series,
        ordered: true,
        ..Chart::default()
    }
}

/// At most `most` of them, evenly spread, the first and the last among them.
pub(super) fn thinned<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    if all.len() <= most {
        return all.to_vec();
    }
    (0..most).map(|place| all[place * (all.len() - 1) / (most - 1)]).collect()
}

/// Adds latents `[B, C, H, W]`.
fn add(sum: &mut PowerSpectrum, latents: &Tensor) -> Result<()> {
    let size: Vec<usize> = latents.size().iter().map(|&side| side as usize).collect();
    let wrong = || Error::Usage(format!("latents of {size:?} are no [B, C, H, W]"));
    let &[samples, channels, height, width] = size.as_slice() else { return Err(wrong()) };
    let values = meme_torch::to_f32_vec(latents)?;
    let view = ArrayView4::from_shape((samples, channels, height, width), &values);
    Ok(sum.add_batch(view.map_err(|_| wrong())?)?)
}

#[cfg(test)]
mod tests {
    use super::thinned;

    #[test]
    fn thinning_keeps_both_ends() {
        assert_eq!(thinned(&[1, 2, 3], 8), [1, 2, 3]);
        assert_eq!(thinned(&(1..=25).collect::<Vec<_>>(), 4), [1, 9, 17, 25]);
    }
}
