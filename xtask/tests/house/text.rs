//! Rules about the text of files.

use crate::rust::Source;
use crate::tree::{File, files, hold};

const LONGEST: usize = 600;

/// Files that people write and read.
fn is_written(file: &File) -> bool {
    let known = ["rs", "toml", "md", "sh", "cpp", "cc", "h", "hpp", "py", "yml", "yaml"];
    known.contains(&file.extension()) || file.text.starts_with("#!")
}

#[test]
fn no_file_is_longer_than_600_lines() {
    let broken: Vec<String> = files()
        .iter()
        .filter(|file| is_written(file))
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(file, lines)| format!("{}:{LONGEST}: {lines} lines", file.path))
        .collect();
    hold("No file is longer than 600 lines: split it where its parts have names.", &broken);
}

/// Calls that end the program of whoever uses the library.
const PANICS: [&str; 5] = [".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!"];

/// The calls on a line of code that may panic by intention.
fn panics(code: &str) -> Vec<&'static str> {
    let stands_alone = |at: usize, call: &str| {
        let before = code[..at].chars().next_back();
        call.starts_with('.') || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    PANICS
        .into_iter()
        .filter(|call| code.match_indices(call).any(|(at, _)| stands_alone(at, call)))
        .collect()
}

/// Whether a file is library or program code of a crate, as opposed to its tests.
fn is_library(path: &str) -> bool {
    let inside = path.strip_prefix("crates/").and_then(|path| path.split_once("/src/"));
    inside.is_some_and(|(_, path)| {
        path.ends_with(".rs") && !path.ends_with("tests.rs") && !path.contains("tests/")
    })
}

#[test]
fn library_code_neither_unwraps_nor_panics() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for file in files().iter().filter(|file| is_library(&file.path)) {
        seen += 1;
        for (line, code) in Source::parse(&file.text).without_tests().lines() {
            broken.extend(panics(code).iter().map(|call| format!("{}:{line}: {call}", file.path)));
        }
    }
    assert!(seen > 13, "only {seen} files of library code were seen");
    hold("Library code returns errors that name what was wrong; it does not panic.", &broken);
}

#[test]
fn every_call_that_panics_is_recognised() {
    assert_eq!(panics("let a = b.unwrap();"), [".unwrap()"]);
    assert_eq!(panics("b.expect(reason); std::panic!()"), [".expect(", "panic!"]);
    assert_eq!(panics("todo!(); unimplemented!()"), ["todo!", "unimplemented!"]);
    for harmless in ["b.unwrap_or(0)", "b.expect_err()", "dont_panic!()", "fn unwrap() {}"] {
        assert!(panics(harmless).is_empty(), "{harmless}");
    }
}

/// The folders at the top of a file system, on Linux and elsewhere, and names that machines for
/// computing like to give their own. Those that are the same everywhere, /dev, /proc, /sys and
/// /usr, are not among them.
const TOPS: [&str; 32] = [
    "Applications",
    "Library",
    "Users",
    "Volumes",
    "app",
    "bin",
    "boot",
    "build",
    "content",
    "data",
    "datasets",
    "etc",
    "home",
    "kaggle",
    "lib",
    "lib64",
    "media",
    "mnt",
    "nix",
    "opt",
    "private",
    "root",
    "run",
    "sbin",
    "scratch",
    "snap",
    "srv",
    "tmp",
    "var",
    "work",
    "workdir",
    "workspace",
];

/// The absolute paths on a line: a slash at the start or after something that ends a word, then a
/// name that stands at the top of file systems. Other slashes that begin a word are JSON pointers
/// and ends of paths.
fn absolute_paths(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices('/') {
        let before = line[..at].chars().next_back();
        if !before.is_none_or(|c| c.is_whitespace() || "\"'`(=[{,:;|!".contains(c)) {
            continue;
        }
        let rest = &line[at + 1..];
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "_.-/".contains(c)))
            .unwrap_or(rest.len());
        let path = &rest[..end];
        if TOPS.contains(&path.split('/').next().unwrap_or("")) {
            found.push(&line[at..=at + end]);
        }
    }
    found
}

#[test]
fn no_absolute_path_stands_anywhere() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| is_written(file)) {
        for (at, line) in file.text.lines().enumerate() {
            let paths = absolute_paths(line);
            broken.extend(paths.iter().map(|path| format!("{}:{}: {path}", file.path, at + 1)));
        }
    }
    hold(
        "No absolute path outside /dev, /proc, /sys and /usr: other machines have other folders.",
        &broken,
    );
}

#[test]
fn absolute_paths_are_told_from_slashes_of_other_kinds() {
    let slash = '/';
    for (line, expected) in [
        (format!("let a = \"{slash}home/me/pictures\";"), 1),
        (format!("PATH=/usr/bin:{slash}opt/bin"), 1),
        (format!("#!{slash}bin/sh"), 1),
        (format!("cd {slash}tmp && ls {slash}var/log"), 2),
    ] {
        assert_eq!(absolute_paths(&line).len(), expected, "{line}");
    }
    for harmless in [
        "/usr/bin/env sh, /dev/null, /proc/meminfo, /sys/class",
        "https://example.org/tmp and/or a / b, 1/2, x/127.5, images/s",
        "// a comment /// and a doc",
        "src/main.rs ./home ../tmp */ /* \"/\" <p>text</p> \"/mixer/pool\" \"/Cargo.toml\"",
    ] {
        assert!(absolute_paths(harmless).is_empty(), "{harmless}");
    }
}
