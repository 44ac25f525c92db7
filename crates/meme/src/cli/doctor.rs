//! `meme doctor`: the half that runs where libtorch could be loaded; the launcher speaks otherwise.

use clap::Args;
use serde_json::json;

use super::output;
use crate::{Error, Result};

/// The libtorch that this program is built for.
const LIBTORCH: &str = "2.11.0";

/// Says what is installed, linked and missing, and the line that mends it
#[derive(Args)]
pub(crate) struct Doctor {
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

struct Finding {
    what: &'static str,
    state: String,
    /// A command, where something is wrong or could be better.
    mend: Option<String>,
    broken: bool,
}

impl Finding {
    fn good(what: &'static str, state: impl Into<String>) -> Self {
        Self { what, state: state.into(), mend: None, broken: false }
    }
}

impl Doctor {
    pub(crate) fn run(&self) -> Result<()> {
        let findings = findings();
        if self.json {
            let list: Vec<_> = findings
                .iter()
                .map(|it| json!({"what": it.what, "state": it.state, "mend": it.mend, "broken": it.broken}))
                .collect();
            output::json(
                &json!({"findings": list, "healthy": findings.iter().all(|it| !it.broken)}),
            );
        } else {
            let mut text = String::new();
            for finding in &findings {
                text.push_str(&format!("{:12} {}\n", finding.what, finding.state));
                if let Some(mend) = &finding.mend {
                    text.push_str(&format!("{:12} mend it with: {mend}\n", ""));
                }
            }
            output::text(&text);
        }
        match findings.iter().find(|finding| finding.broken) {
            None => Ok(()),
            Some(broken) => Err(Error::Broken(format!("{}: {}", broken.what, broken.state))),
        }
    }
}

fn findings() -> Vec<Finding> {
    let mut findings = vec![Finding::good("program", env!("CARGO_PKG_VERSION"))];
    findings.push(match meme_torch::device::libtorch_version() {
        Ok(version) if version == LIBTORCH => Finding::good("libtorch", version),
        Ok(version) => Finding {
            what: "libtorch",
            state: format!("{version}, but this program needs {LIBTORCH}"),
            mend: Some("cargo xtask setup && cargo build --release -p meme".into()),
            broken: true,
        },
        Err(error) => Finding {
            what: "libtorch",
            state: format!("does not answer: {error}"),
            mend: Some("cargo xtask setup".into()),
            broken: true,
        },
    });
    if let Some(path) = meme_torch::device::library_path() {
        findings.push(Finding::good("loaded from", path.display().to_string()));
    }
    if let Ok(capability) = meme_torch::device::cpu_capability() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        findings.push(Finding::good("processor", format!("{capability}, {cores} cores")));
    }
    findings.push(cuda());
    findings
}

fn cuda() -> Finding {
    let driver = std::path::Path::new("/proc/driver/nvidia/version").exists();
    match meme_torch::device::load_cuda() {
        Ok(()) => {
            let count = meme_torch::device::cuda_count();
            let names: Vec<String> = meme_torch::device::devices()
                .into_iter()
                .filter(|device| device.is_cuda())
                .map(meme_torch::device::device_name)
                .collect();
            if count > 0 {
                return Finding::good("CUDA", format!("{count} GPU: {}", names.join(", ")));
            }
            Finding::good("CUDA", "loaded, but no GPU answers: everything runs on the CPU")
        }
        Err(sentence) if driver => Finding {
            what: "CUDA",
            state: format!(
                "there is an NVIDIA driver, but libtorch's CUDA half does not load: {sentence}"
            ),
            mend: Some("cargo xtask setup --cuda".into()),
            broken: true,
        },
        Err(sentence) => Finding::good(
            "CUDA",
            format!("not loaded, everything runs on the CPU (the loader says: {sentence})"),
        ),
    }
}
