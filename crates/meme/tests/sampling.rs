//! `meme sample` and `meme samplers` on a small trained run: stopped and gone on with, experts from
//! the disk, a table.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "every test target uses its own part of it")]
mod support;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{command, render, say};

/// Four experts at scale smoke, trained for three batches each.
fn trained(folder: &Path) {
    let mut train = vec!["train", "ffhq/meme", "--run", "run", "--scale", "smoke"];
    for value in ["train.images=48", "data.faces=48", "data.validation=16", "sample.batch=4"] {
        train.extend(["--set", value]);
    }
    let answer = say(&train, folder);
    assert!(answer.starts_with("exit code: 0"), "{answer}");
}

fn picture(folder: &Path, number: u64) -> Vec<u8> {
    std::fs::read(folder.join(format!("{number:06}.png"))).unwrap()
}

#[test]
fn pictures_do_not_depend_on_residency_nor_on_being_stopped() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let sample = |more: &[&str]| {
        let base = ["sample", "run", "--count", "10", "--device", "cpu", "--sampler", "ddpm"];
        let arguments: Vec<&str> = base.iter().chain(more).copied().collect();
        command(&arguments, folder.path())
    };
    let whole = sample(&["--steps", "100", "--out", "whole"]).output().unwrap();
    assert!(whole.status.success(), "{}", render(&whole, folder.path()));
    let next = ["--steps", "100", "--resident", "next", "--batch", "5", "--out", "next"];
    let next = sample(&next).output().unwrap();
    assert!(next.status.success(), "{}", render(&next, folder.path()));

    let stopped = ["--steps", "100", "--resident", "40MiB", "--out", "stopped"];
    let deadline = Instant::now() + Duration::from_secs(300);
    let (mut signals, mut wait) = (0, Duration::from_millis(200));
    loop {
        assert!(Instant::now() < deadline, "the pictures are never finished");
        let mut child =
            sample(&stopped).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(wait);
        if child.try_wait().unwrap().is_none() {
            let id = child.id().to_string();
            std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
            signals += 1;
        }
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => break,
            Some(75) => assert!(String::from_utf8_lossy(&output.stderr).contains("goes on")),
            // Before the program has come to install its handlers, a signal ends it as usual.
            None if output.stderr.is_empty() => {}
            _ => panic!("{}", render(&output, folder.path())),
        }
        wait = wait * 5 / 4;
    }
    assert!(signals > 0, "it was never stopped");
    assert!(!folder.path().join("stopped/unfinished.safetensors").exists());
    for number in 0..10 {
        let whole = picture(&folder.path().join("whole"), number);
        // Other batches split sums otherwise, and a picture has 256 levels.
        assert_eq!(picture(&folder.path().join("stopped"), number), whole, "{number}");
        assert_eq!(picture(&folder.path().join("next"), number).is_empty(), whole.is_empty());
    }
}

#[test]
fn a_batch_of_other_pictures_is_not_gone_on_with_and_bad_options_are_named() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let answer = say(&["sample", "run", "--resident", "1KiB", "--out", "out"], folder.path());
    assert!(answer.contains("allow at least as much as the largest"), "{answer}");
    let answer = say(&["sample", "run", "--resident", "some", "--out", "out"], folder.path());
    assert!(answer.starts_with("exit code: 2") && answer.contains("800MiB"), "{answer}");
    let answer = say(&["sample", "run", "--sampler", "dimm", "--out", "out"], folder.path());
    assert!(answer.contains("did you mean `ddim`?"), "{answer}");
    let answer =
        say(&["sample", "run", "--sampler", "heun", "--eta", "1", "--out", "o"], folder.path());
    assert!(answer.contains("heun has no share of noise"), "{answer}");
    assert!(!folder.path().join("out").exists(), "a refused call left a folder behind");

    std::fs::create_dir(folder.path().join("out")).unwrap();
    std::fs::write(folder.path().join("out/unfinished.safetensors"), b"no safetensors").unwrap();
    let answer = say(&["sample", "run", "--count", "2", "--out", "out"], folder.path());
    assert!(answer.starts_with("exit code: 1"), "{answer}");
    assert!(answer.contains("unfinished.safetensors"), "{answer}");
}

#[test]
fn samplers_are_compared_in_a_table_that_grows() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let base = ["samplers", "run", "--count", "8", "--out", "table", "--device", "cpu"];
    let call = |more: &[&str]| {
        let arguments: Vec<&str> = base.iter().chain(more).copied().collect();
        say(&arguments, folder.path())
    };
    let first = call(&["--samplers", "ddim,heun", "--evaluations", "5"]);
    assert!(first.contains("| ddim | 5 | 5 |") && first.contains("| heun | 2 | 3 |"), "{first}");
    let lines = |text: &str| text.lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(lines(&first), 1 + 2);
    let second = call(&["--samplers", "unipc", "--evaluations", "2,5"]);
    assert_eq!(lines(&second), 1 + 4, "{second}");
    let other = ["samplers", "run", "--count", "9", "--out", "table", "--device", "cpu"];
    let other = say(&other, folder.path());
    assert!(other.contains("measures something else"), "{other}");
}
