//! Training a first stage: it learns, it resumes to the same bits, and its weights are used like anybody's.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meme::autoencoding::{Autoencoding, FirstStageExperiment};
use meme::checkpoint::{TensorData, latest_good, read_safetensors};
use meme::data::{ArraySource, DrawnFaces, InMemory, Pixels, Transform};
use meme::metrics::FeatureNetwork;
use meme::torch::Parameters;
use meme::torch::tch::Device;
use meme::trainer::{Objective, Outcome, Stop, Trainer, Window, read_lines};
use support::{command, render};

/// A stage of a few thousand numbers for 16 x 16 pictures.
fn experiment(kind: &str, extra: &[&str]) -> FirstStageExperiment {
    let settings = [
        "data.resolution=16",
        "first_stage.coder.width=8",
        "first_stage.coder.channel_mult=[1,2]",
        "first_stage.coder.norm_groups=4",
        "train.images=320",
        "train.batch=8",
        "train.decay_images=0",
        "train.learning_rate=2e-3",
        "train.window_images=80",
    ];
    let settings: Vec<String> = settings.iter().chain(extra).map(|it| (*it).to_owned()).collect();
    FirstStageExperiment::named_or_file(kind, &settings).unwrap()
}

fn faces(side: usize) -> Arc<dyn ArraySource> {
    let pixels = Pixels::new(DrawnFaces::new(0, 40), Transform::new(side)).unwrap();
    Arc::new(InMemory::from_source(&pixels).unwrap())
}

/// Trains up to each of `stops` in turn, each time from what the one before left on the disk.
fn train(experiment: &FirstStageExperiment, folder: &Path, stops: &[u64]) {
    // Tests run side by side: threads of one that wait for each other would hold up the others.
    meme::torch::init_thread(1).unwrap();
    for &until in stops {
        let mut parameters = Parameters::new(Device::Cpu, experiment.train.seed, 0);
        let objective = Autoencoding::new(experiment, &mut parameters, faces(16), None).unwrap();
        let identity = serde_json::to_value(experiment).unwrap();
        let train = experiment.train.clone();
        let mut trainer =
            Trainer::open(folder.to_owned(), train, identity, parameters, objective, &mut ())
                .unwrap();
        assert_eq!(trainer.train(until, &Stop::new(), &mut ()).unwrap(), Outcome::Reached);
    }
}

/// Every tensor of the newest checkpoint.
fn tensors(folder: &Path) -> BTreeMap<String, TensorData> {
    let checkpoint = latest_good(folder.join("checkpoints")).unwrap().good.unwrap();
    ["weights.safetensors", "ema.safetensors", "optimizer.safetensors"]
        .iter()
        .flat_map(|file| {
            let tensors = checkpoint.tensors(file).unwrap().tensors;
            tensors.into_iter().map(move |(name, tensor)| (format!("{file}: {name}"), tensor))
        })
        .collect()
}

#[track_caller]
fn learns_and_resumes(experiment: &FirstStageExperiment) -> BTreeMap<String, TensorData> {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    train(experiment, &whole, &[320]);
    train(experiment, &parts, &[104, 200, 320]);
    let (whole_tensors, parts_tensors) = (tensors(&whole), tensors(&parts));
    assert_eq!(whole_tensors.len(), parts_tensors.len());
    for (name, tensor) in &whole_tensors {
        assert!(parts_tensors[name] == *tensor, "{name} differs after a restart");
    }
    let losses: Vec<f64> = read_lines::<Window>(&whole.join("stats.jsonl"))
        .unwrap()
        .iter()
        .map(Window::mean_loss)
        .collect();
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < 0.8 * first, "the loss went from {first} to {last}: {losses:?}");
    whole_tensors
}

#[test]
fn a_kl_stage_learns_and_a_run_in_parts_ends_with_the_same_bits() {
    learns_and_resumes(&experiment("kl-small", &[]));
}

#[test]
fn a_vq_stage_learns_and_a_run_in_parts_ends_with_the_same_bits() {
    let tensors = learns_and_resumes(&experiment("vq-small", &["first_stage.codebook=32"]));
    // Its codebook moved, and more than a few vectors are in use.
    let counts = tensors["weights.safetensors: codebook_average.count"].to_f32().unwrap();
    let used = counts.iter().filter(|count| **count > 1.0).count();
    assert!(used > 8, "only {used} of 32 vectors are in use: {counts:?}");
    assert!(!tensors.contains_key("optimizer.safetensors: exp_avg/quantize.embedding.weight"));
}

