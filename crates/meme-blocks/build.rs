//! Compiles the fused norm over libtorch; binaries and tests of this package find libtorch where the build found it.

use std::env;
use std::path::PathBuf;

fn main() {
    for path in ["build.rs", "shim/kernels.h", "shim/kernels.cpp", "shim/norm.cpp"] {
        println!("cargo:rerun-if-changed={path}");
    }
    for name in ["LIBTORCH", "LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let lib = env::var("DEP_MEME_TORCH_LIB").ok();
    if let Some(lib) = &lib {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    }
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let include = include_folder(lib.as_deref());
    cc::Build::new()
        .cpp(true)
        .pic(true)
        .warnings(false)
        .debug(false)
        // The loops are vectorised at 3 whatever the profile: tests run what users run.
        .opt_level(3)
        .flag_if_supported("-fno-math-errno")
        .flag_if_supported("-fno-trapping-math")
        .std("c++17")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .files(["shim/kernels.cpp", "shim/norm.cpp"])
        .compile("meme_blocks_shim");
}

/// The headers that belong to the library that torch-sys linked: `LIBTORCH_INCLUDE/include` where the user keeps them
/// apart, otherwise the folder beside the libraries, otherwise `LIBTORCH`.
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
