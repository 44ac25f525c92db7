//! `cargo xtask setup`: libtorch in a per-user cache, and this checkout linked to it.
//!
//! What is promised, and held by `tests/setup.rs`:
//! * A set is in the cache whole or not at all: it is downloaded and unpacked in a staging folder
//!   beside its final place, checked, its [manifest](manifest::Manifest) written last, synced to
//!   the disk, and renamed. A killed or failed setup leaves at most a staging folder, which the
//!   next one removes.
//! * Two setups at once: the second waits for the first and uses what it installed.
//! * When everything is there, it takes milliseconds: a manifest is read and a few dozen sizes
//!   compared.

mod cache;
mod content;
mod host;
mod link;
mod manifest;
mod own;
mod pip;
mod requirement;
mod set;
mod wheel;

use std::path::Path;
use std::time::Instant;

use self::cache::Cache;
pub(crate) use self::cache::home as cache_home;
use self::manifest::Manifest;
pub(crate) use self::pip::{command as pip_command, run as run_pip};
pub(crate) use self::set::Set;
use crate::error::{Error, Result};
use crate::usage;
use crate::workspace::Workspace;

/// The one version that tch 0.24 accepts.
const VERSION: &str = "2.11.0";

/// Reads setup's own arguments: the set that was asked for, if any.
pub(crate) fn parse(arguments: &[String]) -> Result<Option<Set>> {
    let mut wanted = None;
    for argument in arguments {
        let set = match argument.as_str() {
            "--cpu" => Set::Cpu,
            "--cuda" => Set::Cuda,
            "--gpu" => {
                return Err(Error::Usage(
                    "there is no option `--gpu`; did you mean `--cuda`?".to_owned(),
                ));
            }
            other => {
                return Err(Error::Usage(usage::unknown("option", other, &["--cpu", "--cuda"])));
            }
        };
        if wanted.is_some_and(|earlier| earlier != set) {
            return Err(Error::Usage("--cpu or --cuda, not both".to_owned()));
        }
        wanted = Some(set);
    }
    Ok(wanted)
}

/// Makes sure that plain `cargo build` finds libtorch; installs it where it is missing.
pub(crate) fn run(workspace: &Workspace, wanted: Option<Set>) -> Result<()> {
    host::check_compiler()?;
    if let Some(own) = own::find(workspace)? {
        eprintln!("{own}");
        if wanted.is_some() {
            eprintln!("  --cpu and --cuda choose what setup installs, so they change nothing here");
        }
        return Ok(());
    }
    host::check_platform()?;
    let linked = link::read(workspace);
    let set = choose(wanted, linked.as_ref().map(|linked| linked.set), host::nvidia_driver());
    if let Some(linked) = linked.filter(|linked| linked.set == set)
        && Manifest::holds(&linked.folder, set)
    {
        announce(set, &linked.folder);
        return Ok(());
    }
    let cache = Cache::locate()?;
    let folder = cache.folder(set);
    if !Manifest::holds(&folder, set) {
        install(&cache, set)?;
    }
    link::make(workspace, &folder.join("torch"))?;
    announce(set, &folder);
    Ok(())
}

/// The set to install: the one asked for; else the one this checkout is linked to; else what
/// suits the machine.
fn choose(wanted: Option<Set>, linked: Option<Set>, driver: bool) -> Set {
    wanted.or(linked).unwrap_or(if driver { Set::Cuda } else { Set::Cpu })
}

fn announce(set: Set, folder: &Path) {
    eprintln!("libtorch {VERSION} ({set}) is ready in {}", folder.display());
    if set == Set::Cpu && host::nvidia_driver() {
        eprintln!(
            "  this machine has an NVIDIA driver: `cargo xtask setup --cuda` installs the CUDA set"
        );
    }
}

fn install(cache: &Cache, set: Set) -> Result<()> {
    let started = Instant::now();
    let locked = cache.lock()?;
    let folder = cache.folder(set);
    if Manifest::holds(&folder, set) {
        return Ok(()); // another setup installed it while this one waited
    }
    locked.remove_leftovers()?;
    host::check_space(&cache.root, set)?;
    host::try_compiler()?;
    let pip = pip::Pip::find()?;
    eprintln!(
        "installing libtorch {VERSION} ({set}, {:.1} GB on disk) into {}",
        set.unpacked_bytes() as f64 / 1e9,
        folder.display()
    );
    let staging = locked.stage(set)?;
    let wheels = set::download(&pip, set, &staging)?;
    let tree = staging.tree();
    let mut installed = Vec::with_capacity(wheels.len());
    for wheel in wheels {
        eprintln!("  unpacking {}", wheel.file_name());
        installed.push(wheel.unpack(&tree)?);
        wheel.discard()?;
    }
    content::check(&tree, set)?;
    Manifest::describe(&tree, set, installed)?.write(&tree)?;
    staging.publish(&folder)?;
    eprintln!("  done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Set, choose, parse};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_flag_beats_the_link_and_the_link_beats_the_driver() {
        assert_eq!(choose(Some(Set::Cpu), Some(Set::Cuda), true), Set::Cpu);
        assert_eq!(choose(None, Some(Set::Cpu), true), Set::Cpu);
        assert_eq!(choose(None, None, true), Set::Cuda);
        assert_eq!(choose(None, None, false), Set::Cpu);
    }

    #[test]
    fn contradicting_and_misspelt_flags_are_refused() {
        assert_eq!(parse(&words(&["--cuda"])).unwrap(), Some(Set::Cuda));
        assert_eq!(parse(&[]).unwrap(), None);
        assert!(parse(&words(&["--cpu", "--cuda"])).is_err());
        let said = parse(&words(&["--cdua"])).unwrap_err().to_string();
        assert!(said.contains("did you mean `--cuda`"), "{said}");
    }
}
