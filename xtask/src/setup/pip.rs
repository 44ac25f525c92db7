//! pip as a downloader: whatever Python the user has, wheels for CPython 3.12 on Linux, unresolved.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::cache::Staging;
use super::host;
use super::wheel::Wheel;
use crate::error::{Error, Result};

/// The newest glibc (2.N) that libtorch's wheels are built for, and the oldest that has a tag.
const GLIBC: std::ops::RangeInclusive<u32> = 5..=28;

/// What those tags were called before they had numbers.
const OLD_TAGS: [&str; 3] = ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"];

/// The first pip that accepts more than one `--platform`.
const OLDEST: (u32, u32) = (20, 3);

/// A package in the version that is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// As on pip's command line: `torch==2.11.0`.
    pub(super) requirement: &'a str,
    /// The wheel's SHA-256, where it is pinned.
    pub(super) sha256: Option<&'a str>,
}

/// A pip that answers.
#[derive(Debug)]
pub(super) struct Pip(());

impl Pip {
    /// Asks `python3 -m pip` for its version.
    pub(super) fn find() -> Result<Self> {
        if host::on_path("python3").is_none() {
            return Err(Error::NoPython);
        }
        let output = command("python3")
            .args(["--version"])
            .output()
            .map_err(|source| Error::Run { program: "python3".to_owned(), source })?;
        let said = String::from_utf8_lossy(if output.status.success() {
            &output.stdout
        } else {
            &output.stderr
        });
        let Some(version) = output.status.success().then(|| version(&said)).flatten() else {
            let said = said.trim().lines().last().unwrap_or("it answers nothing").to_owned();
            return Err(Error::NoPip { said });
        };
        if version < OLDEST {
            return Err(Error::OldPip { version: format!("{}.{}", version.0, version.1) });
        }
        Ok(Pip(()))
    }

    /// Downloads one wheel for each of `wanted`, and nothing else, in their order. Either all are
    /// pinned by hash or none is (pip's rule).
    pub(super) fn download(&self, wanted: &[Wanted<'_>], staging: &Staging) -> Result<Vec<Wheel>> {
        let names: Vec<&str> = wanted.iter().map(|wanted| wanted.requirement).collect();
        eprintln!("  downloading {}", names.join(", "));
        let list = staging.scratch().join("requirements.txt");
        fs::write(&list, requirements(wanted))
            .map_err(|source| Error::io("write", &list, source))?;
        let mut command = command("python3");
        command.args(["download", "--no-deps", "--only-binary=:all:"]);
        command.args(["--python-version", "3.12", "--implementation", "cp"]);
        command.args(platforms().flat_map(|platform| ["--platform".to_owned(), platform]));
        if !std::io::stderr().is_terminal() {
            command.arg("--quiet");
        }
        command.arg("--dest").arg(staging.wheels()).arg("--requirement").arg(&list);
        command.env("TMPDIR", staging.scratch());
        run(command, &names.join(", "))?;
        wanted.iter().map(|wanted| Wheel::find(&staging.wheels(), wanted.requirement)).collect()
    }
}

/// Every platform tag that 64-bit x86 Linux may carry, newest first: pip compares tags letter by
/// letter where a platform is asked for, and takes no older one for it.
fn platforms() -> impl Iterator<Item = String> {
    let numbered = GLIBC.rev().map(|minor| format!("manylinux_2_{minor}_x86_64"));
    numbered.chain(OLD_TAGS.map(str::to_owned))
}

/// `PYTHON -m pip`, with no setting of the user's in the way that cannot concern a download.
pub(crate) fn command(python: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "pip"])
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_NO_INPUT", "1");
    command
}

/// pip's requirements file; one hash in it makes pip check all.
fn requirements(wanted: &[Wanted<'_>]) -> String {
    let line = |wanted: &Wanted<'_>| match wanted.sha256 {
        Some(hash) => format!("{} --hash=sha256:{hash}\n", wanted.requirement),
        None => format!("{}\n", wanted.requirement),
    };
    wanted.iter().map(line).collect()
}

/// Runs pip, passing on what it says as it says it.
pub(crate) fn run(mut command: Command, wanted: &str) -> Result<()> {
    // Standard output belongs to what comes after.
    command.stdin(Stdio::null()).stdout(std::io::stderr()).stderr(Stdio::piped());
    let failed = |source| Error::Run { program: "python3 -m pip".to_owned(), source };
    let mut child = command.spawn().map_err(failed)?;
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            // Losing the echo must not lose the download.
            let _ = std::io::stderr().write_all(&line);
            said.push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(explain(&said, wanted, &status.to_string()))
}

