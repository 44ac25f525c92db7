//! Runs the program as a user would, and keeps what it said.

use std::path::Path;
use std::process::{Command, Output};

/// The program with these arguments, in an empty folder of its own.
pub(crate) fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meme"));
    command.args(arguments).current_dir(folder).env_remove("RUST_LOG").env("NO_COLOR", "1");
    // Several tests run at a time: threads of one that wait for each other would hold up the others.
    command.env("OMP_NUM_THREADS", "1");
    command
}

/// Exit code, standard output and standard error as one text; times and temporary folders, which
/// differ from run to run, are replaced.
pub(crate) fn say(arguments: &[&str], folder: &Path) -> String {
    let output = command(arguments, folder).output().unwrap();
    render(&output, folder)
}

/// As [`say`], of a program that has ended.
pub(crate) fn render(output: &Output, folder: &Path) -> String {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&folder.display().to_string(), "FOLDER");
        let lines = text.lines().map(|line| {
            let stamp = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            match stamp {
                Some((time, rest)) if time.chars().all(|it| it.is_ascii_digit() || it == ':') => {
                    format!("[TIME]{rest}")
                }
                _ => line.to_owned(),
            }
        });
        // How many threads there are depends on the machine.
        let lines = lines.map(|line| match line.split_once(" at a time on ") {
            Some((before, after)) => {
                let after = after.split_once(" each;").map_or(after, |(_, rest)| rest);
                format!("{before} at a time on THREADS each;{after}")
            }
            None => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    format!(
        "exit code: {}\n----- stdout\n{}\n----- stderr\n{}",
        output.status.code().map_or("killed".into(), |code| code.to_string()),
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// Settings that make a smoke run of one network as short as it can be.
pub(crate) const SHORT: &[&str] = &[
    "--scale",
    "smoke",
    "--rows",
    "iu-ldm-s",
    "--set",
    "train.images=48",
    "--set",
    "train.window_images=16",
    "--set",
    "data.faces=48",
    "--set",
    "data.validation=16",
    "--set",
    "sample.count=4",
    "--set",
    "sample.steps=2",
];

/// `reproduce ffhq` with [`SHORT`] settings and these arguments.
pub(crate) fn reproduce<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["reproduce", "ffhq", "--device", "cpu"].iter().chain(SHORT).chain(more).copied().collect()
}

/// `count` built-in faces as files.
pub(crate) fn write_pictures(folder: &Path, count: u64) {
    for number in 0..count {
        let face = meme_data::faces::Faces::draw(1, number, 40);
        meme_data::write_png(&folder.join(format!("{number}.png")), &face).unwrap();
    }
}
