//! Compiles the C++ shim over libtorch and tells the linker, here and in every crate that links
//! libtorch, where the library lies at run time.

use std::env;
use std::path::PathBuf;

const SHIM: [&str; 3] = ["shim/optimise.cpp", "shim/context.cpp", "shim/allocator.cpp"];

fn main() {
    for path in SHIM.iter().chain(&["build.rs", "shim/shim.h"]) {
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
