//! A checkout, a folder for downloads and a list of sources that belong to one test.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

/// How a download ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    /// One source `thing` with these files, as they stand in a list.
    pub(crate) fn new(files: &str) -> Self {
        let sandbox = Sandbox { folder: tempfile::tempdir().unwrap() };
        fs::write(sandbox.path("Cargo.toml"), "[workspace]\n").unwrap();
        sandbox.list(files);
        sandbox
    }

    /// Another list.
    pub(crate) fn list(&self, files: &str) {
        let text = format!(
            "[[source]]\nname = 'thing'\ntitle = 'A thing'\nlicence = 'Free'\nlicence_url = 'https://example.org'\n\
             notice = 'Be kind.'\nby_hand = 'Ask a friend.'\nnext = 'use DIR'\n{files}"
        );
        fs::write(self.path("sources.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A downloaded file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path("data/thing").join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// Everything in the source's folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.file("")) else { return Vec::new() };
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    pub(crate) fn lock(&self) -> String {
        fs::read_to_string(self.path("data/download.lock")).unwrap_or_default()
    }

    /// The chore, ready to start. Hosts may be silent for 0.4 seconds, which is also the longest pause between tries.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(["download", "--sources", "sources.toml", "--patience", "0.4"])
            .args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command
    }

    /// Runs it with the licence agreed to.
    pub(crate) fn download(&self, arguments: &[&str]) -> Ended {
        let mut all = vec!["thing", "--accept-licence"];
        all.extend_from_slice(arguments);
        ended(&self.command(&all).output().unwrap())
    }
}

pub(crate) fn ended(output: &Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn failed_saying(self, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing in:\n{}", self.stderr);
        }
        self
    }

    #[track_caller]
    pub(crate) fn saying(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing in:\n{}", self.stderr);
        }
        self
    }
}

/// Bytes that look like nothing else.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
