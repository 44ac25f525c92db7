//! Readers fed with what nobody should feed them.
//!
//! A reader is given mutations of small valid files, in a process of its own whose memory is
//! limited. A mutation that it answers in words not heard before joins the files that are mutated
//! further: error messages stand in for coverage, so no instrumentation is needed and everything
//! runs on a stable compiler. Case number n of a reader is a pure function of n and of the answers
//! before it, so a failure is found again.
//!
//! What must hold: no panic, no abort, no case that takes more than seconds, no more memory than
//! the limit, and every refusal names the file in one readable message.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use meme_random::{Cursor, Purpose, Stream};

/// Tells the process under test for how many seconds to go on; unset in the one that watches it.
const SECONDS: &str = "MEME_FUZZ_SECONDS";
/// Tells it where to note the number of the case at hand, before it begins.
const NOTES: &str = "MEME_FUZZ_NOTES";
/// A case that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// Files that are kept for further mutation.
const CORPUS: usize = 400;
/// No message is longer, in characters.
const LONGEST_MESSAGE: usize = 4000;

/// One reader and what it is given.
pub(crate) struct Target<'a> {
    /// The test that runs it, as the harness calls it.
    pub(crate) test: &'a str,
    /// Small valid files.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// Pieces that mean something to the reader.
    pub(crate) words: &'a [&'a [u8]],
    /// Makes checksums right again, so that what lies behind them is reached; half the cases.
    pub(crate) repair: fn(&mut Vec<u8>),
    /// Address space in MiB that the process may have.
    pub(crate) memory: u64,
    /// What every refusal must contain: the file's name.
    pub(crate) name: &'a str,
}

/// Needs no repair.
pub(crate) fn as_it_is(_: &mut Vec<u8>) {}

impl Target<'_> {
    /// Runs the reader for so many seconds. It returns the message of its refusal, or `Ok`.
    pub(crate) fn run(&self, seconds: u64, reader: impl FnMut(&[u8]) -> Result<(), String>) {
        match std::env::var(SECONDS) {
            Ok(seconds) => self.feed(Duration::from_secs(seconds.parse().unwrap()), reader),
            Err(_) => self.watch(seconds),
        }
    }

    /// Starts this test once more with limited memory, and looks after it.
    fn watch(&self, seconds: u64) {
        let notes = tempfile::NamedTempFile::new().unwrap();
        let limited = format!("ulimit -v {} && exec \"$0\" \"$@\"", self.memory * 1024);
        let mut child = Command::new("sh")
            .args(["-c", &limited])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", self.test, "--nocapture", "--include-ignored"])
            .env(SECONDS, seconds.to_string())
            .env(NOTES, notes.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let status = wait(&mut child, notes.path());
        let case = case_of(notes.path());
        match status {
            Some(status) => assert!(status.success(), "{}: {status} at case {case}", self.test),
            None => panic!("{} hangs at case {case}", self.test),
        }
        assert!(case > 0, "{} was not run: is this its name?", self.test);
    }

    fn feed(&self, time: Duration, mut reader: impl FnMut(&[u8]) -> Result<(), String>) {
        let notes = File::options().write(true).open(std::env::var_os(NOTES).unwrap()).unwrap();
        let mut corpus = self.seeds.clone();
        for seed in &self.seeds {
            reader(seed).expect("a seed is a valid file");
        }
        let mut heard = BTreeSet::new();
        let (mut cases, mut accepted) = (0u64, 0u64);
        let started = Instant::now();
        while started.elapsed() < time {
            cases += 1;
            notes.write_all_at(&cases.to_le_bytes(), 0).unwrap();
            let mut random = Stream::new(1, Purpose::Test, 7, cases).cursor();
            let file = self.mutated(&corpus, &mut random);
            let answer = reader(&file);
            match &answer {
                Ok(()) => accepted += 1,
                Err(message) => self.check(message, cases),
            }
            if heard.insert(gist(answer.err())) && corpus.len() < CORPUS {
                corpus.push(file);
            }
        }
        let kinds = heard.len();
        let peak = peak();
        assert!(kinds > 3, "only {kinds} different answers in {cases} cases: is it being reached?");
        tell(&format!("hostile files read by {}", self.test), cases);
        eprintln!("{accepted} accepted, {kinds} different answers, {peak} MiB at most");
    }

    /// A refusal must be something a person can read.
    fn check(&self, message: &str, case: u64) {
        let shown: String = message.chars().take(200).collect();
        assert!(message.contains(self.name), "case {case} does not name the file: {shown:?}");
        assert!(
            message.chars().count() <= LONGEST_MESSAGE,
            "case {case}: a message of {} characters: {shown:?}",
            message.chars().count()
        );
        assert!(
            !message.chars().any(|letter| letter.is_control() && letter != '\n'),
            "case {case} prints control characters: {shown:?}"
        );
    }

    fn mutated(&self, corpus: &[Vec<u8>], random: &mut Cursor) -> Vec<u8> {
        let mut file = random.choose(corpus).unwrap().clone();
        for _ in 0..=random.below(5) {
            mutate(&mut file, corpus, self.words, random);
        }
        if random.chance(0.5) {
            (self.repair)(&mut file);
        }
        file
    }
}

