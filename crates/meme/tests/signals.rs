//! SIGTERM and SIGINT in every phase of a run: exit code 75, and the same command goes on.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[allow(dead_code, reason = "not every test uses all of it")]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{command, render, reproduce};

/// A phase, and how one sees from outside that a run is in it.
struct Phase {
    name: &'static str,
    is_on: fn(&Path) -> bool,
    /// Whether a run that was too quick for the signal may have come to its end.
    may_end: bool,
}

const PHASES: [Phase; 5] = [
    Phase { name: "start-up", is_on: |_| true, may_end: false },
    Phase {
        name: "training",
        is_on: |row| row.join("expert-1/stats.jsonl").exists(),
        may_end: false,
    },
    Phase { name: "saving", is_on: is_saving, may_end: false },
    Phase { name: "sampling", is_on: |row| row.join("samples.partial").exists(), may_end: false },
    Phase {
        name: "evaluating",
        is_on: |row| row.join("samples").exists() && !row.join("distance.json").exists(),
        may_end: true,
    },
];

/// Every update closes a window of statistics here, and a checkpoint follows that.
fn is_saving(row: &Path) -> bool {
    let modified = row.join("expert-1/stats.jsonl").metadata().and_then(|it| it.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < Duration::from_millis(100)))
}

/// A short run with a checkpoint after every update and enough steps to be met while sampling.
fn arguments(run: &str) -> Vec<&str> {
    let more = ["train.images=96", "train.checkpoint_seconds=0", "sample.steps=10"];
    let settings = more.iter().flat_map(|setting| ["--set", setting]);
    let own: Vec<&str> = ["--run", run].into_iter().chain(settings).collect();
    reproduce(&own)
}

fn start(run: &str, folder: &Path) -> Child {
    command(&arguments(run), folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Starts the run and stops it in `phase`; whether the signal met it there.
fn stopped_in(phase: &Phase, signal: &str, folder: &Path) -> bool {
    let row = folder.join("stopped/rows/iu-ldm-s");
    let mut child = start("stopped", folder);
    if phase.name == "start-up" {
        // The handlers are there once the program's library is loaded.
        std::thread::sleep(Duration::from_millis(40));
    }
    let deadline = Instant::now() + Duration::from_secs(300);
    while !(phase.is_on)(&row) && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "{} never came", phase.name);
        std::thread::sleep(Duration::from_millis(1));
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).stderr(Stdio::null()).status().unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.code() {
        Some(75) => true,
        // Before the handlers are installed a signal ends the program as it ends any other.
        None if phase.name == "start-up" && output.stderr.is_empty() => true,
        Some(0) if phase.may_end || !sent.success() => false,
        _ => panic!("{signal} in {}: {}", phase.name, render(&output, folder)),
    }
}

/// What a run ends with, apart from wall times.
fn results(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let row = run.join("rows/iu-ldm-s");
    let samples = std::fs::read_dir(row.join("samples")).unwrap();
    let samples = samples.map(|entry| format!("samples/{}", entry.unwrap().file_name().display()));
    let last = "expert-1/checkpoints/000000096";
    let files = ["weights", "ema", "optimizer"].map(|name| format!("{last}/{name}.safetensors"));
    let others = ["distance.json", "validation.json", "spectra.json", "expert-1/stats.jsonl"];
    let names = samples.chain(files).chain(others.map(str::to_owned));
    names.map(|name| (name.clone(), std::fs::read(row.join(&name)).unwrap())).collect()
}

/// Stops one run in every phase in turn with these signals, lets it end, and compares it with a run
/// that nobody stopped.
fn journey(signals: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut met = Vec::new();
    for (phase, signal) in PHASES.iter().zip(signals.iter().cycle()) {
        if stopped_in(phase, signal, folder.path()) {
            met.push(phase.name);
        }
    }
    for run in ["stopped", "whole"] {
        let output = start(run, folder.path()).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", render(&output, folder.path()));
    }
    let (whole, stopped) = ["whole", "stopped"].map(|run| results(&folder.path().join(run))).into();
    assert_eq!(whole.keys().collect::<Vec<_>>(), stopped.keys().collect::<Vec<_>>());
    for (name, bytes) in &whole {
        assert!(stopped[name] == *bytes, "{name} differs");
    }
    assert!(met.len() >= 4, "only met in {met:?}");
    tell("signals in start-up, training, saving, sampling and evaluating survived", met.len());
}

/// Says how many: on standard error and, where the variable `MEME_FIGURES` names a file, as a line
/// in it, `count<TAB>what`, which `cargo xtask test` adds up and shows at its end.
fn tell(what: &str, count: usize) {
    use std::io::Write as _;
    eprintln!("{count} {what}");
    if let Some(path) = std::env::var_os("MEME_FIGURES") {
        let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{count}\t{what}\n").as_bytes()).unwrap();
    }
}

#[test]
#[ignore = "slow: two runs, one of them stopped in every phase; tests/pipeline.rs stops one anywhere"]
fn a_signal_in_any_phase_ends_with_75_and_the_run_goes_on_to_the_same_files() {
    journey(&["-TERM", "-INT"]);
    journey(&["-INT", "-TERM"]);
}
