//! A libtorch of the user's own: respected, if it is one this workspace can be built with.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{VERSION, content, link};
use crate::error::{Error, Result};
use crate::workspace::Workspace;

/// A libtorch that setup did not install and builds will use.
#[derive(Debug)]
pub(super) struct Own {
    named_by: &'static str,
    folder: PathBuf,
    version: Option<String>,
}

impl fmt::Display for Own {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Own { named_by, folder, version } = self;
        let folder = folder.display();
        match version {
            Some(version) => {
                write!(formatter, "libtorch {version} of your own, named by {named_by}: {folder}")
            }
            None => write!(
                formatter,
                "libtorch of your own, named by {named_by}: {folder}\n  \
                 it does not say its version; this workspace needs {VERSION}"
            ),
        }
    }
}

/// The libtorch that the user asked builds to use: LIBTORCH_USE_PYTORCH, LIBTORCH, or a folder put
/// where setup would make its link, in the order that torch-sys looks.
pub(super) fn find(workspace: &Workspace) -> Result<Option<Own>> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return pytorch().map(Some);
    }
    if let Some(folder) = workspace.libtorch_of_the_user() {
        return check(
            "LIBTORCH",
            folder,
            "Correct it, or unset it to have `cargo xtask setup` install the right one.",
        )
        .map(Some);
    }
    if link::is_folder(workspace) {
        return check(
            "the folder .libtorch",
            workspace.link(),
            "Remove that folder to have `cargo xtask setup` install the right one.",
        )
        .map(Some);
    }
    Ok(None)
}

fn check(named_by: &'static str, folder: PathBuf, mend: &'static str) -> Result<Own> {
    let refuse = |problem: String| {
        Err(Error::Own { source_of_it: named_by, folder: folder.clone(), problem, mend })
    };
    // torch-sys takes the libraries and the headers from elsewhere if these say so.
    let part = |variable, name: &str| {
        env::var_os(variable).map_or_else(|| folder.clone(), PathBuf::from).join(name)
    };
    for file in [
        part("LIBTORCH_LIB", "lib").join("libtorch_cpu.so"),
        part("LIBTORCH_INCLUDE", "include").join("torch/csrc/api/include/torch/torch.h"),
    ] {
        if !file.is_file() {
            return refuse(format!("there is no {}", file.display()));
        }
    }
    let version = content::version(&folder);
    if let Some(found) = &version
        && !right(found)
    {
        return refuse(format!("it is version {found}, and this workspace needs {VERSION}"));
    }
    Ok(Own { named_by, folder, version })
}

/// Whether builds accept this version: torch-sys lets a variable overrule its own check.
fn right(version: &str) -> bool {
    content::is_ours(version) || env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_some()
}

/// The PyTorch of the Python that torch-sys would ask. It is found without being imported.
fn pytorch() -> Result<Own> {
    const NAMED_BY: &str = "LIBTORCH_USE_PYTORCH";
    const MEND: &str = "Install torch==2.11.0 into the active Python, or unset LIBTORCH_USE_PYTORCH to have setup install libtorch.";
    const ASK: &str = "import importlib.util, pathlib; found = importlib.util.find_spec('torch'); \
         print(pathlib.Path(found.origin).parent if found else '')";
    let python = if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let output = Command::new(python)
        .args(["-c", ASK])
        .output()
        .map_err(|source| Error::Run { program: python.to_owned(), source })?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let refuse = |folder: &Path, problem: String| {
        Err(Error::Own { source_of_it: NAMED_BY, folder: folder.to_owned(), problem, mend: MEND })
    };
    if !output.status.success() || folder.as_os_str().is_empty() {
        return refuse(Path::new(python), "it has no package torch".to_owned());
    }
    let version = content::version(&folder);
    match &version {
        Some(found) if !right(found) => {
            refuse(&folder, format!("it is version {found}, and this workspace needs {VERSION}"))
        }
        _ => Ok(Own { named_by: NAMED_BY, folder, version }),
    }
}
