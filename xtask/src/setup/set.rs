//! The two sets of wheels, and how each is downloaded.

use std::fmt;
use std::path::Path;

use super::cache::Staging;
use super::pip::{Pip, Wanted};
use super::requirement::Requirement;
use super::wheel::Wheel;
use crate::error::{Error, Result};

/// What to install.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Set {
    /// torch, and the two small NVIDIA libraries that its CPU half is linked against.
    Cpu,
    /// torch, and every NVIDIA library that it is linked against or loads.
    Cuda,
}

/// The torch wheel for CPython 3.12 holds libtorch for the CPU and for CUDA 13.0. Pinned by
/// content, so that every machine computes with the same library.
const TORCH: Wanted<'static> = Wanted {
    requirement: "torch==2.11.0",
    sha256: Some("0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756"),
};

/// libtorch_cpu.so names these two as needed libraries, even where there is no GPU.
const CPU_NEEDS: [Wanted<'static>; 2] = [
    Wanted {
        requirement: "nvidia-cuda-runtime==13.0.96",
        sha256: Some("7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"),
    },
    Wanted {
        requirement: "nvidia-cuda-cupti==13.0.85",
        sha256: Some("4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"),
    },
];

impl Set {
    /// The name in folder names, flags and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Set::Cpu => "cpu",
            Set::Cuda => "cuda",
        }
    }

    /// What the installed set takes on disk, measured.
    pub(crate) fn unpacked_bytes(self) -> u64 {
        match self {
            Set::Cpu => 1_200_000_000,
            Set::Cuda => 4_000_000_000,
        }
    }

    /// Free space that an installation needs: the unpacked set, its wheels beside it until each is
    /// unpacked, and room for pip's own cache.
    pub(crate) fn needed_bytes(self) -> u64 {
        match self {
            Set::Cpu => 2_500_000_000,
            Set::Cuda => 9_000_000_000,
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Downloads the wheels of `set` into the staging folder.
pub(super) fn download(pip: &Pip, set: Set, staging: &Staging) -> Result<Vec<Wheel>> {
    match set {
        Set::Cpu => {
            let [runtime, cupti] = CPU_NEEDS;
            pip.download(&[TORCH, runtime, cupti], staging)
        }
        Set::Cuda => {
            let mut wheels = pip.download(&[TORCH], staging)?;
            let torch = wheels.first().ok_or_else(|| nothing(TORCH.requirement))?;
            let needed = cuda_requirements(torch, |toolkit| {
                let wheels =
                    pip.download(&[Wanted { requirement: toolkit, sha256: None }], staging)?;
                wheels.into_iter().next().ok_or_else(|| nothing(toolkit))?.requirements()
            })?;
            let needed: Vec<Wanted<'_>> =
                needed.iter().map(|requirement| Wanted { requirement, sha256: None }).collect();
            wheels.extend(pip.download(&needed, staging)?);
            Ok(wheels)
        }
    }
}

fn nothing(requirement: &str) -> Error {
    Error::Wheel {
        wheel: requirement.to_owned(),
        problem: "pip said that it downloaded it, but left no wheel".to_owned(),
    }
}

/// The NVIDIA wheels that the torch wheel asks for on Linux, as pip understands them, sorted.
///
/// torch names some directly and the rest as extras of `cuda-toolkit`, a wheel that holds nothing
/// but requirements; `toolkit` fetches those. What torch asks for besides (triton, and packages of
/// Python code) is not part of libtorch.
fn cuda_requirements(
    torch: &Wheel,
    toolkit: impl FnOnce(&str) -> Result<Vec<Requirement>>,
) -> Result<Vec<String>> {
    let asked = torch.requirements()?;
    let mut needed: Vec<String> = nvidia(&asked, None);
    if let Some(meta) = asked.iter().find(|r| r.name == "cuda-toolkit" && r.applies(None)) {
        let inside = toolkit(&meta.plain())?;
        for extra in &meta.extras {
            let found = nvidia(&inside, Some(extra));
            if found.is_empty() {
                return Err(Error::Wheel {
                    wheel: meta.plain(),
                    problem: format!("it does not say what its part `{extra}` consists of"),
                });
            }
            needed.extend(found);
        }
    }
    needed.sort();
    needed.dedup();
    if needed.is_empty() {
        return Err(Error::Wheel {
            wheel: file_name(torch),
            problem: "it asks for no NVIDIA library, so it is not a CUDA build".to_owned(),
        });
    }
    Ok(needed)
}

/// The requirements on NVIDIA's packages that apply on Linux with this extra.
fn nvidia(requirements: &[Requirement], extra: Option<&str>) -> Vec<String> {
    requirements
        .iter()
        .filter(|requirement| requirement.name.starts_with("nvidia-"))
        // With an extra, only what that extra adds.
        .filter(|requirement| {
            requirement.applies(extra) && (extra.is_none() || !requirement.applies(None))
        })
        .map(Requirement::plain)
        .collect()
}

fn file_name(wheel: &Wheel) -> String {
    Path::new(wheel.file_name()).display().to_string()
}
