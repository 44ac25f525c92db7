//! A disk that is full, forbidden or broken at every operation in turn.

use std::path::Path;
use std::sync::Arc;

use meme_checkpoint::storage::{Fault, FaultyStorage};
use meme_trainer::{Observer, Outcome, Stop, TrainConfig, newest_checkpoint};

use crate::figures::tell;
use crate::subject::{BATCH, State, Subject, config, scratch};

/// Images of a run here: a checkpoint is there, two more are written, the oldest is removed, and
/// two lines of statistics are written.
const IMAGES: u64 = 3 * BATCH;

/// Counts of images of the checkpoints that a run called whole.
#[derive(Default)]
struct Promised(u64);

impl Observer for Promised {
    fn checkpoint(&mut self, _folder: &Path, images: u64) {
        self.0 = images;
    }
}

fn short(observer: &mut dyn Observer) -> Subject<'_> {
    let config = TrainConfig { images: IMAGES, window_images: 2 * BATCH, ..config() };
    Subject { config, ..Subject::plain(observer) }
}

/// A run that has made one update.
fn begun() -> tempfile::TempDir {
    let folder = scratch();
    short(&mut ()).train_until(folder.path(), BATCH, &Stop::new()).unwrap();
    folder
}

/// The operating system's words for a fault.
fn words(fault: Fault) -> &'static str {
    match fault {
        Fault::NoSpace => "No space left on device",
        Fault::Permission => "Permission denied",
        Fault::InputOutput => "Input/output error",
    }
}

/// Goes on with a run on a disk with a fault at operation `n`, then on a sound one; whether there
/// was a fault, and whether the run ended in an error.
fn one_fault(fault: Fault, lasting: bool, n: u64, expected: &State) -> (bool, bool) {
    let folder = begun();
    let what = format!("{fault:?} at operation {n}, lasting: {lasting}");
    let make = if lasting { FaultyStorage::from } else { FaultyStorage::once };
    let storage = make(fault, n);
    let mut promised = Promised(BATCH);
    let subject = Subject { storage: Arc::new(storage.clone()), ..short(&mut promised) };
    let outcome = subject.train(folder.path(), &Stop::new());
    let failed = storage.has_failed();
    let error = outcome.err().map(|error| error.to_string());
    if let Some(error) = &error {
        assert!(failed, "failed without a fault: {error}");
        // A checkpoint that could not be read for a moment is met again when its turn comes.
        let met_again = error.contains("already holds a good checkpoint");
        assert!(met_again || error.contains(words(fault)), "{what}: {error}");
        assert!(error.contains(folder.path().to_str().unwrap()), "{what}: {error}");
    }
    let (_, images) = newest_checkpoint(folder.path()).unwrap().expect("a good one is left");
    assert!(images >= promised.0, "{what}: {} were saved, {images} are left", promised.0);
    let outcome = short(&mut ()).train(folder.path(), &Stop::new()).unwrap();
    assert_eq!(outcome, Outcome::Reached, "{what}");
    State::of(folder.path()).assert_is(expected, &what);
    (failed, error.is_some())
}

fn undisturbed() -> State {
    let folder = begun();
    short(&mut ()).train(folder.path(), &Stop::new()).unwrap();
    State::of(folder.path())
}

/// Every `step`-th operation fails, in a way that changes from one to the next unless `all`.
fn fail(all: bool, step: u64) {
    let expected = undisturbed();
    let ways: Vec<(Fault, bool)> =
        Fault::ALL.into_iter().flat_map(|fault| [(fault, false), (fault, true)]).collect();
    let (mut faults, mut errors) = (0, 0);
    let rounds = if all { ways.len() } else { 1 };
    for round in 0..rounds {
        for n in (0..).step_by(step as usize) {
            let (fault, lasting) = ways[(round + (n / step) as usize) % ways.len()];
            let (failed, error) = one_fault(fault, lasting, n, &expected);
            errors += u64::from(error);
            if !failed {
                break;
            }
            faults += 1;
        }
    }
    assert!(errors > faults / 3, "{errors} errors from {faults} faults");
    tell("storage faults injected into training, all recovered from", faults);
    tell("of these ended a run with an error", errors);
}

#[test]
fn a_disk_that_fails_anywhere_ends_the_run_clearly_and_costs_nothing() {
    fail(false, 3);
}

#[test]
#[ignore = "slow: every operation of a run fails in six ways"]
fn a_disk_that_fails_at_every_operation_in_every_way_costs_nothing() {
    fail(true, 1);
}
