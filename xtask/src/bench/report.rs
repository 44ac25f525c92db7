//! What was measured, as a table, as Markdown and as JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::machine::{self, Machine};
use super::options::Options;
use super::plan::{Contestant, Side, Task};
use super::python::Python;
use super::ratio::{Ratio, fastest};
use super::worker::Memory;
use crate::error::{Error, Result};

/// How a contestant's measurement ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub(super) enum Outcome {
    /// It took so long in each round, and so much memory.
    Timed { seconds: Vec<f64>, memory: Memory },
    /// This machine cannot do it.
    Unavailable { reason: String },
    /// It broke.
    Failed { problem: String },
}

impl Outcome {
    fn seconds(&self) -> &[f64] {
        match self {
            Outcome::Timed { seconds, .. } => seconds,
            Outcome::Unavailable { .. } | Outcome::Failed { .. } => &[],
        }
    }
}

/// A group and what came of it.
#[derive(Debug)]
pub(super) struct Measured {
    title: String,
    contestants: Vec<(Contestant, Outcome)>,
}

/// One of ours beside one of PyTorch's; PyTorch's is missing where it did not take part.
struct Row<'a> {
    ours: &'a (Contestant, Outcome),
    theirs: Option<(&'a (Contestant, Outcome), Ratio)>,
}

impl Measured {
    pub(super) fn new(title: &str, contestants: Vec<(Contestant, Outcome)>) -> Self {
        Measured { title: title.to_owned(), contestants }
    }

    fn of(&self, side: Side) -> impl Iterator<Item = &(Contestant, Outcome)> {
        self.contestants.iter().filter(move |(contestant, _)| contestant.side == side)
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let timed = |(_, outcome): &&(Contestant, Outcome)| !outcome.seconds().is_empty();
        let mut rows = Vec::new();
        for ours in self.of(Side::Ours).filter(timed) {
            let before = rows.len();
            for theirs in self.of(Side::PyTorch).filter(timed) {
                if let Some(ratio) = Ratio::new(theirs.1.seconds(), ours.1.seconds()) {
                    rows.push(Row { ours, theirs: Some((theirs, ratio)) });
                }
            }
            if rows.len() == before {
                rows.push(Row { ours, theirs: None });
            }
        }
        rows
    }

    /// Why contestants have no times.
    fn absences(&self) -> impl Iterator<Item = (&Contestant, &str, bool)> {
        self.contestants.iter().filter_map(|(contestant, outcome)| match outcome {
            Outcome::Timed { .. } => None,
            Outcome::Unavailable { reason } => Some((contestant, reason.as_str(), false)),
            Outcome::Failed { problem } => Some((contestant, problem.as_str(), true)),
        })
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for row in self.rows() {
            let ours = describe(row.ours);
            match row.theirs {
                None => _ = writeln!(text, "  ours {ours}"),
                Some((theirs, ratio)) => {
                    let theirs = describe(theirs);
                    _ = writeln!(
                        text,
                        "  {:>6.3} ({:.3} to {:.3}; fastest {:.3})  PyTorch {theirs}  over  ours {ours}",
                        ratio.median, ratio.lowest, ratio.highest, ratio.of_fastest
                    );
                }
            }
        }
        for (contestant, why, _) in self.absences() {
            _ = writeln!(text, "  {} was not timed: {why}", contestant.name());
        }
        text
    }

    fn markdown_rows(&self, task: Task, table: &mut String) {
        for row in self.rows() {
            let cells = |entry: &(Contestant, Outcome)| {
                let time = milliseconds(entry.1.seconds());
                (format!("{} {}", entry.0.network.name, entry.0.mode), time)
            };
            let Contestant { batch, height, width, .. } = &row.ours.0;
            let (ours, our_time) = cells(row.ours);
            let (theirs, their_time, ratio, of_fastest) = match &row.theirs {
                None => ("-".to_owned(), "-".to_owned(), "-".to_owned(), "-".to_owned()),
                Some((theirs, ratio)) => {
                    let (name, time) = cells(theirs);
                    let Ratio { median, lowest, highest, of_fastest } = ratio;
                    let spread = format!("**{median:.2}** [{lowest:.2}, {highest:.2}]");
                    (name, time, spread, format!("{of_fastest:.2}"))
                }
            };
            _ = write!(
                table,
                "| {batch} x {height} x {width} | {ours} | {theirs} | {our_time} | {their_time} | {ratio} | {of_fastest} |"
            );
            if task == Task::Train {
                let theirs = row.theirs.as_ref().map_or("-".to_owned(), |(entry, _)| memory(entry));
                _ = write!(table, " {} | {theirs} |", memory(row.ours));
            }
            table.push('\n');
        }
    }

    fn json(&self) -> Value {
        let contestants: Vec<Value> = self
            .contestants
            .iter()
            .map(|(contestant, outcome)| {
                json!({
                    "side": contestant.side,
                    "network": contestant.network.name,
                    "parameters": contestant.network.parameters,
                    "mode": contestant.mode,
                    "batch": contestant.batch,
                    "height": contestant.height,
                    "width": contestant.width,
                    "result": outcome,
                })
            })
            .collect();
        let ratios: Vec<Value> = self
            .rows()
            .iter()
            .filter_map(|row| {
                let (theirs, ratio) = row.theirs.as_ref()?;
                Some(json!({ "ours": row.ours.0.name(), "pytorch": theirs.0.name(), "ratio": ratio }))
            })
            .collect();
        json!({ "title": self.title, "contestants": contestants, "ratios": ratios })
    }
}

