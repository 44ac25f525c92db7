//! Archives become folders: whole or not at all, and nothing outside the folder.
//!
//! Names are looked at before anything is written. Refused are names that lead out (`..`, absolute ones), links,
//! devices, names that stand twice, and archives that grow beyond all measure. The folder is filled under another name
//! and then renamed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use super::bar::Bar;
use super::problem::{Problem, Result};
use super::source::{Archive, Unpack, is_inside};
use super::space;

/// An archive of pictures or weights does not shrink to a hundredth.
const MOST_GROWTH: u64 = 100;
/// But a small one may.
const SMALL: u64 = 1 << 20;
/// Most entries of one archive.
const MOST_ENTRIES: u64 = 10_000_000;

/// What kind of thing an entry is.
enum Kind {
    File,
    Folder,
    Other(&'static str),
}

/// Unpacks `archive` into the folder that `unpack` names, below `folder`, unless it is there already.
pub(crate) fn unpack(archive: &Path, unpack: &Unpack, folder: &Path, bar: &Bar) -> Result<()> {
    let target = folder.join(&unpack.to);
    if target.is_dir() {
        return Ok(());
    }
    let staging = folder.join(format!(".{}.unpacking", unpack.to.replace('/', ".")));
    if staging.exists() {
        // Left by an unpacking that was interrupted: nobody else works in this folder.
        fs::remove_dir_all(&staging).map_err(Problem::io("remove", &staging))?;
    }
    let filled = fill(archive, unpack, &staging, bar);
    if let Err(problem) = filled {
        let _ = fs::remove_dir_all(&staging);
        return Err(problem);
    }
    let open = File::open(&staging).map_err(Problem::io("open", &staging))?;
    rustix::fs::syncfs(&open).map_err(|source| {
        Problem::io("write to the disk everything in", &staging)(source.into())
    })?;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(Problem::io("make the folder", parent))?;
    }
    fs::rename(&staging, &target).map_err(Problem::io("rename onto", &target))
}

fn fill(archive: &Path, unpack: &Unpack, staging: &Path, bar: &Bar) -> Result<()> {
    let mut plan = Plan::new(archive, &unpack.only)?;
    let walk = |visit: &mut dyn FnMut(Entry<'_>) -> Result<()>| match unpack.kind {
        Archive::Zip => walk_zip(archive, visit),
        Archive::Tar => walk_tar(archive, visit),
    };
    walk(&mut |entry| plan.add(&entry))?;
    plan.check()?;
    space::check(staging, plan.total, "unpacking")?;
    fs::create_dir_all(staging).map_err(Problem::io("make the folder", staging))?;
    bar.begin(0, Some(plan.total));
    walk(&mut |mut entry| {
        let Some(path) = plan.place(entry.name) else { return Ok(()) };
        let path = staging.join(path);
        match entry.kind {
            Kind::Folder => {
                fs::create_dir_all(&path).map_err(Problem::io("make the folder", &path))
            }
            _ => write(&mut entry, &path, archive, bar),
        }
    })
}

/// One entry, as either kind of archive gives it.
struct Entry<'a> {
    name: &'a str,
    kind: Kind,
    size: u64,
    contents: &'a mut dyn Read,
}

/// What is going to be unpacked, checked before anything is written.
struct Plan<'a> {
    archive: &'a Path,
    length: u64,
    only: &'a str,
    names: BTreeSet<String>,
    total: u64,
}

impl<'a> Plan<'a> {
    fn new(archive: &'a Path, only: &'a str) -> Result<Self> {
        let length = fs::metadata(archive).map_err(Problem::io("read", archive))?.len();
        Ok(Plan { archive, length, only, names: BTreeSet::new(), total: 0 })
    }

    fn refuse(&self, reason: String) -> Problem {
        Problem::Archive { archive: self.archive.to_owned(), reason }
    }

