//! `cargo xtask setup` against a pretended pip: what its module promises, sentence by sentence.
//!
//! Nothing here reaches a network or a real cache: each test has a checkout, a cache and a PATH of
//! its own, with shell scripts for `python3` and the compiler.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod choosing;
mod installing;
mod interrupted;
mod refusing;
mod sandbox;
mod wheels;
