//! Compiles the C++ shim over libtorch and tells the linker, here and in every crate that links
//! libtorch, where the library lies at run time.

use std::env;
use std::path::{Path, PathBuf};

const SHIM: [&str; 9] = [
    "shim/optimise.cpp",
    "shim/context.cpp",
    "shim/allocator.cpp",
    "shim/checkpointing.cpp",
    "shim/streams.cpp",
    "shim/norm.cpp",
    "shim/maps.cpp",
    "shim/maximum.cpp",
    "shim/packed.cpp",
];
/// Loops without libtorch, once for each instruction set.
const KERNELS: [&str; 3] =
    ["shim/kernels/plain.cpp", "shim/kernels/avx2.cpp", "shim/kernels/avx512.cpp"];

fn main() {
    for path in SHIM.iter().chain(&["build.rs", "shim/shim.h", "shim/maps.h", "shim/kernels"]) {
        println!("cargo:rerun-if-changed={path}");
    }
    for name in ["LIBTORCH", "LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    // torch-sys exports the folder it linked against; a binary needs it again at run time.
    let lib = env::var("DEP_TCH_LIBTORCH_LIB").ok();
    if let Some(lib) = &lib {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        println!("cargo:lib={lib}");
    }
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let include = include_folder(lib.as_deref());
    println!("cargo:include={}", include.display());
    cc::Build::new()
        .cpp(true)
        .pic(true)
        .warnings(false)
        .debug(false)
        .opt_level(2)
        .std("c++17")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .files(SHIM)
        .compile("meme_torch_shim");
    graphs(&include, lib.as_deref(), &abi);
    // After the shim, which uses it.
    kernels();
}

/// The loops are compiled at 3 whatever the profile: tests run what users run.
fn kernels() {
    cc::Build::new()
        .cpp(true)
        .pic(true)
        .warnings(false)
        .debug(false)
        .opt_level(3)
        .flag_if_supported("-fno-math-errno")
        .flag_if_supported("-fno-trapping-math")
        .flag_if_supported("-Wno-psabi")
        .std("c++17")
        .files(KERNELS)
        .compile("meme_torch_kernels");
}

/// The headers that belong to the library that torch-sys linked: `LIBTORCH_INCLUDE/include` where
/// the user keeps them apart, otherwise the folder beside the libraries, otherwise `LIBTORCH`.
fn include_folder(lib: Option<&str>) -> PathBuf {
    if let Some(root) = env::var_os("LIBTORCH_INCLUDE") {
        return PathBuf::from(root).join("include");
    }
    if let Some(beside) = lib.and_then(|lib| PathBuf::from(lib).parent().map(|p| p.join("include")))
        && beside.is_dir()
    {
        return beside;
    }
    env::var_os("LIBTORCH").map(PathBuf::from).unwrap_or_default().join("include")
}

/// CUDA graphs, as a library that is loaded when they are asked for; only where the CUDA set is
/// there, with the headers that pip puts beside torch, or those of an installed CUDA.
fn graphs(include: &Path, lib: Option<&str>, abi: &str) {
    const SOURCE: &str = "shim/graphs.cpp";
    println!("cargo:rerun-if-changed={SOURCE}");
    println!("cargo:rerun-if-env-changed=CUDA_HOME");
    let folder = PathBuf::from(lib.unwrap_or_default());
    let header = include.join("ATen/cuda/CUDAGraph.h");
    let (Some(cuda), true, true) =
        (cuda_headers(&folder), header.is_file(), folder.join("libtorch_cuda.so").is_file())
    else {
        return;
    };
    let library =
        PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("libmeme_graphs.so");
    let mut build = cc::Build::new();
    build.cpp(true).pic(true).warnings(false).debug(false).opt_level(2).std("c++17");
    build.include(include).include(&cuda).define("_GLIBCXX_USE_CXX11_ABI", abi);
    // What it calls is found in libtorch's CUDA half, which is loaded before it.
    let mut command = build.get_compiler().to_command();
    command.args(["-shared", SOURCE, "-o"]).arg(&library);
    match command.status() {
        Ok(status) if status.success() => {
            println!("cargo:rustc-env=MEME_TORCH_GRAPHS={}", library.display());
        }
        outcome => println!("cargo:warning=no CUDA graphs: {SOURCE} did not compile ({outcome:?})"),
    }
}

fn cuda_headers(lib: &Path) -> Option<PathBuf> {
    let home = env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("include"));
    // pip: torch/lib beside nvidia/cu13/include, or nvidia/cuda_runtime/include before CUDA 13.
    let beside =
        lib.canonicalize().ok().and_then(|lib| Some(lib.parent()?.parent()?.join("nvidia")));
    let packages = beside.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let mut packages: Vec<PathBuf> =
        packages.flatten().map(|package| package.path().join("include")).collect();
    packages.sort();
    home.into_iter().chain(packages).find(|folder| {
        // The second is a package of its own (nvidia-cuda-crt), or comes with an installed CUDA.
        ["cuda_runtime_api.h", "crt/host_config.h"].iter().all(|file| folder.join(file).is_file())
    })
}
