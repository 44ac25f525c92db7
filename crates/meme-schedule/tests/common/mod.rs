//! Goldens: see tests/golden/README.md.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part; a test may fail")]

use meme_schedule::{Schedule, ScheduleConfig};
use serde_json::Value;

pub(crate) fn diffusers() -> Value {
    serde_json::from_str(include_str!("../golden/diffusers.json")).unwrap()
}

pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|entry| entry.as_f64().unwrap()).collect()
}

pub(crate) fn integers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|entry| entry.as_u64().unwrap() as usize).collect()
}

pub(crate) fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, not {expected}");
}

/// A schedule from the text of a TOML file.
pub(crate) fn read(text: &str) -> Schedule {
    Schedule::new(&toml::from_str::<ScheduleConfig>(text).unwrap()).unwrap()
}

/// One schedule of every kind.
pub(crate) fn every_kind() -> Vec<Schedule> {
    let kinds =
        ["scaled-linear", "linear", "cosine", "sigmoid", "sigmoid-beta", "laplace", "karras"];
    let plain = kinds.map(|kind| format!("kind = '{kind}'"));
    let zero = kinds.map(|kind| format!("kind = 'zero-terminal-snr'\nof = {{ kind = '{kind}' }}"));
    plain.iter().chain(&zero).map(|text| read(text)).collect()
}
