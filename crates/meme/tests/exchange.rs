//! Checkpoints of other projects come in and go out again: same outputs, same bytes.
//!
//! What is compared with was written by diffusers and CompVis' code (`golden/exchange`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "other tests use the rest of it")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use meme::autoencoder::{FirstStage, FirstStageConfig};
use meme::blocks::{Architecture, Options, UNet};
use meme::checkpoint::{TensorData, Tensors, latest_good, read_safetensors};
use meme::torch::Parameters;
use meme::torch::tch::{Device, Kind, Tensor, no_grad};
use support::{command, render};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/exchange").join(name)
}

fn expected() -> Tensors {
    read_safetensors(golden("expected.safetensors")).unwrap()
}

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Runs the program, which must succeed.
#[track_caller]
fn meme(arguments: &[&str], folder: &Path) -> String {
    let output = command(arguments, folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}\n{}", render(&output, folder));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program, which must refuse for these reasons.
#[track_caller]
fn refused(arguments: &[&str], folder: &Path, reasons: &[&str]) {
    let output = command(arguments, folder).output().unwrap();
    let said = render(&output, folder);
    assert!(!output.status.success(), "{said}");
    for reason in reasons {
        assert!(said.contains(reason), "{reason:?} is missing in\n{said}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn tensor(data: &TensorData) -> Tensor {
    meme::torch::data_to_tensor(data, Device::Cpu).unwrap()
}

/// The largest difference, relative to the largest number.
fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    ((a - b).abs().max() / b.abs().max()).double_value(&[])
}

/// One expert of a run as it samples: its description and the averages of its newest checkpoint.
fn expert(run: &Path, number: usize) -> (Architecture, BTreeMap<String, TensorData>) {
    let text = fs::read_to_string(run.join("experiment.toml")).unwrap();
    let experiment = meme::experiment::Experiment::from_toml(&text, "experiment.toml").unwrap();
    let folder = run.join(format!("expert-{number}/checkpoints"));
    let checkpoint = latest_good(folder).unwrap().good.unwrap();
    let ema = checkpoint.tensors("ema.safetensors").unwrap().tensors;
    (experiment.experts[number - 1].clone(), ema)
}

fn forward(run: &Path, number: usize, x: &TensorData, timesteps: &TensorData) -> Tensor {
    let (architecture, ema) = expert(run, number);
    let mut parameters = Parameters::blank(Device::Cpu);
    let network = UNet::new(&parameters.root(), &architecture).unwrap();
    parameters.load(&ema).unwrap();
    let indices = tensor(timesteps).to_kind(Kind::Int64);
    no_grad(|| network.forward(&tensor(x), &indices, &mut Options::default())).unwrap()
}

/// The latent of `image`, and the picture of `latent`, by an imported first stage.
fn first_stage(
    file: &Path,
    config: &FirstStageConfig,
    image: &TensorData,
    latent: &TensorData,
) -> (Tensor, Tensor) {
    let mut parameters = Parameters::blank(Device::Cpu);
    let stage = FirstStage::new(&parameters.root(), config).unwrap();
    parameters.load(&read_safetensors(file).unwrap().tensors).unwrap();
    no_grad(|| (stage.encode(&tensor(image)).unwrap(), stage.decode(&tensor(latent)).unwrap()))
}

fn config_of(run: &Path) -> FirstStageConfig {
    let text = fs::read_to_string(run.join("experiment.toml")).unwrap();
    meme::experiment::Experiment::from_toml(&text, "experiment.toml").unwrap().first_stage
}

#[test]
fn a_pipeline_of_diffusers_gives_the_same_numbers_and_goes_out_again_as_it_came() {
    let folder = empty();
    meme(&["import", path(&golden("pipeline")), "--run", "run"], folder.path());
    let (run, expected) = (folder.path().join("run"), expected());
    let output = forward(&run, 1, &expected.tensors["x"], &expected.tensors["timesteps"]);
    let error = difference(&output, &tensor(&expected.tensors["output"]));
    assert!(error < 1e-5, "the network differs by {error:e}");
    let file = run.join("first-stage.safetensors");
    let (latent, decoded) = first_stage(
        &file,
        &config_of(&run),
        &expected.tensors["image"],
        &expected.tensors["quantised"],
    );
    for (name, found) in [("latent", latent), ("decoded", decoded)] {
        let error = difference(&found, &tensor(&expected.tensors[name]));
        assert!(error < 1e-5, "{name} differs by {error:e}");
    }

    meme(&["export", "run", "--to", "out"], folder.path());
    let out = folder.path().join("out");
    for (theirs, ours) in [("unet", "expert-1"), ("vqvae", "vqvae")] {
        same_model(&golden("pipeline").join(theirs), &out.join(ours));
    }
    let scheduler: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("scheduler/scheduler_config.json")).unwrap())
            .unwrap();
    assert_eq!(
        (&scheduler["beta_start"], &scheduler["beta_schedule"]),
        (&0.0015.into(), &"scaled_linear".into())
    );

    // And in again.
    meme(
        &["import", "out/expert-1", "--run", "again", "--set", "data.resolution=16"],
        folder.path(),
    );
    assert!(expert(&run, 1).1 == expert(&folder.path().join("again"), 1).1);
}

