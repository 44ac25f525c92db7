//! The command line: exit code, standard output and standard error, as users see them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use support::say;

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

macro_rules! snapshot {
    ($name:literal, $arguments:expr) => {
        let folder = empty();
        insta::assert_snapshot!($name, say($arguments, folder.path()));
    };
}

#[test]
fn counts_are_those_of_the_paper_to_the_last_parameter() {
    snapshot!("count_meme", &["count", "ffhq/meme"]);
    snapshot!("count_meme_json", &["count", "ffhq/meme", "--json"]);
    snapshot!("count_ldm_l", &["count", "ffhq/ldm-l"]);
    snapshot!("count_ldm_s", &["count", "ffhq/ldm-s"]);
    snapshot!("count_iu_ldm_s", &["count", "ffhq/iu-ldm-s"]);
}

#[test]
fn list_names_what_there_is() {
    snapshot!("list", &["list"]);
}

#[test]
fn show_prints_an_experiment_that_train_takes() {
    let folder = empty();
    let shown = say(&["show", "ffhq/meme", "--scale", "tiny"], folder.path());
    insta::assert_snapshot!("show_meme_tiny", shown);
    let toml =
        shown.split("----- stdout\n").nth(1).unwrap().split("\n----- stderr").next().unwrap();
    std::fs::write(folder.path().join("mine.toml"), toml).unwrap();
    let arguments = ["train", "mine.toml", "--run", "run", "--dry-run"];
    let plan = say(&arguments, folder.path());
    assert!(plan.contains("\nTime: about "), "{plan}");
    // The time is another one on every machine.
    let lines: Vec<&str> = plan.lines().filter(|line| !line.starts_with("Time: ")).collect();
    insta::assert_snapshot!("train_dry_run", lines.join("\n"));
}

#[test]
fn a_device_that_is_not_there_is_named_before_anything_is_written() {
    let folder = empty();
    for arguments in [
        &["train", "ffhq/meme", "--run", "run", "--device", "cuda:99"][..],
        &["reproduce", "ffhq", "--run", "run", "--devices", "cpu,cuda:99"],
    ] {
        let answer = say(arguments, folder.path());
        let wanted = "exit code: 1\n----- stdout\n\n----- stderr\nerror: device \"cuda:99\": ";
        assert!(answer.starts_with(wanted), "{answer}");
        assert_eq!(answer.lines().count(), 5, "{answer}");
    }
    assert!(!folder.path().join("run").exists());
    let emit = ["--emit", "slurm", "--to", "jobs", "--run", "run"];
    let emit = [&["reproduce", "ffhq", "--devices", "cuda:99"][..], &emit].concat();
    // The jobs run on other machines.
    assert!(say(&emit, folder.path()).starts_with("exit code: 0"));
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    snapshot!("unknown_verb", &["reproduse", "ffhq"]);
    snapshot!("unknown_suite", &["reproduce", "ffqh"]);
    snapshot!("unknown_row", &["reproduce", "ffhq", "--rows", "ldm-xl", "--dry-run"]);
    snapshot!("unknown_scale", &["show", "ffhq/meme", "--scale", "tinny"]);
    snapshot!("unknown_experiment", &["count", "meme"]);
    snapshot!("unknown_key", &["show", "ffhq/meme", "--set", "train.imagse=3"]);
    snapshot!("unknown_device", &["speed", "ffhq/meme", "--device", "gpu"]);
}

#[test]
fn other_values_are_refused_before_anything_is_written_and_recorded_where_they_are_meant() {
    let folder = empty();
    let train = |more: &[&str]| {
        let all = ["train", "ffhq/iu-ldm-s", "--run", "run", "--scale", "smoke", "--device", "cpu"];
        let faces = ["--set", "data.faces=24", "--set", "data.validation=8"];
        let arguments: Vec<&str> = all.iter().chain(&faces).chain(more).copied().collect();
        say(&arguments, folder.path())
    };
    let experiment = || std::fs::read(folder.path().join("run/experiment.toml")).unwrap();
    let first = train(&["--set", "train.images=16"]);
    assert!(first.starts_with("exit code: 0"), "{first}");
    let before = experiment();
    let other = ["--set", "train.images=32", "--set", "train.learning_rate=5e-4"];
    let refused = train(&other);
    assert!(refused.starts_with("exit code: 1"), "{refused}");
    let difference = "expert 1: train.learning_rate: was 0.001, now 0.0005";
    assert!(refused.contains(difference) && refused.contains("--accept-changes"), "{refused}");
    assert_eq!(experiment(), before);
    let wider =
        train(&["--accept-changes", "--set", "data.resolution=16", "--set", "train.images=32"]);
    assert!(!wider.starts_with("exit code: 0"), "{wider}");
    assert_eq!(experiment(), before);
    let accepted = train(&[&other[..], &["--accept-changes"]].concat());
    assert!(accepted.starts_with("exit code: 0"), "{accepted}");
    assert!(accepted.contains(&format!("changed: {difference}")), "{accepted}");
    let inspected = say(&["inspect", "run/expert-1/checkpoints/000000032"], folder.path());
    let sentence = "after 16 images, train.learning_rate: was 0.001, now 0.0005";
    assert!(inspected.contains(sentence), "{inspected}");
    assert!(inspected.contains("After 32 images in 2 updates, of 32 asked for."), "{inspected}");
}

