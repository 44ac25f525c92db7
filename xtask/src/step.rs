//! Steps that run one after another, each timed, and the counts of the tests among them.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::workspace::show;

/// Names the file to which tests append what they counted, lines of `number<TAB>what`: processes
/// killed, bits flipped, faults injected. What they print themselves is not shown when they pass.
const FIGURES: &str = "MEME_FIGURES";

/// What ran so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, f64)>,
    counts: Counts,
    counted: bool,
    figures: BTreeMap<String, u64>,
}

/// Tests by outcome, as their runners reported.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Steps {
    /// Runs `work` as the step `name`; `alone` is how a person repeats just this step.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        alone: &str,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        println!("\n== {name}: {alone}");
        let started = Instant::now();
        let outcome = work();
        let seconds = started.elapsed().as_secs_f64();
        self.done.push((name, seconds));
        outcome.map_err(|error| Error::Step {
            step: name,
            problem: error.to_string(),
            seconds,
            alone: alone.to_owned(),
        })
    }

    /// Runs a command as a step.
    pub(crate) fn command(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        let shown = show(&command);
        self.run(name, &shown, || {
            let status = command
                .stdin(Stdio::null())
                .status()
                .map_err(|source| Error::Run { program: shown.clone(), source })?;
            succeeded(status, &shown)
        })
    }

    /// Runs a command as a step whose output, passed on as it comes, tells how many tests ran.
    pub(crate) fn counted(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        let shown = show(&command);
        let mut counts = Counts::default();
        let figures = tempfile::NamedTempFile::new()
            .map_err(|source| Error::io("make a file in", std::env::temp_dir(), source))?;
        command.env(FIGURES, figures.path());
        let outcome = self.run(name, &shown, || {
            let failed = |source| Error::Run { program: shown.clone(), source };
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().map_err(failed)?;
            let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
            counts = thread::scope(|scope| {
                let out = scope.spawn(move || stdout.map(|pipe| pass_on(pipe, io::stdout())));
                let err = scope.spawn(move || stderr.map(|pipe| pass_on(pipe, io::stderr())));
                [out, err]
                    .into_iter()
                    .filter_map(|reader| reader.join().ok().flatten())
                    .fold(Counts::default(), Counts::plus)
            });
            succeeded(child.wait().map_err(failed)?, &shown)
        });
        let text = std::fs::read_to_string(&figures)
            .map_err(|source| Error::io("read", figures.path(), source))?;
        add_figures(&mut self.figures, &text);
        self.counts = self.counts.plus(counts);
        self.counted = true;
        outcome
    }

    /// Prints the time of every step; last, where tests ran, how many.
    pub(crate) fn summary(&self) {
        println!("\nsteps, wall time in seconds:");
        for (name, seconds) in &self.done {
            println!("  {name:<9} {seconds:>8.1}");
        }
        let total: f64 = self.done.iter().map(|(_, seconds)| seconds).sum();
        println!("  {:<9} {total:>8.1}", "total");
        if !self.figures.is_empty() {
            println!("\nwhat the tests did to the code:");
            for (what, number) in &self.figures {
                println!("  {number:>9} {what}");
            }
        }
        if self.counted {
            let Counts { passed, failed, skipped } = self.counts;
            println!("\n{passed} passed, {failed} failed, {skipped} skipped");
        }
    }

    /// Whether tests were to be counted and none ran: a broken harness looks like that.
    pub(crate) fn ran_no_test(&self) -> bool {
        self.counted && self.counts.passed + self.counts.failed == 0
    }
}

fn succeeded(status: std::process::ExitStatus, shown: &str) -> Result<()> {
    if status.success() {
        Ok(())
    } else {
        Err(Error::Command { command: shown.to_owned(), status: status.to_string() })
    }
}

/// Adds up what tests wrote into the file of figures; lines that are none are passed over.
fn add_figures(figures: &mut BTreeMap<String, u64>, text: &str) {
    for (number, what) in text.lines().filter_map(|line| line.split_once('\t')) {
        if let Ok(number) = number.parse::<u64>() {
            let sum = figures.entry(what.to_owned()).or_default();
            *sum = sum.saturating_add(number);
        }
    }
}

/// Copies `from` to `to` line by line and adds up the test counts in it.
fn pass_on(from: impl Read, mut to: impl Write) -> Counts {
    let mut reader = BufReader::new(from);
    let mut counts = Counts::default();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // A reader that went away must not block the tests: go on reading and counting.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        if let Some(found) = Counts::read(&String::from_utf8_lossy(&line)) {
            counts = counts.plus(found);
        }
        line.clear();
    }
    counts
}

impl Counts {
    fn plus(self, other: Counts) -> Counts {
        Counts {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// Reads the closing line of nextest or of cargo's own runner; `None` for any other line.
    fn read(line: &str) -> Option<Counts> {
        let plain = without_colours(line);
        let list = match plain.split_once("test result: ") {
            Some((_, result)) => result.split_once(". ")?.1,
            None => {
                plain.split_once("Summary [").and_then(|(_, rest)| rest.split_once(" run: "))?.1
            }
        };
        let mut counts = Counts::default();
        for part in list.split([',', ';', '(']) {
            let mut words = part.split_whitespace();
            let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
                continue;
            };
            match words.next().map(|word| word.trim_end_matches(')')) {
                Some("passed") => counts.passed += number,
                // nextest: "exec failed" and "timed out" stand apart from "failed".
                Some("failed" | "exec" | "timed") => counts.failed += number,
                Some("skipped" | "ignored") => counts.skipped += number,
                _ => {}
            }
        }
        Some(counts)
    }
}

/// The text without terminal colours (`ESC [ ... m`).
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, text)| text));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Counts, add_figures, pass_on};
    use std::collections::BTreeMap;

    // Closing lines as nextest 0.9.143 and cargo 1.95 print them.
    const NEXTEST: &str = "     Summary [   2.345s] 12 tests run: 10 passed (1 slow, 1 leaky), 1 failed, 1 timed out, 3 skipped\n";
    const COLOURED: &str = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.045s] \u{1b}[1m7\u{1b}[0m tests run: \u{1b}[1m7\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped\n";
    const CARGO: &str = "test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 1 filtered out; finished in 0.01s\n";

    #[test]
    fn the_closing_lines_of_both_runners_are_counted() {
        assert_eq!(Counts::read(NEXTEST), Some(Counts { passed: 10, failed: 2, skipped: 3 }));
        assert_eq!(Counts::read(CARGO), Some(Counts { passed: 5, failed: 0, skipped: 2 }));
        assert_eq!(Counts::read("running 5 tests"), None);
    }

    #[test]
    fn colours_do_not_hide_a_count() {
        assert_eq!(Counts::read(COLOURED), Some(Counts { passed: 7, failed: 0, skipped: 0 }));
    }

    #[test]
    fn figures_of_one_name_are_added_up() {
        let mut figures = BTreeMap::new();
        add_figures(&mut figures, "3\tkills survived\n5\tbits flipped\n4\tkills survived\n");
        add_figures(&mut figures, "half a li\n-1\tbits flipped\n");
        let expected = [("bits flipped".to_owned(), 5), ("kills survived".to_owned(), 7)];
        assert_eq!(figures, BTreeMap::from(expected));
    }

    #[test]
    fn output_is_passed_on_unchanged_and_summed() {
        let text = format!("first\n{CARGO}{CARGO}last without newline");
        let mut copy = Vec::new();
        let counts = pass_on(text.as_bytes(), &mut copy);
        assert_eq!(copy, text.as_bytes());
        assert_eq!(counts, Counts { passed: 10, failed: 0, skipped: 4 });
    }
}
