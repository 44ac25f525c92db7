//! What a libtorch folder must hold.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Set, VERSION};
use crate::error::{Error, Result};

/// Read by the first line of every C++ file that is compiled against libtorch.
const HEADER: &str = "torch/include/torch/csrc/api/include/torch/torch.h";
const VERSION_FILE: &str = "torch/version.py";

/// Linked into every program.
const LIBRARIES: [&str; 5] = [
    "torch/lib/libc10.so",
    "torch/lib/libtorch.so",
    "torch/lib/libtorch_cpu.so",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
];

/// What a program loads to see a GPU; the rest is found by looking at what each wheel brought.
const CUDA_LIBRARIES: [&str; 2] = ["torch/lib/libc10_cuda.so", "torch/lib/libtorch_cuda.so"];

/// The version that a libtorch folder says it is, such as `2.11.0+cu130`: from `version.py` of a
/// wheel, or from `build-version` of a libtorch archive.
pub(super) fn version(torch: &Path) -> Option<String> {
    let from_wheel = || {
        let text = fs::read_to_string(torch.join("version.py")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
        Some(line.trim().trim_matches(['\'', '"']).to_owned())
    };
    let from_archive =
        || Some(fs::read_to_string(torch.join("build-version")).ok()?.trim().to_owned());
    from_archive().or_else(from_wheel)
}

/// Whether a version, with or without what follows a `+`, is the one that tch accepts.
pub(super) fn is_ours(version: &str) -> bool {
    version.split('+').next() == Some(VERSION)
}

/// Checks a freshly unpacked tree before it may be called installed.
pub(super) fn check(tree: &Path, set: Set) -> Result<()> {
    let torch = |problem: String| Error::Wheel { wheel: "torch".to_owned(), problem };
    match version(&tree.join("torch")) {
        None => return Err(torch(format!("it holds no {VERSION_FILE} that names a version"))),
        Some(found) if !is_ours(&found) => {
            return Err(torch(format!("it is version {found}, not {VERSION}")));
        }
        Some(_) => {}
    }
    if !tree.join(HEADER).is_file() {
        return Err(torch(format!("it holds no {HEADER}")));
    }
    let cuda: &[&str] = match set {
        Set::Cpu => &[],
        Set::Cuda => &CUDA_LIBRARIES,
    };
    for library in LIBRARIES.iter().chain(cuda) {
        if !is_library(&tree.join(library))? {
            let wheel = library.split('/').next().unwrap_or(library);
            let problem = format!("{library} is missing or no shared library");
            return Err(Error::Wheel { wheel: wheel.to_owned(), problem });
        }
    }
    Ok(())
}

/// Whether a file begins as shared libraries do on Linux.
fn is_library(path: &Path) -> Result<bool> {
    let mut magic = [0; 4];
    match File::open(path).and_then(|mut file| file.read_exact(&mut magic)) {
        Ok(()) => Ok(magic == *b"\x7fELF"),
        Err(source) => match source.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::UnexpectedEof => Ok(false),
            _ => Err(Error::io("read", path, source)),
        },
    }
}

/// The files whose sizes tell whether a tree is whole, relative to it, sorted.
pub(super) fn key_files(tree: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::from(HEADER), PathBuf::from(VERSION_FILE)];
    collect(tree, Path::new("torch/lib"), &mut found)?;
    collect(tree, Path::new("nvidia"), &mut found)?;
    found.sort();
    Ok(found)
}

/// Adds the shared libraries (`*.so`, `*.so.13`) at and below a folder.
fn collect(tree: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let list = |source| Error::io("list", tree.join(folder), source);
    for entry in fs::read_dir(tree.join(folder)).map_err(list)? {
        let entry = entry.map_err(list)?;
        let path = folder.join(entry.file_name());
        if entry.file_type().map_err(list)?.is_dir() {
            collect(tree, &path, found)?;
        } else if entry.file_name().to_string_lossy().split('.').any(|part| part == "so") {
            found.push(path);
        }
    }
    Ok(())
}
