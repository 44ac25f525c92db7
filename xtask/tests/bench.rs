//! `cargo xtask bench` with contestants that only pretend to compute.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Stands in for our program: two networks; each pass takes "0.5 s", and it dies at batch 13.
const OURS: &str = r#"use std::io::BufRead as _;
fn main() {
    if std::env::args().nth(1).as_deref() == Some("networks") {
        for (name, parameters) in [("ldm-s", 7), ("meme-1", 7)] {
            println!("{{\"name\": \"{name}\", \"architecture\": {{}}, \"shape\": [3, 8, 8], \"parameters\": {parameters}}}");
        }
        return;
    }
    let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
    let Some(description) = lines.next() else { return };
    assert!(!description.contains("\"batch\":13"), "thirteen is too many");
    println!("ready 7");
    for line in lines {
        match line.split_once(' ') {
            Some(("run", passes)) => {
                let passes: usize = passes.parse().unwrap();
                println!("seconds{}", " 0.5".repeat(passes));
            }
            _ => println!("bytes 3145728 1048576"),
        }
    }
}
"#;

/// Stands in for Python: each pass takes "1.0 s"; it cannot compile.
const PYTHON: &str = r#"#!/usr/bin/env sh
case "$*" in
  "-c "*) echo 2.11.0+fake; exit ;;
  *--check*) cat "$GOLDEN_SAYS"; test -s "$GOLDEN_SAYS"; exit ;;
esac
read -r description
case "$description" in
  *compiled*) echo unavailable there is no compiler; exit ;;
esac
echo ready 7
while read -r command count; do
  case "$command" in
    run) echo "seconds$(yes ' 1.0' | head -n "$count" | tr -d '\n')" ;;
    memory) echo bytes 5242880 1048576 ;;
  esac
done
"#;

struct Checkout(tempfile::TempDir);

impl Checkout {
    /// A workspace with our program to build, a libtorch that needs no installing, and a Python.
    fn new() -> Self {
        let checkout = Checkout(tempfile::tempdir().unwrap());
        checkout.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"benches\"]\n");
        let manifest = "[package]\nname = \"benches\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
        checkout.write("benches/Cargo.toml", manifest);
        checkout.write("benches/src/lib.rs", "");
        checkout.write("benches/examples/bench-worker.rs", OURS);
        checkout.write("libtorch/build-version", "2.11.0");
        checkout.write("libtorch/lib/libtorch_cpu.so", "");
        checkout.write("libtorch/include/torch/csrc/api/include/torch/torch.h", "");
        checkout.write("golden", "a.safetensors: output within 1e-9\n");
        let python = checkout.write("python", PYTHON);
        fs::set_permissions(python, fs::Permissions::from_mode(0o755)).unwrap();
        checkout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn bench(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("bench")
            .args(words.split_whitespace())
            .current_dir(self.0.path())
            .env("LIBTORCH", self.path("libtorch"))
            .env("CARGO_TARGET_DIR", self.path("elsewhere"))
            .env("GOLDEN_SAYS", self.path("golden"))
            .env("HOME", self.path("home"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("RUSTUP_HOME", rustup_home())
            .env_remove("LIBTORCH_USE_PYTORCH")
            .output()
            .unwrap()
    }

    fn json(&self, file: &str) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(self.path(file)).unwrap()).unwrap()
    }
}

/// Where rustup keeps its toolchains, since HOME is another one here.
fn rustup_home() -> PathBuf {
    let named = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".rustup"))
}

fn both(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

#[test]
fn a_run_compares_each_mode_and_writes_the_table_and_the_times() {
    let checkout = Checkout::new();
    let output = checkout.bench("--python ./python --out results --networks meme-1 --rounds 3");
    let said = both(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("a.safetensors: output within 1e-9"), "{said}");
    assert!(said.contains(" 2.000 (2.000 to 2.000; fastest 2.000)"), "{said}");
    assert!(said.contains("meme-1 f32-compiled was not timed: there is no compiler"), "{said}");
    let table = fs::read_to_string(checkout.path("results/forward.md")).unwrap();
    let row = "| 4 x 8 x 8 | meme-1 f32 | meme-1 f32-eager | 500.0 | 1000.0 | **2.00** [2.00, 2.00] | 2.00 |";
    assert!(table.contains(row), "{table}");
    let json = checkout.json("results/forward.json");
    assert_eq!(json["pytorch"]["version"], "2.11.0+fake");
    assert_eq!(json["groups"].as_array().unwrap().len(), 4);
    let ours = &json["groups"][0]["contestants"][0];
    assert_eq!(ours["result"]["seconds"], serde_json::json!([0.5, 0.5, 0.5]));
    assert_eq!(json["groups"][0]["ratios"][0]["ratio"]["median"], 2.0);
}

#[test]
fn training_is_reported_with_the_memory_of_both() {
    let checkout = Checkout::new();
    let line = "--train --python ./python --out results --networks ldm-s --size 8 --rounds 1";
    assert!(checkout.bench(line).status.success());
    let table = fs::read_to_string(checkout.path("results/train.md")).unwrap();
    assert!(table.contains("| ldm-s bf16-training | ldm-s bf16-autocast |"), "{table}");
    assert!(table.contains("| 3 (2) | 5 (4) |"), "{table}");
}

#[test]
fn a_contestant_that_dies_is_named_and_the_others_are_timed_all_the_same() {
    let checkout = Checkout::new();
    let line = "--python ./python --out results --networks ldm-s --batch 13,1 --rounds 1";
    let output = checkout.bench(line);
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ldm-s f32 was not timed: its process ended"), "{said}");
    assert!(said.contains("thirteen is too many"), "{said}");
    assert!(said.contains("3 of the contestants failed"), "{said}");
    let table = fs::read_to_string(checkout.path("results/forward.md")).unwrap();
    assert!(table.contains("| 1 x 8 x 8 | ldm-s f32 | ldm-s f32-eager |"), "{table}");
}

#[test]
fn without_a_python_ours_are_timed_and_the_reason_is_said() {
    let checkout = Checkout::new();
    for (words, reason) in
        [("--no-python", "--no-python says so"), ("--python ./absent", "could not run ./absent")]
    {
        let line = format!("{words} --out results --networks ldm-s --batch 1 --rounds 1");
        let output = checkout.bench(&line);
        let said = both(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("PyTorch is not timed: ") && said.contains(reason), "{said}");
        let table = fs::read_to_string(checkout.path("results/forward.md")).unwrap();
        assert!(table.contains("| 1 x 8 x 8 | ldm-s f32 | - | 500.0 | - | - | - |"), "{table}");
    }
}

#[test]
fn networks_that_are_not_the_golden_ones_are_not_timed() {
    let checkout = Checkout::new();
    checkout.write("golden", "");
    let output = checkout.bench("--python ./python --out results");
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not those of the golden vectors"), "{said}");
    assert!(!checkout.path("results/forward.md").exists());
}