/// What pip's words, which the user has seen, mean. The network comes first: without one, pip also
/// says that it found no version.
fn explain(said: &str, wanted: &str, status: &str) -> Error {
    let any = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    if any(&["No space left on device", "Disk quota exceeded"]) {
        Error::DiskFull { doing: "download", path: PathBuf::from(wanted) }
    } else if any(&["DO NOT MATCH THE HASHES"]) {
        Error::WrongHash
    } else if any(&[
        "NewConnectionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ProxyError",
        "SSLError",
        "NameResolutionError",
        "ConnectionResetError",
        "ProtocolError",
        "Max retries exceeded",
        "Temporary failure in name resolution",
    ]) {
        Error::Network { wanted: wanted.to_owned() }
    } else if let Some((_, missing)) = said.split_once("No matching distribution found for ") {
        Error::NotFound { wanted: missing.lines().next().unwrap_or(wanted).to_owned() }
    } else {
        Error::Pip { wanted: wanted.to_owned(), status: status.to_owned() }
    }
}

/// The first two numbers of `pip 23.2.1 from ... (python 3.11)`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().strip_prefix("pip ")?.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::{Error, OLDEST, Wanted, explain, platforms, requirements, version};

    #[test]
    fn pip_versions_are_read_and_ordered() {
        assert_eq!(version("pip 23.2.1 from lib (python 3.11)\n"), Some((23, 2)));
        assert!(version("pip 20.0.2 from lib (python 3.8)").unwrap() < OLDEST);
        assert!(version("pip 20.3 from lib (python 3.8)").unwrap() >= OLDEST);
        assert_eq!(version("No module named pip"), None);
    }

    // What pip 23.2 prints without a network, for a name the index lacks, and for a changed file.
    #[test]
    fn a_missing_network_is_told_from_a_missing_package_and_a_changed_file() {
        let offline = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')'\n\
            ERROR: Could not find a version that satisfies the requirement torch==2.11.0 (from versions: none)\n\
            ERROR: No matching distribution found for torch==2.11.0";
        let absent = "ERROR: Could not find a version that satisfies the requirement torch==2.11.0 (from versions: 2.9.0, 2.10.0)\n\
            ERROR: No matching distribution found for torch==2.11.0";
        let changed = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.";
        let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device";
        let explain = |text| explain(text, "torch==2.11.0", "exit status: 1");
        assert!(matches!(explain(offline), Error::Network { .. }));
        assert!(matches!(explain(absent), Error::NotFound { .. }));
        assert!(matches!(explain(changed), Error::WrongHash));
        assert!(matches!(explain(full), Error::DiskFull { .. }));
        assert!(matches!(explain("ERROR: something else"), Error::Pip { .. }));
    }

    #[test]
    fn of_several_packages_the_missing_one_is_named() {
        let said = "ERROR: No matching distribution found for nvidia-cublas==13.1.0.3.*\nmore";
        let message = explain(said, "one, two, three", "exit status: 1").to_string();
        assert!(message.contains("has no nvidia-cublas==13.1.0.3.* for"), "{message}");
    }

    // Each wheel of either set carries one of these.
    #[test]
    fn the_tags_of_libtorchs_wheels_are_asked_for() {
        let asked: Vec<String> = platforms().collect();
        for tag in ["_2_28", "_2_27", "_2_25", "_2_24", "_2_18", "_2_17", "2014"] {
            assert!(asked.contains(&format!("manylinux{tag}_x86_64")), "{tag}");
        }
        assert_eq!(asked[0], "manylinux_2_28_x86_64");
        assert_eq!(asked.len(), 27);
    }

    #[test]
    fn a_requirements_file_carries_the_hashes() {
        let pinned = Wanted { requirement: "torch==2.11.0", sha256: Some("ab12") };
        let open = Wanted { requirement: "nvidia-cublas==13.1.0.3.*", sha256: None };
        assert_eq!(requirements(&[pinned]), "torch==2.11.0 --hash=sha256:ab12\n");
        assert_eq!(requirements(&[open]), "nvidia-cublas==13.1.0.3.*\n");
    }
}
