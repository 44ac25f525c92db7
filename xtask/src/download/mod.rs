//! `cargo xtask download`: public data and weights, from where their publishers put them.
//!
//! What is where stands in `sources.toml`, not in code. What is promised, and held by `tests/download`:
//! * A file under its final name is whole and is what was published, or what it was at first use (`download.lock`).
//! * Whatever ends a download, Ctrl-C included, leaves a `.part` from which the next run goes on, if the host still has
//!   the same version of the file: asked by ETag or date, or told by a published checksum in the end.
//! * A host that is down, slow, lying or changed is left for the next one; when none is left, the message says what to
//!   put where by hand.
//! * Nothing is downloaded before the licence was agreed to, nor where the disk is too small.

mod bar;
mod fetch;
mod hash;
mod http;
mod index;
mod lock;
mod options;
mod part;
mod problem;
mod source;
mod space;
mod unpack;

use std::path::{Path, PathBuf};

pub(crate) use self::options::{Options, parse};
pub(crate) use self::problem::Problem;

use self::bar::{Bar, size};
use self::fetch::{Client, Wanted};
use self::hash::Fingerprint;
use self::lock::{Lock, Record};
use self::options::From;
use self::problem::Result;
use self::source::{Index, Source, SourceFile, Sources};
use crate::error::Error;
use crate::usage;
use crate::workspace::Workspace;

/// Downloads one source, or lists all of them.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Error> {
    let sources = Sources::read(options.sources.as_deref())?;
    let Some(name) = &options.name else {
        for source in &sources.all {
            println!("{:<14} {}", source.name, source.title);
        }
        return Ok(());
    };
    let Some(source) = sources.all.iter().find(|source| source.name == *name) else {
        return Err(Error::Usage(usage::unknown("download", name, &sources.names())));
    };
    let root = options.to.clone().unwrap_or_else(|| workspace.root.join("data"));
    Ok(Download::new(source, &root, options)?.run()?)
}

/// One source on its way into its folder.
struct Download<'a> {
    source: &'a Source,
    folder: PathBuf,
    options: &'a Options,
    client: Client,
    lock: Lock,
}

impl<'a> Download<'a> {
    fn new(source: &'a Source, root: &Path, options: &'a Options) -> Result<Self> {
        if !options.accept_licence && !source.is_by_hand() {
            return Err(Problem::Licence(format!(
                "{}\n\n  licence: {}\n  {}\n\n{}\n\n  Nothing was downloaded. Agree with --accept-licence:\n    \
                 cargo xtask download {} --accept-licence",
                source.title,
                source.licence,
                source.licence_url,
                indented(&source.notice),
                source.name
            )));
        }
        let agent = http::agent(options.patience)?;
        let client = Client { agent, patience: options.patience, tries: options.tries };
        let folder = root.join(&source.name);
        Ok(Download { source, folder, options, client, lock: Lock::open(root)? })
    }

    fn run(mut self) -> Result<()> {
        let source = self.source;
        eprintln!("{}: {}", source.name, source.title);
        eprintln!("  licence: {} ({})", source.licence, source.licence_url);
        std::fs::create_dir_all(&self.folder)
            .map_err(Problem::io("make the folder", &self.folder))?;
        let mut missing = Vec::new();
        for file in &source.files {
            if self.is_there(file)? {
                continue;
            }
            match (&self.options.from, file.urls.is_empty()) {
                (None, true) => missing.push(format!("    {}", file.path)),
                _ => self.bring(file)?,
            }
        }
        if !missing.is_empty() {
            return Err(Problem::ByHand {
                title: source.title.clone(),
                folder: self.folder,
                missing: missing.join("\n"),
                by_hand: indented(&source.by_hand),
            });
        }
        for file in &source.files {
            self.use_it(file)?;
        }
        eprintln!("  ready in {}", self.folder.display());
        if !source.next.is_empty() {
            println!("{}", source.next.replace("DIR", &self.folder.display().to_string()));
        }
        Ok(())
    }

    /// Whether a file is in its place, and right as far as is known of it. One that a person put there is read once.
    fn is_there(&mut self, file: &SourceFile) -> Result<bool> {
        let path = self.folder.join(&file.path);
        if !path.is_file() {
            return Ok(false);
        }
        let record = self.lock.get(&self.source.name, &file.path).cloned();
        let length = std::fs::metadata(&path).map_err(Problem::io("look at", &path))?.len();
        if let Some(record) = record.as_ref().filter(|_| !self.options.verify) {
            if record.size == length {
                return Ok(true);
            }
            let difference =
                format!("it has {length} bytes, at its first use it had {}", record.size);
            return Err(Problem::Wrong { path, difference });
        }
        eprintln!("  verifying {}", path.display());
        let bar = Bar::new(&file.path);
        let found = Fingerprint::of(&path, &bar)?;
        let difference = found
            .difference(&file.published)
            .or_else(|| record.as_ref().and_then(|record| record.difference(&found)));
        if let Some(difference) = difference {
            return Err(Problem::Wrong { path, difference });
        }
        if record.is_none() {
            self.note(file, found, "put there by hand".to_owned())?;
        }
        Ok(true)
    }

    /// Downloads a file, or copies it from where the user has it.
    fn bring(&mut self, file: &SourceFile) -> Result<()> {
        let urls = match &self.options.from {
            Some(From::Url(url)) if url.ends_with('/') => vec![format!("{url}{}", file.path)],
            Some(From::Url(url)) => vec![url.clone()],
            _ => file.urls.clone(),
        };
        let wanted = Wanted {
            source: self.source,
            path: &file.path,
            target: self.folder.join(&file.path),
            urls,
            published: &file.published,
            record: self.lock.get(&self.source.name, &file.path),
        };
        let bar = Bar::new(&file.path);
        let (found, from) = match &self.options.from {
            Some(From::Path(path)) => {
                (fetch::copy(path, &wanted, &bar)?, path.display().to_string())
            }
            _ => self.client.fetch(&wanted, &bar)?,
        };
        bar.finish();
        let right = if file.published.has_checksum() {
            "as published"
        } else {
            "recorded, since none is published"
        };
        eprintln!("  {}: {}, SHA-256 {} ({right})", file.path, size(found.size), found.sha256);
        self.note(file, found, from)
    }

    fn note(&mut self, file: &SourceFile, found: Fingerprint, from: String) -> Result<()> {
        let checked =
            if file.published.has_checksum() { "published checksum" } else { "first use" };
        self.lock.record(Record {
            source: self.source.name.clone(),
            path: file.path.clone(),
            size: found.size,
            sha256: found.sha256,
            from,
            checked: checked.to_owned(),
        })
    }

    /// Unpacks what is an archive, and downloads what an index lists.
    fn use_it(&self, file: &SourceFile) -> Result<()> {
        let path = self.folder.join(&file.path);
        if let Some(how) = &file.unpack {
            let bar = Bar::new(&format!("unpacking {}", file.path));
            unpack::unpack(&path, how, &self.folder, &bar)?;
        }
        match file.index {
            None => Ok(()),
            Some(Index::Ffhq) => self.listed(&index::ffhq(&path)?),
        }
    }

    fn listed(&self, files: &[SourceFile]) -> Result<()> {
        let (connections, verify) = (self.options.connections, self.options.verify);
        index::fetch_all(&self.client, self.source, &self.folder, files, connections, verify)
    }
}

/// The lines of a paragraph, moved to the right.
fn indented(text: &str) -> String {
    text.trim().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
