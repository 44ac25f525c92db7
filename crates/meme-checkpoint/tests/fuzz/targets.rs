//! The readers and their seeds.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use meme_checkpoint::pickle::{TorchFile, read_torch};
use meme_checkpoint::{FolderWriter, safetensors_bytes};
use meme_checkpoint::{
    MANIFEST, SafetensorsFile, TensorData, open_folder, parse, read_safetensors,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::engine::{Target, as_it_is};

/// Address space of a process, in MiB: a test program and ten times what its files need.
const MEMORY: u64 = 512;

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read(folder.join(name)).unwrap()
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn small_tensors() -> BTreeMap<String, TensorData> {
    BTreeMap::from([
        ("a".to_owned(), TensorData::from_f32(&[1.0, 2.0], &[2]).unwrap()),
        ("b".to_owned(), TensorData::from_i64(&[3], &[]).unwrap()),
    ])
}

const HEADER_WORDS: &[&[u8]] = &[
    b"\"F32\"",
    b"\"BF16\"",
    b"\"BOOL\"",
    b"\"shape\":[",
    b"\"data_offsets\":[0,0]",
    b"\"data_offsets\":[18446744073709551615,0]",
    b"[4294967296,4294967296]",
    b"\"__metadata__\":{",
    b"{\"a\":",
    b"}}",
    b"[[[[[[[[[[[[[[[[",
    b"\\u0000",
    b"\x1b[31m",
    b"\xff\xfe",
];

fn safetensors_target(test: &str) -> Target<'_> {
    let small = safetensors_bytes(&small_tensors(), &BTreeMap::new()).unwrap();
    let seeds = vec![golden("reference.safetensors"), golden("torch_expected.safetensors"), small];
    let name = "hostile.safetensors";
    Target { test, seeds, words: HEADER_WORDS, repair: header_length, memory: MEMORY, name }
}

/// Sets the header's length to where the header seems to end.
#[allow(clippy::ptr_arg, reason = "a repair may change the length")]
fn header_length(file: &mut Vec<u8>) {
    let end = file.windows(2).rposition(|pair| pair == b"}}").map_or(8, |at| at + 2).max(8);
    if let Some(length) = file.first_chunk_mut::<8>() {
        *length = (end as u64 - 8).to_le_bytes();
    }
}

pub(crate) fn safetensors(test: &str, seconds: u64) {
    let folder = scratch();
    let path = folder.path().join("hostile.safetensors");
    safetensors_target(test).run(seconds, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        let read = read_safetensors(&path).map_err(|error| error.to_string());
        // From memory and from a file alike.
        assert_eq!(read.as_ref().ok(), parse(bytes).ok().as_ref());
        let tensors = read?;
        let size: usize = tensors.iter().map(|(_, tensor)| tensor.bytes.len()).sum();
        assert!(size <= bytes.len(), "{size} bytes of numbers out of {}", bytes.len());
        Ok(())
    });
}

pub(crate) fn single_tensors(test: &str, seconds: u64) {
    let folder = scratch();
    let path = folder.path().join("hostile.safetensors");
    safetensors_target(test).run(seconds, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        let whole = read_safetensors(&path);
        let mut file = SafetensorsFile::open(&path).map_err(|error| error.to_string())?;
        for (name, tensor) in whole.iter().flat_map(meme_checkpoint::Tensors::iter) {
            assert_eq!(&file.read(name).unwrap(), tensor);
        }
        Ok(())
    });
}

const PICKLE_WORDS: &[&[u8]] = &[
    b"cposix\nsystem\n",
    b"cbuiltins\neval\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n",
    b"ccollections\nOrderedDict\n",
    b"X\x04\0\0\0name",
    b"X\xff\xff\xff\x7f",
    b"\x8c\x03\x1b[m",
    b"(",
    b"l",
    b"t",
    b"R",
    b"s",
    b"u",
    b"}",
    b"]",
    b"0",
    b"q\0",
    b"h\0",
    b"r\xff\xff\xff\xff",
    b"Q",
    b"\x85\x86\x87",
    b"\x8a\xff",
    b"M\xff\xff",
    b"J\xff\xff\xff\xff",
    b".",
];

/// Bytes of numbers that a file gave must come from the file.
fn check_torch(path: &Path, length: usize) -> Result<(), String> {
    let read = read_torch(path).map_err(|error| error.to_string())?;
    let size: usize = read.iter().map(|(_, tensor)| tensor.bytes.len()).sum();
    assert!(size <= 64 * length.max(1), "{size} bytes of numbers out of {length}");
    let file = TorchFile::open(path).map_err(|error| error.to_string())?;
    let _ = (file.root().entries(), file.root().elements(), file.foreign_classes().len());
    Ok(())
}

