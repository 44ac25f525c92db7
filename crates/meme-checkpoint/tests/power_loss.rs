//! A disk that forgets what was not synced, and its power cut after every operation; one whose bits rot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;
mod forgetful;

use common::assert_is;
use forgetful::{Crash, Forgetful};
use meme_checkpoint::{Error, Result, Shelf, Storage, VerifiedFolder, write_file_whole_on};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

const VALUES: usize = 50;

fn save_on(disk: &Forgetful, number: u64) -> Result<()> {
    let shelf = Shelf::on(Arc::new(disk.clone()), "run/checkpoints");
    let mut writer = shelf.begin(number)?;
    common::fill(&mut writer, number, VALUES)?;
    writer.commit(common::extra(number))?;
    shelf.prune(2).map(|_| ())
}

fn newest(disk: &Forgetful) -> Option<VerifiedFolder> {
    let shelf = Shelf::on(Arc::new(disk.clone()), "run/checkpoints");
    let latest = shelf.latest_good().unwrap();
    assert!(latest.skipped.is_empty(), "{:?}", latest.skipped);
    latest.good
}

/// What the disk may look like after the power failed: each forgets something else.
fn crashes() -> impl Iterator<Item = Crash> {
    [Crash::NothingUnsynced, Crash::NamesButNoData].into_iter().chain((0..8).map(Crash::SomeNames))
}

#[test]
fn what_was_committed_survives_and_what_was_not_is_whole_or_absent() {
    let mut cuts = 0;
    for crash in crashes() {
        for n in 0.. {
            let disk = Forgetful::new(&["run"]);
            for number in 1..=3 {
                save_on(&disk, number).unwrap();
            }
            disk.cut_power_after(n);
            let outcome = save_on(&disk, 4);
            let disk = disk.after(crash);
            let number = newest(&disk).unwrap().extra()["images"].as_u64().unwrap();
            assert!(number == 4 || (number == 3 && outcome.is_err()), "{crash:?} after {n}");
            assert_is(&newest(&disk).unwrap(), number, VALUES);
            // Work goes on as if nothing had happened.
            let shelf = Shelf::on(Arc::new(disk.clone()), "run/checkpoints");
            shelf.remove_leftovers().unwrap();
            save_on(&disk, 5).unwrap();
            assert_is(&newest(&disk).unwrap(), 5, VALUES);
            assert!(shelf.paths().unwrap().len() == 2);
            if outcome.is_ok() {
                break;
            }
            cuts += 1;
        }
    }
    common::tell("power cuts survived", cuts);
    assert!(cuts > 200);
}

#[test]
fn the_first_checkpoint_survives_with_the_folders_it_needed() {
    for crash in crashes() {
        let disk = Forgetful::new(&["run"]);
        save_on(&disk, 1).unwrap();
        assert_is(&newest(&disk.after(crash)).unwrap(), 1, VALUES);
    }
}

#[test]
fn a_file_written_whole_survives_as_the_old_or_the_new_one() {
    let path = Path::new("run/settings.toml");
    for crash in crashes() {
        for n in 0.. {
            let disk = Forgetful::new(&["run"]);
            write_file_whole_on(&disk, path, b"old").unwrap();
            disk.cut_power_after(n);
            let outcome = write_file_whole_on(&disk, path, b"new");
            let mut bytes = Vec::new();
            disk.after(crash).open(path).unwrap().0.read_to_end(&mut bytes).unwrap();
            assert!(bytes == b"new" || (bytes == b"old" && outcome.is_err()), "{crash:?} {n}");
            if outcome.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_file_counts_as_untouched_until_it_is_replaced() {
    let disk = Forgetful::new(&["run", "run/checkpoints"]);
    save_on(&disk, 1).unwrap();
    let checkpoint = newest(&disk).unwrap();
    let name = "weights.safetensors";
    let file = checkpoint.path().join(name);
    assert_eq!(checkpoint.untouched(name).as_ref(), Some(&file));
    assert_eq!(checkpoint.untouched("other"), None);

    // A bit that nobody is known to have flipped is what the hash is for.
    disk.rot(&file);
    assert!(checkpoint.untouched(name).is_some());
    assert!(matches!(checkpoint.tensors(name), Err(Error::Damaged { .. })));

    disk.rot(&file);
    let mut bytes = Vec::new();
    disk.open(&file).unwrap().0.read_to_end(&mut bytes).unwrap();
    disk.remove_file(&file).unwrap();
    assert_eq!(checkpoint.untouched(name), None);
    disk.create_file(&file).unwrap().write_all(&bytes).unwrap();
    assert_eq!(checkpoint.untouched(name), None);
    assert_eq!(checkpoint.tensors(name).unwrap().tensors, common::tensors(1, VALUES));
}
