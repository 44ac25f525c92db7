//! The commands in the documents: the lines of their `sh` blocks.

use std::fs;
use std::path::{Path, PathBuf};

/// A command as a document shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Typed {
    /// The document, relative to the workspace's root.
    pub(crate) page: String,
    /// Where the command begins, counted from 1.
    pub(crate) line: usize,
    /// Without its comment; lines continued by `\` are one.
    pub(crate) text: String,
}

/// Every document that shows commands to people: README.md, the book, the crates' READMEs.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    for package in fs::read_dir(root.join("crates")).unwrap() {
        pages.push(package.unwrap().path().join("README.md"));
    }
    pages.retain(|page| page.is_file());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// The commands of every page, in order.
///
/// # Panics
/// A block in another language than those below: commands in it would be seen by nobody.
pub(crate) fn typed(root: &Path) -> Vec<Typed> {
    let mut commands = Vec::new();
    for path in pages(root) {
        let page = path.strip_prefix(root).unwrap().display().to_string();
        commands.extend(typed_on(&page, &fs::read_to_string(&path).unwrap()));
    }
    commands
}

fn typed_on(page: &str, text: &str) -> Vec<Typed> {
    let mut commands = Vec::new();
    let mut fence = None::<&str>;
    let mut begun = None::<(usize, String)>;
    for (at, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language) };
            let known = ["", "sh", "text", "rust", "toml"].contains(&language);
            assert!(known, "{page}:{}: a block of `{language}`; commands stand in `sh`", at + 1);
            continue;
        }
        if fence != Some("sh") {
            continue;
        }
        let (line_number, before) = begun.take().unwrap_or((at + 1, String::new()));
        let line = if line.starts_with('#') { "" } else { line.split(" #").next().unwrap() };
        let text = before + line.trim();
        if let Some(start) = text.strip_suffix('\\') {
            begun = Some((line_number, start.to_owned()));
        } else if !text.is_empty() {
            commands.push(Typed { page: page.to_owned(), line: line_number, text });
        }
    }
    commands
}

#[test]
fn commands_are_read_without_their_comments_and_continued_lines_are_one() {
    let text =
        "`a`\n```sh\n# why\nmeme list   # all\n\nmeme \\\n  count x\n```\n```text\nno\n```\n";
    let read: Vec<(usize, String)> =
        typed_on("page", text).into_iter().map(|it| (it.line, it.text)).collect();
    assert_eq!(read, [(4, "meme list".to_owned()), (6, "meme count x".to_owned())]);
}
