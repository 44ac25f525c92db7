//! Every operation on the disk fails in turn, in three ways, once or from then on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use common::{assert_is, contents, names, save, scratch};
use meme_checkpoint::storage::{Fault, FaultyStorage};
use meme_checkpoint::{
    Result, Shelf, Storage, latest_good, open_folder, remove_leftovers, write_file_whole_on,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const VALUES: usize = 50;

/// The operating system's words for a fault.
fn words(fault: Fault) -> &'static str {
    match fault {
        Fault::NoSpace => "No space left on device",
        Fault::Permission => "Permission denied",
        Fault::InputOutput => "Input/output error",
    }
}

/// Runs `act` with a fault at each of its operations until it gets through without one; `check` sees
/// every outcome. Returns how many faults were delivered.
fn with_every_fault<T>(
    act: impl Fn(Arc<dyn Storage>) -> Result<T>,
    mut check: impl FnMut(Fault, Result<T>),
) -> u64 {
    let mut delivered = 0;
    for fault in Fault::ALL {
        for persistent in [false, true] {
            for n in 0.. {
                let make = if persistent { FaultyStorage::from } else { FaultyStorage::once };
                let storage = make(fault, n);
                let outcome = act(Arc::new(storage.clone()));
                let failed = storage.has_failed();
                assert!(failed || outcome.is_ok(), "failed without a fault");
                check(fault, outcome);
                if !failed {
                    break;
                }
                delivered += 1;
            }
        }
    }
    delivered
}

fn save_on(storage: Arc<dyn Storage>, folder: &Path, number: u64) -> Result<()> {
    let mut writer = Shelf::on(storage, folder).begin(number)?;
    common::fill(&mut writer, number, VALUES)?;
    writer.commit(common::extra(number)).map(|_| ())
}

fn assert_names_cause(error: &meme_checkpoint::Error, fault: Fault, folder: &Path) {
    let message = error.to_string();
    assert!(message.contains(words(fault)), "{message}");
    assert!(message.contains(folder.to_str().unwrap()), "{message}");
}

#[test]
fn a_save_that_fails_anywhere_leaves_the_old_checkpoints_and_a_clear_error() {
    let scratch = scratch();
    let shelf = scratch.path();
    let old = [save(shelf, 1, VALUES), save(shelf, 2, VALUES)].map(|path| (contents(&path), path));
    let target = shelf.join("000000003");
    let (mut failed, mut landed) = (0, 0);
    let delivered = with_every_fault(
        |storage| save_on(storage, shelf, 3),
        |fault, outcome| {
            for (before, path) in &old {
                assert_eq!(&contents(path), before);
            }
            match outcome {
                Ok(()) => landed += 1,
                Err(error) => {
                    assert_names_cause(&error, fault, shelf);
                    failed += 1;
                }
            }
            let cleaned = remove_leftovers(shelf).unwrap();
            assert!(cleaned.in_use.is_empty() && cleaned.undecided.is_empty());
            // Whole or absent, whatever happened.
            let latest = latest_good(shelf).unwrap();
            assert!(latest.skipped.is_empty());
            let expected = if target.exists() { 3 } else { 2 };
            assert_is(&latest.good.unwrap(), expected, VALUES);
            let _ = fs::remove_dir_all(&target);
            assert_eq!(names(shelf), ["000000001", "000000002"]);
        },
    );
    common::tell("storage faults injected into saving and pruning checkpoints", delivered);
    // Of all operations only taking the lock can fail without the save failing, and only alone.
    assert!(failed > 100 && landed <= 6 + 3, "{failed} {landed}");
}

#[test]
fn a_first_save_that_fails_anywhere_leaves_nothing_half_written() {
    let scratch = scratch();
    let shelf = scratch.path().join("run/expert-1/checkpoints");
    with_every_fault(
        |storage| save_on(storage, &shelf, 1),
        |_, outcome| {
            remove_leftovers(&shelf).unwrap();
            let latest = latest_good(&shelf).unwrap();
            assert!(latest.skipped.is_empty());
            assert!(latest.good.is_some() || outcome.is_err());
            let _ = fs::remove_dir_all(scratch.path().join("run"));
        },
    );
}

