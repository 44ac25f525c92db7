//! The example is short and runs.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../examples/two_experts.rs"]
mod two_experts;

#[test]
fn the_example_runs_and_has_less_than_forty_lines() {
    two_experts::main().unwrap();
    assert!(include_str!("../examples/two_experts.rs").lines().count() < 40);
}
