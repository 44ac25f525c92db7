//! Rules about the book that `docs` is: what it lists, what its pages point at, and the commands in
//! them. (The commands of `meme` itself are checked beside its command line, and run by its test
//! `documents`.)

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::tree::{File, files, hold, root};
use commands_of_pages::{Typed, typed};

#[path = "../../../crates/meme/tests/documents/pages.rs"]
mod commands_of_pages;

/// What markdown shows as code is no link.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let outside = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
            lines.push((at + 1, outside));
        }
    }
    lines
}

/// The targets of `[text](target)` and `![text](target)` on a line.
fn links(line: &str) -> Vec<&str> {
    let begun = line.split("](").skip(1);
    begun.filter_map(|rest| rest.split_once(')').map(|(target, _)| target)).collect()
}

/// The name under which GitHub and mdBook link to a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// A path without `.` and `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(tidy.pop()),
            Component::CurDir => {}
            other => tidy.push(other),
        }
    }
    tidy
}

fn pages() -> Vec<File> {
    let is_page = |file: &File| file.path.ends_with(".md");
    files().into_iter().filter(is_page).collect()
}

/// Where a link leads, from the page that holds it; none for the web.
fn destination(page: &str, target: &str) -> Option<(PathBuf, Option<String>)> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = match target.split_once('#') {
        Some((path, heading)) => (path, Some(heading.to_owned())),
        None => (target, None),
    };
    let folder = Path::new(page).parent().unwrap();
    let path = if path.is_empty() { PathBuf::from(page) } else { tidy(&folder.join(path)) };
    Some((path, heading))
}

#[test]
fn every_page_is_in_the_summary_once_and_the_summary_names_no_other() {
    let pages = pages();
    let summary = pages.iter().find(|page| page.path == "docs/SUMMARY.md").unwrap();
    let mut broken = Vec::new();
    let mut listed = BTreeSet::new();
    for (line, text) in prose(&summary.text) {
        for target in links(&text) {
            if !listed.insert(format!("docs/{target}")) {
                broken.push(format!("docs/SUMMARY.md:{line}: {target} a second time"));
            }
        }
    }
    let there: BTreeSet<String> = pages
        .iter()
        .map(|page| page.path.clone())
        .filter(|path| path.starts_with("docs/") && path != "docs/SUMMARY.md")
        .collect();
    assert!(there.len() > 20, "{there:?}");
    broken.extend(there.difference(&listed).map(|page| format!("{page}:1: not in the summary")));
    broken.extend(listed.difference(&there).map(|page| format!("docs/SUMMARY.md:1: no {page}")));
    hold("docs/SUMMARY.md lists every page of the book.", &broken);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let pages = pages();
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in &pages {
        for (line, text) in prose(&page.text) {
            for target in links(&text) {
                let Some((path, heading)) = destination(&page.path, target) else { continue };
                seen += 1;
                let place = format!("{}:{line}: {target}", page.path);
                if !root().join(&path).exists() {
                    broken.push(place);
                } else if page.path.starts_with("docs/") && !path.starts_with("docs") {
                    broken.push(format!("{place}: leads out of the book; name the file instead"));
                } else if let Some(heading) = heading {
                    let other = pages.iter().find(|other| Path::new(&other.path) == path);
                    let headings = other.map(|other| prose_headings(&other.text));
                    if !headings.is_some_and(|headings| headings.contains(&heading)) {
                        broken.push(format!("{place}: there is no such heading"));
                    }
                }
            }
        }
    }
    assert!(seen > 40, "only {seen} links were seen");
    hold("A link leads to a file, and a `#` to a heading.", &broken);
}

fn prose_headings(text: &str) -> Vec<String> {
    let unfenced = text.split("\n```").step_by(2).flat_map(str::lines);
    unfenced
        .filter_map(|line| line.strip_prefix('#'))
        .map(|rest| slug(rest.trim_start_matches('#').trim()))
        .collect()
}

#[test]
fn what_pages_include_exists_and_every_crate_has_a_page_with_its_example() {
    const MARK: &str = "{{#include ";
    let mut broken = Vec::new();
    let mut shown = BTreeSet::new();
    for page in pages() {
        for (at, line) in page.text.lines().enumerate() {
            let Some(rest) = line.strip_prefix(MARK) else { continue };
            let target = rest.trim_end_matches('}');
            let (path, _) = destination(&page.path, target).unwrap();
            if !root().join(&path).is_file() {
                broken.push(format!("{}:{}: {target}", page.path, at + 1));
            }
            shown.insert((page.path.clone(), path));
        }
    }
    for package in members() {
        let page = format!("docs/crates/{package}.md");
        let examples = format!("crates/{package}/examples");
        if !shown.iter().any(|(from, path)| *from == page && path.starts_with(&examples)) {
            broken.push(format!("{page}:1: shows nothing of {examples}"));
        }
    }
    hold("A page includes files that exist; every crate's page shows its example.", &broken);
}

