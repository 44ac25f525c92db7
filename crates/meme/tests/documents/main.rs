//! Runs what the documents tell people to type.
//!
//! Every line of every `sh` block of README.md, of the book in `docs` and of the crates' READMEs is run by a shell, the
//! lines of a page one after the other in a folder of its own, so that a page's `meme sample runs/mine` finds what its
//! `meme train ... --run runs/mine` made. What takes hours, needs the network or a GPU, or runs these tests has a
//! stand-in in `table.toml`, with its reason; so has what the pages presume, such as a folder of pictures.
//!
//! The first test runs all but the commands that are marked `slow` there; the second one, which `cargo xtask test
//! --slow` runs, the pages that have such commands, whole.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on has failed")]

mod pages;
mod sandbox;
mod table;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use pages::{Typed, typed};
use sandbox::{LIMIT, Sandbox, said};
use table::Table;

/// The workspace's root folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The commands of each page.
fn by_page() -> BTreeMap<String, Vec<Typed>> {
    let mut pages = BTreeMap::<String, Vec<Typed>>::new();
    for command in typed(&root()) {
        pages.entry(command.page.clone()).or_default().push(command);
    }
    pages
}

/// Runs the commands of a page; stops at the first that does not do what it should, and returns its story.
fn walk(sandbox: &Sandbox, table: &Table, commands: &[Typed], slow: bool) -> Result<usize, String> {
    let folder = sandbox.page(&commands[0].page, table, slow);
    let folder = folder.path();
    let mut count = 0;
    for Typed { page, line, text } in commands {
        let instead = table.instead(text);
        if instead.is_some_and(|it| it.elsewhere || it.slow && !slow) {
            continue;
        }
        let run = instead.map_or_else(|| text.clone(), |it| it.apply(text));
        let begun = Instant::now();
        let output = sandbox.run(&run, folder);
        eprintln!("{page}:{line}: {:.1} s: {run}", begun.elapsed().as_secs_f64());
        let expected = instead.map_or(0, |it| it.exit);
        if output.status.code() != Some(expected) {
            let mut story = format!("{page}:{line}: {text}\n");
            if run != *text {
                writeln!(story, "run as: {run}").unwrap();
            }
            if output.status.code() == Some(124) {
                writeln!(story, "not done in {LIMIT} s: table.toml may say what stands in for it")
                    .unwrap();
            }
            writeln!(story, "{}, not {expected}\n{}", output.status, said(&output)).unwrap();
            return Err(story);
        }
        count += 1;
    }
    Ok(count)
}

/// Runs the commands of `pages`, as many pages at a time as there are cores; returns how many ran.
fn walk_all(table: &Table, pages: Vec<Vec<Typed>>, slow: bool) -> usize {
    let sandbox = Sandbox::new(table, slow);
    let lanes = thread::available_parallelism().map_or(1, usize::from).min(pages.len());
    let queue = Mutex::new(VecDeque::from(pages));
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                loop {
                    let Some(page) = queue.lock().unwrap().pop_front() else { break };
                    let outcome = walk(&sandbox, table, &page, slow);
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let (ran, broken): (Vec<_>, Vec<_>) =
        outcomes.into_inner().unwrap().into_iter().partition(Result::is_ok);
    let broken: Vec<String> = broken.into_iter().filter_map(Result::err).collect();
    assert!(broken.is_empty(), "commands in documents fail:\n\n{}", broken.join("\n"));
    ran.into_iter().filter_map(Result::ok).sum()
}

#[test]
fn every_command_of_the_documents_runs_as_it_stands_or_as_the_table_says() {
    let table = Table::read();
    let ran = walk_all(&table, by_page().into_values().collect(), false);
    assert!(ran > 50, "only {ran} commands ran");
}

#[test]
#[ignore = "slow: comparisons of many rows, a search, all samplers, features of Inception-v3"]
fn pages_with_commands_that_take_longer_run_whole() {
    let table = Table::read();
    let is_slow =
        |command: &Typed| table.instead(&command.text).is_some_and(|instead| instead.slow);
    let pages = by_page().into_values().filter(|page| page.iter().any(is_slow)).collect();
    walk_all(&table, pages, true);
}

#[test]
fn the_table_is_about_what_the_documents_say() {
    let stale = Table::read().stale(&root(), &typed(&root()));
    assert!(stale.is_empty(), "crates/meme/tests/documents/table.toml:\n{}", stale.join("\n"));
}

#[test]
fn a_command_that_fails_is_told_with_its_place_and_what_it_said() {
    let table = Table { variables: BTreeMap::new(), given: Vec::new(), instead: Vec::new() };
    let sandbox = Sandbox::new(&table, false);
    let story = |wrong: &str| {
        let typed = |line, text: &str| Typed { page: "page.md".into(), line, text: text.into() };
        let commands = [typed(3, "meme list > list"), typed(5, wrong), typed(6, "touch no")];
        walk(&sandbox, &table, &commands, false).unwrap_err()
    };
    let said = story("meme show ffqh/meme");
    assert!(said.starts_with("page.md:5: meme show ffqh/meme\nexit status: 2, not 0\n"), "{said}");
    assert!(said.contains("there is no suite `ffqh`"), "{said}");
    let said = story("cargo metadata");
    assert!(said.contains("no way to run: cargo metadata"), "{said}");
}
