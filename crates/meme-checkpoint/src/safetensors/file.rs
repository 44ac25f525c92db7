//! An open file whose tensors are read one at a time.

use super::TensorInfo;
use super::header::Header;
use super::read::{Failure, read_header, read_tensor};
use crate::tensor::no_such_tensor;
use crate::{Error, Result, TensorData};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A safetensors file whose header has been checked and whose tensors are read on demand.
///
/// For files that are larger than memory, and for looking at what a file holds without reading it.
/// The file is kept open and nothing is mapped: if somebody changes it meanwhile, a read returns an
/// error or the changed numbers, but never a signal.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    file: File,
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, TensorInfo>,
    data: u64,
}

impl SafetensorsFile {
    /// Opens a file and checks its header against its length.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Safetensors`] when it is not valid.
    pub fn open(path: impl AsRef<Path>) -> Result<SafetensorsFile> {
        let path = path.as_ref();
        let mut file = crate::storage::open_regular(path).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let (Header { metadata, tensors }, data) =
            read_header(&mut file, length).map_err(|failure| failure.of(path))?;
        let tensors = tensors.into_iter().map(|info| (info.name.clone(), info)).collect();
        Ok(SafetensorsFile { path: path.to_path_buf(), file, metadata, tensors, data })
    }

    /// The path under which the file was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, for those who read or map it themselves; see [`SafetensorsFile::data_begins`].
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The byte of the file from which [`TensorInfo::start`] and [`TensorInfo::end`] are counted.
    pub fn data_begins(&self) -> u64 {
        self.data
    }

    /// The header's `__metadata__`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What the header says of every tensor, by name.
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// Reads one tensor.
    ///
    /// # Errors
    /// [`Error::NoSuchTensor`] when there is none of that name, [`Error::Io`] when the file cannot be
    /// read, [`Error::Safetensors`] when it shrank meanwhile or holds a boolean that is not 0 or 1.
    pub fn read(&mut self, name: &str) -> Result<TensorData> {
        let info =
            self.tensors.get(name).ok_or_else(|| no_such_tensor(name, self.tensors.keys()))?;
        let bytes = self
            .file
            .seek(SeekFrom::Start(self.data + info.start))
            .map_err(Failure::Io)
            .and_then(|_| read_tensor(&mut self.file, info))
            .map_err(|failure| failure.of(&self.path))?;
        Ok(TensorData { dtype: info.dtype, shape: info.shape.clone(), bytes })
    }

    /// Reads everything.
    ///
    /// # Errors
    /// As [`SafetensorsFile::read`].
    pub fn read_all(&mut self) -> Result<crate::Tensors> {
        let names: Vec<String> = self.tensors.keys().cloned().collect();
        let mut tensors = BTreeMap::new();
        for name in names {
            let tensor = self.read(&name)?;
            tensors.insert(name, tensor);
        }
        Ok(crate::Tensors { tensors, metadata: self.metadata.clone() })
    }
}
