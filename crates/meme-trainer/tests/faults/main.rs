//! Kills, damage, failing disks and spoilt numbers: a run that meets them ends with the same bits.
//!
//! Each kind comes twice: as a short form among the ordinary tests, and in full behind
//! `cargo xtask test --slow`. All print how many faults they put in.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod damage;
mod disk;
mod figures;
mod hooks;
mod kills;
mod numbers;
mod subject;
