//! A contestant's process, and the lines that are exchanged with it.
//!
//! It gets a description first and answers `ready PARAMETERS` or `unavailable REASON`; then
//! `run N` is answered by `seconds S1 ... SN`, and `memory` by `bytes PEAK START`. It ends when its
//! input does. What it says on standard error goes to a file.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;

/// Lines of a log that an error repeats.
const LAST_WORDS: usize = 4;

/// How a contestant began.
pub(super) enum Entry {
    /// It waits for its turn.
    Ready(Worker),
    /// This machine cannot do what it was asked for; nothing is broken.
    Unavailable(String),
    /// Something is broken.
    Failed(String),
}

/// Memory of a contestant in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Memory {
    /// Highest resident memory.
    pub(super) peak: u64,
    /// Resident memory before the network was made: the program and its libraries.
    pub(super) start: u64,
}

impl Memory {
    /// What the network and its work took beyond the program itself.
    pub(super) fn above_start(self) -> u64 {
        self.peak.saturating_sub(self.start)
    }
}

/// A process that holds a network.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    log: PathBuf,
    /// Number of values in its weights.
    pub(super) parameters: u64,
}

/// Starts a contestant and waits until it is ready.
pub(super) fn start(mut command: Command, description: &str, log: &Path) -> Entry {
    let file = match File::create(log) {
        Ok(file) => file,
        Err(source) => {
            return Entry::Failed(format!("could not write {}: {source}", log.display()));
        }
    };
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(source) => return Entry::Failed(format!("could not run {program}: {source}")),
    };
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Entry::Failed(format!("{program} has no pipes"));
    };
    let mut worker = Worker {
        child,
        input: Some(input),
        output: BufReader::new(output),
        log: log.to_owned(),
        parameters: 0,
    };
    let answer = match worker.ask(description, "its description") {
        Ok(answer) => answer,
        Err(problem) => return Entry::Failed(problem),
    };
    match answer.split_once(' ') {
        Some(("ready", count)) => match count.parse() {
            Ok(parameters) => {
                worker.parameters = parameters;
                Entry::Ready(worker)
            }
            Err(_) => Entry::Failed(unexpected(&answer)),
        },
        Some(("unavailable", reason)) => Entry::Unavailable(reason.to_owned()),
        _ => Entry::Failed(unexpected(&answer)),
    }
}

impl Worker {
    /// Has it compute `passes` times; seconds of each.
    pub(super) fn run(&mut self, passes: usize) -> Result<Vec<f64>, String> {
        let answer = self.ask(&format!("run {passes}"), "`run`")?;
        let seconds: Option<Vec<f64>> = answer
            .strip_prefix("seconds ")
            .and_then(|list| list.split(' ').map(|word| word.parse().ok()).collect());
        seconds
            .filter(|list| list.len() == passes && list.iter().all(|seconds| *seconds > 0.0))
            .ok_or_else(|| unexpected(&answer))
    }

    /// What it took so far.
    pub(super) fn memory(&mut self) -> Result<Memory, String> {
        let answer = self.ask("memory", "`memory`")?;
        let numbers: Vec<Option<u64>> = answer
            .strip_prefix("bytes ")
            .map(|list| list.split(' ').map(|word| word.parse().ok()).collect())
            .unwrap_or_default();
        match numbers.as_slice() {
            [Some(peak), Some(start)] => Ok(Memory { peak: *peak, start: *start }),
            _ => Err(unexpected(&answer)),
        }
    }

    /// Sends a line and reads one.
    fn ask(&mut self, line: &str, what: &str) -> Result<String, String> {
        let sent = self.input.as_mut().map(|input| writeln!(input, "{line}"));
        let mut answer = String::new();
        // A process that died before it read is found dead by the read.
        if matches!(sent, Some(Ok(()) | Err(_)))
            && self.output.read_line(&mut answer).is_ok_and(|read| read > 0)
        {
            return Ok(answer.trim_end().to_owned());
        }
        Err(self.obituary(what))
    }

    /// Says how a process ended that should have answered.
    fn obituary(&mut self, what: &str) -> String {
        drop(self.input.take());
        let how = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n    ");
        let killed = if how.contains("signal: 9") { "; was memory short?" } else { "" };
        let said = match last.as_str() {
            "" => "it said nothing".to_owned(),
            last => format!("its last words, from {}:\n    {last}", self.log.display()),
        };
        format!("its process ended ({how}{killed}) instead of answering {what}; {said}")
    }
}

impl Drop for Worker {
    /// Ends the process by ending its input, and waits, so that its memory is free for the next.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn unexpected(answer: &str) -> String {
    format!("its process gave an answer that means nothing here: `{answer}`")
}

#[cfg(test)]
mod tests {
    use super::{Entry, Memory, Worker, start};
    use std::process::Command;

    /// A contestant whose whole program is a shell script.
    fn entry(script: &str) -> Entry {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        start(command, "{}", &folder.path().join("log"))
    }

    fn ready(script: &str) -> Worker {
        match entry(&format!("read description; echo ready 42; {script}")) {
            Entry::Ready(worker) => worker,
            Entry::Unavailable(said) | Entry::Failed(said) => panic!("{said}"),
        }
    }

    fn failed(entry: Entry) -> String {
        match entry {
            Entry::Failed(said) => said,
            Entry::Ready(_) => panic!("it is ready"),
            Entry::Unavailable(said) => panic!("unavailable {said}"),
        }
    }

    #[test]
    fn times_and_memory_are_read() {
        let mut worker =
            ready("read a; echo seconds 0.5 0.25; read a; echo bytes 3000 1000; read a");
        assert_eq!(worker.parameters, 42);
        assert_eq!(worker.run(2).unwrap(), [0.5, 0.25]);
        let memory = worker.memory().unwrap();
        assert_eq!(memory, Memory { peak: 3000, start: 1000 });
        assert_eq!(memory.above_start(), 2000);
    }

    #[test]
    fn what_a_machine_cannot_do_is_no_failure() {
        let Entry::Unavailable(reason) = entry("read a; echo unavailable no compiler here") else {
            panic!("it should be unavailable");
        };
        assert_eq!(reason, "no compiler here");
    }

    #[test]
    fn a_death_is_reported_with_the_last_words() {
        let said = failed(entry("read a; echo first >&2; echo out of memory >&2; exit 3"));
        assert!(said.contains("exit status: 3") && said.contains("out of memory"), "{said}");
        let said = ready("read a; kill -9 $$").run(1).unwrap_err();
        assert!(said.contains("signal: 9") && said.contains("was memory short?"), "{said}");
        assert!(said.contains("instead of answering `run`"), "{said}");
    }

    #[test]
    fn answers_that_mean_nothing_are_refused() {
        for answer in ["hello", "ready many", "ready"] {
            let said = failed(entry(&format!("read a; echo {answer}; read a")));
            assert!(said.contains(answer), "{said}");
        }
        for answer in ["seconds 1.0", "seconds 1.0 x", "seconds 1.0 -1.0", "seconds 1 NaN", ""] {
            let said = ready(&format!("read a; echo '{answer}'; read a")).run(2).unwrap_err();
            assert!(said.contains("means nothing"), "{answer}: {said}");
        }
        let said = ready("read a; echo bytes 12; read a").memory().unwrap_err();
        assert!(said.contains("bytes 12"), "{said}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let entry = start(Command::new("no-such-program"), "{}", &folder.path().join("log"));
        assert!(failed(entry).contains("no-such-program"));
    }
}
