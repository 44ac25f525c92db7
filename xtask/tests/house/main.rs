//! The house rules of `docs/architecture.md`, as tests. A broken rule is named with file and line.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests fail as tests do, and say what they skipped"
)]

mod book;
mod crates;
mod documents;
mod manifests;
mod rust;
mod text;
mod tree;
