//! Processes killed at chosen moments and at random ones.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use meme_random::{Purpose, Stream};
use meme_trainer::Stop;

use crate::figures::tell;
use crate::hooks::{DeadlyData, DeadlyStorage, FOLDER, Moment, Phase, Watch, about, around};
use crate::subject::{IMAGES, SEED, State, Subject, config, data, scratch};

/// Tell a child process how far to train, how often to save and when to die.
const LENGTH: &str = "MEME_FAULTS_IMAGES";
const SECONDS: &str = "MEME_FAULTS_SECONDS";
const MOMENT: &str = "MEME_FAULTS_MOMENT";

/// Images of the runs that are killed at random: long enough to be hit anywhere.
const LONG: u64 = 20 * IMAGES;

#[test]
fn a_run_in_a_child_process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let text = |name| std::env::var(name).unwrap();
    let moment: Moment = text(MOMENT).parse().unwrap();
    let config = meme_trainer::TrainConfig {
        images: text(LENGTH).parse().unwrap(),
        checkpoint_seconds: text(SECONDS).parse().unwrap(),
        ..config()
    };
    about(Phase::StartUp);
    let mut watch = Watch::new(moment);
    let subject = Subject {
        storage: Arc::new(DeadlyStorage::new(moment)),
        data: Arc::new(DeadlyData { inner: data(), moment, reads: AtomicU64::new(0) }),
        forward: around(moment),
        observer: &mut watch,
        config,
    };
    subject.train(Path::new(&folder), &Stop::new()).unwrap();
    about(Phase::End);
}

fn child(folder: &Path, images: u64, checkpoint_seconds: u64, moment: Moment) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::a_run_in_a_child_process", "--nocapture"])
        .env(FOLDER, folder)
        .env(LENGTH, images.to_string())
        .env(SECONDS, checkpoint_seconds.to_string())
        .env(MOMENT, moment.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a child; whether it was killed. A child that failed is a failure here.
fn was_killed(child: Child, after: &str) -> bool {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_none_or(|code| code == 0), "{after}: {said}");
    output.status.code().is_none()
}

/// How a run of so many images ends when nothing befalls it.
fn undisturbed(images: u64) -> State {
    let folder = scratch();
    let config = meme_trainer::TrainConfig { images, ..config() };
    Subject { config, ..Subject::plain(&mut ()) }.train(folder.path(), &Stop::new()).unwrap();
    State::of(folder.path())
}

/// Kills a run at one moment, goes on with it in this process, and compares.
fn killed_at(moment: Moment, expected: &State) {
    let folder = scratch();
    let after = format!("a kill at: {moment}");
    let process = child(folder.path(), IMAGES, 0, moment);
    assert!(was_killed(process, &after), "the process outlived its end at: {moment}");
    Subject::plain(&mut ()).train(folder.path(), &Stop::new()).unwrap();
    State::of(folder.path()).assert_is(expected, &after);
}

/// Every moment of every kind up to the fourth update: until then a window has been closed,
/// checkpoints have been written and old ones removed. The flag says whether a short form is
/// content with it.
fn moments() -> Vec<(Moment, bool)> {
    let mut moments = vec![(Moment::Opened, true)];
    for n in 1..=4 {
        moments.extend([(Moment::Step(n), n == 3), (Moment::Checkpoint(n), n == 4)]);
    }
    for n in 1..=8 {
        moments.extend([(Moment::Data(5 * n), n == 2), (Moment::Forward(n), n == 6)]);
        for micros in [0, 100, 300, 1000] {
            moments.push((Moment::After(n, micros), n == 5 && micros < 300));
        }
    }
    moments.push((Moment::Window(1), true));
    let log = operations();
    let mut seen = BTreeMap::new();
    for (at, operation) in log.iter().enumerate() {
        // The short form takes each kind of operation on each file once, in the middle of a run.
        let count = seen.entry(operation.as_str()).or_insert(0);
        *count += 1;
        let changes = ["create", "write", "rename", "append", "remove"];
        let chosen = changes.iter().any(|change| operation.starts_with(change));
        let short = chosen && *count == 1 && (operation.contains("16") || at % 9 == 0);
        moments.push((Moment::Storage(at as u64 + 1), short));
    }
    moments
}

