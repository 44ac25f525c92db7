//! Power spectra of pictures and of latents.

use std::f64::consts::FRAC_PI_2;

use meme_data::ArraySource;
use meme_frequency::{PowerLaw, PowerSpectrum, RadialPower, Window};
use ndarray::ArrayView3;
use serde_json::json;

use super::page::Page;
use super::{SPECTRUM_IMAGES, points};
use crate::Result;
use crate::report::{Chart, Series};

/// Mean radial power of the first latents, or pictures, of a source. A Hann window keeps their
/// edges from counting as details.
pub(crate) fn latent_spectrum(source: &dyn ArraySource) -> Result<RadialPower> {
    let [channels, height, width] = source.shape();
    let mut sum = PowerSpectrum::new(height, width, Window::Hann)?;
    let mut values = vec![0f32; channels * height * width];
    for image in 0..SPECTRUM_IMAGES.min(source.len()) {
        source.read(image, &mut values)?;
        if let Ok(view) = ArrayView3::from_shape((channels, height, width), &values) {
            sum.add(view)?;
        }
    }
    Ok(sum.radial()?)
}

/// The spectrum of real pictures with the power law that fits it, and that of generated ones
/// beside it.
pub(crate) fn picture_spectra(
    real: &dyn ArraySource,
    generated: Option<&dyn ArraySource>,
    page: &mut Page,
) -> Result<()> {
    let spectrum = latent_spectrum(real)?;
    let points_of_law = |law: PowerLaw| {
        let points = points(&spectrum);
        points.iter().map(|(f, _)| (*f, law.amplitude * f.powf(-law.exponent))).collect()
    };
    let mut series = vec![Series { name: "real".into(), points: points(&spectrum) }];
    let mut value = json!({"frequency": spectrum.frequency, "real": spectrum.power});
    let seen = |source: &dyn ArraySource| source.len().min(SPECTRUM_IMAGES);
    let mut sentence = format!("Power spectra are of {} real pictures", seen(real));
    if let Some(generated) = generated {
        let theirs = latent_spectrum(generated)?;
        series.push(Series { name: "generated".into(), points: points(&theirs) });
        value["generated"] = json!(theirs.power);
        page.chart("generated-over-real", &ratio(&theirs, &spectrum))?;
        let share = |spectrum: &RadialPower| 100.0 * spectrum.share_above(FRAC_PI_2);
        sentence.push_str(&format!(
            " and {} generated ones; {:.2} % and {:.2} % of the power lies above pi / 2",
            seen(generated),
            share(&spectrum),
            share(&theirs)
        ));
    }
    // The last octave is what resizing has changed.
    if let Ok(fit) = PowerLaw::fit(&spectrum, 0.0, FRAC_PI_2) {
        let exponent = fit.law.exponent;
        series.push(Series {
            name: format!("power law, exponent {exponent:.2}"),
            points: points_of_law(fit.law),
        });
        sentence.push_str(&format!(
            "; the real ones fall like 1 / f^{exponent:.2} below pi / 2 (R^2 {:.3})",
            fit.r_squared
        ));
        value["exponent"] = json!(exponent);
    }
    page.say(sentence + ".");
    page.value("pictures", &value);
    page.chart(
        "pictures",
        &Chart {
            title: "Radial power spectrum of the pictures".into(),
            x_label: "spatial frequency, radians per pixel (to pi)".into(),
            y_label: "power (noise of variance 1: 1)".into(),
            x_log: true,
            y_log: true,
            series,
            ..Chart::default()
        },
    )
}

fn ratio(generated: &RadialPower, real: &RadialPower) -> Chart {
    let ratios = points(generated).into_iter().zip(points(real));
    let ratios = ratios.map(|((frequency, ours), (_, theirs))| (frequency, ours / theirs));
    let ratios: Vec<(f64, f64)> = ratios.collect();
    let one = ratios.iter().map(|(frequency, _)| (*frequency, 1.0)).collect();
    Chart {
        title: "Power of generated over real pictures".into(),
        x_label: "spatial frequency, radians per pixel (to pi)".into(),
        y_label: "ratio of powers".into(),
        series: vec![
            Series { name: "generated / real".into(), points: ratios },
            Series { name: "equal".into(), points: one },
        ],
        ..Chart::default()
    }
}
