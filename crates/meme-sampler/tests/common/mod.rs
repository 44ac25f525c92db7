//! Networks whose answers are known, and the files of other implementations.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;

use meme_router::Index;
use meme_sampler::Result;
use meme_schedule::{Parametrisation, Schedule};
use meme_torch::tch::{Device, Kind, Tensor};
use serde_json::Value;

pub(crate) const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

pub(crate) fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

pub(crate) fn counts(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

/// float64
pub(crate) fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
    let shape: Vec<i64> = shape.iter().map(|side| *side as i64).collect();
    Tensor::from_slice(values).view(shape.as_slice())
}

/// The network of the golden files.
pub(crate) fn golden_network(x: &Tensor, indices: &[Index]) -> Result<Tensor> {
    Ok((x * 0.7 + 0.001 * indices[0].get() as f64).tanh())
}

/// max |a - b| / max |b|, and infinite where anything is not finite.
pub(crate) fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let number = |t: Tensor| f64::try_from(t).unwrap();
    let error = number((found - expected).abs().max()) / number(expected.abs().max());
    if error.is_nan() { f64::INFINITY } else { error }
}

/// The perfect network for data that are normal with this mean and deviation (0: one image), in
/// the form of `parametrisation`.
pub(crate) fn perfect(
    schedule: &Schedule,
    parametrisation: Parametrisation,
    mean: Tensor,
    deviation: f64,
) -> impl FnMut(&Tensor, &[Index]) -> Result<Tensor> {
    let alpha_bars = schedule.alpha_bars().to_vec();
    move |x, indices| {
        let ab = alpha_bars[indices[0].get()];
        let (signal, noise) = (ab.sqrt(), (1.0 - ab).sqrt());
        let away = x - &mean * signal;
        let variance = ab * deviation * deviation + 1.0 - ab;
        let x0 = &mean + &away * (signal * deviation * deviation / variance);
        let epsilon = away * (noise / variance);
        let (of_x0, of_epsilon) = parametrisation.target_coefficients(ab);
        Ok(x0 * of_x0 + epsilon * of_epsilon)
    }
}

/// Noise for samplers that must not ask for any.
pub(crate) fn no_noise(step: usize, _: &Tensor) -> Result<Tensor> {
    panic!("noise was asked for at step {step}");
}
