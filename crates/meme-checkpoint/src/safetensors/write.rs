//! Writing: one canonical file for given tensors and metadata.

use super::header::METADATA;
use super::{HEADER_LIMIT, Problem};
use crate::storage::RealStorage;
use crate::whole::write_whole;
use crate::{Dtype, Error, Result, TensorData};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// A file that is about to be written: its head and, in order, the tensors that follow it.
pub(crate) struct Layout<'a> {
    head: Vec<u8>,
    bodies: Vec<&'a [u8]>,
}

impl<'a> Layout<'a> {
    pub(crate) fn plan<S: AsRef<str>>(
        tensors: impl IntoIterator<Item = (S, &'a TensorData)>,
        metadata: &BTreeMap<String, String>,
    ) -> std::result::Result<Layout<'a>, Problem> {
        let mut named = BTreeMap::new();
        for (name, tensor) in tensors {
            let name = name.as_ref().to_owned();
            check(&name, tensor)?;
            if named.contains_key(&name) {
                return Err(Problem::DuplicateTensor { tensor: name });
            }
            named.insert(name, tensor);
        }
        let mut ordered: Vec<(String, &TensorData)> = named.into_iter().collect();
        // Stable: within one type the order stays that of the names.
        ordered.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype));

        let json = header_json(&ordered, metadata)?;
        let claimed = json.len().next_multiple_of(8);
        if claimed as u64 > HEADER_LIMIT {
            return Err(Problem::HeaderLength { claimed: claimed as u64 });
        }
        let mut head = Vec::with_capacity(8 + claimed);
        head.extend((claimed as u64).to_le_bytes());
        head.extend(json.as_bytes());
        head.resize(8 + claimed, b' ');
        let bodies = ordered.into_iter().map(|(_, tensor)| tensor.bytes.as_slice()).collect();
        Ok(Layout { head, bodies })
    }

    pub(crate) fn write_to(&self, writer: &mut dyn Write) -> io::Result<()> {
        writer.write_all(&self.head)?;
        self.bodies.iter().try_for_each(|body| writer.write_all(body))
    }

    fn len(&self) -> usize {
        self.head.len() + self.bodies.iter().map(|body| body.len()).sum::<usize>()
    }
}

/// The bytes of the safetensors file of these tensors.
///
/// The same tensors and metadata give the same bytes whatever order they come in: tensors are laid
/// out by descending rank of type ([`Dtype::ALL`]) and then by name, metadata by key, and the header
/// is padded to a multiple of eight. So every tensor starts at a multiple of its element size, and
/// the file is byte for byte what the reference implementation writes.
///
/// # Errors
/// [`Error::Safetensors`] when a tensor's bytes do not fit its type and shape, a boolean is not 0 or
/// 1, a name stands twice or is `__metadata__`, or the header exceeds [`HEADER_LIMIT`].
pub fn safetensors_bytes<'a, S: AsRef<str>>(
    tensors: impl IntoIterator<Item = (S, &'a TensorData)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let layout = Layout::plan(tensors, metadata)
        .map_err(|problem| Error::Safetensors { file: "bytes in memory".to_owned(), problem })?;
    let mut bytes = Vec::with_capacity(layout.len());
    layout.write_to(&mut bytes).map_err(Error::io("write", Path::new("bytes in memory")))?;
    Ok(bytes)
}

/// Writes a safetensors file, whole or not at all.
///
/// Layout as [`safetensors_bytes`], way of writing as [`crate::write_file_whole`]; the tensors are
/// written from where they are, without another copy in memory.
///
/// # Errors
/// As [`safetensors_bytes`], and [`Error::Io`] when the disk refuses; a file that was at `path` is
/// then still there unchanged.
pub fn write_safetensors<'a, S: AsRef<str>>(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = (S, &'a TensorData)>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let path = path.as_ref();
    let layout = Layout::plan(tensors, metadata)
        .map_err(|problem| Error::Safetensors { file: path.display().to_string(), problem })?;
    write_whole(&RealStorage, path, |writer| layout.write_to(writer))
}

/// Refuses what [`super::parse`] would refuse, so that no file is written that cannot be read.
fn check(name: &str, tensor: &TensorData) -> std::result::Result<(), Problem> {
    let owned = || name.to_owned();
    if name == METADATA {
        return Err(Problem::Reserved { tensor: owned() });
    }
    if !tensor.is_consistent() {
        let needed = crate::tensor::element_count(&tensor.shape)
            .and_then(|count| count.checked_mul(tensor.dtype.size()));
        let Some(needed) = needed else {
            let shape = tensor.shape.iter().map(|&length| length as u64).collect();
            return Err(Problem::Shape { tensor: owned(), shape });
        };
        return Err(Problem::ByteCount {
            tensor: owned(),
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            needed: needed as u64,
            found: tensor.bytes.len() as u64,
        });
    }
    if tensor.dtype == Dtype::Bool
        && let Some(position) = tensor.bytes.iter().position(|&byte| byte > 1)
    {
        return Err(Problem::Boolean { tensor: owned(), position, value: tensor.bytes[position] });
    }
    Ok(())
}

/// The header as compact JSON: metadata first if there is any, then the tensors in file order.
fn header_json(
    ordered: &[(String, &TensorData)],
    metadata: &BTreeMap<String, String>,
) -> std::result::Result<String, Problem> {
    let mut entries = Vec::with_capacity(ordered.len() + 1);
    if !metadata.is_empty() {
        entries.push(format!("\"{METADATA}\":{}", json(metadata)?));
    }
    let mut start = 0;
    for (name, tensor) in ordered {
        let end = start + tensor.bytes.len();
        entries.push(format!(
            r#"{}:{{"dtype":"{}","shape":{},"data_offsets":[{start},{end}]}}"#,
            json(name)?,
            tensor.dtype,
            json(&tensor.shape)?,
        ));
        start = end;
    }
    Ok(format!("{{{}}}", entries.join(",")))
}

fn json<T: serde::Serialize>(value: &T) -> std::result::Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| Problem::Header { message: error.to_string() })
}
