//! PyTorch's side: a Python with torch, and the proof that its networks are the same ones.

use std::fs::{self, File};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::options::Options;
use crate::error::{Error, Result};
use crate::setup::{cache_home, pip_command, run_pip};
use crate::workspace::Workspace;

/// What the networks need; torch in the version of our libtorch, so that the same kernels compete.
const TORCH: &str = "torch==2.11.0";
const NEEDED: [&str; 3] = [TORCH, "numpy", "safetensors"];
/// diffusers' own U-Net is another opponent; without it the comparison is still one.
const WELCOME: &str = "diffusers==0.35.2";
/// What `pip list` said when everything was there; written last.
const MARKER: &str = "installed.txt";
/// Measured: 5.2 GB installed, and pip's own copies while it unpacks.
const NEEDED_BYTES: u64 = 9_000_000_000;

/// The Python that PyTorch's contestants run in.
#[derive(Debug)]
pub(super) enum Python {
    Ready { program: PathBuf, version: String, checks: Vec<String> },
    Missing { reason: String },
}

impl Python {
    /// Finds it, installing it first where nobody named one, and has its networks checked.
    pub(super) fn find(workspace: &Workspace, options: &Options) -> Result<Self> {
        if !options.with_python {
            return Ok(missing("--no-python says so"));
        }
        let program = match &options.python {
            Some(program) => program.clone(),
            None => match install() {
                Ok(program) => program,
                Err(error) => return Ok(missing(&in_short(&error))),
            },
        };
        let version = match version(&program) {
            Ok(version) => version,
            Err(reason) => return Ok(missing(&reason)),
        };
        let checks = check(workspace, &program)?;
        println!("PyTorch {version}; its networks beside golden vectors:");
        for line in &checks {
            println!("  {line}");
        }
        println!();
        Ok(Python::Ready { program, version, checks })
    }

    pub(super) fn program(&self) -> Option<&Path> {
        match self {
            Python::Ready { program, .. } => Some(program),
            Python::Missing { .. } => None,
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Python::Ready { version, checks, .. } => {
                json!({ "version": version, "checks": checks })
            }
            Python::Missing { reason } => json!({ "missing": reason }),
        }
    }
}

fn missing(reason: &str) -> Python {
    Python::Missing { reason: reason.to_owned() }
}

/// The program that holds one network.
pub(super) fn script(workspace: &Workspace) -> PathBuf {
    workspace.root.join("xtask/python/worker.py")
}

/// A virtual environment of this chore's own in the user's cache.
fn install() -> Result<PathBuf> {
    let root = cache_home()?.join("meme").join("pytorch");
    let folder = root.join(TORCH.trim_start_matches("torch=="));
    let program = folder.join("bin").join("python");
    fs::create_dir_all(&root).map_err(|source| Error::io("make the folder", &root, source))?;
    let lock = root.join(".lock");
    let file = File::create(&lock).map_err(|source| Error::io("open", &lock, source))?;
    file.lock().map_err(|source| Error::io("wait for the lock", &lock, source))?;
    if folder.join(MARKER).is_file() && program.exists() {
        return Ok(program);
    }
    if folder.exists() {
        eprintln!("removing {}, which was not finished", folder.display());
        fs::remove_dir_all(&folder).map_err(|source| Error::io("remove", &folder, source))?;
    }
    let disk = rustix::fs::statvfs(&root)
        .map_err(|source| Error::io("ask for the free space of", &root, source.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < NEEDED_BYTES {
        return Err(Error::Space { at: root, set: "PyTorch", need: NEEDED_BYTES, free });
    }
    eprintln!("installing PyTorch to compare with (5 GB on disk) into {}", folder.display());
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder).stdin(Stdio::null()).stdout(Stdio::null());
    let made =
        make.output().map_err(|source| Error::Run { program: "python3".to_owned(), source })?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
        return Err(Error::Bench(format!(
            "python3 could not make a virtual environment (Debian, Ubuntu: apt install python3-venv): {said}"
        )));
    }
    pip(&program, &NEEDED)?;
    if let Err(error) = pip(&program, &[WELCOME]) {
        eprintln!("  going on without {WELCOME}: {}", in_short(&error));
    }
    let mut list = pip_command(&program);
    let said = list
        .args(["list", "--format=freeze"])
        .output()
        .map_err(|source| Error::Run { program: program.display().to_string(), source })?;
    let marker = folder.join(MARKER);
    fs::write(&marker, said.stdout).map_err(|source| Error::io("write", &marker, source))?;
    Ok(program)
}

fn pip(program: &Path, wanted: &[&str]) -> Result<()> {
    let mut command = pip_command(program);
    command.args(["install", "--no-input", "--only-binary=:all:"]).args(wanted);
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    run_pip(command, &wanted.join(", "))
}

/// An error without the advice that belongs to another chore.
fn in_short(error: &Error) -> String {
    match error {
        Error::Network { wanted } => format!(
            "pip reached no package index while it looked for {wanted}; behind a proxy set \
             HTTPS_PROXY, with a mirror PIP_INDEX_URL, or name a Python that has torch: --python PATH"
        ),
        Error::NotFound { wanted } => format!(
            "the package index has no {wanted} for this python3; name another one that has torch: \
             --python PATH"
        ),
        other => other.to_string(),
    }
}

/// The version of torch that a Python has.
fn version(program: &Path) -> std::result::Result<String, String> {
    const ASK: &str = "import torch, numpy, safetensors; print(torch.__version__)";
    let shown = program.display();
    let output = Command::new(program)
        .args(["-c", ASK])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("could not run {shown}: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        let last = stderr.trim().lines().last().unwrap_or("it says nothing").to_owned();
        Err(format!("{shown} lacks torch, numpy or safetensors: {last}"))
    }
}

/// Has Python's networks compared with the golden vectors; a line for each file.
fn check(workspace: &Workspace, program: &Path) -> Result<Vec<String>> {
    let golden = workspace.root.join("crates/meme-blocks/tests/golden");
    let output = Command::new(program)
        .arg(script(workspace))
        .arg("--check")
        .arg(&golden)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Run { program: program.display().to_string(), source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Bench(format!(
            "PyTorch's networks are not those of the golden vectors, so nothing was timed:\n{said}"
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}