/// An archive as PyTorch writes them, around another pickle.
fn around(pickle: &[u8], storages: &[(String, Vec<u8>)], path: &Path) {
    let mut zip = ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("made/data.pkl", options).unwrap();
    zip.write_all(pickle).unwrap();
    for (name, bytes) in storages {
        zip.start_file(format!("made/data/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// The entries of PyTorch's archives: pickle, and storages by name.
fn entries(name: &str) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let mut zip = ZipArchive::new(std::io::Cursor::new(golden(name))).unwrap();
    let (mut pickle, mut storages) = (Vec::new(), Vec::new());
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        std::io::copy(&mut entry, &mut bytes).unwrap();
        if name.ends_with("/data.pkl") {
            pickle = bytes;
        } else if let Some((_, storage)) = name.rsplit_once("data/") {
            storages.push((storage.to_owned(), bytes));
        }
    }
    (pickle, storages)
}

pub(crate) fn pickles(test: &str, seconds: u64) {
    let folder = scratch();
    let path = folder.path().join("hostile.pt");
    let (pickle, storages) = entries("torch_zip.pt");
    let seeds = vec![pickle];
    let name = "hostile.pt";
    Target { test, seeds, words: PICKLE_WORDS, repair: as_it_is, memory: MEMORY, name }.run(
        seconds,
        |bytes| {
            around(bytes, &storages, &path);
            check_torch(&path, std::fs::metadata(&path).unwrap().len() as usize)
        },
    );
}

/// Whole files as they are, checksums and all.
fn torch_files(test: &str, seconds: u64, seeds: Vec<Vec<u8>>, words: &[&[u8]]) {
    let folder = scratch();
    let path = folder.path().join("hostile.pt");
    let name = "hostile.pt";
    Target { test, seeds, words, repair: as_it_is, memory: MEMORY, name }.run(seconds, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        check_torch(&path, bytes.len())
    });
}

pub(crate) fn archives(test: &str, seconds: u64) {
    let seeds = ["torch_zip.pt", "torch_script.pt", "torch_optimizer.pt"].map(golden).to_vec();
    let words: &[&[u8]] = &[
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"data.pkl",
        b"data/0",
        b"../",
    ];
    torch_files(test, seconds, seeds, words);
}

pub(crate) fn legacy(test: &str, seconds: u64) {
    torch_files(test, seconds, vec![golden("torch_legacy.pt")], PICKLE_WORDS);
}

/// Sets the hash at a manifest's end to that of what stands before it.
fn sealed(manifest: &mut Vec<u8>) {
    const AROUND: (&str, &str) = (",\n  \"blake3\": \"", "\"\n}\n");
    let tail = AROUND.0.len() + 64 + AROUND.1.len();
    let Some(body) = manifest.len().checked_sub(tail) else { return };
    manifest.truncate(body);
    let hash = blake3::hash(manifest).to_hex();
    manifest.extend(format!("{}{hash}{}", AROUND.0, AROUND.1).bytes());
}

pub(crate) fn manifests(test: &str, seconds: u64) {
    let folder = scratch();
    let path = made(folder.path());
    let manifest = path.join(MANIFEST);
    let seeds = vec![std::fs::read(&manifest).unwrap()];
    let words: &[&[u8]] = &[
        b"\"files\": {",
        b"\"extra\": ",
        b"\"size\": ",
        b"\"blake3\": \"",
        b"\"../escape\"",
        b"\"weights.safetensors\"",
        b"[[[[[[[[",
        b"\\u001b",
        b"\x1b[m",
        b"\"a/b\"",
    ];
    let name = MANIFEST;
    // Besides the manifest, what it makes of the files is named.
    Target { test, seeds, words, repair: sealed, memory: MEMORY, name }.run(seconds, |bytes| {
        std::fs::write(&manifest, bytes).unwrap();
        let opened = open_folder(&path).map_err(|error| format!("{MANIFEST} {error}"))?;
        for file in opened.manifest().files.keys() {
            assert!(path.join(file).parent() == Some(&path), "{file} leads out of the folder");
            let _ = opened.read(file);
            let _ = opened.tensors(file);
        }
        Ok(())
    });
}

/// A checkpoint of two files.
fn made(folder: &Path) -> PathBuf {
    let mut writer = FolderWriter::begin(folder.join("000000001")).unwrap();
    writer.tensors("weights.safetensors", &small_tensors(), &BTreeMap::new()).unwrap();
    writer.write("notes.txt", b"a note").unwrap();
    writer.commit(serde_json::json!({"images": 1, "rate": 0.5})).unwrap().path
}
