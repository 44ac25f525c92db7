//! The smoke run: one expert row through the whole pipeline, in minutes, then once more, when
//! every stage must be found done.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

use crate::error::{Error, Result};
use crate::workspace::{Workspace, show};

/// What stages leave in a run folder and a second run must not touch. The report is not among it:
/// writing it anew is cheap and may be right.
const RESULTS: [&str; 3] = ["data", "latents", "rows"];

/// Archive of pictures in the folder that MEME_TEST_DATA names.
const PICTURES: &str = "noto-emoji-128.tar";

/// Sizes and times of change of every file below some folders.
type Snapshot = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Runs the pipeline on built-in pictures, and on third-party ones where there are some.
pub(crate) fn run(workspace: &Workspace, meme: &Path) -> Result<()> {
    let place = tempfile::tempdir()
        .map_err(|source| Error::io("make a temporary folder in", env::temp_dir(), source))?;
    twice(workspace, meme, &place.path().join("built-in"), None)?;
    match env::var_os("MEME_TEST_DATA").map(|folder| Path::new(&folder).join(PICTURES)) {
        Some(pictures) => once(workspace, meme, &place.path().join("pictures"), Some(&pictures)),
        None => {
            println!("MEME_TEST_DATA is not set: no smoke run on third-party pictures");
            Ok(())
        }
    }
}

/// Runs the pipeline, and again with nothing to do.
fn twice(workspace: &Workspace, meme: &Path, run: &Path, data: Option<&Path>) -> Result<()> {
    once(workspace, meme, run, data)?;
    let first = snapshot(run)?;
    if first.is_empty() {
        return Err(Error::Smoke(format!("the run left nothing in {}", RESULTS.join(", "))));
    }
    once(workspace, meme, run, data)?;
    match difference(&first, &snapshot(run)?) {
        None => Ok(()),
        Some(path) => Err(Error::Smoke(format!(
            "the second run had nothing to do, but made, changed or removed {}",
            path.display()
        ))),
    }
}

fn once(workspace: &Workspace, meme: &Path, run: &Path, data: Option<&Path>) -> Result<()> {
    let mut command = Command::new(meme);
    command.args(["reproduce", "ffhq", "--scale", "smoke", "--rows", "meme", "--run"]).arg(run);
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    if let Some(place) = run.parent() {
        command.current_dir(place);
    }
    workspace.as_the_user_would(&mut command);
    let shown = show(&command);
    println!("-- {shown}");
    let started = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|source| Error::Run { program: shown.clone(), source })?;
    if !status.success() {
        return Err(Error::Command { command: shown, status: status.to_string() });
    }
    println!("-- {:.1} s", started.elapsed().as_secs_f64());
    let report = run.join("report").join("report.md");
    match fs::metadata(&report) {
        Ok(found) if found.len() > 0 => Ok(()),
        _ => Err(Error::Smoke(format!("the run succeeded, but wrote no {}", report.display()))),
    }
}

fn snapshot(run: &Path) -> Result<Snapshot> {
    let mut files = Snapshot::new();
    for folder in RESULTS.iter().map(|name| run.join(name)).filter(|folder| folder.is_dir()) {
        collect(&folder, &mut files)?;
    }
    Ok(files)
}

fn collect(folder: &Path, files: &mut Snapshot) -> Result<()> {
    let list = |source| Error::io("list", folder, source);
    for entry in fs::read_dir(folder).map_err(list)? {
        let entry = entry.map_err(list)?;
        let found = entry.metadata().map_err(list)?;
        if found.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.insert(entry.path(), (found.len(), found.modified().ok()));
        }
    }
    Ok(())
}

/// The first file that is not the same in both.
fn difference<'a>(left: &'a Snapshot, right: &'a Snapshot) -> Option<&'a Path> {
    left.iter()
        .find(|(path, facts)| right.get(*path) != Some(facts))
        .or_else(|| right.iter().find(|(path, _)| !left.contains_key(*path)))
        .map(|(path, _)| path.as_path())
}

#[cfg(test)]
mod tests {
    use super::{difference, once, snapshot, twice};
    use crate::workspace::Workspace;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    /// A program in place of `meme`: a shell script that finds its run folder in `$8`.
    fn program(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("meme");
        fs::write(&path, format!("#!/usr/bin/env sh\nset -e\nrun=$8\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn try_twice(script: &str) -> crate::error::Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace { root: folder.path().to_owned() };
        twice(&workspace, &program(folder.path(), script), &folder.path().join("run"), None)
    }

    const REPORT: &str = "mkdir -p $run/rows $run/report; echo report > $run/report/report.md";

    #[test]
    fn a_run_that_skips_what_is_done_passes() {
        try_twice(&format!("{REPORT}; test -e $run/rows/a || echo done > $run/rows/a")).unwrap();
    }

    #[test]
    fn a_second_run_that_does_anything_again_is_named() {
        let said = try_twice(&format!("{REPORT}; echo more >> $run/rows/a")).unwrap_err();
        assert!(said.to_string().contains("rows/a"), "{said}");
        let said = try_twice(&format!("{REPORT}; echo a > $run/rows/$$")).unwrap_err();
        assert!(said.to_string().contains("had nothing to do"), "{said}");
    }

    #[test]
    fn a_run_that_fails_or_leaves_no_report_or_no_results_fails() {
        assert!(try_twice("exit 3").unwrap_err().to_string().contains("exit status: 3"));
        assert!(try_twice("mkdir -p $run/rows").unwrap_err().to_string().contains("report.md"));
        assert!(try_twice(REPORT).unwrap_err().to_string().contains("left nothing"));
    }

    #[test]
    fn third_party_pictures_are_handed_over() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace { root: folder.path().to_owned() };
        let meme =
            program(folder.path(), &format!("{REPORT}; echo \"$9 ${{10}}\" > $run/rows/data"));
        let run = folder.path().join("run");
        once(&workspace, &meme, &run, Some(Path::new("pictures.tar"))).unwrap();
        assert_eq!(fs::read_to_string(run.join("rows/data")).unwrap(), "--data pictures.tar\n");
    }

    #[test]
    fn every_kind_of_difference_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rows")).unwrap();
        fs::write(folder.path().join("rows/a"), "1").unwrap();
        let first = snapshot(folder.path()).unwrap();
        assert_eq!(difference(&first, &first), None);
        fs::write(folder.path().join("rows/b"), "1").unwrap();
        let second = snapshot(folder.path()).unwrap();
        assert!(difference(&first, &second).unwrap().ends_with("rows/b"));
        assert!(difference(&second, &first).unwrap().ends_with("rows/b"));
    }
}
