//! Everything that does not change the state of the process; what does has a file of its own.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests count as tests

mod adamw;
mod checkpointing;
mod convert;
mod device;
mod ema;
mod golden;
mod gradients;
mod layers;
mod noise;
mod parameters;
mod power;
mod streams;
