//! `cargo xtask test`: everything that must hold before a change lands.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::step::Steps;
use crate::workspace::{Workspace, show};
use crate::{examples, setup, smoke, usage};

/// The steps after setup, in order: what is quick to fail comes first.
const STEPS: &[&str] = &["fmt", "clippy", "doc", "build", "tests", "doctests", "examples", "smoke"];

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Also the tests that take minutes.
    pub(crate) slow: bool,
    /// Print the commands, run none.
    pub(crate) dry_run: bool,
    /// Only these steps; empty: all.
    pub(crate) only: Vec<&'static str>,
    /// Nobody watches: no colours, and Cargo.lock is taken as it is.
    pub(crate) unattended: bool,
}

/// Reads the arguments of `test` and `ci`.
pub(crate) fn parse(arguments: &[String], chore: &'static str) -> Result<Options> {
    let in_ci =
        std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "false" | "0"));
    let mut options = Options { unattended: chore == "ci" || in_ci, ..Options::default() };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--slow" => options.slow = true,
            "--dry-run" => options.dry_run = true,
            "--only" => {
                let list = arguments.next().ok_or_else(|| {
                    Error::Usage(format!("--only needs steps: {}", STEPS.join(",")))
                })?;
                options.only.extend(list.split(',').map(step).collect::<Result<Vec<_>>>()?);
            }
            other => {
                let known = &["--slow", "--only", "--dry-run"];
                return Err(Error::Usage(usage::unknown("option", other, known)));
            }
        }
    }
    Ok(options)
}

fn step(word: &str) -> Result<&'static str> {
    STEPS
        .iter()
        .find(|step| **step == word)
        .copied()
        .ok_or_else(|| Error::Usage(usage::unknown("step", word, STEPS)))
}

/// Runs the steps, then prints how long each took; stops at the first that fails.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let chosen = |name: &&str| options.only.is_empty() || options.only.contains(name);
    let runner = Runner { workspace, options, nextest: has_nextest(workspace) };
    // Formatting needs no libtorch; asking for that alone must not install one.
    let needs_libtorch = STEPS.iter().any(|name| *name != "fmt" && chosen(name));
    if options.dry_run {
        if needs_libtorch {
            println!("cargo xtask setup");
        }
        for name in STEPS.iter().copied().filter(|name| chosen(name)) {
            println!("{}", runner.alone(name));
        }
        return Ok(());
    }
    let mut steps = Steps::default();
    let first = if needs_libtorch {
        steps.run("setup", "cargo xtask setup", || setup::run(workspace, None))
    } else {
        Ok(())
    };
    let outcome = first.and_then(|()| {
        let mut names = STEPS.iter().filter(|name| chosen(name));
        names.try_for_each(|name| runner.step(name, &mut steps))
    });
    steps.summary();
    outcome?;
    if steps.ran_no_test() {
        return Err(Error::Command {
            command: "the step `tests`".to_owned(),
            status: "it ran no test at all".to_owned(),
        });
    }
    Ok(())
}

struct Runner<'a> {
    workspace: &'a Workspace,
    options: &'a Options,
    nextest: bool,
}

