//! Published lists of names: which images of a data set are for training, which for validation.

use crate::{Error, ImageSource, Result};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A list of image names, one a line, as taming-transformers publishes them for FFHQ and CelebA-HQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameList {
    path: PathBuf,
    names: Vec<String>,
}

impl NameList {
    /// Reads a list. Spaces around a name and empty lines are ignored.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read or is longer than 256 MiB; [`Error::Names`] when it
    /// holds no name.
    pub fn read(path: &Path) -> Result<Self> {
        const MAX_BYTES: u64 = 256 << 20;
        let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
        let mut text = String::new();
        let mut bounded = file.take(MAX_BYTES + 1);
        let read = bounded.read_to_string(&mut text).map_err(Error::io("read", path))?;
        if read as u64 > MAX_BYTES {
            let name = path.display().to_string();
            let (value, limit) = (read as u64, MAX_BYTES);
            return Err(Error::TooLarge { name, what: "its size in bytes", value, limit });
        }
        let names: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            let reason = "it holds no names".to_owned();
            return Err(Error::Names { path: path.to_owned(), reason });
        }
        Ok(Self { path: path.to_owned(), names })
    }

    /// The names, as listed.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The indices of the listed pictures in a source, in the list's order.
    ///
    /// A listed name stands for the picture of the same relative name; failing that, for the only
    /// one with the same file name; failing that, for the only one with the same file name without
    /// extension (lists name `imgHQ00001.npy` or `.png` where a copy holds `.jpg`).
    ///
    /// # Errors
    /// [`Error::Names`] naming the first picture that is missing, or that several could be, and how
    /// many of the list were found.
    pub fn select(&self, source: &dyn ImageSource) -> Result<Vec<usize>> {
        let lookup = Lookup::new(source);
        let found: Vec<_> = self.names.iter().map(|name| lookup.find(name)).collect();
        let good = found.iter().filter(|place| matches!(place, Place::One(_))).count();
        let mut indices = Vec::with_capacity(found.len());
        for (name, place) in self.names.iter().zip(found) {
            let fault = match place {
                Place::One(index) => {
                    indices.push(index);
                    continue;
                }
                Place::None => "is not in the data set",
                Place::Several => "could be several images of the data set",
            };
            let total = self.names.len();
            let reason = format!("`{name}` {fault}; {good} of {total} listed names were found");
            return Err(Error::Names { path: self.path.clone(), reason });
        }
        Ok(indices)
    }
}

/// What a name leads to.
#[derive(Debug, Clone, Copy)]
enum Place {
    None,
    One(usize),
    Several,
}

/// A source's pictures by relative name, file name, and file name without extension.
struct Lookup<'a> {
    tables: [BTreeMap<&'a str, Place>; 3],
}

impl<'a> Lookup<'a> {
    fn new(source: &'a dyn ImageSource) -> Self {
        let mut tables = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
        for index in 0..source.len() {
            for (table, key) in tables.iter_mut().zip(keys(source.name(index))) {
                let place = Place::One(index);
                table.entry(key).and_modify(|old| *old = Place::Several).or_insert(place);
            }
        }
        Self { tables }
    }

    fn find(&self, name: &str) -> Place {
        let hits = self.tables.iter().zip(keys(name));
        hits.filter_map(|(table, key)| table.get(key)).copied().next().unwrap_or(Place::None)
    }
}

fn keys(name: &str) -> [&str; 3] {
    let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
    [name, file, file.rsplit_once('.').map_or(file, |(stem, _)| stem)]
}
