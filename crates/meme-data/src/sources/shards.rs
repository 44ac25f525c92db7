//! Several archives as one source: the shards of a WebDataset.

use super::Container;
use crate::{Error, Result};
use std::path::PathBuf;

/// Archives one behind the other. A name is the archive's file name, a slash, and the entry's.
pub(super) struct Shards {
    names: Vec<String>,
    shards: Vec<Box<dyn Container>>,
    /// For every image, its archive and its index in there.
    places: Vec<(usize, usize)>,
}

impl Shards {
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self> {
        let (mut names, mut shards, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for path in paths {
            let container = match super::open_archive(path) {
                Ok(container) => container,
                // One shard of labels among shards of images is no reason to refuse them all.
                Err(Error::NoImages { .. }) if paths.len() > 1 => continue,
                Err(error) => return Err(error),
            };
            let shard = path.file_name().unwrap_or_default().to_string_lossy();
            for (inner, name) in container.names().iter().enumerate() {
                names.push(format!("{shard}/{name}"));
                places.push((shards.len(), inner));
            }
            shards.push(container);
        }
        if names.is_empty() {
            let path = paths.first().and_then(|path| path.parent()).unwrap_or("".as_ref());
            let found = format!("{} archives without images", paths.len());
            return Err(Error::NoImages { path: path.to_owned(), found });
        }
        Ok(Self { names, shards, places })
    }

    fn place(&self, index: usize) -> (&dyn Container, usize) {
        let (shard, inner) = self.places[index];
        (self.shards[shard].as_ref(), inner)
    }
}

impl Container for Shards {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn size(&self, index: usize) -> Result<u64> {
        let (shard, inner) = self.place(index);
        shard.size(inner)
    }

    fn bytes(&self, index: usize, limit: u64) -> Result<Vec<u8>> {
        let (shard, inner) = self.place(index);
        shard.bytes(inner, limit)
    }

    fn label(&self, index: usize) -> String {
        let (shard, inner) = self.place(index);
        shard.label(inner)
    }
}