    fn add(&mut self, entry: &Entry<'_>) -> Result<()> {
        let name = entry.name;
        let bare = name.trim_end_matches('/');
        if !is_inside(bare) {
            return Err(self.refuse(format!("the entry {name:?} leads out of the folder")));
        }
        if let Kind::Other(what) = entry.kind {
            return Err(self.refuse(format!("the entry {name:?} is {what}")));
        }
        if let Kind::File = entry.kind
            && self.place(name).is_some()
        {
            if !self.names.insert(bare.to_owned()) {
                return Err(self.refuse(format!("the entry {name:?} stands twice")));
            }
            self.total = self.total.saturating_add(entry.size);
        }
        if self.names.len() as u64 > MOST_ENTRIES {
            return Err(self.refuse(format!("it has more than {MOST_ENTRIES} entries")));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.names.is_empty() {
            let wanted =
                if self.only.is_empty() { String::new() } else { format!(" below {}", self.only) };
            return Err(self.refuse(format!("it has no file{wanted}")));
        }
        if self.total > SMALL.max(self.length.saturating_mul(MOST_GROWTH)) {
            let (from, to) = (self.length, self.total);
            return Err(self.refuse(format!("it would grow from {from} bytes to {to}")));
        }
        Ok(())
    }

    /// Where an entry goes; `None` for one that is not wanted.
    fn place<'n>(&self, name: &'n str) -> Option<&'n Path> {
        let rest = name.strip_prefix(self.only)?.trim_matches('/');
        if rest.is_empty() { None } else { Some(Path::new(rest)) }
    }
}

fn write(entry: &mut Entry<'_>, path: &Path, archive: &Path, bar: &Bar) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Problem::io("make the folder", folder))?;
    }
    let mut file = File::create_new(path).map_err(Problem::io("make", path))?;
    let mut buffer = vec![0; 1 << 17];
    let mut left = entry.size;
    loop {
        let count = entry.contents.read(&mut buffer).map_err(Problem::io("read", archive))?;
        if count == 0 {
            break;
        }
        let Some(rest) = left.checked_sub(count as u64) else {
            let reason = format!("the entry {:?} is longer than it says", entry.name);
            return Err(Problem::Archive { archive: archive.to_owned(), reason });
        };
        left = rest;
        file.write_all(&buffer[..count]).map_err(Problem::io("write", path))?;
        bar.add(count as u64);
    }
    if left > 0 {
        let reason = format!("the entry {:?} is shorter than it says", entry.name);
        return Err(Problem::Archive { archive: archive.to_owned(), reason });
    }
    Ok(())
}

fn broken(archive: &Path) -> impl Fn(io::Error) -> Problem {
    let archive: PathBuf = archive.to_owned();
    move |error| Problem::Archive { archive: archive.clone(), reason: error.to_string() }
}

fn walk_zip(path: &Path, visit: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
    // The bits of a mode that say what kind of thing it is, and two of their values.
    const KIND: u32 = 0o170_000;
    const LINK: u32 = 0o120_000;
    const REGULAR: u32 = 0o100_000;
    let broken = |error: zip::result::ZipError| broken(path)(io::Error::other(error.to_string()));
    let file = File::open(path).map_err(Problem::io("read", path))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        let kind = match entry.unix_mode().map(|mode| mode & KIND) {
            Some(LINK) => Kind::Other("a link"),
            _ if entry.is_dir() => Kind::Folder,
            None | Some(0 | REGULAR) => Kind::File,
            Some(_) => Kind::Other("neither a file nor a folder"),
        };
        let size = entry.size();
        visit(Entry { name: &name, kind, size, contents: &mut entry })?;
    }
    Ok(())
}

fn walk_tar(path: &Path, visit: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
    let broken = broken(path);
    let file = File::open(path).map_err(Problem::io("read", path))?;
    let mut archive = tar::Archive::new(BufReader::new(file));
    for entry in archive.entries().map_err(&broken)? {
        let mut entry = entry.map_err(&broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => Kind::File,
            tar::EntryType::Directory => Kind::Folder,
            tar::EntryType::Symlink | tar::EntryType::Link => Kind::Other("a link"),
            tar::EntryType::XGlobalHeader => continue,
            _ => Kind::Other("neither a file nor a folder"),
        };
        // Many archives begin every name, and themselves, with `./`.
        let name = name.strip_prefix("./").unwrap_or(&name);
        if name.is_empty() || name == "." {
            continue;
        }
        let size = entry.size();
        visit(Entry { name, kind, size, contents: &mut entry })?;
    }
    Ok(())
}
