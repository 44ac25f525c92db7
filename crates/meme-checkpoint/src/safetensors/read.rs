//! Reading whole files: every tensor or none.

use super::header::Header;
use super::{HEADER_LIMIT, Problem, TensorInfo};
use crate::storage::{RealStorage, Storage};
use crate::{Dtype, Error, Result, TensorData, Tensors};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

/// Bytes before the header: its length.
pub(super) const PREFIX: u64 = 8;

/// What went wrong while reading, before the file's name is known.
pub(crate) enum Failure {
    Io(io::Error),
    Problem(Problem),
}

impl Failure {
    pub(crate) fn of(self, path: &Path) -> Error {
        match self {
            Failure::Io(source) => Error::io("read", path)(source),
            Failure::Problem(problem) => {
                Error::Safetensors { file: path.display().to_string(), problem }
            }
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Problem(problem)
    }
}

/// Reads a safetensors file from the disk, strictly (see [the module](super)).
///
/// The bytes go from the file straight into their tensors, so the memory needed is that of the
/// tensors. To read single tensors of a large file, use [`super::SafetensorsFile`].
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Safetensors`] when it is not valid; both name
/// the file, and nothing has been loaded.
pub fn read_safetensors(path: impl AsRef<Path>) -> Result<Tensors> {
    let path = path.as_ref();
    let (mut reader, length) = RealStorage.open(path).map_err(Error::io("read", path))?;
    read_stream(&mut reader, length).map_err(|failure| failure.of(path))
}

/// Reads a safetensors file that is in memory, strictly (see [the module](super)).
///
/// # Errors
/// [`Error::Safetensors`] when it is not valid.
pub fn parse(bytes: &[u8]) -> Result<Tensors> {
    let mut reader = bytes;
    read_stream(&mut reader, bytes.len() as u64)
        .map_err(|failure| failure.of(Path::new("bytes in memory")))
}

/// Reads a file of `length` bytes from its beginning to its end, each byte once.
pub(crate) fn read_stream(
    reader: &mut dyn Read,
    length: u64,
) -> std::result::Result<Tensors, Failure> {
    let (header, _) = read_header(reader, length)?;
    let mut tensors = BTreeMap::new();
    for info in header.tensors {
        let bytes = read_tensor(reader, &info)?;
        let TensorInfo { name, dtype, shape, .. } = info;
        tensors.insert(name, TensorData { dtype, shape, bytes });
    }
    Ok(Tensors { tensors, metadata: header.metadata })
}

/// Reads and checks the header; returns it with the position of the first byte of data.
pub(super) fn read_header(
    reader: &mut dyn Read,
    length: u64,
) -> std::result::Result<(Header, u64), Failure> {
    let Some(available) = length.checked_sub(PREFIX) else {
        return Err(Problem::TooShort { length }.into());
    };
    let mut prefix = [0; PREFIX as usize];
    reader.read_exact(&mut prefix).map_err(Failure::Io)?;
    let claimed = u64::from_le_bytes(prefix);
    if !(2..=HEADER_LIMIT).contains(&claimed) {
        return Err(Problem::HeaderLength { claimed }.into());
    }
    let Some(data) = available.checked_sub(claimed) else {
        return Err(Problem::HeaderTruncated { claimed, available }.into());
    };
    let mut json = Vec::new();
    reader.take(claimed).read_to_end(&mut json).map_err(Failure::Io)?;
    if json.len() as u64 != claimed {
        return Err(Problem::HeaderTruncated { claimed, available: json.len() as u64 }.into());
    }
    Ok((Header::parse(&json, data)?, PREFIX + claimed))
}

/// Reads the bytes of one tensor, which are the next ones.
pub(super) fn read_tensor(
    reader: &mut dyn Read,
    info: &TensorInfo,
) -> std::result::Result<Vec<u8>, Failure> {
    let count = info.end - info.start;
    let memory = || Problem::Memory { tensor: info.name.clone(), bytes: count };
    let capacity = usize::try_from(count).map_err(|_| memory())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(capacity).map_err(|_| memory())?;
    reader.take(count).read_to_end(&mut bytes).map_err(Failure::Io)?;
    if bytes.len() != capacity {
        // The file shrank while it was read.
        let (tensor, available) = (info.name.clone(), info.start + bytes.len() as u64);
        return Err(Problem::Truncated { tensor, end: info.end, available }.into());
    }
    if info.dtype == Dtype::Bool
        && let Some(position) = bytes.iter().position(|&byte| byte > 1)
    {
        let (tensor, value) = (info.name.clone(), bytes[position]);
        return Err(Problem::Boolean { tensor, position, value }.into());
    }
    Ok(bytes)
}
