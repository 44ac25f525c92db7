//! The example is short and runs.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../examples/noise.rs"]
mod noise;

#[test]
fn the_example_runs_and_has_less_than_forty_lines() {
    noise::main().unwrap();
    assert!(include_str!("../examples/noise.rs").lines().count() < 40);
}
