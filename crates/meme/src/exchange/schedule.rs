//! Noise schedules as CompVis' buffers and diffusers' scheduler files tell them.

use std::path::Path;

use meme_checkpoint::TensorData;
use meme_schedule::{Parametrisation, ScheduleConfig};
use serde_json::{Value, json};

use super::fields::Fields;
use crate::Result;

/// Betas in files are float32; so are the sums that made them in some.
const TOLERANCE: f64 = 1e-5;

/// The schedule whose betas these are: equally spaced roots (LDM), equally spaced (DDPM), else the table of alpha-bar.
pub(super) fn from_betas(betas: &TensorData) -> Result<ScheduleConfig> {
    let betas = betas.to_f64()?;
    let steps = betas.len();
    let (first, last) =
        (betas.first().copied().unwrap_or(0.0), betas.last().copied().unwrap_or(0.0));
    let fits = |form: &dyn Fn(f64) -> f64| {
        steps > 1
            && betas.iter().enumerate().all(|(index, beta)| {
                let expected = form(index as f64 / (steps - 1) as f64);
                (beta - expected).abs() <= TOLERANCE * expected
            })
    };
    let (root_first, root_last) = (first.sqrt(), last.sqrt());
    let (beta_start, beta_end) = (decimal(first), decimal(last));
    if fits(&|t| (root_first + t * (root_last - root_first)).powi(2)) {
        return Ok(ScheduleConfig::ScaledLinear { steps, beta_start, beta_end });
    }
    if fits(&|t| first + t * (last - first)) {
        return Ok(ScheduleConfig::Linear { steps, beta_start, beta_end });
    }
    let alpha_bar = betas.iter().scan(1.0, |product, beta| {
        *product *= 1.0 - beta;
        Some(*product)
    });
    Ok(ScheduleConfig::Explicit { alpha_bar: alpha_bar.collect() })
}

/// The decimal number that a float32 was written as: 0.0015, not 0.001500000013038516.
fn decimal(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// Schedule and prediction of a `scheduler_config.json`; what is said in another way than here is told, not taken over.
pub(super) fn read(
    path: &Path,
    notices: &mut Vec<String>,
) -> Result<(Option<ScheduleConfig>, Option<Parametrisation>)> {
    let fields = Fields::read(path)?;
    let steps = fields.get("num_train_timesteps")?.unwrap_or(1000);
    let beta_start = fields.get("beta_start")?.unwrap_or(0.0001);
    let beta_end = fields.get("beta_end")?.unwrap_or(0.02);
    let form: String = fields.get("beta_schedule")?.unwrap_or_else(|| "linear".to_owned());
    let own_betas: Option<Vec<f64>> = fields.get("trained_betas")?;
    let zero_snr: Option<bool> = fields.get("rescale_betas_zero_snr")?;
    let schedule = match form.as_str() {
        "scaled_linear" => Some(ScheduleConfig::ScaledLinear { steps, beta_start, beta_end }),
        "linear" => Some(ScheduleConfig::Linear { steps, beta_start, beta_end }),
        "squaredcos_cap_v2" => {
            Some(ScheduleConfig::Cosine { steps, offset: 0.008, max_beta: 0.999 })
        }
        _ => None,
    };
    let schedule = schedule.filter(|_| own_betas.is_none() && zero_snr != Some(true));
    if schedule.is_none() {
        notices.push(format!(
            "{}: its noise schedule ({form}) is not taken over; --like or --set schedule=... says which to use",
            path.display()
        ));
    }
    let prediction: String = fields.get("prediction_type")?.unwrap_or_else(|| "epsilon".to_owned());
    let parametrisation = match prediction.as_str() {
        "epsilon" => Parametrisation::Epsilon,
        "v_prediction" => Parametrisation::Velocity,
        "sample" => Parametrisation::Sample,
        other => {
            return Err(
                fields.refused(format!("`prediction_type` is {other:?}, which is not known here"))
            );
        }
    };
    Ok((schedule, Some(parametrisation)))
}

/// The schedule as diffusers' `DDIMScheduler` reads it; `None` where it has no name for it.
pub(super) fn write(
    schedule: &ScheduleConfig,
    parametrisation: Parametrisation,
    clip: bool,
) -> Option<Value> {
    let prediction = match parametrisation {
        Parametrisation::Epsilon => "epsilon",
        Parametrisation::Velocity => "v_prediction",
        Parametrisation::Sample => "sample",
    };
    let (form, steps, start, end) = match schedule {
        ScheduleConfig::ScaledLinear { steps, beta_start, beta_end } => {
            ("scaled_linear", steps, *beta_start, *beta_end)
        }
        ScheduleConfig::Linear { steps, beta_start, beta_end } => {
            ("linear", steps, *beta_start, *beta_end)
        }
        _ => return None,
    };
    Some(json!({
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": steps,
        "beta_schedule": form,
        "beta_start": start,
        "beta_end": end,
        "prediction_type": prediction,
        "clip_sample": clip,
        "set_alpha_to_one": false,
        "steps_offset": 1,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `make_beta_schedule` of latent diffusion, in its own words: float64, then stored as float32.
    fn ldm(start: f64, end: f64) -> TensorData {
        let root = |i: usize| start.sqrt() + i as f64 / 999.0 * (end.sqrt() - start.sqrt());
        let betas: Vec<f32> = (0..1000).map(|i| (root(i) * root(i)) as f32).collect();
        TensorData::from_f32(&betas, &[1000]).unwrap()
    }

    #[test]
    fn the_buffers_of_ldm_are_recognised_to_the_last_digit() {
        let found = from_betas(&ldm(0.0015, 0.0195)).unwrap();
        let expected =
            ScheduleConfig::ScaledLinear { steps: 1000, beta_start: 0.0015, beta_end: 0.0195 };
        assert_eq!(found, expected);
    }

    #[test]
    fn betas_of_no_known_form_become_a_table() {
        let betas = TensorData::from_f64(&[0.1, 0.5, 0.2], &[3]).unwrap();
        let ScheduleConfig::Explicit { alpha_bar } = from_betas(&betas).unwrap() else {
            unreachable!()
        };
        assert_eq!(alpha_bar.len(), 3);
        assert!((alpha_bar[2] - 0.9 * 0.5 * 0.8).abs() < 1e-15);
    }
}
