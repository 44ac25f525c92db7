//! Checkpoints that are written while training goes on.

use std::path::Path;

use meme_torch::tch::Device;
use meme_trainer::{
    Observer, Outcome, Stop, Task, Timing, TrainConfig, newest_checkpoint, read_lines,
    train_several,
};

use super::{open, state, train_config};

/// Remembers which checkpoints it was told of, and whether they were there.
#[derive(Default)]
struct Told(Vec<(u64, bool)>);

impl Observer for Told {
    fn checkpoint(&mut self, folder: &Path, images: u64) {
        self.0.push((images, meme_checkpoint::open_folder(folder).is_ok()));
    }
}

#[test]
fn every_checkpoint_is_whole_when_it_is_told_of_and_none_is_left_out_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { checkpoint_seconds: 0, keep: 100, ..train_config() };
    let mut told = Told::default();
    open(folder.path(), config).unwrap().train(500, &Stop::new(), &mut told).unwrap();
    // One after every update, and the end is no other than the last of them.
    let expected: Vec<_> = (1..=63).map(|update: u64| ((8 * update).min(500), true)).collect();
    assert_eq!(told.0, expected);
    let lines: Vec<Timing> = read_lines(&folder.path().join("timing.jsonl")).unwrap();
    assert!(lines.iter().map(|line| line.writing).sum::<f64>() > 0.0);
}

#[test]
fn saving_after_every_update_changes_no_bit_of_what_comes_out() {
    let (seldom, often) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(seldom.path(), train_config()).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    let config = TrainConfig { checkpoint_seconds: 0, ..train_config() };
    open(often.path(), config).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    assert_eq!(state(seldom.path()), state(often.path()));
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_the_run_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = open(folder.path(), train_config()).unwrap();
    trainer.train(80, &Stop::new(), &mut ()).unwrap();
    // A file where the next checkpoint's folder should stand.
    let place = meme_trainer::checkpoints(folder.path()).folder().join("000000160");
    std::fs::write(&place, b"in the way").unwrap();
    let error = trainer.train(160, &Stop::new(), &mut ()).unwrap_err().to_string();
    assert!(error.contains("000000160"), "{error}");
    assert_eq!(newest_checkpoint(folder.path()).unwrap().unwrap().1, 80);
    // Once it can be written it is.
    std::fs::remove_file(&place).unwrap();
    trainer.train(160, &Stop::new(), &mut ()).unwrap();
    assert_eq!(newest_checkpoint(folder.path()).unwrap().unwrap().1, 160);
}

#[test]
fn several_networks_from_one_call_end_as_they_would_alone() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let task = |folder: &'static str, path: std::path::PathBuf| Task {
        name: folder.into(),
        device: Device::Cpu,
        train: Box::new(move |stop: &Stop| open(&path, train_config())?.train(500, stop, &mut ())),
    };
    let tasks = ["a", "b"]
        .into_iter()
        .zip(&folders)
        .map(|(name, folder)| task(name, folder.path().to_path_buf()))
        .collect();
    for outcome in train_several(tasks, 1, &Stop::new()) {
        assert_eq!(outcome.unwrap(), Outcome::Reached);
    }
    open(folders[2].path(), train_config()).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    assert_eq!(state(folders[0].path()), state(folders[2].path()));
    assert_eq!(state(folders[1].path()), state(folders[2].path()));
}
