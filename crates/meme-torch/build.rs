//! Tells the linker, here and in every crate that links libtorch, where the library lies at run time.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // torch-sys exports the folder it linked against; a binary needs it again at run time.
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        println!("cargo:lib={lib}");
    }
}
