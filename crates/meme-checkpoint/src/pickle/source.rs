//! Where a file keeps its pickle and its storages.

use super::PickleProblem;
use super::graph::{Graph, Id, Node, Storage};
use super::machine::{Failure, run};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use zip::{CompressionMethod, ZipArchive};

type Result<T> = std::result::Result<T, Failure>;

/// The number that files of the older format begin with, pickled; 0x1950a86a20f9469cfc6c.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const LEGACY_VERSION: i64 = 1001;

/// An open file whose storages can be read.
pub(super) enum Source {
    /// Entries `PREFIX/data.pkl` and `PREFIX/data/KEY`.
    Zip { archive: Box<ZipArchive<BufReader<File>>>, prefix: String },
    /// Storages one behind the other; where each begins.
    Legacy { file: BufReader<File>, places: BTreeMap<String, u64> },
}

/// Opens either format and reads its pickle.
pub(super) fn open(file: File) -> Result<(Source, Graph, Id)> {
    let mut file = BufReader::new(file);
    let mut start = Vec::new();
    (&mut file).take(4).read_to_end(&mut start).map_err(Failure::Io)?;
    file.seek(SeekFrom::Start(0)).map_err(Failure::Io)?;
    match start.as_slice() {
        b"PK\x03\x04" => open_zip(file),
        // Protocol 2, and a long integer of ten bytes.
        [0x80, 2, 0x8a, 10] => open_legacy(file),
        _ => Err(PickleProblem::NotTorch.into()),
    }
}

impl Source {
    /// The bytes of a whole storage.
    pub(super) fn read(&mut self, storage: &Storage, expected: u64) -> Result<Vec<u8>> {
        let key = &storage.key;
        match self {
            Source::Zip { archive, prefix } => {
                let bytes = entry(archive, &format!("{prefix}data/{key}"))?;
                check_size(key, expected, bytes.as_ref().map_or(0, Vec::len) as u64)?;
                Ok(bytes.unwrap_or_default())
            }
            Source::Legacy { file, places } => {
                let Some(&place) = places.get(key) else {
                    return Err(missing(key, expected));
                };
                file.seek(SeekFrom::Start(place)).map_err(Failure::Io)?;
                let mut bytes = Vec::new();
                file.take(expected).read_to_end(&mut bytes).map_err(Failure::Io)?;
                check_size(key, expected, bytes.len() as u64)?;
                Ok(bytes)
            }
        }
    }
}

fn missing(key: &str, expected: u64) -> Failure {
    PickleProblem::Storage { key: key.to_owned(), expected, found: 0 }.into()
}

fn check_size(key: &str, expected: u64, found: u64) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(PickleProblem::Storage { key: key.to_owned(), expected, found }.into())
}

fn open_zip(file: BufReader<File>) -> Result<(Source, Graph, Id)> {
    let mut archive = ZipArchive::new(file).map_err(|error| broken(&error))?;
    let prefixes: Vec<String> = archive
        .file_names()
        .filter_map(|name| name.ok()?.strip_suffix("data.pkl").map(str::to_owned))
        .filter(|prefix| prefix.is_empty() || prefix.find('/') == Some(prefix.len() - 1))
        .collect();
    let [prefix] = prefixes.as_slice() else {
        return Err(PickleProblem::Pickles { count: prefixes.len() }.into());
    };
    let prefix = prefix.clone();
    // Files before PyTorch 1.13 do not say, and are little-endian.
    if let Some(order) = entry(&mut archive, &format!("{prefix}byteorder"))?
        && order != b"little"
    {
        let order = String::from_utf8_lossy(&order).into_owned();
        return Err(PickleProblem::ByteOrder { order }.into());
    }
    let pickle = entry(&mut archive, &format!("{prefix}data.pkl"))?.unwrap_or_default();
    let (graph, root) = run(&mut pickle.as_slice())?;
    Ok((Source::Zip { archive: Box::new(archive), prefix }, graph, root))
}

/// The bytes of an entry, checked against its checksum; `None` where there is none of that name.
fn entry(archive: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Option<Vec<u8>>> {
    let Some(index) = archive.index_for_name(name) else { return Ok(None) };
    let raw = archive.by_index_raw(index).map_err(|error| broken(&error))?;
    // Stored entries cannot be larger than the file.
    if raw.compression() != CompressionMethod::Stored || raw.encrypted() {
        return Err(PickleProblem::Compressed { entry: name.to_owned() }.into());
    }
    drop(raw);
    let mut entry = archive.by_index(index).map_err(|error| broken(&error))?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| {
        Failure::Problem(PickleProblem::Archive { message: format!("entry `{name}`: {error}") })
    })?;
    Ok(Some(bytes))
}

fn broken(error: &zip::result::ZipError) -> Failure {
    PickleProblem::Archive { message: error.to_string() }.into()
}

/// Magic number, version, description of the machine, the values, the keys of the storages: five
/// pickles. Then for every key the number of elements in eight bytes, and the elements.
fn open_legacy(mut file: BufReader<File>) -> Result<(Source, Graph, Id)> {
    let (magic, id) = run(&mut file)?;
    if !matches!(&magic.nodes[id], Node::Long(bytes) if *bytes == LEGACY_MAGIC) {
        return Err(PickleProblem::NotTorch.into());
    }
    let (version, id) = run(&mut file)?;
    if !matches!(version.nodes[id], Node::Int(LEGACY_VERSION)) {
        return Err(PickleProblem::NotTorch.into());
    }
    let (machine, id) = run(&mut file)?;
    let little = machine.elements(id).is_none() && {
        let item = super::Item { graph: &machine, id };
        item.get("little_endian").and_then(super::Item::as_bool) == Some(true)
    };
    if !little {
        return Err(PickleProblem::ByteOrder { order: "not little".to_owned() }.into());
    }
    let (graph, root) = run(&mut file)?;
    let (keys, id) = run(&mut file)?;
    let broken = |reason| Failure::Problem(PickleProblem::Storages { reason });
    let listed = keys.elements(id).ok_or_else(|| broken("it is not a list"))?;

    let storages: BTreeMap<&str, &Box<Storage>> = graph
        .nodes
        .iter()
        .filter_map(|node| if let Node::Storage(storage) = node { Some(storage) } else { None })
        .map(|storage| (storage.key.as_str(), storage))
        .collect();
    let length = file.get_ref().metadata().map_err(Failure::Io)?.len();
    let mut at = file.stream_position().map_err(Failure::Io)?;
    let mut places = BTreeMap::new();
    for &key in listed {
        let storage = keys
            .text(key)
            .and_then(|key| storages.get(key))
            .ok_or_else(|| broken("it lists a storage that no tensor uses"))?;
        let mut count = [0; 8];
        file.read_exact(&mut count).map_err(|_| broken("it is cut short"))?;
        let expected = storage.count.checked_mul(storage.dtype.size() as u64);
        let end = expected.and_then(|bytes| (at + 8).checked_add(bytes));
        let Some(end) = end.filter(|&end| end <= length) else {
            return Err(missing(&storage.key, expected.unwrap_or(u64::MAX)));
        };
        if u64::from_le_bytes(count) != storage.count {
            return Err(broken("a storage has another size than its tensors expect"));
        }
        places.insert(storage.key.clone(), at + 8);
        at = file.seek(SeekFrom::Start(end)).map_err(Failure::Io)?;
    }
    if at != length {
        return Err(broken("something follows the last storage"));
    }
    Ok((Source::Legacy { file, places }, graph, root))
}
