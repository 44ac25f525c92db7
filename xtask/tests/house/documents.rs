//! Rules about documents and the script that unattended machines run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::tree::{files, hold, root};

/// The chores that `cargo xtask --help` lists.
fn chores() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let indented = text.lines().filter_map(|line| line.strip_prefix("  "));
    indented.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn documents_name_no_chore_that_does_not_exist() {
    let chores = chores();
    assert!(chores.iter().any(|chore| chore == "setup"), "{chores:?}");
    let mut broken = Vec::new();
    let written = |path: &str| path.ends_with(".md") || path.ends_with(".rs") || path == ".ci/run";
    for file in files().iter().filter(|file| written(&file.path)) {
        for (at, line) in file.text.lines().enumerate() {
            for (start, mark) in line.match_indices("cargo xtask ") {
                let rest = &line[start + mark.len()..];
                let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
                let chore = &rest[..end];
                if !chore.is_empty() && !chores.iter().any(|known| known == chore) {
                    broken.push(format!("{}:{}: there is no chore {chore}", file.path, at + 1));
                }
            }
        }
    }
    hold("Documents name no chore that does not exist.", &broken);
}

#[test]
fn unattended_machines_run_the_readmes_test_command() {
    const COMMAND: &str = "cargo xtask test";
    let script = root().join(".ci/run");
    let text = fs::read_to_string(&script).unwrap();
    assert!(text.contains("set -euo pipefail"), ".ci/run:1: it goes on after errors");
    assert!(text.lines().any(|line| line.trim_start().starts_with(COMMAND)), ".ci/run: {COMMAND}");
    let mode = fs::metadata(&script).unwrap().permissions().mode();
    assert!(mode & 0o111 != 0, ".ci/run:1: it is not executable");
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(COMMAND), "README.md:1: it does not name `{COMMAND}`");
}
