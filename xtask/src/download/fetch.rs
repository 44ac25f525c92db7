//! One file from the first host that has it right.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ureq::Agent;

use super::bar::Bar;
use super::hash::Fingerprint;
use super::http::{self, Setback};
use super::lock::Record;
use super::part::{self, Origin, Part};
use super::problem::{Problem, Result};
use super::source::{Published, Source};
use super::space;

/// How hosts are asked.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) agent: Agent,
    /// How long a host may be silent, and the longest pause between two tries.
    pub(crate) patience: Duration,
    /// Tries in a row that bring nothing new, before the next host is asked.
    pub(crate) tries: u32,
}

/// What is wanted.
pub(crate) struct Wanted<'a> {
    pub(crate) source: &'a Source,
    /// The file's path below the source's folder, for messages.
    pub(crate) path: &'a str,
    pub(crate) target: PathBuf,
    pub(crate) urls: Vec<String>,
    pub(crate) published: &'a Published,
    pub(crate) record: Option<&'a Record>,
}

impl Client {
    /// Downloads and verifies one file; returns what it is and where it came from.
    pub(crate) fn fetch(&self, wanted: &Wanted<'_>, bar: &Bar) -> Result<(Fingerprint, String)> {
        if let Some(folder) = wanted.target.parent() {
            fs::create_dir_all(folder).map_err(Problem::io("make the folder", folder))?;
        }
        let part = Part::of(&wanted.target);
        let mut tried = Vec::new();
        for url in &wanted.urls {
            match self.ask(url, wanted, &part, bar)? {
                Ok(fingerprint) => return Ok((fingerprint, url.clone())),
                Err(reason) => {
                    bar.say(&format!("{url}: {reason}"));
                    tried.push(format!("    {url}\n      {reason}"));
                }
            }
        }
        let by_hand = wanted.source.by_hand.trim();
        let by_hand = if by_hand.is_empty() { String::new() } else { format!("\n\n{by_hand}") };
        Err(Problem::Unreachable {
            path: wanted.path.to_owned(),
            target: wanted.target.clone(),
            tried: tried.join("\n"),
            by_hand,
        })
    }

    /// Tries one host as long as that helps. The inner error says why it does not.
    fn ask(
        &self,
        url: &str,
        wanted: &Wanted<'_>,
        part: &Part,
        bar: &Bar,
    ) -> Result<Result<Fingerprint, String>> {
        let mut most = part.state().0;
        let mut left = self.tries;
        loop {
            let (reason, wait) = match http::attempt(&self.agent, url, part, wanted.published, bar)
            {
                Ok(()) => return verify(wanted, part, bar),
                Err(Setback::Fatal(problem)) => return Err(problem),
                Err(Setback::Elsewhere(reason)) => return Ok(Err(reason)),
                Err(Setback::Again { reason, wait }) => (reason, wait),
            };
            let have = part.state().0;
            if have > most {
                (most, left) = (have, self.tries);
            }
            left = left.saturating_sub(1);
            if left == 0 {
                return Ok(Err(reason));
            }
            bar.say(&format!("{reason}; trying again"));
            // 1, 2, 4, ... seconds.
            let pause = Duration::from_secs(1 << (self.tries - left - 1).min(16));
            thread::sleep(wait.unwrap_or(pause).min(self.patience));
        }
    }
}

/// Publishes the part if it is what it should be, and removes it if it is not.
fn verify(wanted: &Wanted<'_>, part: &Part, bar: &Bar) -> Result<Result<Fingerprint, String>> {
    let found = Fingerprint::of(part.path(), bar)?;
    let difference = found
        .difference(wanted.published)
        .or_else(|| wanted.record.and_then(|record| record.difference(&found)));
    if let Some(difference) = difference {
        part.discard()?;
        return Ok(Err(format!("what it sends is another file: {difference}")));
    }
    part.publish()?;
    Ok(Ok(found))
}

/// Takes the file from a place on this machine instead.
pub(crate) fn copy(from: &Path, wanted: &Wanted<'_>, bar: &Bar) -> Result<Fingerprint> {
    let from = if from.is_dir() { from.join(wanted.path) } else { from.to_owned() };
    let mut source = File::open(&from).map_err(Problem::io("read", &from))?;
    let length = source.metadata().map_err(Problem::io("read", &from))?.len();
    if let Some(folder) = wanted.target.parent() {
        fs::create_dir_all(folder).map_err(Problem::io("make the folder", folder))?;
    }
    space::check(&wanted.target, length, "the copy")?;
    let part = Part::of(&wanted.target);
    let origin = Origin { url: from.display().to_string(), validator: None, total: Some(length) };
    let mut to = part.append(0, &origin)?;
    bar.begin(0, Some(length));
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = source.read(&mut buffer).map_err(Problem::io("read", &from))?;
        if count == 0 {
            break;
        }
        part::write(&mut to, &buffer[..count], part.path())?;
        bar.add(count as u64);
    }
    verify(wanted, &part, bar)?.map_err(|difference| Problem::Wrong { path: from, difference })
}
