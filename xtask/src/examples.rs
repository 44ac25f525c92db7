//! Runs every example of every crate as it is run first: without arguments, in an empty folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::workspace::{Workspace, show};

/// An example that cargo has built.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Example {
    /// The crate's folder.
    package: PathBuf,
    name: String,
    program: PathBuf,
}

/// Builds with `build`, then runs what it reports. Examples outside `crates` are tools for
/// measuring and want arguments.
pub(crate) fn run(workspace: &Workspace, build: Command) -> Result<()> {
    let mut examples = Vec::new();
    workspace.build(build, |message| examples.extend(example(message)))?;
    let crates = workspace.root.join("crates");
    examples.retain(|example| example.package.parent() == Some(&crates));
    examples.sort();
    if examples.is_empty() {
        return Err(Error::NoProgram("an example".to_owned()));
    }
    let place = tempfile::tempdir()
        .map_err(|source| Error::io("make a temporary folder in", std::env::temp_dir(), source))?;
    examples.iter().try_for_each(|example| example.run(workspace, place.path()))
}

impl Example {
    fn run(&self, workspace: &Workspace, folder: &Path) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.current_dir(folder).stdin(Stdio::null());
        workspace.as_the_user_would(&mut command);
        let package = self.package.file_name().unwrap_or_default().to_string_lossy();
        println!("-- {package}: {}", self.name);
        let started = Instant::now();
        let status =
            command.status().map_err(|source| Error::Run { program: show(&command), source })?;
        if !status.success() {
            let alone = format!("cargo run -p {package} --example {}", self.name);
            return Err(Error::Command { command: alone, status: status.to_string() });
        }
        println!("-- {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }
}

/// The example that one of cargo's messages reports.
fn example(message: &str) -> Option<Example> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    let is_it = message["reason"] == "compiler-artifact"
        && target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|it| it == "example"))
        && message["profile"]["test"] == false;
    if !is_it {
        return None;
    }
    Some(Example {
        package: Path::new(message["manifest_path"].as_str()?).parent()?.to_owned(),
        name: target["name"].as_str()?.to_owned(),
        program: message["executable"].as_str()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // As cargo 1.95 prints it, shortened to the fields that are read and some more.
    const MESSAGE: &str = r#"{"reason":"compiler-artifact","manifest_path":"crates/meme-router/Cargo.toml","target":{"kind":["example"],"crate_types":["bin"],"name":"route"},"profile":{"opt_level":"1","test":false},"executable":"target/debug/examples/route","fresh":true}"#;

    #[test]
    fn examples_are_found_in_cargos_messages_and_programs_are_not_taken_for_them() {
        let found = example(MESSAGE).unwrap();
        assert_eq!(
            (found.name.as_str(), found.package.as_path()),
            ("route", Path::new("crates/meme-router"))
        );
        assert_eq!(example(&MESSAGE.replace(r#"["example"]"#, r#"["bin"]"#)), None);
        assert_eq!(example("a line that is no JSON"), None);
    }

    #[test]
    fn an_example_that_fails_is_named_as_a_person_would_run_it() {
        let workspace = Workspace { root: ".".into() };
        let folder = tempfile::tempdir().unwrap();
        let mut failing = example(MESSAGE).unwrap();
        failing.program = "false".into();
        let said = failing.run(&workspace, folder.path()).unwrap_err().to_string();
        assert!(said.contains("cargo run -p meme-router --example route"), "{said}");
        failing.program = "true".into();
        failing.run(&workspace, folder.path()).unwrap();
    }
}
