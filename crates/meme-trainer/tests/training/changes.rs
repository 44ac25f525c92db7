//! A configuration changes on purpose or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use meme_trainer::{Change, Error, Stop, TrainConfig, Trainer, changes, compare, read_lines};
use serde_json::{Value, json};

use super::{affine, config, newest_checkpoint, open, soft, train_config};

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn open_changed(folder: &Path, train: TrainConfig, identity: Value) -> Result<(), Error> {
    let mut parameters = meme_torch::Parameters::new(meme_torch::tch::Device::Cpu, 5, 2);
    let network = affine(&mut parameters);
    let objective = meme_trainer::Diffusion::new(config(2, soft()), network)?;
    let folder = folder.to_path_buf();
    let mut trainer =
        Trainer::open_changed(folder, train, identity, parameters, objective, &mut ())?;
    let next = trainer.images() + 8;
    trainer.train(next, &Stop::new(), &mut ()).map(|_| ())
}

#[test]
fn a_refused_configuration_leaves_every_byte_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), train_config()).unwrap().train(40, &Stop::new(), &mut ()).unwrap();
    // What a killed process wrote after its checkpoint is not even cut off yet.
    let stats = folder.path().join("stats.jsonl");
    std::fs::write(&stats, "{\"images\": 900}\n").unwrap();
    let before = contents(folder.path());
    let other = TrainConfig { learning_rate: 0.01, batch: 4, ..train_config() };
    let error = compare(folder.path(), &other, &json!({"net": 2})).unwrap_err().to_string();
    for line in [
        "net: was 1, now 2",
        "train.batch: was 8, now 4",
        "train.learning_rate: was 0.02, now 0.01",
    ] {
        assert!(error.contains(line), "{error}");
    }
    assert!(open(folder.path(), other).is_err());
    assert_eq!(contents(folder.path()), before);
    compare(folder.path(), &train_config(), &json!({"net": 1})).unwrap();
}

#[test]
fn an_accepted_change_is_recorded_once_and_holds_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), train_config()).unwrap().train(40, &Stop::new(), &mut ()).unwrap();
    let other = TrainConfig { learning_rate: 0.01, ..train_config() };
    open_changed(folder.path(), other.clone(), json!({"net": 1})).unwrap();
    let recorded: Vec<Change> = read_lines(&folder.path().join("changes.jsonl")).unwrap();
    let change = Change {
        images: 40,
        path: "train.learning_rate".into(),
        was: json!(0.02),
        now: json!(0.01),
    };
    assert_eq!(recorded, [change]);
    // It is no change any more, and the old value is one.
    assert!(open(folder.path(), other.clone()).is_ok());
    assert!(open(folder.path(), train_config()).is_err());
    let (checkpoint, _) = newest_checkpoint(folder.path()).unwrap().unwrap();
    assert_eq!(checkpoint.extra()["changes"], json!(recorded));
    // A second one is added to the first.
    open_changed(folder.path(), TrainConfig { ema_decay: 0.5, ..other }, json!({"net": 1}))
        .unwrap();
    let recorded: Vec<Change> = read_lines(&folder.path().join("changes.jsonl")).unwrap();
    assert_eq!(recorded.len(), 2);
    assert_eq!((recorded[1].images, recorded[1].path.as_str()), (48, "train.ema_decay"));
}

#[test]
fn a_change_accepted_by_a_process_that_was_killed_before_it_saved_still_holds() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), train_config()).unwrap().train(40, &Stop::new(), &mut ()).unwrap();
    let line = json!({"images": 40, "path": "train.learning_rate", "was": 0.02, "now": 0.01});
    std::fs::write(folder.path().join("changes.jsonl"), format!("{line}\n")).unwrap();
    let other = TrainConfig { learning_rate: 0.01, ..train_config() };
    assert!(open(folder.path(), other).is_ok());
    let back = changes(folder.path(), &train_config(), &json!({"net": 1})).unwrap();
    assert_eq!(back[0].to_string(), "train.learning_rate: was 0.01, now 0.02");
}

#[test]
fn a_field_that_is_younger_than_the_checkpoint_had_its_default() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), train_config()).unwrap().train(40, &Stop::new(), &mut ()).unwrap();
    let (checkpoint, _) = newest_checkpoint(folder.path()).unwrap().unwrap();
    let mut extra = checkpoint.extra().clone();
    extra["train"].as_object_mut().unwrap().remove("precision").unwrap();
    let mut writer = meme_trainer::checkpoints(folder.path()).begin(48).unwrap();
    for name in checkpoint.manifest().files.keys() {
        writer.write(name, &checkpoint.read(name).unwrap()).unwrap();
    }
    writer.commit(extra).unwrap();
    assert!(open(folder.path(), train_config()).is_ok());
}
