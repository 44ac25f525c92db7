//! Who is compared with whom.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::options::Options;
use crate::error::{Error, Result};
use crate::usage;

/// A network as our program describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) architecture: Value,
    /// Channels, height and width.
    pub(super) shape: [usize; 3],
    pub(super) parameters: u64,
}

/// What a contestant does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Task {
    Forward,
    Train,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Side {
    Ours,
    PyTorch,
}

/// One network in one mode, in a process of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Contestant {
    pub(super) side: Side,
    pub(super) mode: &'static str,
    pub(super) network: Network,
    pub(super) task: Task,
    pub(super) batch: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Contestant {
    /// `ldm-s f32-eager`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.network.name, self.mode)
    }

    /// A name for its log.
    pub(super) fn file_name(&self) -> String {
        let Contestant { side, mode, network, task, batch, height, width } = self;
        let (side, task) = (json!(side), json!(task));
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (side, task) = (word(&side), word(&task));
        format!("{task}-{}-{batch}x{height}x{width}-{side}-{mode}", network.name)
    }

    /// What its process is told first.
    pub(super) fn description(&self, threads: usize) -> Value {
        json!({
            "task": self.task,
            "mode": self.mode,
            "architecture": self.network.architecture,
            "batch": self.batch,
            "height": self.height,
            "width": self.width,
            "threads": threads,
        })
    }
}

/// Contestants that take turns; each of ours is compared with each of PyTorch's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) title: String,
    pub(super) contestants: Vec<Contestant>,
}

/// The modes of one dtype and task. Ours are the form for inference, and with `-training` the one
/// that is trained; PyTorch's are the ways in which its users run such a network.
struct Modes {
    dtype: &'static str,
    ours: &'static [&'static str],
    eager: &'static [&'static str],
    /// Takes a minute to compile.
    compiled: &'static [&'static str],
    /// diffusers' own U-Net, for networks that it has.
    diffusers: &'static [&'static str],
}

const FORWARD: [Modes; 2] = [
    Modes {
        dtype: "f32",
        ours: &["f32", "f32-training"],
        eager: &["f32-eager", "f32-channels-last"],
        compiled: &["f32-compiled"],
        diffusers: &["diffusers-f32-eager"],
    },
    Modes {
        dtype: "bf16",
        ours: &["bf16"],
        eager: &["bf16-autocast", "bf16-weights"],
        compiled: &["bf16-compiled"],
        diffusers: &["diffusers-bf16-autocast"],
    },
];

const TRAIN: [Modes; 2] = [
    Modes {
        dtype: "f32",
        ours: &["f32-training"],
        eager: &["f32-channels-last"],
        compiled: &[],
        diffusers: &[],
    },
    Modes {
        dtype: "bf16",
        ours: &["bf16-training"],
        eager: &["bf16-autocast"],
        compiled: &[],
        diffusers: &[],
    },
];

/// The paper's claim in one ratio: its large baseline as people run it, and an expert as we do.
const BASELINE: (&str, &str) = ("ldm-l", "f32-eager");
const EXPERT: (&str, &str) = ("meme-", "bf16");

/// Networks that compiling is worth a minute each: the baselines and one of the experts, which
/// differ only in how many channels go where.
const COMPILED: [&str; 3] = ["ldm-l", "ldm-s", "meme-1"];

/// The groups of a run, in the order in which they are measured.
pub(super) fn groups(options: &Options, networks: &[Network], with_python: bool) -> Vec<Group> {
    let modes = match options.task {
        Task::Forward => &FORWARD,
        Task::Train => &TRAIN,
    };
    let mut groups = Vec::new();
    for &batch in &options.batches {
        if options.task == Task::Forward {
            groups.extend(headline(options, networks, batch));
        }
        for network in networks {
            for (height, width) in sizes(options, network) {
                groups.extend(modes.iter().map(|modes| {
                    let contestant = |side, mode: &&'static str| Contestant {
                        side,
                        mode,
                        network: network.clone(),
                        task: options.task,
                        batch,
                        height,
                        width,
                    };
                    let plain = network.architecture.get("mixer").is_none_or(Value::is_null);
                    let compile = options.compile && COMPILED.contains(&network.name.as_str());
                    let none: &[&str] = &[];
                    let theirs = modes
                        .eager
                        .iter()
                        .chain(if compile { modes.compiled } else { none })
                        .chain(if plain { modes.diffusers } else { none })
                        .map(|mode| contestant(Side::PyTorch, mode));
                    let ours = modes.ours.iter().map(|mode| contestant(Side::Ours, mode));
                    Group {
                        title: title(&network.name, modes.dtype, batch, height, width),
                        contestants: ours.chain(theirs).collect(),
                    }
                }));
            }
        }
    }
    for group in &mut groups {
        group.contestants.retain(|contestant| with_python || contestant.side == Side::Ours);
    }
    groups.retain(|group| !group.contestants.is_empty());
    groups
}

