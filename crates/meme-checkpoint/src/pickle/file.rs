//! An open PyTorch file.

use super::graph::{Graph, Id, Item, ItemKind, Tensor};
use super::machine::Failure;
use super::source::{Source, open};
use super::{PickleProblem, walk};
use crate::{Error, Result, Tensors};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// How much larger than the file its tensors may be together; tied weights are stored once and read
/// as often as they are named.
const SHARING: u64 = 16;

/// A PyTorch file whose values have been read and whose tensors are read on demand.
pub struct TorchFile {
    path: PathBuf,
    length: u64,
    source: Source,
    graph: Graph,
    root: Id,
}

/// Reads the weights of a `.pt`, `.pth` or `.ckpt` file; see [the module](super).
///
/// The weights are everything that is reached by names from the entry `state_dict` where there is one,
/// else from the top; names are joined with dots. Metadata is empty.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Pickle`] when it is not what PyTorch writes;
/// nothing has then been loaded, and nothing has been executed in any case.
pub fn read_torch(path: impl AsRef<Path>) -> Result<Tensors> {
    TorchFile::open(path)?.state_dict()
}

impl fmt::Debug for TorchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TorchFile({})", self.path.display())
    }
}

impl TorchFile {
    /// Opens a file and reads its values, but not yet its tensors.
    ///
    /// # Errors
    /// As [`read_torch`].
    pub fn open(path: impl AsRef<Path>) -> Result<TorchFile> {
        let path = path.as_ref();
        let file = crate::storage::open_regular(path).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let (source, graph, root) = open(file).map_err(|failure| named(failure, path))?;
        Ok(TorchFile { path: path.to_path_buf(), length, source, graph, root })
    }

    /// What the file holds: usually a dictionary.
    pub fn root(&self) -> Item<'_> {
        Item { graph: &self.graph, id: self.root }
    }

    /// Classes that the file names and that were not built.
    pub fn foreign_classes(&self) -> &BTreeSet<String> {
        &self.graph.foreign
    }

    /// Everything that is reached by names from `state_dict`, or from the top where there is none.
    ///
    /// # Errors
    /// As [`read_torch`].
    pub fn state_dict(&mut self) -> Result<Tensors> {
        let weights = self.root().get("state_dict").filter(|item| item.kind() == ItemKind::Map);
        let from = weights.map_or(self.root, |item| item.id);
        self.read(from)
    }

    /// Every tensor that is reached by names and positions from the top, by its dotted path: entries of
    /// dictionaries under strings and integers, elements of lists and tuples, attributes of objects.
    ///
    /// # Errors
    /// As [`read_torch`].
    pub fn tensors(&mut self) -> Result<Tensors> {
        self.read(self.root)
    }

    fn read(&mut self, id: Id) -> Result<Tensors> {
        let TorchFile { path, length, source, graph, .. } = self;
        read_all(source, Item { graph, id }, *length).map_err(|failure| named(failure, path))
    }
}

fn read_all(
    source: &mut Source,
    item: Item<'_>,
    length: u64,
) -> std::result::Result<Tensors, Failure> {
    let found = walk::tensors(item)?;
    let mut total = 0u64;
    // Every storage is read once, and forgotten before the next.
    let mut by_storage: BTreeMap<&str, Vec<(String, &Tensor)>> = BTreeMap::new();
    for (name, tensor) in found {
        total = total.saturating_add(walk::byte_count(&name, tensor)?);
        by_storage.entry(&tensor.storage.key).or_default().push((name, tensor));
    }
    if total > length.saturating_mul(SHARING) {
        return Err(PickleProblem::TooLarge { bytes: total }.into());
    }
    let mut tensors = BTreeMap::new();
    for views in by_storage.into_values() {
        let mut storage = Vec::new();
        for (place, (name, tensor)) in views.into_iter().enumerate() {
            let size = tensor.storage.dtype.size() as u64;
            let expected = tensor.storage.count.saturating_mul(size);
            if place == 0 {
                storage = source.read(&tensor.storage, expected)?;
            } else if storage.len() as u64 != expected {
                let (key, found) = (tensor.storage.key.clone(), storage.len() as u64);
                return Err(PickleProblem::Storage { key, expected, found }.into());
            }
            let data = walk::gather(&name, tensor, &storage)?;
            tensors.insert(name, data);
        }
    }
    Ok(Tensors { tensors, metadata: BTreeMap::new() })
}

fn named(failure: Failure, path: &Path) -> Error {
    match failure {
        Failure::Io(source) => Error::io("read", path)(source),
        Failure::Problem(problem) => Error::Pickle { file: path.display().to_string(), problem },
    }
}
