//! From pictures to a report, stopped and gone on with.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use support::{command, render, reproduce, say};

/// Every file of a run that is a function of the experiment alone, by relative path.
fn results(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![run.join("rows"), run.join("latents")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(run).unwrap().display().to_string();
            // Wall times differ; the manifest holds hashes of files that are compared themselves;
            // a run that was killed between a round and its preview goes on without that preview;
            // event files carry times, in their names too.
            let differs = ["timing.jsonl", "manifest.json"].iter().any(|end| name.ends_with(end));
            let watched = ["/previews/", "/tensorboard/"].iter().any(|part| name.contains(part));
            if !differs && !watched {
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn newest(files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    // A stopped run has one checkpoint more, at the place where it was stopped.
    files
        .into_iter()
        .filter(|(name, _)| !name.contains("checkpoints/") || name.contains("000000048"))
        .collect()
}

#[test]
fn a_run_ends_in_a_report_and_a_second_one_finds_everything_done() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = reproduce(&["--run", "run"]);
    let answer = say(&arguments, folder.path());
    assert!(answer.starts_with("exit code: 0"), "{answer}");
    assert!(answer.contains("SCALED DOWN"), "{answer}");
    let run = folder.path().join("run");
    for name in ["report.md", "report.html", "report.json", "real.png", "iu-ldm-s.png"] {
        assert!(run.join("report").join(name).exists(), "{name}");
    }
    let page = std::fs::read_to_string(run.join("report/report.html")).unwrap();
    assert!(page.contains("Scaled down") && page.contains("It is not FID"));
    assert!(!page.contains("src=\"http"), "the page must be whole without a network");

    let before = std::fs::read(run.join("stages.json")).unwrap();
    let second = say(&arguments, folder.path());
    assert!(second.starts_with("exit code: 0"), "{second}");
    assert_eq!(std::fs::read(run.join("stages.json")).unwrap(), before);

    let changed = reproduce(&["--run", "run", "--set", "train.learning_rate=0.5"]);
    let answer = say(&changed, folder.path());
    assert!(answer.starts_with("exit code: 1"), "{answer}");
    assert!(answer.contains("train.learning_rate: was 0.001, now 0.5"), "{answer}");
    let row = run.join("rows/iu-ldm-s");
    let kept = std::fs::read_to_string(row.join("experiment.toml")).unwrap();
    assert!(kept.contains("learning_rate = 0.001"), "a refused change was written:\n{kept}");

    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    support::write_pictures(&folder.path().join("elsewhere"), 3);
    let other = reproduce(&["--run", "run", "--data", "elsewhere"]);
    insta::assert_snapshot!("folder_of_another_run", say(&other, folder.path()));

    let samples = [
        "sample",
        "run/rows/iu-ldm-s",
        "--count",
        "3",
        "--steps",
        "2",
        "--batch",
        "2",
        "--out",
        "out",
    ];
    assert!(say(&samples, folder.path()).starts_with("exit code: 0"));
    for number in 0..3 {
        let name = format!("{number:06}.png");
        let again = std::fs::read(folder.path().join("out").join(&name)).unwrap();
        let first = std::fs::read(run.join("rows/iu-ldm-s/samples").join(&name)).unwrap();
        assert!(again == first, "picture {number} depends on the batch it is drawn in");
    }
    let evaluate =
        ["evaluate", "--generated", "out", "--reference", "run/rows/iu-ldm-s/samples", "--json"];
    let answer = command(&evaluate, folder.path()).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(json["generated"], 3);
    assert_eq!(json["metric"], "Frechet distance (random-64)");
}

#[test]
fn a_run_that_is_interrupted_at_any_moment_ends_with_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let whole = reproduce(&["--run", "whole"]);
    assert!(say(&whole, folder.path()).starts_with("exit code: 0"));
    let arguments = reproduce(&["--run", "stopped"]);
    let (mut signals, mut wait) = (0, Duration::from_millis(300));
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        assert!(Instant::now() < deadline, "the run does not come to an end");
        let mut child = command(&arguments, folder.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(wait);
        // Every third time without a chance to save anything.
        let kill = signals % 3 == 2;
        let finished = child.try_wait().unwrap().is_some();
        if !finished {
            let signal = if kill {
                "-KILL"
            } else if signals % 2 == 0 {
                "-INT"
            } else {
                "-TERM"
            };
            let id = child.id().to_string();
            std::process::Command::new("kill").args([signal, &id]).status().unwrap();
            signals += 1;
        }
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => break,
            Some(75) => {}
            None if kill => {}
            // Before the program has come to install its handlers, a signal ends it as usual.
            None if output.stderr.is_empty() => {}
            _ => panic!("{}", render(&output, folder.path())),
        }
        // Ever longer, so that even the longest stage comes to its end on a busy machine.
        wait = wait * 3 / 2;
    }
    assert!(signals >= 3, "only {signals} interruptions");
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let (whole, stopped) = (newest(results(&whole)), newest(results(&stopped)));
    assert_eq!(whole.keys().collect::<Vec<_>>(), stopped.keys().collect::<Vec<_>>());
    for (name, bytes) in &whole {
        assert!(stopped[name] == *bytes, "{name} differs");
    }
}

#[test]
fn the_emoji_go_the_same_way() {
    let Some(data) = std::env::var_os("MEME_TEST_DATA") else {
        eprintln!("skipped: MEME_TEST_DATA names no folder with noto-emoji-128.tar");
        return;
    };
    let tar = Path::new(&data).join("noto-emoji-128.tar").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let answer = say(&reproduce(&["--run", "run", "--data", &tar]), folder.path());
    assert!(answer.starts_with("exit code: 0"), "{answer}");
    assert!(folder.path().join("run/report/real.png").exists());
}
