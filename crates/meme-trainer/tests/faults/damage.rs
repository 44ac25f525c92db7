//! Checkpoints cut short and with flipped bits.

use std::path::{Path, PathBuf};

use meme_random::{Cursor, Purpose, Stream};
use meme_trainer::{Observer, Stop, checkpoints, newest_checkpoint};

use crate::figures::tell;
use crate::subject::{BATCH, State, Subject, scratch, undisturbed};

/// Hears what was found when a run was opened.
#[derive(Default)]
struct Opened {
    images: u64,
    damaged: Vec<String>,
}

impl Observer for Opened {
    fn opened(&mut self, images: u64, damaged: &[String]) {
        (self.images, self.damaged) = (images, damaged.to_vec());
    }
}

/// A run with two checkpoints, after 16 and after 24 images, and the files of the newer one.
fn begun() -> (tempfile::TempDir, PathBuf, Vec<(String, Vec<u8>)>) {
    let folder = scratch();
    Subject::plain(&mut ()).train_until(folder.path(), 3 * BATCH, &Stop::new()).unwrap();
    let (newest, images) = newest_checkpoint(folder.path()).unwrap().unwrap();
    assert_eq!(images, 3 * BATCH);
    let path = newest.path().to_path_buf();
    let names = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    let files =
        names.into_iter().map(|name| (name.clone(), std::fs::read(path.join(name)).unwrap()));
    (folder, path.clone(), files.collect())
}

/// Asserts that the newest checkpoint with this file in it is passed over, by name, for the one
/// before it; `open` does so through the trainer as well.
fn assert_passed_over(run: &Path, newest: &Path, name: &str, bytes: Option<&[u8]>, open: bool) {
    let file = newest.join(name);
    let whole = std::fs::read(&file).unwrap();
    match bytes {
        Some(bytes) => std::fs::write(&file, bytes).unwrap(),
        None => std::fs::remove_file(&file).unwrap(),
    }
    let latest = checkpoints(run).latest_good().unwrap();
    let good = latest.good.expect("the one before is good");
    assert_eq!(good.extra()["images"], 2 * BATCH, "{name}");
    let [skipped] = latest.skipped.as_slice() else { panic!("{:?}", latest.skipped) };
    let (path, sentence) = (newest.display().to_string(), skipped.error.to_string());
    assert!(sentence.contains(&path) && sentence.contains(name), "{sentence}");
    if open {
        let mut opened = Opened::default();
        // Nothing is left to do up to there: the run is opened, and left as it is.
        let subject = Subject::plain(&mut opened);
        subject.train_until(run, 2 * BATCH, &Stop::new()).unwrap();
        assert_eq!((opened.images, opened.damaged.len()), (2 * BATCH, 1));
        assert!(opened.damaged[0].contains(name), "{}", opened.damaged[0]);
    }
    std::fs::write(file, whole).unwrap();
}

/// Every file cut at every length; every `step`-th cut is shown to the trainer too.
fn cut(step: usize) {
    let (run, newest, files) = begun();
    let mut cuts = 0;
    for (name, whole) in &files {
        assert_passed_over(run.path(), &newest, name, None, true);
        for length in 0..whole.len() {
            let open = length % step == 0;
            assert_passed_over(run.path(), &newest, name, Some(&whole[..length]), open);
            cuts += 1;
        }
        let longer = [whole, &b"\n"[..]].concat();
        assert_passed_over(run.path(), &newest, name, Some(&longer), true);
    }
    assert_eq!(newest_checkpoint(run.path()).unwrap().unwrap().1, 3 * BATCH);
    tell("truncations of a checkpoint refused (one for every length of every file)", cuts);
}

/// A file of a checkpoint with one bit of it flipped, any bit of any file with equal chance.
fn flipped(files: &[(String, Vec<u8>)], random: &mut Cursor) -> (usize, Vec<u8>) {
    let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut at = random.below(total as u64) as usize;
    let file = files.iter().position(|(_, bytes)| {
        let inside = at < bytes.len();
        at -= if inside { 0 } else { bytes.len() };
        inside
    });
    let file = file.expect("the position lies in some file");
    let mut bytes = files[file].1.clone();
    bytes[at] ^= 1 << random.below(8);
    (file, bytes)
}

fn flip(flips: u64, step: u64) {
    let (run, newest, files) = begun();
    let mut random = Stream::new(1, Purpose::Test, 2, 0).cursor();
    for n in 0..flips {
        let (file, bytes) = flipped(&files, &mut random);
        let open = n % step == 0;
        assert_passed_over(run.path(), &newest, &files[file].0, Some(&bytes), open);
    }
    tell("flipped bits of a checkpoint refused", flips);
}

#[test]
fn a_checkpoint_cut_short_anywhere_is_passed_over_by_name() {
    cut(101);
}

#[test]
fn a_checkpoint_with_a_flipped_bit_is_passed_over_by_name() {
    flip(2_000, 100);
}

#[test]
#[ignore = "slow: opens a run for every cut"]
fn a_run_opens_without_a_checkpoint_cut_short_anywhere() {
    cut(1);
}

#[test]
#[ignore = "slow: opens a run for each of ten thousand bits"]
fn a_run_opens_without_a_checkpoint_with_one_of_ten_thousand_flipped_bits() {
    flip(10_000, 1);
}

#[test]
fn a_run_whose_newest_checkpoint_is_damaged_ends_with_the_same_bits() {
    let expected = undisturbed();
    let (_, _, files) = begun();
    for (name, whole) in &files {
        for damaged in [&whole[..whole.len() / 2], &[]] {
            let (run, newest, _) = begun();
            std::fs::write(newest.join(name), damaged).unwrap();
            Subject::plain(&mut ()).train(run.path(), &Stop::new()).unwrap();
            State::of(run.path()).assert_is(&expected, &format!("damage to {name}"));
        }
    }
}

#[test]
fn a_run_without_one_good_checkpoint_is_refused_and_not_begun_anew() {
    let (run, newest, files) = begun();
    for checkpoint in checkpoints(run.path()).paths().unwrap() {
        std::fs::write(checkpoint.join(&files[0].0), b"damaged").unwrap();
    }
    let error = Subject::plain(&mut ()).train(run.path(), &Stop::new()).unwrap_err().to_string();
    assert!(error.contains("none of its checkpoints is good"), "{error}");
    assert!(error.contains(&newest.display().to_string()), "{error}");
    assert!(error.contains(&files[0].0), "{error}");
}
