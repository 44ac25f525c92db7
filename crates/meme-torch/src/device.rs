//! Where tensors can lie, and what of libtorch is there.

use crate::error::Error;
use crate::ffi;
use std::path::PathBuf;
use std::sync::OnceLock;
use tch::{Cuda, Device};

/// Reads `cpu`, `cuda` or `cuda:N`. It does not look whether such a device is there;
/// [`available`] does.
///
/// # Errors
/// [`Error::Device`] for any other name.
pub fn parse_device(name: &str) -> Result<Device, Error> {
    let number = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        other => other.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
    };
    number.map(Device::Cuda).ok_or_else(|| Error::Device {
        name: name.to_owned(),
        reason: "expected cpu, cuda or cuda:N".to_owned(),
    })
}

/// The name that [`parse_device`] reads: `cpu`, `cuda:0`.
#[must_use]
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(number) => format!("cuda:{number}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Says whether tensors can lie on `device` now, loading CUDA if that has not been tried.
///
/// # Errors
/// [`Error::Device`] with the loader's sentence, or with the number of devices that there are.
pub fn available(device: Device) -> Result<(), Error> {
    let Device::Cuda(number) = device else { return Ok(()) };
    let refuse = |reason: String| Err(Error::Device { name: device_name(device), reason });
    if let Err(sentence) = load_cuda() {
        return refuse(sentence);
    }
    match cuda_count() {
        0 => refuse("libtorch sees no CUDA device; is the driver running?".to_owned()),
        count if number >= count => refuse(format!("there are {count} CUDA devices, from 0")),
        _ => Ok(()),
    }
}

/// Number of CUDA devices that libtorch sees; 0 where [`load_cuda`] fails.
#[must_use]
pub fn cuda_count() -> usize {
    // Asked too early, libtorch answers 0 and remembers that there is no CUDA.
    match load_cuda() {
        Ok(()) => usize::try_from(Cuda::device_count()).unwrap_or(0),
        Err(_) => 0,
    }
}

/// Every device that [`available`] accepts: the CPU first, then CUDA's in order.
#[must_use]
pub fn devices() -> Vec<Device> {
    std::iter::once(Device::Cpu).chain((0..cuda_count()).map(Device::Cuda)).collect()
}

/// Tries to load libtorch's CUDA half, once; later calls repeat the answer. Belongs before the first
/// tensor and the first question about devices, because libtorch remembers what was there then.
///
/// The linker drops `libtorch_cuda` from a program that calls none of its functions, so libtorch
/// would never see a GPU; loading it at run time lets one program serve machines with and without.
///
/// # Errors
/// The loader's own sentence. It means that this process computes on the CPU.
pub fn load_cuda() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(try_load_cuda).clone()
}

fn try_load_cuda() -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let folder = library_path()
        .and_then(|path| path.parent().map(PathBuf::from))
        .ok_or("libtorch_cpu.so is not mapped into this process")?;
    let path = folder.join("libtorch_cuda.so");
    if !path.exists() {
        return Err(format!("{}: no such file; this libtorch has no CUDA half", path.display()));
    }
    // SAFETY: loading runs the library's initialisers, which register CUDA's kernels; that is what
    // linking against it would do before main.
    match unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            // The kernels stay registered, so the library must stay loaded.
            std::mem::forget(library);
            Ok(())
        }
        Err(error) => Err(sentence(&error)),
    }
}

/// The loader's sentence, which libloading keeps one level down.
fn sentence(error: &libloading::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// The file from which libtorch's CPU half was loaded into this process.
#[must_use]
pub fn library_path() -> Option<PathBuf> {
    loaded_libraries().into_iter().find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libtorch_cpu.so"))
    })
}

/// Every file of libtorch and of what it brings along that is loaded into this process, in the
/// order of their paths: all that lie in the folder of `libtorch_cpu.so`, and CUDA's.
#[must_use]
pub fn loaded_libraries() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut paths: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| line.find('/').map(|start| &line[start..]))
        .filter(|path| path.contains(".so"))
        .map(PathBuf::from)
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            name.is_some_and(|name| WATCHED.iter().any(|prefix| name.starts_with(prefix)))
        })
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Beginnings of the names of libtorch's libraries and of those it depends on.
const WATCHED: [&str; 10] = [
    "libtorch",
    "libc10",
    "libgomp",
    "libiomp",
    "libcuda",
    "libcudnn",
    "libcublas",
    "libcupti",
    "libnvrtc",
    "libnccl",
];

/// libtorch's version, as its headers gave it to the shim: `2.11.0`.
///
/// # Errors
/// [`Error::Torch`], which libtorch has no reason for today.
pub fn libtorch_version() -> Result<String, Error> {
    ffi::describe(0)
}

/// The instruction set that libtorch's kernels chose on this machine: `AVX512`, `AVX2`, `DEFAULT`.
///
/// # Errors
/// As [`libtorch_version`].
pub fn cpu_capability() -> Result<String, Error> {
    ffi::describe(1)
}

/// libtorch's own description of its build, several lines.
///
/// # Errors
/// As [`libtorch_version`].
pub fn build_description() -> Result<String, Error> {
    ffi::describe(2)
}