/// The same tensors, bit for bit, and no field with another value.
#[track_caller]
fn same_model(theirs: &Path, ours: &Path) {
    let read = |folder: &Path| {
        read_safetensors(folder.join("diffusion_pytorch_model.safetensors")).unwrap().tensors
    };
    assert!(read(theirs) == read(ours), "{} has other tensors", ours.display());
    let config = |folder: &Path| -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap()
    };
    let written = config(theirs);
    for (field, value) in config(ours) {
        let same = written[&field] == value
            || written[&field].as_f64().is_some_and(|it| Some(it) == value.as_f64());
        assert!(same, "{field}: {value}, diffusers wrote {}", written[&field]);
    }
}

#[test]
fn an_imported_pipeline_is_sampled_and_analysed_like_any_run() {
    let folder = empty();
    let pipeline = golden("pipeline");
    let arguments = [
        "import",
        path(&pipeline),
        "--run",
        "run",
        "--set",
        "data.validation=2",
        "--set",
        "data.faces=4",
    ];
    meme(&arguments, folder.path());
    let sample =
        ["sample", "run", "--count", "2", "--steps", "3", "--out", "pictures", "--device", "cpu"];
    meme(&sample, folder.path());
    assert_eq!(
        fs::read_dir(folder.path().join("pictures"))
            .unwrap()
            .filter(|it| {
                it.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "png")
            })
            .count(),
        2
    );
    meme(&["analyze", "run", "--count", "2", "--device", "cpu"], folder.path());
    assert!(folder.path().join("run/analysis/spectra.csv").exists());
    let train = ["train", "run/experiment.toml", "--run", "run", "--device", "cpu"];
    refused(&train, folder.path(), &["expert-1: it was imported without an optimizer's state"]);
}

/// Pictures that `meme sample` drew against those that diffusers drew from the same noise: the same but
/// for the rounding to bytes.
#[track_caller]
fn same_pictures(folder: &Path, drawn: &Path) {
    let drawn = tensor(&read_safetensors(drawn).unwrap().tensors["drawn"]);
    for number in 0..drawn.size()[0] {
        let file = folder.join(format!("{number:06}.png"));
        let bytes = fs::read(&file).unwrap();
        let limits = meme::data::Limits::default();
        let picture = meme::data::decode("a sample", &bytes, [255; 3], &limits).unwrap();
        let theirs = (drawn.get(number).permute([1, 2, 0]) + 1.0) * 127.5;
        let theirs = meme::torch::to_f32_vec(&theirs.contiguous()).unwrap();
        assert_eq!(picture.rgb.len(), theirs.len());
        let inside = theirs.iter().filter(|value| (1.0..254.0).contains(*value)).count();
        assert!(3 * inside > theirs.len(), "most of the picture is cut off: it would show little");
        for (ours, theirs) in picture.rgb.iter().zip(&theirs) {
            let error = (f32::from(*ours) - theirs).abs();
            assert!(error < 0.51, "{}: {ours}, diffusers {theirs}", file.display());
        }
    }
}

