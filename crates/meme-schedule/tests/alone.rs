//! The crate stands alone: no libtorch, no arrays, none of its neighbours.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::process::Command;

#[test]
fn no_libtorch_and_no_array_library_is_in_the_dependency_tree() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && tree.starts_with("meme-schedule "), "cargo tree failed");
    for name in tree.lines().skip(1).filter_map(|line| line.split(' ').next()) {
        assert!(!["tch", "torch-sys", "ndarray"].contains(&name), "{name} is in it");
        assert!(!name.starts_with("meme"), "{name} is in it");
    }
}
