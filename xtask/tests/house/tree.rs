//! The files of the checkout, and how a broken rule is reported.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of the checkout.
pub(crate) struct File {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|e| e.to_str()).unwrap_or("")
    }
}

/// Every text file that is tracked, or would be with `git add`; of a checkout without git, every
/// text file outside `target`. Sorted by path.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let mut paths = tracked(&root).unwrap_or_else(|| walk(&root));
    paths.sort();
    paths.dedup();
    let read = |path: String| {
        let bytes = fs::read(root.join(&path)).ok()?; // deleted, not yet committed
        Some(File { path, text: String::from_utf8(bytes).ok()? })
    };
    paths.into_iter().filter_map(read).collect()
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let ignored = ["target", ".git", ".libtorch", "runs", "data"];
            if entry.file_type().unwrap().is_dir() {
                if !ignored.iter().any(|ignored| name == *ignored) {
                    folders.push(entry.path());
                }
            } else {
                let path = entry.path().strip_prefix(root).unwrap().to_owned();
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// The number, from 1, of the first line that `is_it` accepts; 1 if none does.
pub(crate) fn line_of(text: &str, is_it: impl Fn(&str) -> bool) -> usize {
    text.lines().position(|line| is_it(line.trim())).map_or(1, |at| at + 1)
}

/// Fails with the rule and every place that breaks it.
#[track_caller]
pub(crate) fn hold(rule: &str, broken: &[String]) {
    assert!(
        broken.is_empty(),
        "\n{rule}\nBroken in {} place(s):\n  {}\n",
        broken.len(),
        broken.join("\n  ")
    );
}

#[test]
fn the_checkout_is_seen() {
    let files = files();
    for path in ["Cargo.toml", "xtask/src/main.rs", "docs/architecture.md", ".cargo/config.toml"] {
        assert!(files.iter().any(|file| file.path == path), "{path} is not among the files");
    }
    assert!(files.iter().all(|file| !file.path.starts_with("target/")));
}