#[test]
fn an_imported_pipeline_draws_the_pictures_that_diffusers_draws() {
    let folder = empty();
    meme(&["import", path(&golden("pipeline")), "--run", "run"], folder.path());
    let sample =
        ["sample", "run", "--count", "2", "--steps", "4", "--out", "pictures", "--device", "cpu"];
    meme(&sample, folder.path());
    same_pictures(&folder.path().join("pictures"), &golden("drawn.safetensors"));
}

#[test]
fn shards_are_the_whole_and_a_missing_one_is_named() {
    let folder = empty();
    meme(&["import", path(&golden("sharded")), "--run", "sharded"], folder.path());
    meme(&["import", path(&golden("pipeline/unet")), "--run", "single"], folder.path());
    let weights = |run: &str| expert(&folder.path().join(run), 1);
    assert!(weights("sharded") == weights("single"));

    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    for entry in fs::read_dir(golden("sharded")).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, broken.join(from.file_name().unwrap())).unwrap();
    }
    let lost = "diffusion_pytorch_model-00003-of-00006.safetensors";
    fs::remove_file(broken.join(lost)).unwrap();
    refused(&["import", "broken", "--run", "no"], folder.path(), &[lost]);
    assert!(!folder.path().join("no").exists());

    let index = broken.join("diffusion_pytorch_model.safetensors.index.json");
    let text = fs::read_to_string(&index)
        .unwrap()
        .replace("diffusion_pytorch_model-00003", "../../escape");
    fs::write(&index, text).unwrap();
    refused(&["import", "broken", "--run", "no"], folder.path(), &["is no file of this folder"]);
}

#[test]
fn a_kl_autoencoder_becomes_a_first_stage_file_with_the_same_numbers() {
    let folder = empty();
    let said = meme(
        &["import", path(&golden("vae")), "--out", "vae.safetensors", "--json"],
        folder.path(),
    );
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let config: FirstStageConfig = serde_json::from_value(said["first_stage"].clone()).unwrap();
    let expected = expected();
    let file = folder.path().join("vae.safetensors");
    let (latent, decoded) =
        first_stage(&file, &config, &expected.tensors["image"], &expected.tensors["kl_latent"]);
    for (name, found) in [("kl_latent", latent), ("kl_decoded", decoded)] {
        let error = difference(&found, &tensor(&expected.tensors[name]));
        assert!(error < 1e-5, "{name} differs by {error:e}");
    }
    refused(
        &["import", path(&golden("vae")), "--run", "run"],
        folder.path(),
        &["holds a first stage and no network"],
    );
}