/// The baseline beside every expert; none where either is left out.
fn headline(options: &Options, networks: &[Network], batch: usize) -> Option<Group> {
    let baseline = networks.iter().find(|network| network.name == BASELINE.0)?;
    let experts: Vec<&Network> =
        networks.iter().filter(|network| network.name.starts_with(EXPERT.0)).collect();
    let (height, width) = sizes(options, baseline).next()?;
    let contestant = |side, mode, network: &Network| Contestant {
        side,
        mode,
        network: network.clone(),
        task: Task::Forward,
        batch,
        height,
        width,
    };
    let mut contestants: Vec<Contestant> =
        experts.iter().map(|expert| contestant(Side::Ours, EXPERT.1, expert)).collect();
    if contestants.is_empty() {
        return None;
    }
    contestants.push(contestant(Side::PyTorch, BASELINE.1, baseline));
    let title = title("headline: the baseline over the experts", "", batch, height, width);
    Some(Group { title, contestants })
}

fn title(what: &str, dtype: &str, batch: usize, height: usize, width: usize) -> String {
    let space = if dtype.is_empty() { "" } else { " " };
    format!("{what}{space}{dtype}, batch {batch}, {height} x {width}")
}

fn sizes(options: &Options, network: &Network) -> impl Iterator<Item = (usize, usize)> + use<> {
    let [_, height, width] = network.shape;
    let sizes = match options.sizes.as_slice() {
        [] => vec![(height, width)],
        sizes => sizes.iter().map(|&side| (side, side)).collect(),
    };
    sizes.into_iter()
}

/// Those of `known` that `names` name; all where it names none.
pub(super) fn chosen(known: Vec<Network>, names: &[String]) -> Result<Vec<Network>> {
    let all: Vec<&str> = known.iter().map(|network| network.name.as_str()).collect();
    if let Some(name) = names.iter().find(|name| !all.contains(&name.as_str())) {
        return Err(Error::Usage(usage::unknown("network", name, &all)));
    }
    let wanted = |network: &Network| names.is_empty() || names.contains(&network.name);
    Ok(known.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::{Contestant, Group, Network, Side, chosen, groups};
    use crate::bench::options::{Options, parse};
    use serde_json::json;

    fn networks() -> Vec<Network> {
        let network = |name: &str, mixer: bool| Network {
            name: name.to_owned(),
            architecture: if mixer { json!({ "mixer": {} }) } else { json!({ "width": 8 }) },
            shape: [3, 64, 64],
            parameters: 1,
        };
        vec![network("ldm-l", false), network("meme-1", true), network("meme-2", true)]
    }

    fn options(line: &str) -> Options {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    fn theirs(group: &Group) -> Vec<&str> {
        let theirs = group.contestants.iter().filter(|one| one.side == Side::PyTorch);
        theirs.map(|one| one.mode).collect()
    }

    #[test]
    fn every_network_meets_its_twin_by_dtype_and_the_baseline_meets_the_experts() {
        let groups = groups(&options("--batch 4"), &networks(), true);
        assert_eq!(groups.len(), 1 + 3 * 2);
        let headline: Vec<String> = groups[0].contestants.iter().map(Contestant::name).collect();
        assert_eq!(headline, ["meme-1 bf16", "meme-2 bf16", "ldm-l f32-eager"]);
        assert_eq!(groups[1].title, "ldm-l f32, batch 4, 64 x 64");
        let known = ["f32-eager", "f32-channels-last", "f32-compiled", "diffusers-f32-eager"];
        assert_eq!(theirs(&groups[1]), known);
        // diffusers has no mixers, and the experts are compiled once.
        assert_eq!(theirs(&groups[3]), ["f32-eager", "f32-channels-last", "f32-compiled"]);
        assert_eq!(theirs(&groups[5]), ["f32-eager", "f32-channels-last"]);
    }

    #[test]
    fn without_python_only_ours_are_left() {
        let groups = groups(&options(""), &networks(), false);
        assert!(!groups.is_empty());
        assert!(groups.iter().all(|group| theirs(group).is_empty()));
    }

    #[test]
    fn training_meets_training_at_each_size() {
        let groups = groups(&options("--train"), &networks()[..1], true);
        let titles: Vec<&str> = groups.iter().map(|group| group.title.as_str()).collect();
        let batch = "batch 8";
        assert_eq!(titles[0], format!("ldm-l f32, {batch}, 32 x 32"));
        assert_eq!(titles[3], format!("ldm-l bf16, {batch}, 64 x 64"));
        assert_eq!(theirs(&groups[3]), ["bf16-autocast"]);
    }

    #[test]
    fn networks_are_chosen_by_name_and_an_unknown_one_is_named() {
        let known = chosen(networks(), &["meme-2".to_owned()]).unwrap();
        assert_eq!(known.len(), 1);
        let said = chosen(networks(), &["meme-3".to_owned()]).unwrap_err().to_string();
        assert!(said.contains("no network `meme-3`"), "{said}");
    }
}