#[test]
fn replacing_a_damaged_checkpoint_loses_nothing_when_it_fails() {
    let scratch = scratch();
    let shelf = scratch.path().join("shelf");
    with_every_fault(
        |storage| {
            fs::create_dir(&shelf).unwrap();
            save(&shelf, 1, VALUES);
            let damaged = save(&shelf, 2, VALUES);
            fs::write(damaged.join("stats.jsonl"), b"evidence").unwrap();
            save_on(storage, &shelf, 2)
        },
        |_, outcome| {
            remove_leftovers(&shelf).unwrap();
            let latest = latest_good(&shelf).unwrap();
            // After an error the new one stands only if all that failed was the very last sync.
            let replaced = latest.skipped.is_empty() && shelf.join("000000002").exists();
            assert!(replaced || outcome.is_err());
            assert_is(&latest.good.unwrap(), if replaced { 2 } else { 1 }, VALUES);
            let evidence = names(&shelf)
                .into_iter()
                .filter_map(|name| fs::read(shelf.join(name).join("stats.jsonl")).ok())
                .filter(|bytes| bytes == b"evidence");
            assert_eq!(evidence.count(), 1);
            fs::remove_dir_all(&shelf).unwrap();
        },
    );
}

#[test]
fn pruning_that_fails_anywhere_leaves_the_newest_two_and_nothing_half_removed() {
    let scratch = scratch();
    let shelf = scratch.path().join("shelf");
    let delivered = with_every_fault(
        |storage| {
            fs::create_dir(&shelf).unwrap();
            for number in 1..=4 {
                save(&shelf, number, VALUES);
            }
            Shelf::on(storage, &shelf).prune(2)
        },
        |fault, outcome| {
            match outcome {
                Err(error) => assert_names_cause(&error, fault, &shelf),
                // A read that failed makes a good one look damaged: then it stays, named.
                Ok(pruned) => {
                    for skipped in &pruned.damaged {
                        assert_names_cause(&skipped.error, fault, &shelf);
                    }
                    assert!(pruned.kept.len() + pruned.damaged.len() >= 2);
                }
            }
            remove_leftovers(&shelf).unwrap();
            for number in [3, 4] {
                let path = shelf.join(format!("{number:09}"));
                assert_is(&open_folder(path).unwrap(), number, VALUES);
            }
            for name in names(&shelf) {
                open_folder(shelf.join(name)).unwrap();
            }
            fs::remove_dir_all(&shelf).unwrap();
        },
    );
    common::tell("storage faults injected into saving and pruning checkpoints", delivered);
}

#[test]
fn loading_that_fails_anywhere_never_gives_wrong_numbers() {
    let scratch = scratch();
    for number in [1, 2] {
        save(scratch.path(), number, VALUES);
    }
    with_every_fault(
        |storage| {
            let latest = Shelf::on(storage, scratch.path()).latest_good()?;
            let weights = latest.good.as_ref().map(|it| it.tensors("weights.safetensors"));
            Ok((latest.skipped, weights.transpose()?))
        },
        |fault, outcome| match outcome {
            Err(error) => assert_names_cause(&error, fault, scratch.path()),
            Ok((skipped, weights)) => {
                for it in &skipped {
                    assert_names_cause(&it.error, fault, scratch.path());
                }
                let number = 2 - skipped.len() as u64;
                let expected = (number > 0).then(|| common::tensors(number, VALUES));
                assert_eq!(weights.map(|it| it.tensors), expected);
            }
        },
    );
}

#[test]
fn a_file_written_whole_is_the_old_or_the_new_one_whatever_fails() {
    let scratch = scratch();
    let path = scratch.path().join("settings.toml");
    fs::write(&path, b"old").unwrap();
    with_every_fault(
        |storage| write_file_whole_on(&*storage, &path, b"new settings"),
        |fault, outcome| {
            let now = fs::read(&path).unwrap();
            match outcome {
                Ok(()) => assert_eq!(now, b"new settings"),
                Err(error) => {
                    assert_names_cause(&error, fault, scratch.path());
                    assert!(now == b"old" || now == b"new settings");
                }
            }
            remove_leftovers(scratch.path()).unwrap();
            assert_eq!(names(scratch.path()), ["settings.toml"]);
            fs::write(&path, b"old").unwrap();
        },
    );
}
