//! `cargo xtask reproduce` becomes the program: its output, exit code and signals are the program's.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Stands in for `meme`: says what it was called with; sleeps when asked to; else ends with 75.
const PROGRAM: &str = r#"fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    println!("{} {:?} {}", std::process::id(), words, std::env::var_os("CARGO_MANIFEST_DIR").is_none());
    if words.iter().any(|word| word == "--sleep") {
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
    std::process::exit(75);
}
"#;

/// A workspace with a `meme` to build, and a libtorch that needs no installing.
fn checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"meme\"]\n");
    write(
        "meme/Cargo.toml",
        "[package]\nname = \"meme\"\nversion = \"0.0.0\"\nedition = \"2024\"\n",
    );
    write("meme/src/main.rs", PROGRAM);
    write("libtorch/build-version", "2.11.0");
    write("libtorch/lib/libtorch_cpu.so", "");
    write("libtorch/include/torch/csrc/api/include/torch/torch.h", "");
    folder
}

fn reproduce(checkout: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("reproduce")
        .args(words)
        .current_dir(checkout)
        .env("LIBTORCH", checkout.join("libtorch"))
        .env("CARGO_TARGET_DIR", checkout.join("elsewhere"))
        .env_remove("LIBTORCH_USE_PYTORCH")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

#[test]
fn the_program_is_built_where_cargo_is_told_to_and_gets_every_word() {
    let checkout = checkout();
    let words = ["ffhq", "--scale", "smoke", "--help", "a word"];
    let output = reproduce(checkout.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, said) = said.split_once(' ').unwrap();
    // Nothing else on standard output, and nothing of cargo's own environment in the program's.
    assert_eq!(
        said,
        "[\"reproduce\", \"ffhq\", \"--scale\", \"smoke\", \"--help\", \"a word\"] true\n"
    );
    assert!(checkout.path().join("elsewhere/release/meme").is_file());
}

#[test]
fn the_program_takes_the_place_of_the_process_that_was_started() {
    let checkout = checkout();
    let mut child = reproduce(checkout.path(), &["ffhq", "--sleep"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pid = child.id().to_string();
    assert!(line.starts_with(&format!("{pid} ")), "started as {pid}, running as {line}");
    assert!(
        Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap().success()
    );
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_program_that_does_not_compile_is_not_run() {
    let checkout = checkout();
    fs::write(checkout.path().join("meme/src/main.rs"), "fn main() { no such thing }").unwrap();
    let output = reproduce(checkout.path(), &["ffhq"]).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cargo build --release --package meme failed"), "{said}");
}