#[test]
fn a_checkpoint_of_compvis_is_described_by_its_shapes_and_read_with_its_average() {
    let folder = empty();
    meme(
        &["import", path(&golden("ldm.ckpt")), "--run", "run", "--set", "data.resolution=32"],
        folder.path(),
    );
    let run = folder.path().join("run");
    let of_compvis = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../meme-blocks/tests/golden/ldm_unet_tiny.safetensors");
    let expected = read_safetensors(of_compvis).unwrap();
    let output = forward(&run, 1, &expected.tensors["input"], &expected.tensors["timesteps"]);
    let error = difference(&output, &tensor(&expected.tensors["output"]));
    assert!(error < 1e-5, "the network differs by {error:e}");

    let text = fs::read_to_string(run.join("experiment.toml")).unwrap();
    for part in [
        "beta_start = 0.0015",
        "beta_end = 0.0195",
        "kind = \"scaled-linear\"",
        "codebook = 64",
        "width = 32",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let checkpoint = latest_good(run.join("expert-1/checkpoints")).unwrap().good.unwrap();
    let raw = checkpoint.tensors("weights.safetensors").unwrap();
    assert!(
        raw.iter().all(|(_, tensor)| tensor.to_f32().unwrap().iter().all(|number| *number == 0.25))
    );
    let first = read_safetensors(run.join("first-stage.safetensors")).unwrap();
    assert!(
        first.iter().all(|(_, tensor)| tensor
            .to_f32()
            .unwrap()
            .iter()
            .all(|number| *number == 0.125))
    );
    meme(
        &["sample", "run", "--count", "1", "--steps", "2", "--out", "sheet.png", "--device", "cpu"],
        folder.path(),
    );
}

/// Networks of two sources on one run's timesteps.
#[test]
fn an_imported_network_is_stitched_with_experts_of_another_run_by_interval() {
    let folder = empty();
    let (pipeline, here) = (golden("pipeline"), folder.path());
    // A run of our own with mixers, on the same latents: imported and with its network replaced by hand.
    meme(
        &[
            "import",
            path(&pipeline),
            "--run",
            "stitched",
            "--intervals",
            "600,1000",
            "--expert",
            "2",
        ],
        here,
    );
    refused(
        &["sample", "stitched", "--out", "x", "--device", "cpu"],
        here,
        &["expert 1 has no checkpoint yet"],
    );
    let ours = mixer_export(here);
    meme(&["import", path(&ours), "--run", "stitched", "--expert", "1"], here);
    meme(
        &[
            "sample", "stitched", "--count", "1", "--steps", "4", "--out", "pictures", "--device",
            "cpu",
        ],
        here,
    );
    refused(
        &["import", path(&ours), "--run", "stitched", "--expert", "1"],
        here,
        &["has a checkpoint already"],
    );
    refused(
        &["import", path(&ours), "--run", "stitched", "--expert", "3"],
        here,
        &["the run has 2 experts"],
    );

    // Out again: one folder of diffusers, one of our own layout, and both in again with the same bits.
    meme(&["export", "stitched", "--to", "out"], here);
    same_model(&pipeline.join("unet"), &here.join("out/expert-2"));
    assert!(
        read_safetensors(ours.join("model.safetensors")).unwrap()
            == read_safetensors(here.join("out/expert-1/model.safetensors")).unwrap()
    );
    // One expert of a run is a source too.
    meme(&["import", "stitched", "--source-expert", "1", "--run", "single"], here);
    let (run, single) = (here.join("stitched"), here.join("single"));
    assert!(expert(&run, 1) == expert(&single, 1));
    refused(&["import", "stitched", "--run", "no"], here, &["choose one with --source-expert N"]);
}

/// A network with mixers in the layout of exports, with weights as drawn before training.
fn mixer_export(folder: &Path) -> PathBuf {
    let architecture: Architecture = serde_json::from_str(
        r#"{"in_channels": 3, "out_channels": 3, "width": 16, "channel_mult": [1, 2], "res_blocks": 1, "head_dim": 8,
            "norm_groups": 8, "encoder": ["mixer", "mixer"], "middle": "mixer", "decoder": ["none", "none"],
            "mixer": {"high_heads": [1, 2], "middle_high_heads": 2, "pool": [2, 1]}}"#,
    )
    .unwrap();
    let mut parameters = Parameters::new(Device::Cpu, 7, 1);
    UNet::new(&parameters.root(), &architecture).unwrap();
    let export = folder.join("mixers");
    fs::create_dir(&export).unwrap();
    fs::write(export.join("architecture.json"), serde_json::to_string(&architecture).unwrap())
        .unwrap();
    let metadata = BTreeMap::from([("format".to_owned(), "meme".to_owned())]);
    meme::checkpoint::write_safetensors(
        export.join("model.safetensors"),
        &parameters.to_data().unwrap(),
        &metadata,
    )
    .unwrap();
    export
}