/// Changes a file in one of the ways in which files go wrong, or are made to.
fn mutate(file: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&[u8]], random: &mut Cursor) {
    let length = file.len();
    let at = random.below(length as u64 + 1) as usize;
    let rest = length - at;
    let span = |random: &mut Cursor, most: usize| random.below(most.min(64) as u64 + 1) as usize;
    match random.below(12) {
        0 | 1 if rest > 0 => file[at] ^= 1 << random.below(8),
        2 if rest > 0 => file[at] = random.below(256) as u8,
        3 | 4 => {
            let bytes = number(length as u64, random);
            file.splice(at..at + bytes.len().min(rest), bytes);
        }
        5 => drop(file.drain(at..at + span(random, rest))),
        6 => {
            let piece = file[at..at + span(random, rest)].to_vec();
            let place = random.below(length as u64 + 1) as usize;
            file.splice(place..place, piece);
        }
        7 => {
            let other = random.choose(corpus).unwrap();
            let from = random.below(other.len() as u64 + 1) as usize;
            let piece = &other[from..from + span(random, other.len() - from)];
            file.splice(at..at + piece.len().min(rest), piece.iter().copied());
        }
        8 => file.truncate(at),
        9 => decimal(file, at, random),
        _ => {
            if let Some(word) = random.choose(words) {
                let replaced = if random.chance(0.5) { word.len().min(rest) } else { 0 };
                file.splice(at..at + replaced, word.iter().copied());
            }
        }
    }
}

/// A number at an edge, in one of the ways in which files write numbers.
fn number(length: u64, random: &mut Cursor) -> Vec<u8> {
    const EDGES: [u64; 12] =
        [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 1 << 24, 0x7fff_ffff, 0xffff_ffff, 1 << 40, 1 << 63, !0];
    let value = match random.below(3) {
        0 => length.wrapping_add(random.below(5)).wrapping_sub(2),
        _ => *random.pick(&EDGES),
    };
    let width = 1 << random.below(4);
    if random.chance(0.5) {
        value.to_le_bytes()[..width].to_vec()
    } else {
        value.to_be_bytes()[8 - width..].to_vec()
    }
}

/// Replaces the decimal number at or after a place.
fn decimal(file: &mut Vec<u8>, at: usize, random: &mut Cursor) {
    const EDGES: [&str; 9] = [
        "0",
        "-1",
        "1e999",
        "4294967296",
        "9223372036854775807",
        "18446744073709551615",
        "1.5",
        "99999999999999999999999",
        "1000000",
    ];
    let Some(start) = file[at..].iter().position(u8::is_ascii_digit) else { return };
    let start = at + start;
    let end = file[start..].iter().position(|byte| !byte.is_ascii_digit());
    let end = end.map_or(file.len(), |end| start + end);
    file.splice(start..end, random.pick(&EDGES).bytes());
}

/// What an answer says apart from its quotations, and from its words that hold numbers.
fn gist(message: Option<String>) -> String {
    let message = message.unwrap_or_default();
    let unquoted: String = message.split(['`', '"']).step_by(2).collect();
    let words = unquoted.split_whitespace().filter(|word| {
        word.chars().all(|letter| letter.is_ascii_alphabetic() || ",.:;'-()".contains(letter))
    });
    words.take(60).collect::<Vec<_>>().join(" ")
}

/// Waits for a process; `None` where it stays at one case for too long, and is ended.
fn wait(child: &mut Child, notes: &Path) -> Option<ExitStatus> {
    let (mut last, mut since) = (0, Instant::now());
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        let case = case_of(notes);
        if case != last {
            (last, since) = (case, Instant::now());
        } else if since.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn case_of(notes: &Path) -> u64 {
    let bytes = std::fs::read(notes).unwrap();
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// The most memory that this process has had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// Says how many cases there were: on standard error and, where the variable `MEME_FIGURES` names a
/// file, as a line in it, `count<TAB>what`, which `cargo xtask test` adds up and shows at its end.
fn tell(what: &str, count: u64) {
    eprintln!("{count} {what}");
    if let Some(path) = std::env::var_os("MEME_FIGURES") {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{count}\t{what}\n").as_bytes()).unwrap();
    }
}
