//! Safetensors files, pickles and checkpoint folders as an enemy would write them.
//!
//! Each reader is run for a second among the ordinary tests, and for half a minute by
//! `cargo xtask test --slow`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod engine;
mod targets;

/// Seconds of the ordinary tests, and of the slow ones.
const BRIEF: u64 = 1;
const LONG: u64 = 30;

macro_rules! fuzz {
    ($($brief:ident $long:ident $run:ident;)+) => {$(
        #[test]
        fn $brief() {
            targets::$run(stringify!($brief), BRIEF);
        }

        #[test]
        #[ignore = "slow: reads hostile files for half a minute"]
        fn $long() {
            targets::$run(stringify!($long), LONG);
        }
    )+};
}

fuzz! {
    hostile_safetensors_are_refused_or_read
        hostile_safetensors_are_refused_or_read_for_long safetensors;
    hostile_safetensors_of_which_single_tensors_are_read
        hostile_safetensors_of_which_single_tensors_are_read_for_long single_tensors;
    hostile_pickles_are_refused_or_read hostile_pickles_are_refused_or_read_for_long pickles;
    hostile_torch_archives_are_refused_or_read
        hostile_torch_archives_are_refused_or_read_for_long archives;
    hostile_legacy_files_are_refused_or_read
        hostile_legacy_files_are_refused_or_read_for_long legacy;
    hostile_manifests_are_refused_or_read hostile_manifests_are_refused_or_read_for_long manifests;
}