#[test]
fn what_would_change_the_numbers_is_refused_by_its_name() {
    let folder = empty();
    let text = fs::read_to_string(golden("pipeline/unet/config.json")).unwrap();
    for (from, to, reason) in [
        ("\"flip_sin_to_cos\": true", "\"flip_sin_to_cos\": false", "`flip_sin_to_cos` is false"),
        ("\"freq_shift\": 0", "\"freq_shift\": 1", "`freq_shift` is 1"),
        ("\"act_fn\": \"silu\"", "\"act_fn\": \"gelu\"", "`act_fn` is \"gelu\""),
        ("\"AttnDownBlock2D\"", "\"SkipDownBlock2D\"", "SkipDownBlock2D are not known"),
        ("\"dropout\"", "\"magic\": 3, \"dropout\"", "`magic` = 3"),
        ("\"UNet2DModel\"", "\"UNet3DConditionModel\"", "UNet3DConditionModel is not known here"),
        ("\"attention_head_dim\": 8", "\"attention_head_dim\": 5", "head_dim"),
    ] {
        let broken = folder.path().join("broken");
        fs::create_dir_all(&broken).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(broken.join("config.json"), text.replace(from, to)).unwrap();
        fs::copy(
            golden("pipeline/unet/diffusion_pytorch_model.safetensors"),
            broken.join("diffusion_pytorch_model.safetensors"),
        )
        .unwrap();
        refused(&["import", "broken", "--run", "no"], folder.path(), &["config.json", reason]);
    }
    assert!(!folder.path().join("no").exists());
    fs::write(folder.path().join("nothing.ckpt"), "no pickle").unwrap();
    refused(&["import", "nothing.ckpt", "--run", "no"], folder.path(), &["nothing.ckpt"]);
    refused(&["import", "absent", "--run", "no"], folder.path(), &["absent"]);
}

/// LDM's FFHQ network, 274 million random weights as diffusers writes them: see `golden/exchange/make.py --ffhq`.
#[test]
#[ignore = "slow: needs the folder that make.py --ffhq wrote, named by MEME_EXCHANGE_FFHQ"]
fn the_network_of_ldm_on_ffhq_gives_the_same_numbers_and_goes_out_again() {
    let Some(given) = std::env::var_os("MEME_EXCHANGE_FFHQ").map(PathBuf::from) else {
        eprintln!("skipped: MEME_EXCHANGE_FFHQ is not set");
        return;
    };
    let folder = empty();
    meme(&["import", path(&given.join("pipeline")), "--run", "run"], folder.path());
    let (run, expected) =
        (folder.path().join("run"), read_safetensors(given.join("expected.safetensors")).unwrap());
    let output = forward(&run, 1, &expected.tensors["x"], &expected.tensors["timesteps"]);
    let error = difference(&output, &tensor(&expected.tensors["output"]));
    eprintln!("network: {error:e}");
    assert!(error < 1e-5, "the network differs by {error:e}");
    let file = run.join("first-stage.safetensors");
    let (latent, decoded) = first_stage(
        &file,
        &config_of(&run),
        &expected.tensors["image"],
        &expected.tensors["quantised"],
    );
    for (name, found) in [("latent", latent), ("decoded", decoded)] {
        let error = difference(&found, &tensor(&expected.tensors[name]));
        eprintln!("{name}: {error:e}");
        assert!(error < 1e-5, "{name} differs by {error:e}");
    }
    meme(&["export", "run", "--to", "out"], folder.path());
    same_model(&given.join("pipeline/unet"), &folder.path().join("out/expert-1"));
    same_model(&given.join("pipeline/vqvae"), &folder.path().join("out/vqvae"));
    let sample =
        ["sample", "run", "--count", "1", "--steps", "4", "--out", "pictures", "--device", "cpu"];
    meme(&sample, folder.path());
    same_pictures(&folder.path().join("pictures"), &given.join("drawn.safetensors"));
}