/// `ldm-s f32 712.3 ms`
fn describe((contestant, outcome): &(Contestant, Outcome)) -> String {
    format!("{} {} ms", contestant.name(), milliseconds(outcome.seconds()))
}

/// The fastest of some times.
fn milliseconds(seconds: &[f64]) -> String {
    fastest(seconds).map_or("-".to_owned(), |seconds| format!("{:.1}", 1000.0 * seconds))
}

/// `1,234 (987)`: the peak and what of it is beyond the program itself, in MiB.
fn memory((_, outcome): &(Contestant, Outcome)) -> String {
    let mebibytes = |bytes: u64| bytes >> 20;
    match outcome {
        Outcome::Timed { memory, .. } => {
            format!("{} ({})", mebibytes(memory.peak), mebibytes(memory.above_start()))
        }
        Outcome::Unavailable { .. } | Outcome::Failed { .. } => "-".to_owned(),
    }
}

/// Everything of one run.
#[derive(Debug)]
pub(super) struct Report {
    task: Task,
    command: String,
    threads: usize,
    rounds: usize,
    machine: Machine,
    pytorch: Value,
    load_before: f64,
    groups: Vec<Measured>,
}

impl Report {
    pub(super) fn new(options: &Options, arguments: &[String], python: &Python) -> Self {
        let words: Vec<&str> = ["cargo", "xtask", "bench"]
            .into_iter()
            .chain(arguments.iter().map(String::as_str))
            .collect();
        Report {
            task: options.task,
            command: words.join(" "),
            threads: options.threads,
            rounds: options.rounds,
            machine: Machine::look(),
            pytorch: python.json(),
            load_before: machine::load(),
            groups: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, measured: Measured) {
        self.groups.push(measured);
    }

    /// Contestants that broke.
    pub(super) fn failures(&self) -> usize {
        self.groups.iter().flat_map(Measured::absences).filter(|(_, _, broken)| *broken).count()
    }

    /// What a reader must know before believing the numbers.
    pub(super) fn closing(&self) -> String {
        let busy = 0.5 * self.machine.cores as f64;
        if self.load_before > busy {
            format!(
                "The machine was not idle when this began (load {:.1} on {} cores): take the ratios \
                 for indications and the times for nothing.",
                self.load_before, self.machine.cores
            )
        } else {
            "Times are the fastest round's; ratios are PyTorch's time over ours, so above 1 ours is \
             faster."
                .to_owned()
        }
    }

    fn markdown(&self) -> String {
        let Machine { processor, cores, memory_bytes, kernel } = &self.machine;
        let (what, memory_head, memory_rule) = match self.task {
            Task::Forward => ("One forward pass", "", ""),
            Task::Train => (
                "One training step (forward, backward, AdamW, moving average)",
                " ours, MiB | PyTorch, MiB |",
                "---:|---:|",
            ),
        };
        let mut text = format!(
            "# {what}, ours beside PyTorch's\n\n\
             * Command: `{}`\n\
             * Machine: {processor}, {cores} cores, {:.0} GB, Linux {kernel}; load {:.1} when it began\n\
             * {} threads each, {} rounds in turns; PyTorch: {}\n\
             * {}\n\n\
             Ratios are PyTorch's time over ours: the median of the rounds, with the smallest and the \
             largest.\nTimes are medians of a round's passes, in the fastest round.{}\n\n\
             | input | ours | PyTorch | ours, ms | PyTorch, ms | ratio | of fastest |{memory_head}\n\
             |---|---|---|---:|---:|---:|---:|{memory_rule}\n",
            self.command,
            *memory_bytes as f64 / 1e9,
            self.load_before,
            self.threads,
            self.rounds,
            self.pytorch.get("version").and_then(Value::as_str).unwrap_or("not timed"),
            self.closing(),
            if self.task == Task::Train {
                "\nMemory is the highest that a process held, in brackets without what it held before the \
                 network was made."
            } else {
                ""
            },
        );
        for group in &self.groups {
            group.markdown_rows(self.task, &mut text);
        }
        let absences: Vec<(&Measured, (&Contestant, &str, bool))> = self
            .groups
            .iter()
            .flat_map(|group| group.absences().map(move |absence| (group, absence)))
            .collect();
        if !absences.is_empty() {
            text.push_str("\nNot timed:\n\n");
            for (group, (contestant, why, _)) in absences {
                _ = writeln!(text, "* {}, {}: {why}", group.title, contestant.name());
            }
        }
        text
    }

    fn json(&self) -> Value {
        json!({
            "command": self.command,
            "task": self.task,
            "threads": self.threads,
            "rounds": self.rounds,
            "machine": self.machine,
            "load_before": self.load_before,
            "pytorch": self.pytorch,
            "groups": self.groups.iter().map(Measured::json).collect::<Vec<_>>(),
        })
    }

    /// Writes `forward.md` and `forward.json`, or `train.md` and `train.json`.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let name = match self.task {
            Task::Forward => "forward",
            Task::Train => "train",
        };
        let json = format!("{:#}\n", self.json());
        for (ending, text) in [("md", self.markdown()), ("json", json)] {
            let path = folder.join(format!("{name}.{ending}"));
            fs::write(&path, text).map_err(|source| Error::io("write", &path, source))?;
        }
        Ok(())
    }
}