/// What the first four updates ask of the storage, in order.
fn operations() -> Vec<String> {
    let folder = scratch();
    let storage = DeadlyStorage::new(Moment::Never);
    let log = Arc::clone(&storage.log);
    Subject { storage: Arc::new(storage), ..Subject::plain(&mut ()) }
        .train_until(folder.path(), 32, &Stop::new())
        .unwrap();
    let log = log.lock().unwrap().clone();
    for needed in ["append stats.jsonl", "create manifest.json", "rename", "remove folder"] {
        assert!(log.iter().any(|line| line.starts_with(needed)), "no {needed} in {log:?}");
    }
    log
}

fn kill_at_moments(all: bool) {
    let expected = undisturbed(IMAGES);
    let moments = moments().into_iter().filter(|(_, short)| all || *short).map(|(it, _)| it);
    let mut kills = 0;
    for moment in moments {
        killed_at(moment, &expected);
        kills += 1;
    }
    tell("kills in named phases survived", kills);
}

/// Kills runs at random moments until so many have died; each run is restarted until it ends.
fn kill_at_random(wanted: u64) {
    let expected = undisturbed(LONG);
    let mut random = Stream::new(SEED, Purpose::Test, 1, 0).cursor();
    let durations = [0, 1].map(durations);
    let mut phases = BTreeMap::new();
    let mut kills = 0;
    while kills < wanted {
        let folder = scratch();
        loop {
            // Every other process saves after each update, the others after a second.
            let checkpoint_seconds = random.below(2);
            let (start_up, training) = durations[checkpoint_seconds as usize];
            let mut process = child(folder.path(), LONG, checkpoint_seconds, Moment::Never);
            let mut output = process.stdout.take().unwrap();
            let mut told = Vec::new();
            // One in five dies before it has opened its run.
            if random.below(5) == 0 {
                std::thread::sleep(start_up.mul_f64(random.uniform()));
            } else {
                told = read_to(&mut output, Phase::Data);
                std::thread::sleep(training.mul_f64(random.uniform()));
            }
            process.kill().unwrap();
            output.read_to_end(&mut told).unwrap();
            let killed = was_killed(process, "a kill at a random moment");
            if !killed || told.contains(&(Phase::End as u8)) {
                break;
            }
            kills += 1;
            *phases.entry(phase(&told)).or_insert(0u64) += 1;
        }
        State::of(folder.path()).assert_is(&expected, "kills at random moments");
    }
    for (phase, count) in &phases {
        tell(&format!("kills at random moments survived, in {phase}"), *count);
    }
}

/// Reads what a child tells until it is about `phase`, or ends.
fn read_to(output: &mut ChildStdout, phase: Phase) -> Vec<u8> {
    let (mut told, mut byte) = (Vec::new(), [0]);
    while output.read(&mut byte).unwrap() > 0 {
        told.push(byte[0]);
        if Phase::of(byte[0]) == Some(phase) {
            break;
        }
    }
    told
}

/// What a process was about when it died, in words.
fn phase(told: &[u8]) -> &'static str {
    let phases: Vec<Phase> = told.iter().filter_map(|&byte| Phase::of(byte)).collect();
    let opened = phases.contains(&Phase::Data);
    match phases.last() {
        Some(Phase::Storage) if opened => "saving",
        Some(Phase::Data) => "data",
        Some(Phase::Forward) => "the forward pass",
        Some(Phase::Update) => "the backward pass and the update",
        _ => "start-up",
    }
}

/// How long a process takes to open a run, and how long to train it from there.
fn durations(checkpoint_seconds: u64) -> (Duration, Duration) {
    let folder = scratch();
    let started = Instant::now();
    let mut process = child(folder.path(), LONG, checkpoint_seconds, Moment::Never);
    let mut output = process.stdout.take().unwrap();
    read_to(&mut output, Phase::Data);
    let start_up = started.elapsed();
    read_to(&mut output, Phase::End);
    let whole = started.elapsed();
    assert!(!was_killed(process, "an undisturbed process"));
    (start_up, whole - start_up)
}

#[test]
fn a_run_killed_in_any_phase_ends_with_the_same_bits() {
    kill_at_moments(false);
}

#[test]
fn a_run_killed_at_random_moments_ends_with_the_same_bits() {
    kill_at_random(8);
}

#[test]
#[ignore = "slow: kills a process at every single operation"]
fn a_run_killed_at_every_operation_ends_with_the_same_bits() {
    kill_at_moments(true);
}

#[test]
#[ignore = "slow: kills fifty processes"]
fn a_run_killed_at_fifty_random_moments_ends_with_the_same_bits() {
    kill_at_random(50);
}
