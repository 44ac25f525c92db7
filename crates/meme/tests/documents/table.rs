//! `table.toml`: what pages presume, and what stands in for commands that a test cannot run as they are.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::pages::Typed;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// Environment variables that the commands of this table may use.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) given: Vec<Given>,
    pub(crate) instead: Vec<Instead>,
}

/// A file or folder that pages presume to be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    /// Its path in the folder in which the page's commands run.
    pub(crate) name: String,
    pub(crate) pages: Vec<String>,
    /// Only commands that the slow test runs need it.
    #[serde(default)]
    pub(crate) slow: bool,
    /// Commands that make it, given what stands before it in the table; none: `sandbox.rs` writes it.
    #[serde(default)]
    pub(crate) by: Vec<String>,
}

/// What is done in place of some commands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instead {
    /// The commands, as they stand on the pages; one ending in ` *` is every one that begins so.
    pub(crate) of: Vec<String>,
    /// A part of the command, and what takes its place.
    replace: Option<[String; 2]>,
    /// Arguments in addition.
    add: Option<String>,
    /// The exit code that the command is meant to have.
    #[serde(default)]
    pub(crate) exit: i32,
    /// It is not run here: `why` says what runs it.
    #[serde(default)]
    pub(crate) elsewhere: bool,
    /// It is run by the slow test only.
    #[serde(default)]
    pub(crate) slow: bool,
    pub(crate) why: String,
}

impl Table {
    pub(crate) fn read() -> Self {
        toml::from_str(include_str!("table.toml")).unwrap()
    }

    /// What there is to be made, with what only the slow test needs or without.
    pub(crate) fn given(&self, slow: bool) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| slow || !given.slow)
    }

    /// The entry for a command.
    pub(crate) fn instead(&self, command: &str) -> Option<&Instead> {
        self.instead.iter().find(|instead| instead.of.iter().any(|of| is_of(of, command)))
    }

    /// What in this table is about nothing in the documents, or about one thing twice.
    pub(crate) fn stale(&self, root: &Path, commands: &[Typed]) -> Vec<String> {
        let mut stale = Vec::new();
        for instead in &self.instead {
            for of in &instead.of {
                if !commands.iter().any(|command| is_of(of, &command.text)) {
                    stale.push(format!("no document has the command `{of}`"));
                }
            }
            if let Some([from, _]) = &instead.replace {
                let without = instead.of.iter().filter(|of| !of.contains(from));
                stale.extend(without.map(|of| format!("`{of}` does not have `{from}`")));
            }
            if instead.why.is_empty() {
                stale.push(format!("no reason is given for `{}`", instead.of.join("`, `")));
            }
        }
        for command in commands {
            let all = self.instead.iter().flat_map(|instead| &instead.of);
            if all.filter(|of| is_of(of, &command.text)).count() > 1 {
                stale.push(format!("two entries are about `{}`", command.text));
            }
        }
        for given in &self.given {
            for page in &given.pages {
                let text = std::fs::read_to_string(root.join(page)).unwrap_or_default();
                let added = self.instead.iter().filter_map(|instead| instead.add.as_ref());
                if !added.chain([&text]).any(|text| text.contains(&given.name)) {
                    stale.push(format!("{page} does not speak of `{}`", given.name));
                }
            }
        }
        stale
    }
}

impl Instead {
    /// The command that is run for `command`.
    pub(crate) fn apply(&self, command: &str) -> String {
        let mut changed = match &self.replace {
            Some([from, to]) => command.replace(from.as_str(), to),
            None => command.to_owned(),
        };
        if let Some(add) = &self.add {
            changed = format!("{changed} {add}");
        }
        changed
    }
}

fn is_of(of: &str, command: &str) -> bool {
    match of.strip_suffix('*') {
        Some(beginning) => command.starts_with(beginning),
        None => of == command,
    }
}