#[test]
fn a_broken_file_shows_the_line() {
    let folder = empty();
    let path = folder.path().join("mine.toml");
    let shown = say(&["show", "ffhq/ldm-s", "--scale", "tiny"], folder.path());
    let toml =
        shown.split("----- stdout\n").nth(1).unwrap().split("\n----- stderr").next().unwrap();
    let train = ["train", "mine.toml", "--run", "run"];
    for (name, from, to) in [
        ("misspelt_key", "learning_rate = 0.001", "learning_rat = 0.001"),
        ("wrong_heads", "head_dim = 8", "head_dim = 12"),
        ("wrong_interval", "intervals = [1000]", "intervals = [900]"),
        ("not_toml", "[data]", "[data"),
    ] {
        assert!(toml.contains(from), "{from}");
        std::fs::write(&path, toml.replacen(from, to, 1)).unwrap();
        insta::assert_snapshot!(name, say(&train, folder.path()));
    }
    insta::assert_snapshot!(
        "no_such_file",
        say(&["train", "other.toml", "--run", "r"], folder.path())
    );
    assert!(!folder.path().join("run").exists(), "a refused experiment left a folder behind");
}

#[test]
fn bad_pictures_are_named() {
    let folder = empty();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let reproduce = support::reproduce(&["--data", "pictures", "--run", "run"]);
    insta::assert_snapshot!("empty_folder", say(&reproduce, folder.path()));
    std::fs::write(pictures.join("notes.txt"), "no picture").unwrap();
    insta::assert_snapshot!("no_picture_inside", say(&reproduce, folder.path()));
    support::write_pictures(&pictures, 6);
    let whole = std::fs::read(pictures.join("3.png")).unwrap();
    std::fs::write(pictures.join("3.png"), &whole[..whole.len() / 2]).unwrap();
    insta::assert_snapshot!("corrupt_picture", say(&reproduce, folder.path()));
    let missing = support::reproduce(&["--data", "nowhere", "--run", "run"]);
    insta::assert_snapshot!("no_such_data", say(&missing, folder.path()));
}

#[test]
fn a_folder_without_a_run_says_how_to_make_one() {
    snapshot!("no_run", &["sample", "nothing", "--out", "out"]);
    snapshot!("no_report", &["report", "nothing"]);
    snapshot!("no_checkpoint", &["inspect", "nothing"]);
}

#[test]
fn a_plan_writes_nothing() {
    let folder = empty();
    for scale in ["smoke", "tiny"] {
        let arguments = ["reproduce", "ffhq", "--scale", scale, "--rows", "all", "--dry-run"];
        let plan = say(&arguments, folder.path());
        assert!(plan.starts_with("exit code: 0"), "{plan}");
        for row in ["LDM-L", "LDM-S", "iU-LDM-S", "Multi-Expert", "Multi-Expert (soft)", "MEME"] {
            assert!(plan.contains(row), "{plan}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn doctor_finds_a_healthy_installation() {
    let folder = empty();
    let answer = say(&["doctor"], folder.path());
    assert!(answer.starts_with("exit code: 0"), "{answer}");
    assert!(answer.contains("libtorch     2.11.0"), "{answer}");
}

/// What `meme doctor` says where the loader meets `library` instead of libtorch's own.
fn doctor_with(library: &[u8]) -> String {
    let folder = empty();
    std::fs::write(folder.path().join("libtorch_cpu.so"), library).unwrap();
    let mut command = support::command(&["doctor"], folder.path());
    let output = command.env("LD_LIBRARY_PATH", folder.path()).output().unwrap();
    support::render(&output, folder.path())
}

#[test]
fn doctor_explains_a_library_that_does_not_load_and_names_what_mends_it() {
    let torn = doctor_with(b"half a library");
    assert!(torn.starts_with("exit code: 1"), "{torn}");
    assert!(torn.contains("error: libtorch cannot be loaded: FOLDER/libtorch_cpu.so: "), "{torn}");
    assert!(torn.contains("mend it with: cargo xtask setup"), "{torn}");

    // A valid library that lacks what the program needs, as one of another version does.
    let loaded = meme_torch::device::library_path().unwrap();
    let other = std::fs::read(loaded.with_file_name("libc10.so")).unwrap();
    let other = doctor_with(&other);
    assert!(other.starts_with("exit code: 1"), "{other}");
    assert!(other.contains("another version of libtorch"), "{other}");
    assert!(other.contains("cargo xtask setup && cargo build"), "{other}");
}
