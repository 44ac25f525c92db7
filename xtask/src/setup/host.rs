//! What the machine must have before anything is downloaded.

use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Set;
use crate::error::{Error, Result};

/// libtorch comes as a ready library for one platform.
pub(super) fn check_platform() -> Result<()> {
    let libc = if cfg!(target_env = "gnu") { "gnu" } else { "another libc" };
    platform(env::consts::OS, env::consts::ARCH, libc)
}

fn platform(os: &str, arch: &str, libc: &str) -> Result<()> {
    if (os, arch, libc) == ("linux", "x86_64", "gnu") {
        return Ok(());
    }
    let libc = if os == "linux" && libc != "gnu" { " without glibc" } else { "" };
    Err(Error::Host { os: os.to_owned(), arch: arch.to_owned(), libc: libc.to_owned() })
}

/// The compiler that builds will call: CXX or `c++`, as the `cc` crate chooses.
fn compiler() -> OsString {
    env::var_os("CXX").filter(|cxx| !cxx.is_empty()).unwrap_or_else(|| OsString::from("c++"))
}

/// Looks for the C++ compiler on PATH without running it.
pub(super) fn check_compiler() -> Result<()> {
    let compiler = compiler();
    // CXX may carry a wrapper and flags: `ccache g++`. Its first word must be a program.
    let wanted = compiler.to_string_lossy().split_whitespace().next().unwrap_or("c++").to_owned();
    if on_path(&wanted).is_some() { Ok(()) } else { Err(Error::NoCompiler { wanted }) }
}

/// Has the compiler check a small program: a compiler without its C++ headers is found before the
/// download, not after it.
pub(super) fn try_compiler() -> Result<()> {
    let compiler = compiler().to_string_lossy().into_owned();
    let mut words = compiler.split_whitespace();
    let program = words.next().unwrap_or("c++").to_owned();
    let run = |source| Error::Run { program: compiler.clone(), source };
    let mut child = Command::new(&program)
        .args(words)
        .args(["-std=c++17", "-fsyntax-only", "-x", "c++", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(run)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A compiler that stops reading says why on stderr.
        let _ = stdin.write_all(b"#include <string>\nstd::string word;\n");
    }
    let output = child.wait_with_output().map_err(run)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(Error::BrokenCompiler { compiler: compiler.clone(), said })
}

/// The program of this name that a shell would run.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether an NVIDIA driver is loaded.
pub(super) fn nvidia_driver() -> bool {
    Path::new("/proc/driver/nvidia/version").exists() || Path::new("/dev/nvidia0").exists()
}

/// Refuses to start what the disk cannot hold.
pub(super) fn check_space(folder: &Path, set: Set) -> Result<()> {
    let disk = rustix::fs::statvfs(folder)
        .map_err(|source| Error::io("ask for the free space of", folder, source.into()))?;
    space(folder, set, disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn space(at: &Path, set: Set, free: u64) -> Result<()> {
    let need = set.needed_bytes();
    if free >= need {
        return Ok(());
    }
    let at = at.to_owned();
    Err(Error::Space { at, set: set.name(), need, free })
}

#[cfg(test)]
mod tests {
    use super::{Set, platform, space};
    use std::path::Path;

    #[test]
    fn every_platform_without_a_ready_libtorch_is_named() {
        assert!(platform("linux", "x86_64", "gnu").is_ok());
        for (os, arch, libc, named) in [
            ("macos", "aarch64", "another libc", "macos on aarch64"),
            ("linux", "aarch64", "gnu", "linux on aarch64"),
            ("linux", "x86_64", "another libc", "without glibc"),
        ] {
            let said = platform(os, arch, libc).unwrap_err().to_string();
            assert!(said.contains(named) && said.contains("set LIBTORCH"), "{said}");
        }
    }

    #[test]
    fn a_small_disk_is_refused_with_both_numbers_and_the_way_out() {
        let said = space(Path::new("cache"), Set::Cpu, 1_230_000_000).unwrap_err().to_string();
        for part in ["cache", "cpu", "2.5 GB", "1.2 GB", "XDG_CACHE_HOME"] {
            assert!(said.contains(part), "{part} is missing in: {said}");
        }
        assert!(space(Path::new("cache"), Set::Cpu, Set::Cpu.needed_bytes()).is_ok());
    }
}
