//! Writers killed at random moments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use common::{Lcg, assert_is, names};
use meme_checkpoint::{Shelf, latest_good};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Tells the child process where to write; unset in the process that runs the tests.
const FOLDER: &str = "MEME_CHECKPOINT_TEST_FOLDER";
const VALUES: usize = 100_000;

/// Writes checkpoints 1, 2, 3 and so on, continuing where it was killed, until it is killed.
fn write_for_ever(folder: &Path) -> ! {
    let shelf = Shelf::new(folder);
    loop {
        shelf.remove_leftovers().unwrap();
        let latest = shelf.latest_good().unwrap();
        assert!(latest.skipped.is_empty(), "{:?}", latest.skipped);
        let number = latest.good.map_or(0, |it| it.extra()["images"].as_u64().unwrap()) + 1;
        let mut writer = shelf.begin(number).unwrap();
        common::fill(&mut writer, number, VALUES).unwrap();
        writer.commit(common::extra(number)).unwrap();
        shelf.prune(2).unwrap();
    }
}

#[test]
fn writer_in_a_child_process() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        write_for_ever(Path::new(&folder));
    }
}

#[test]
fn a_writer_killed_at_any_moment_leaves_only_complete_checkpoints() {
    let scratch = common::scratch();
    let mut random = Lcg(std::process::id().into());
    let wanted = if common::slow() { 200 } else { 20 };
    let mut kills = 0;
    let (mut newest, mut leftovers, mut pruned_later) = (0, 0, 0);
    // Goes on until a writer was caught in the middle: else nothing would have been proved.
    while kills < wanted || (leftovers == 0 && kills < 50 * wanted) {
        kills += 1;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_in_a_child_process"])
            .env(FOLDER, scratch.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(20 + random.below(130)));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), None, "{}", String::from_utf8_lossy(&output.stderr));

        let shelf = Shelf::new(scratch.path());
        for listed in shelf.list().unwrap() {
            let folder = listed.checked.unwrap();
            assert_is(&folder, folder.extra()["images"].as_u64().unwrap(), VALUES);
        }
        let latest = latest_good(scratch.path()).unwrap();
        let number = latest.good.map_or(0, |it| it.extra()["images"].as_u64().unwrap());
        assert!(number >= newest, "a checkpoint was lost: {newest} was there, now {number}");
        newest = number;
        let staged = |name: &String| name.starts_with(meme_checkpoint::STAGING_PREFIX);
        leftovers += names(scratch.path()).iter().filter(|name| staged(name)).count();
        let cleaned = shelf.remove_leftovers().unwrap();
        assert!(cleaned.in_use.is_empty(), "the lock of a killed process is still held");
        assert!(!names(scratch.path()).iter().any(staged));
        pruned_later += usize::from(shelf.paths().unwrap().len() > 2);
        assert!(shelf.paths().unwrap().len() <= 3);
    }
    common::tell("writers of checkpoints killed at random moments", kills);
    eprintln!(
        "{kills} kills survived: {newest} checkpoints written, {leftovers} leftovers cleaned, \
         {pruned_later} killed between commit and prune"
    );
    assert!(newest > 0 && leftovers > 0, "the kills proved nothing");
}
