//! What setup cannot go on without, and that each time it says what and how to mend it.

use std::fs;

use crate::sandbox::{Outcome, Sandbox};
use crate::wheels::{self, LIBRARY};

/// Nothing was installed, linked or left.
#[track_caller]
fn nothing_was_done(sandbox: &Sandbox) {
    assert!(!sandbox.installed("cpu").exists());
    assert!(fs::symlink_metadata(sandbox.path("checkout/.libtorch")).is_err());
    assert_eq!(sandbox.leftovers(), [""; 0]);
}

#[track_caller]
fn refused(sandbox: &Sandbox, words: &[&str]) {
    sandbox.setup(&["--cpu"]).failed_saying(words);
    nothing_was_done(sandbox);
}

#[test]
fn no_python() {
    let sandbox = Sandbox::new();
    sandbox.remove_tool("python3");
    refused(&sandbox, &["python3 is not on PATH", "apt install python3"]);
}

#[test]
fn no_pip() {
    let sandbox = Sandbox::new();
    sandbox.tool("python3", "#!/usr/bin/env sh\necho 'python3: No module named pip' >&2\nexit 1\n");
    refused(&sandbox, &["No module named pip", "apt install python3-pip", "ensurepip"]);
}

#[test]
fn a_pip_that_is_too_old() {
    let sandbox = Sandbox::new();
    sandbox.write("pip-version", "pip 20.0.2 from lib (python 3.8)\n");
    refused(&sandbox, &["pip 20.0 is too old", "pip install --user --upgrade pip"]);
}

#[test]
fn no_network() {
    let sandbox = Sandbox::new();
    // As pip 23.2 says it: the second line alone would look like a missing package.
    sandbox.write(
        "download",
        "echo \"WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\" >&2\n\
         echo 'ERROR: No matching distribution found for torch==2.11.0' >&2\nexit 1\n",
    );
    refused(
        &sandbox,
        &["reached no package index", "NewConnectionError", "HTTPS_PROXY", "LIBTORCH"],
    );
}

#[test]
fn a_package_that_the_index_lacks() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.path("wheels").join(wheels::CUPTI)).unwrap();
    refused(&sandbox, &["has no", "nvidia-cuda-cupti==13.0.85", "PIP_INDEX_URL"]);
}

#[test]
fn a_changed_file() {
    let sandbox = Sandbox::new();
    let words = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.";
    sandbox.write("download", &format!("echo '{words}' >&2; exit 1"));
    refused(&sandbox, &["not what this workspace was tested with", "pip cache purge"]);
}

#[test]
fn a_full_disk() {
    let sandbox = Sandbox::new();
    sandbox.write("download", "echo 'OSError: [Errno 28] No space left on device' >&2; exit 1");
    refused(&sandbox, &["the disk is full", "what was half done is removed"]);
}

#[test]
fn a_pip_that_downloads_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("download", "exit 0");
    refused(&sandbox, &["torch==2.11.0", "left no such wheel"]);
}

/// Puts a torch wheel of these files in place of the good one.
fn with_torch(files: &[(&str, &[u8])]) -> Sandbox {
    let sandbox = Sandbox::new();
    wheels::write(&sandbox.path("wheels"), wheels::TORCH, files);
    sandbox
}

#[test]
fn a_wheel_that_is_no_archive() {
    let sandbox = Sandbox::new();
    sandbox.write(&format!("wheels/{}", wheels::TORCH), "<html>log in to the network first</html>");
    refused(&sandbox, &[wheels::TORCH, "no readable archive", "pip cache purge"]);
}

#[test]
fn a_wheel_cut_off_or_with_a_flipped_bit() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("wheels").join(wheels::TORCH);
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    refused(&sandbox, &[wheels::TORCH, "no readable archive"]);
    // The first file's bytes begin after a header of 30 bytes and its name.
    let mut flipped = good.clone();
    flipped[30 + "torch/version.py".len() + 10] ^= 1;
    fs::write(&path, &flipped).unwrap();
    refused(&sandbox, &[wheels::TORCH, "version.py"]);
}

#[test]
fn a_wheel_of_another_version() {
    let mut files = wheels::torch();
    files[0] = ("torch/version.py", b"__version__ = '2.10.0+cpu'\n");
    refused(&with_torch(&files), &["torch", "it is version 2.10.0+cpu, not 2.11.0"]);
    files.remove(0);
    refused(&with_torch(&files), &["holds no torch/version.py"]);
}

#[test]
fn a_wheel_without_a_header_or_a_library() {
    for missing in
        ["torch/include/torch/csrc/api/include/torch/torch.h", "torch/lib/libtorch_cpu.so"]
    {
        let files: Vec<_> =
            wheels::torch().into_iter().filter(|(path, _)| *path != missing).collect();
        refused(&with_torch(&files), &[missing]);
    }
    let mut files = wheels::torch();
    files.retain(|(path, _)| *path != "torch/lib/libc10.so");
    files.push(("torch/lib/libc10.so", b"version https://git-lfs"));
    refused(&with_torch(&files), &["torch/lib/libc10.so is missing or no shared library"]);
}

#[test]
fn a_wheel_that_leads_out_of_its_folder() {
    for path in ["../../escaped.so", "torch/../../../escaped.so", "/escaped.so"] {
        let mut files = wheels::torch();
        files.push((path, LIBRARY));
        let sandbox = with_torch(&files);
        let outcome = sandbox.setup(&["--cpu"]);
        assert!(!sandbox.path("cache/meme/libtorch/escaped.so").exists(), "{path}");
        assert!(!sandbox.path("cache/meme/escaped.so").exists(), "{path}");
        outcome.failed_saying(&[wheels::TORCH, "leads out of it"]);
        nothing_was_done(&sandbox);
    }
}

#[test]
fn no_compiler_or_one_without_its_headers() {
    let sandbox = Sandbox::new();
    sandbox
        .tool("c++", "#!/usr/bin/env sh\necho 'fatal error: string: No such file' >&2\nexit 1\n");
    refused(
        &sandbox,
        &["cannot compile a C++17 program", "fatal error: string", "apt install g++"],
    );
    sandbox.remove_tool("c++");
    refused(&sandbox, &["`c++` is not on PATH", "apt install g++", "CXX"]);
    let output = sandbox.xtask(&["setup"]).env("CXX", "my-compiler --fast").output().unwrap();
    Outcome::of(&output).failed_saying(&["`my-compiler` is not on PATH"]);
}

#[test]
fn no_place_for_a_cache() {
    let sandbox = Sandbox::new();
    sandbox.write("a-file", "");
    let blocked = sandbox.xtask(&["setup"]).env("XDG_CACHE_HOME", sandbox.path("a-file")).output();
    Outcome::of(&blocked.unwrap()).failed_saying(&["could not make the folder", "a-file"]);
    let homeless = sandbox.xtask(&["setup"]).env_remove("XDG_CACHE_HOME").output();
    Outcome::of(&homeless.unwrap()).failed_saying(&["XDG_CACHE_HOME nor HOME"]);
    // A relative XDG_CACHE_HOME is ignored, as its specification says.
    let relative = sandbox.xtask(&["setup"]).env("XDG_CACHE_HOME", "cache").output();
    Outcome::of(&relative.unwrap()).failed_saying(&["XDG_CACHE_HOME nor HOME"]);
    nothing_was_done(&sandbox);
}

#[test]
fn a_folder_that_is_no_checkout() {
    let sandbox = Sandbox::new();
    let output = sandbox.xtask(&["setup"]).current_dir(sandbox.path("cache")).output().unwrap();
    Outcome::of(&output).failed_saying(&["no workspace here"]);
}
