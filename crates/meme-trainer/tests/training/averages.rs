//! Power-function averages while training, and others made of their snapshots.

use meme_torch::{PowerFunction, to_f64_vec};
use meme_trainer::{Stop, TrainConfig, newest_checkpoint, posthoc_average, snapshots};

use super::{open, train_config};

fn averaged() -> TrainConfig {
    TrainConfig {
        power_averages: vec![0.05, 0.1],
        snapshot_images: 48,
        micro_batch: 0,
        ..train_config()
    }
}

fn values(tensors: &std::collections::BTreeMap<String, meme_checkpoint::TensorData>) -> Vec<f64> {
    tensors.values().flat_map(|it| it.to_f64().unwrap()).collect()
}

#[test]
fn an_average_weights_the_weights_after_each_update_by_a_power_of_the_images_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = open(folder.path(), averaged()).unwrap();
    let mut history = Vec::new();
    while trainer.images() < 500 {
        trainer.train(trainer.images() + 1, &Stop::new(), &mut ()).unwrap();
        let weights: Vec<f64> = trainer
            .parameters()
            .named()
            .iter()
            .flat_map(|(_, it)| to_f64_vec(it).unwrap())
            .collect();
        history.push((trainer.images(), weights));
    }
    let (checkpoint, _) = newest_checkpoint(folder.path()).unwrap().unwrap();
    for deviation in [0.05, 0.1] {
        let file = format!("average-{deviation}.safetensors");
        let found = values(&checkpoint.tensors(&file).unwrap().tensors);
        // In closed form the update at `images` has the weight of its share of the integral of
        // s^gamma (EDM2, equations 121 and 127): images^(gamma + 1) - begun^(gamma + 1), normalised.
        let power = PowerFunction::new(deviation).unwrap().gamma() + 1.0;
        let mut begun = 0.0;
        let (mut sum, mut total) = (vec![0.0; found.len()], 0.0);
        for (images, weights) in &history {
            let end = (*images as f64 / 500.0).powf(power);
            for (sum, weight) in sum.iter_mut().zip(weights) {
                *sum += (end - begun) * weight;
            }
            total += end - begun;
            begun = end;
        }
        // The tensors of a file come by name, those of the trainer as they were made.
        let mut expected: Vec<f64> = sum.iter().map(|sum| sum / total).collect();
        expected.rotate_left(2);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6, "{deviation}: {found} {expected}");
        }
    }
}

#[test]
fn an_average_made_afterwards_comes_close_to_the_one_that_was_kept() {
    let (tracked, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kept = TrainConfig { power_averages: vec![0.075], snapshot_images: 0, ..averaged() };
    open(tracked.path(), kept).unwrap().train(480, &Stop::new(), &mut ()).unwrap();
    open(run.path(), averaged()).unwrap().train(480, &Stop::new(), &mut ()).unwrap();
    let (checkpoint, _) = newest_checkpoint(tracked.path()).unwrap().unwrap();
    let expected = values(&checkpoint.tensors("average-0.075.safetensors").unwrap().tensors);
    let weights = values(&checkpoint.tensors("weights.safetensors").unwrap().tensors);
    let found = values(&posthoc_average(run.path(), 0.075, None).unwrap());
    let distance = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    // Ten snapshots of two averages span no exact sum; without averaging one is ten times as far away.
    let (near, far) = (distance(&found, &expected), distance(&weights, &expected));
    assert!(near < 0.1 * far, "{near} {far}");
    assert!(posthoc_average(run.path(), 0.5, None).is_err());
    assert!(posthoc_average(tracked.path(), 0.1, None).is_err());
}

#[test]
fn a_run_that_was_killed_takes_its_later_snapshots_again_and_they_are_the_same() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(whole.path(), averaged()).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    open(killed.path(), averaged()).unwrap().train(200, &Stop::new(), &mut ()).unwrap();
    // A snapshot from after the last checkpoint, of a future that did not happen.
    let mut writer = snapshots(killed.path()).begin(240).unwrap();
    writer.write("average-0.05.safetensors", b"not these").unwrap();
    writer.commit(serde_json::json!({"images": 240})).unwrap();
    open(killed.path(), averaged()).unwrap().train(500, &Stop::new(), &mut ()).unwrap();
    let read = |folder: &std::path::Path| -> Vec<_> {
        let listed = snapshots(folder).list().unwrap().into_iter();
        listed
            .map(|listed| {
                let snapshot = listed.checked.unwrap();
                let name = snapshot.path().file_name().unwrap().to_owned();
                (name, snapshot.manifest().files.clone())
            })
            .collect()
    };
    assert_eq!(read(whole.path()), read(killed.path()));
    assert_eq!(read(whole.path()).len(), 10);
}
