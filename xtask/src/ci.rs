//! `cargo xtask ci`: the tests as an unattended machine runs them, with facts about it first.

use std::process::Command;

use crate::error::Result;
use crate::test;
use crate::workspace::Workspace;

/// Says what machine this is, then runs `cargo xtask test`.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let options = test::parse(arguments, "ci")?;
    facts(workspace);
    test::run(workspace, &options)
}

/// What a reader of a log asks first when it failed.
fn facts(workspace: &Workspace) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("machine   {cores} cores, {}", memory().unwrap_or_default());
    for (program, arguments) in [
        ("rustc", &["--version"][..]),
        ("cargo", &["--version"]),
        ("cargo-nextest", &["--version"]),
        ("python3", &["--version"]),
        ("c++", &["--version"]),
        ("git", &["log", "-1", "--format=%h %s"]),
    ] {
        let output = Command::new(program).args(arguments).current_dir(&workspace.root).output();
        let said = output.ok().filter(|output| output.status.success()).and_then(|output| {
            String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
        });
        println!("{program:<9} {}", said.as_deref().unwrap_or("not here"));
    }
    let data = std::env::var("MEME_TEST_DATA").ok();
    println!("test data {}", data.as_deref().unwrap_or("none: tests that want it are skipped"));
}

/// The memory of a Linux machine, as its kernel states it.
fn memory() -> Option<String> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(format!("{} of memory", line.trim()))
}
