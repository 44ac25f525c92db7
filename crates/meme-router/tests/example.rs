//! The example is short and runs.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../examples/route.rs"]
mod route;

#[test]
fn the_example_runs_and_has_less_than_forty_lines() {
    route::main().unwrap();
    assert!(include_str!("../examples/route.rs").lines().count() < 40);
}
