//! Where the checkout is, and how cargo is called from inside cargo.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// A checkout of the workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
}

impl Workspace {
    /// The nearest folder at or above `start` whose `Cargo.toml` declares a workspace.
    pub(crate) fn find(start: &Path) -> Result<Self> {
        start
            .ancestors()
            .find(|folder| {
                fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|manifest| {
                    manifest.lines().any(|line| line.trim_end() == "[workspace]")
                })
            })
            .map(|root| Workspace { root: root.to_owned() })
            .ok_or(Error::NoWorkspace)
    }

    /// The link to libtorch, ignored by git, that `.cargo/config.toml` hands to every build.
    pub(crate) fn link(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// The user's `LIBTORCH`. Cargo itself sets that variable to this checkout's link for
    /// everything it runs, this program included; that value is nobody's wish.
    pub(crate) fn libtorch_of_the_user(&self) -> Option<PathBuf> {
        let value = std::env::var_os("LIBTORCH").filter(|value| !value.is_empty())?;
        let path = PathBuf::from(value);
        let same_folder = match (path.parent().map(fs::canonicalize), fs::canonicalize(&self.root))
        {
            (Some(Ok(parent)), Ok(root)) => parent == root,
            _ => false,
        };
        let ours = same_folder && path.file_name() == self.link().file_name();
        (!ours).then_some(path)
    }

    /// Cargo, started in the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.current_dir(&self.root);
        self.as_the_user_would(&mut command);
        command
    }

    /// Gives `command` the environment of the user's shell: without what the cargo that runs
    /// this program added, so that a build started from here and one started by hand agree
    /// and neither redoes the other's work.
    pub(crate) fn as_the_user_would(&self, command: &mut Command) {
        if self.libtorch_of_the_user().is_none() {
            command.env_remove("LIBTORCH");
        }
        for (name, _) in std::env::vars_os() {
            let added = name.to_str().is_some_and(|name| {
                name.starts_with("CARGO_PKG_")
                    || name.starts_with("CARGO_BIN_")
                    || matches!(
                        name,
                        "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_CRATE_NAME"
                    )
            });
            if added {
                command.env_remove(name);
            }
        }
    }

    /// Runs a cargo build that speaks JSON on stdout (messages for people go to stderr as always)
    /// and returns the path of the program `name` that it built or found fresh.
    pub(crate) fn build_program(&self, build: Command, name: &str) -> Result<PathBuf> {
        let mut program = None;
        self.build(build, |message| program = executable(message, name).or(program.take()))?;
        program.ok_or_else(|| Error::NoProgram(name.to_owned()))
    }

    /// Runs a cargo build and shows each of its JSON messages to `see`.
    pub(crate) fn build(&self, mut build: Command, mut see: impl FnMut(&str)) -> Result<()> {
        let shown = show(&build);
        build.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
        let mut child =
            build.spawn().map_err(|source| Error::Run { program: shown.clone(), source })?;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                see(&line.map_err(|source| Error::Run { program: shown.clone(), source })?);
            }
        }
        let status =
            child.wait().map_err(|source| Error::Run { program: shown.clone(), source })?;
        if !status.success() {
            return Err(Error::Command { command: shown, status: status.to_string() });
        }
        Ok(())
    }
}

/// The executable that one of cargo's messages reports for the program or example `name`.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    let is_it = message["reason"] == "compiler-artifact"
        && target["name"] == name
        && target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin" || kind == "example"))
        // The binary's own unit tests are an executable of the same target.
        && message["profile"]["test"] == false;
    if is_it { message["executable"].as_str().map(PathBuf::from) } else { None }
}

/// A command line as a person would type it in the workspace's root.
pub(crate) fn show(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let (Some(name), Some(value)) = (name.to_str(), value.and_then(|value| value.to_str())) {
            words.push(format!("{name}={}", quoted(value)));
        }
    }
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    words.push(program.to_string_lossy().into_owned());
    words.extend(command.get_args().map(|word| quoted(&word.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{executable, show};
    use std::path::PathBuf;
    use std::process::Command;

    // Two messages as cargo 1.95 prints them, shortened to the fields that are read and some more.
    const PROGRAM: &str = r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"crate_types":["bin"],"name":"meme"},"profile":{"opt_level":"1","test":false},"executable":"target/debug/meme","fresh":true}"#;
    const UNIT_TESTS: &str = r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"crate_types":["bin"],"name":"meme"},"profile":{"opt_level":"1","test":true},"executable":"target/debug/deps/meme-0123","fresh":true}"#;

    #[test]
    fn the_program_is_found_in_cargos_messages_and_its_unit_tests_are_not_taken_for_it() {
        assert_eq!(executable(PROGRAM, "meme"), Some(PathBuf::from("target/debug/meme")));
        assert_eq!(executable(PROGRAM, "other"), None);
        assert_eq!(executable(UNIT_TESTS, "meme"), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#, "meme"), None);
        assert_eq!(executable("a line that is no JSON", "meme"), None);
    }

    #[test]
    fn a_shown_command_can_be_pasted_into_a_shell() {
        let mut command = Command::new("target/cargo");
        command.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "it's"]);
        assert_eq!(show(&command), r"RUSTDOCFLAGS='-D warnings' cargo doc --workspace 'it'\''s'");
    }
}