#[test]
fn examples_of_crates_are_short() {
    const LONGEST: usize = 60;
    let is_example =
        |file: &&File| file.path.starts_with("crates/") && file.path.contains("/examples/");
    let files = files();
    let examples: Vec<&File> = files.iter().filter(is_example).collect();
    assert!(examples.len() > 12, "only {} examples were seen", examples.len());
    let lines = |file: &File| file.text.lines().count();
    let broken: Vec<String> = examples
        .into_iter()
        .filter(|file| lines(file) >= LONGEST)
        .map(|file| format!("{}:{LONGEST}: {} lines", file.path, lines(file)))
        .collect();
    hold("An example of a crate has less than sixty lines.", &broken);
}

/// The library crates.
fn members() -> Vec<String> {
    let of = |file: &File| {
        let package = file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        (!package.contains('/')).then(|| package.to_owned())
    };
    files().iter().filter_map(of).collect()
}

/// The commands that begin with `cargo`, with where they stand, in words without that one.
fn commands() -> Vec<(String, Vec<String>)> {
    let of_cargo = |typed: Typed| {
        let words = typed.text.strip_prefix("cargo ")?.split_whitespace().map(str::to_owned);
        Some((format!("{}:{}", typed.page, typed.line), words.collect()))
    };
    typed(&root()).into_iter().filter_map(of_cargo).collect()
}

/// What is wrong with a command of cargo's, given without the word `cargo`.
fn wrong(words: &[String]) -> Option<String> {
    const VERBS: [&str; 7] = ["build", "test", "run", "bench", "doc", "package", "install"];
    let own = words.split(|word| word == "--").next().unwrap_or_default();
    let (verb, rest) = own.split_first()?;
    if verb == "xtask" {
        return wrong_chore(rest);
    }
    if !VERBS.contains(&verb.as_str()) {
        return Some(format!("no verb `{verb}` is known here"));
    }
    let value = |option: &str| {
        let at = rest.iter().position(|word| word == option)?;
        Some(rest.get(at + 1).cloned().unwrap_or_default())
    };
    let package = value("-p").or(value("--package"));
    let folder = match package.as_deref() {
        None => "crates/meme".to_owned(),
        Some(tool @ ("xtask" | "benches")) => tool.to_owned(),
        Some(library) => format!("crates/{library}"),
    };
    if !root().join(&folder).join("Cargo.toml").is_file() {
        return Some(format!("there is no package `{}`", package.unwrap_or_default()));
    }
    for (option, place) in [("--example", "examples"), ("--bench", "benches"), ("--test", "tests")]
    {
        let Some(name) = value(option) else { continue };
        let path = root().join(&folder).join(place);
        let main = path.join(&name).join("main.rs");
        if !path.join(format!("{name}.rs")).is_file() && !main.is_file() {
            return Some(format!("there is no {folder}/{place}/{name}.rs"));
        }
    }
    None
}

/// The same of `cargo xtask`: every option must be one that the chore's help names.
fn wrong_chore(words: &[String]) -> Option<String> {
    let (chore, rest) = words.split_first()?;
    if chore == "reproduce" {
        return None; // The program's own, checked with its command line.
    }
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = xtask.args([chore, "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let known: BTreeSet<&str> =
        help.split(|c: char| c.is_whitespace() || "[]|,".contains(c)).collect();
    let unknown = rest.iter().find(|word| word.starts_with('-') && !known.contains(word.as_str()));
    unknown.map(|option| format!("`cargo xtask {chore} --help` does not name {option}"))
}

#[test]
fn commands_of_cargo_name_what_exists() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    let broken: Vec<String> = commands
        .iter()
        .filter_map(|(place, words)| Some(format!("{place}: {}", wrong(words)?)))
        .collect();
    hold("A command in a document names packages, examples and options that exist.", &broken);
}

#[test]
fn wrong_commands_are_recognised() {
    let wrong = |line: &str| wrong(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    for right in [
        "test -p meme-router",
        "run -p meme-router --example route",
        "bench -p benches --bench experts",
        "run --release -- list --anything",
        "xtask test --slow",
        "xtask reproduce ffhq --scale smoke",
    ] {
        assert_eq!(wrong(right), None, "{right}");
    }
    for not in [
        "test -p meme-rooter",
        "run -p meme-router --example rout",
        "bench -p meme-router --bench route",
        "xtask test --slov",
        "tset",
    ] {
        assert!(wrong(not).is_some(), "{not}");
    }
}

#[test]
fn links_are_told_from_code() {
    let text = "[a](b.md), `[c](d.md)` and ![e](f.png)\n```text\n[g](h.md)\n```\n[i](j.md#k)";
    let found: Vec<String> = prose(text)
        .iter()
        .flat_map(|(_, line)| links(line).into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(found, ["b.md", "f.png", "j.md#k"]);
    assert_eq!(slug("What is called FID?"), "what-is-called-fid");
    assert_eq!(tidy(Path::new("docs/adding/../crates/./a.md")), Path::new("docs/crates/a.md"));
}
