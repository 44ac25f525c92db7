//! Rules about how a crate presents itself.

use std::fs;

use crate::manifests::members;
use crate::tree::{hold, root};

/// Shorter than this, a crate's opening explains nothing.
const ESSAY: usize = 8;

#[test]
fn every_crate_opens_with_an_essay_that_holds_a_running_example() {
    let mut broken = Vec::new();
    for member in members().iter().filter(|member| member.folder.starts_with("crates/")) {
        let path = format!("{}/src/lib.rs", member.folder);
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            broken.push(format!("{path}:1: there is no such file"));
            continue;
        };
        let essay: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        if essay.len() < ESSAY {
            broken.push(format!("{path}:1: {} lines of `//!` are no essay", essay.len()));
        }
        // A fence without a word after it, or with one of these, is compiled as Rust; the first
        // kind also closes, so a text block has one and an example two.
        let plain = essay.iter().filter(|line| **line == "//! ```").count();
        let marked = essay.iter().filter(|line| line.starts_with("//! ```")).count() - plain;
        let is_rust = |line: &&str| matches!(*line, "//! ```no_run" | "//! ```rust");
        if plain <= marked && !essay.iter().copied().any(|line| is_rust(&line)) {
            broken.push(format!("{path}:1: the essay holds no example that runs"));
        }
        if !text.contains("#![deny(missing_docs)]") {
            broken.push(format!("{path}:1: `#![deny(missing_docs)]` is missing"));
        }
    }
    hold("Every crate opens with an essay that holds a running example.", &broken);
}

#[test]
fn the_licence_stands() {
    let text = fs::read_to_string(root().join("LICENSE")).unwrap();
    assert!(text.starts_with("MIT License"), "LICENSE:1: it is not the MIT licence");
    assert!(text.contains("the project's contributors"), "LICENSE:3: it names somebody else");
}
