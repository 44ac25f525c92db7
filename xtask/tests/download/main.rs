//! `cargo xtask download`, run against hosts on this machine that misbehave in every way that hosts do.
//!
//! Nothing here reaches another machine. The real hosts were never asked by any test.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod hosts;
mod lists;
mod resuming;
mod sandbox;
mod server;
