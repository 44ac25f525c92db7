//! Small wheels with the names and the structure of the real ones.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(crate) const TORCH: &str = "torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl";
pub(crate) const RUNTIME: &str =
    "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl";
pub(crate) const CUPTI: &str = "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl";

/// What a shared library begins with, and a little more.
pub(crate) const LIBRARY: &[u8] = b"\x7fELF and so on, as long as a size can be compared";

/// Dependencies as the METADATA of torch 2.11.0 states them, fewer of each kind.
const TORCH_METADATA: &str = r#"Metadata-Version: 2.4
Name: torch
Version: 2.11.0
Requires-Dist: filelock
Requires-Dist: cuda-toolkit[cublas,cudart,cupti]==13.0.2; platform_system == "Linux"
Requires-Dist: cuda-bindings<14,>=13.0.3; platform_system == "Linux"
Requires-Dist: nvidia-nccl-cu13==2.28.9; platform_system == "Linux"
Requires-Dist: triton==3.6.0; platform_system == "Linux"
Requires-Dist: optree>=0.13.0; extra == "optree"

Requires-Dist: nvidia-not-a-header-but-the-description==1.0
"#;

/// As the METADATA of cuda-toolkit 13.0.2.
const TOOLKIT_METADATA: &str = r#"Metadata-Version: 2.4
Name: cuda-toolkit
Version: 13.0.2
Provides-Extra: cublas
Requires-Dist: nvidia-cublas==13.1.0.3.*; (sys_platform == 'linux' or sys_platform == 'win32') and extra == 'cublas'
Provides-Extra: cudart
Requires-Dist: nvidia-cuda-runtime==13.0.96.*; (sys_platform == 'linux' or sys_platform == 'win32') and extra == 'cudart'
Provides-Extra: cupti
Requires-Dist: nvidia-cuda-cupti==13.0.85.*; (sys_platform == 'linux' or sys_platform == 'win32') and extra == 'cupti'
Provides-Extra: npp
Requires-Dist: nvidia-npp==13.0.1.2.*; (sys_platform == 'linux' or sys_platform == 'win32') and extra == 'npp'
"#;

/// The files of a good torch wheel.
pub(crate) fn torch() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("torch/version.py", b"__version__ = '2.11.0+cu130'\n"),
        ("torch/include/torch/csrc/api/include/torch/torch.h", b"#pragma once\n"),
        ("torch/lib/libc10.so", LIBRARY),
        ("torch/lib/libtorch.so", LIBRARY),
        ("torch/lib/libtorch_cpu.so", LIBRARY),
        ("torch/lib/libc10_cuda.so", LIBRARY),
        ("torch/lib/libtorch_cuda.so", LIBRARY),
        ("torch-2.11.0.dist-info/METADATA", TORCH_METADATA.as_bytes()),
    ]
}

/// Writes a wheel that holds these files.
pub(crate) fn write(folder: &Path, name: &str, files: &[(&str, &[u8])]) {
    let mut wheel = ZipWriter::new(File::create(folder.join(name)).unwrap());
    for (path, bytes) in files {
        wheel.start_file(*path, SimpleFileOptions::default()).unwrap();
        wheel.write_all(bytes).unwrap();
    }
    wheel.finish().unwrap();
}

/// Every wheel that either set asks for, and triton, which none should.
pub(crate) fn write_all(folder: &Path) {
    write(folder, TORCH, &torch());
    write(folder, RUNTIME, &[("nvidia/cu13/lib/libcudart.so.13", LIBRARY)]);
    write(folder, CUPTI, &[("nvidia/cu13/lib/libcupti.so.13", LIBRARY)]);
    let toolkit = [("cuda_toolkit-13.0.2.dist-info/METADATA", TOOLKIT_METADATA.as_bytes())];
    write(folder, "cuda_toolkit-13.0.2-py2.py3-none-any.whl", &toolkit);
    for (wheel, library) in [
        ("nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl", "cu13/lib/libcublas.so.13"),
        ("nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl", "nccl/lib/libnccl.so.2"),
        ("triton-3.6.0-cp312-cp312-manylinux_2_27_x86_64.whl", "triton/_C/libtriton.so"),
    ] {
        write(folder, wheel, &[(&format!("nvidia/{library}"), LIBRARY)]);
    }
}
