//! A checkout, a cache and a PATH that belong to one test.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::wheels;

/// Stands in for `python3`: knows pip's version, and downloads from a folder.
/// What a test changes about it is in the files `pip-version` and `download`.
const PYTHON: &str = r#"#!/usr/bin/env sh
set -e
case "$*" in
  "-m pip --version")
    cat "$SANDBOX/pip-version" ;;
  "-m pip download "*)
    echo "$*" >> "$SANDBOX/calls"
    while test $# -gt 0; do
      case "$1" in
        --dest) dest=$2 ;;
        --requirement) list=$2 ;;
      esac
      shift
    done
    echo "Collecting torch==2.11.0"
    . "$SANDBOX/download" ;;
  "-c "*)
    cat "$SANDBOX/pytorch" ;;
esac
"#;

/// Copies the wheel of each line of the requirements file; what is missing, pip's words for it.
pub(crate) const DOWNLOAD: &str = r#"
while read -r what hash; do
  echo "$what" >> "$SANDBOX/asked"
  package=$(echo "${what%%[=<>]*}" | tr - _)
  for wheel in "$SANDBOX/wheels/$package"-*.whl; do
    if ! test -e "$wheel"; then
      echo "ERROR: No matching distribution found for $what" >&2
      exit 1
    fi
    cp -P "$wheel" "$dest"
  done
done < "$list"
"#;

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    /// Everything in order: a compiler that compiles, a pip that finds every wheel.
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox { folder: tempfile::tempdir().unwrap() };
        for folder in ["checkout", "cache", "tools", "wheels"] {
            fs::create_dir(sandbox.path(folder)).unwrap();
        }
        fs::write(sandbox.path("checkout/Cargo.toml"), "[workspace]\n").unwrap();
        for tool in ["sh", "cat", "cp", "tr", "sleep"] {
            symlink(found(tool), sandbox.path("tools").join(tool)).unwrap();
        }
        sandbox.tool("c++", "#!/usr/bin/env sh\ncat > \"$SANDBOX/compiled\"\n");
        sandbox.tool("python3", PYTHON);
        sandbox.write("pip-version", "pip 23.2.1 from lib (python 3.11)\n");
        sandbox.write("download", DOWNLOAD);
        wheels::write_all(&sandbox.path("wheels"));
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A program on the PATH of this sandbox.
    pub(crate) fn tool(&self, name: &str, script: &str) {
        let path = self.path("tools").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn remove_tool(&self, name: &str) {
        fs::remove_file(self.path("tools").join(name)).unwrap();
    }

    /// `xtask ARGUMENTS`, ready to run in the checkout.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(arguments)
            .current_dir(self.path("checkout"))
            .env_clear()
            .env("PATH", self.path("tools"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("SANDBOX", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `xtask setup FLAGS` to its end.
    pub(crate) fn setup(&self, flags: &[&str]) -> Outcome {
        let arguments: Vec<&str> = [&["setup"], flags].concat();
        Outcome::of(&self.xtask(&arguments).output().unwrap())
    }

    /// Where a set is when it is installed.
    pub(crate) fn installed(&self, set: &str) -> PathBuf {
        self.path("cache/meme/libtorch").join(format!("2.11.0-{set}"))
    }

    /// The names in the cache that are neither a set nor the lock: there should be none.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("cache/meme/libtorch")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with("2.11.0-") && name != ".lock").collect()
    }

    /// How often pip was asked to download.
    pub(crate) fn downloads(&self) -> usize {
        fs::read_to_string(self.path("calls")).unwrap_or_default().lines().count()
    }

    /// The requirements that pip was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("asked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(output: &Output) -> Self {
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Failed with exit code 1, and every one of these words stands in the message.
    #[track_caller]
    pub(crate) fn failed_saying(self, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not said:\n{}", self.stderr);
        }
        self
    }
}

/// Waits until `condition` holds, and gives up after a minute.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited for a minute, in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a child and collects what it said.
pub(crate) fn finish(child: Child) -> Outcome {
    Outcome::of(&child.wait_with_output().unwrap())
}

/// A program of this machine, by its name.
pub(crate) fn found(tool: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap();
    env::split_paths(&path)
        .map(|folder| folder.join(tool))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{tool} is not on PATH"))
}