#[test]
fn a_feature_network_adds_what_it_sees_to_the_loss() {
    let Some(data) = std::env::var_os("MEME_TEST_DATA") else {
        eprintln!("skipped: MEME_TEST_DATA is not set");
        return;
    };
    let weights = PathBuf::from(data).join("squeezenet1_1-features.safetensors");
    let experiment = experiment("kl-small", &["data.resolution=32"]);
    let loss = |features: Option<FeatureNetwork>| {
        let mut parameters = Parameters::new(Device::Cpu, 0, 0);
        let mut objective =
            Autoencoding::new(&experiment, &mut parameters, faces(32), features).unwrap();
        let batch = objective.batches().prepare(0..4).unwrap();
        let loss = objective.loss(&batch).unwrap();
        loss.per_image.sum(None::<meme::torch::tch::Kind>).backward();
        let encoder = parameters.get("encoder.conv_in.weight").unwrap().grad();
        (meme::torch::to_f32_vec(&loss.per_image).unwrap(), encoder)
    };
    let (plain, plain_gradient) = loss(None);
    let network = || FeatureNetwork::squeezenet(&weights, Device::Cpu).unwrap();
    let (seen, seen_gradient) = loss(Some(network()));
    for (seen, plain) in seen.iter().zip(&plain) {
        // Directions are at most 2 apart, so their squares at most 4.
        assert!((0.01..4.0).contains(&(seen - plain)), "{seen} {plain}");
    }
    let change = (seen_gradient - plain_gradient).abs().max().double_value(&[]);
    assert!(change > 1e-6 && change.is_finite(), "{change}");
    let random = FeatureNetwork::random(Device::Cpu).unwrap();
    let picture = meme::torch::from_f32(&[0.0; 3072], &[1, 3, 32, 32], Device::Cpu).unwrap();
    assert!(random.maps(&picture).unwrap_err().to_string().contains("squeezenet"));
}

#[track_caller]
fn meme(arguments: &[&str], folder: &Path) -> String {
    let output = command(arguments, folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}\n{}", render(&output, folder));
    String::from_utf8(output.stdout).unwrap()
}

/// From training a first stage to latents made with it, in bfloat16.
#[test]
fn a_trained_first_stage_encodes_pictures_into_a_verified_cache() {
    let scratch = tempfile::tempdir().unwrap();
    let here = scratch.path();
    let train = [
        "train-first-stage",
        "vq-small",
        "--run",
        "stage",
        "--device",
        "cpu",
        "--json",
        "--set",
        "train.images=32",
        "--set",
        "data.faces=20",
        "--set",
        "data.validation=4",
        "--set",
        "first_stage.coder.width=8",
    ];
    let said: serde_json::Value = serde_json::from_str(&meme(&train, here)).unwrap();
    assert_eq!(said["pictures"], 4);
    assert!(said["mean_absolute_difference"].as_f64().unwrap() < 1.0);
    assert!(said["latent_deviation"].as_f64().unwrap() > 0.0);
    assert!(here.join("stage/reconstructions.png").exists());
    let weights = read_safetensors(here.join("stage/first-stage.safetensors")).unwrap();
    assert!(weights.tensors.keys().all(|name| !name.starts_with("codebook_average")));
    // Done is done: the same call finds it so and gives the same weights.
    meme(&train, here);
    assert!(read_safetensors(here.join("stage/first-stage.safetensors")).unwrap() == weights);

    let shown = meme(&["show", "ffhq/ldm-s", "--scale", "smoke"], here);
    let mut table: toml::Table = toml::from_str(&shown).unwrap();
    let stage = toml::Value::try_from(&said["first_stage"]).unwrap();
    table.insert("first_stage".into(), stage);
    for expert in table["experts"].as_array_mut().unwrap() {
        for field in ["in_channels", "out_channels"] {
            expert.as_table_mut().unwrap().insert(field.into(), 4.into());
        }
    }
    fs::write(here.join("mine.toml"), table.to_string()).unwrap();
    let encode = |precision: &str, out: &str| {
        let precision = format!("data.latents={precision}");
        let arguments = [
            "encode",
            "mine.toml",
            "--out",
            out,
            "--first-stage",
            "stage/first-stage.safetensors",
            "--device",
            "cpu",
            "--set",
            "data.faces=12",
            "--set",
            "data.validation=4",
            "--set",
            &precision,
        ];
        command(&arguments, here).output().unwrap()
    };
    for (precision, bytes) in [("f32", 4), ("bf16", 2)] {
        assert!(encode(precision, precision).status.success());
        let data = here.join(precision).join("train/data.bin");
        assert_eq!(fs::metadata(&data).unwrap().len(), 8 * 4 * 8 * 8 * bytes);
        // A flipped bit is found before anything is learned from it.
        let mut damaged = fs::read(&data).unwrap();
        damaged[77] ^= 1;
        fs::write(&data, damaged).unwrap();
        let again = encode(precision, precision);
        assert!(!again.status.success());
        assert!(render(&again, here).contains("damaged cache"), "{}", render(&again, here));
    }
    let other = render(&encode("bf16", "f32"), here);
    assert!(other.contains("another precision"), "{other}");
}
