//! Compiles what the tests of `count` watch libtorch with; binaries and tests of this package find libtorch where the
//! build found it.

use std::env;
use std::path::PathBuf;

fn main() {
    for path in ["build.rs", "shim/trace.cpp"] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    if let Ok(lib) = env::var("DEP_MEME_TORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    }
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    // meme-torch found the headers of the same library already.
    let include = PathBuf::from(env::var_os("DEP_MEME_TORCH_INCLUDE").unwrap_or_default());
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
        .files(["shim/trace.cpp"])
        .compile("meme_blocks_shim");
}