impl Runner<'_> {
    fn step(&self, name: &'static str, steps: &mut Steps) -> Result<()> {
        let alone = self.alone(name);
        match name {
            "build" => steps.run(name, &alone, || {
                self.workspace.build_program(self.command(name), "meme").map(|_| ())
            }),
            // Built with everything else: this asks where they are.
            "examples" => {
                steps.run(name, &alone, || examples::run(self.workspace, self.command("build")))
            }
            "smoke" => steps.run(name, &alone, || {
                // Built a moment ago: this only asks where it is.
                let program = self.workspace.build_program(self.command("build"), "meme")?;
                smoke::run(self.workspace, &program)
            }),
            "tests" | "doctests" => steps.counted(name, self.command(name)),
            _ => steps.command(name, self.command(name)),
        }
    }

    /// How a person repeats one step.
    fn alone(&self, name: &'static str) -> String {
        if matches!(name, "examples" | "smoke") {
            format!("cargo xtask test --only {name}")
        } else {
            show(&self.command(name))
        }
    }

    /// The command behind a step. All build in the dev profile with the features of the whole
    /// workspace, so that the bindings to libtorch, most of the work, are built once.
    fn command(&self, name: &str) -> Command {
        let mut cargo = self.workspace.cargo();
        let words: &[&str] = match name {
            "fmt" => &["fmt", "--all", "--check"],
            "clippy" => &["clippy", "--workspace", "--all-targets"],
            "doc" => &["doc", "--workspace", "--no-deps"],
            "tests" if self.nextest => &["nextest", "run", "--workspace", "--no-fail-fast"],
            "tests" => &["test", "--workspace", "--all-targets", "--no-fail-fast"],
            "doctests" => &["test", "--workspace", "--doc", "--no-fail-fast"],
            // "build", and where "examples" and "smoke" find their programs.
            _ => &["test", "--workspace", "--no-run"],
        };
        cargo.args(words);
        if self.options.unattended {
            cargo.env("CARGO_TERM_COLOR", "never");
            if name != "fmt" {
                cargo.arg("--locked");
            }
        } else if matches!(name, "tests" | "doctests") && std::io::stderr().is_terminal() {
            // Its output is read on the way to the terminal, so it sees a pipe.
            cargo.env("CARGO_TERM_COLOR", "always");
        }
        if self.options.slow {
            cargo.env("MEME_SLOW", "1");
        }
        match name {
            "doc" => {
                cargo.env("RUSTDOCFLAGS", "-D warnings");
            }
            "clippy" => {
                cargo.args(["--", "-D", "warnings"]);
            }
            "tests" if self.options.slow && self.nextest => {
                cargo.args(["--run-ignored", "all"]);
            }
            "tests" if self.options.slow => {
                cargo.args(["--", "--include-ignored"]);
            }
            _ => {}
        }
        cargo
    }
}

fn has_nextest(workspace: &Workspace) -> bool {
    let mut cargo = workspace.cargo();
    cargo.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    cargo.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::{Options, Runner, STEPS, parse};
    use crate::workspace::Workspace;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn commands(options: &Options, nextest: bool) -> Vec<String> {
        let workspace = Workspace { root: ".".into() };
        let runner = Runner { workspace: &workspace, options, nextest };
        STEPS.iter().map(|step| runner.alone(step)).collect()
    }

    #[test]
    fn steps_are_chosen_by_name_and_misspelt_ones_are_refused() {
        let options = parse(&words(&["--slow", "--only", "fmt,tests"]), "ci").unwrap();
        assert_eq!(options.only, ["fmt", "tests"]);
        assert!(options.slow && options.unattended);
        let said = parse(&words(&["--only", "clipy"]), "test").unwrap_err().to_string();
        assert!(said.contains("did you mean `clippy`"), "{said}");
        assert!(parse(&words(&["--only"]), "test").is_err());
        assert!(parse(&words(&["--fast"]), "test").is_err());
    }

    #[test]
    fn every_build_is_of_the_whole_workspace_in_the_dev_profile() {
        for line in commands(&Options::default(), true) {
            assert!(!line.contains("--release") && !line.contains(" -p "), "{line}");
        }
    }

    #[test]
    fn slow_runs_ignored_tests_with_either_runner() {
        let slow = Options { slow: true, ..Options::default() };
        let with_nextest = commands(&slow, true).join("\n");
        assert!(with_nextest.contains("--run-ignored all"), "{with_nextest}");
        assert!(with_nextest.contains("MEME_SLOW=1"), "{with_nextest}");
        let without = commands(&slow, false).join("\n");
        assert!(without.contains("-- --include-ignored"), "{without}");
        assert!(!commands(&Options::default(), true).join("\n").contains("MEME_SLOW"));
    }

    #[test]
    fn unattended_runs_take_the_lock_file_as_it_is() {
        let unattended = Options { unattended: true, ..Options::default() };
        for line in commands(&unattended, true) {
            let exempt = line.contains("fmt") || line.contains("xtask");
            assert!(exempt || line.contains("--locked"), "{line}");
        }
    }
}
