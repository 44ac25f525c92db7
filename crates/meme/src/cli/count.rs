//! `meme count`.

use clap::Args;
use meme_blocks::{Architecture, StageCount};
use meme_torch::tch::Kind;
use serde::{Deserialize, Serialize};

use super::output;
use crate::experiment::Resolver;
use crate::progress::thousands;
use crate::{Error, Result};

/// Counts parameters, multiply-adds and memory of every expert, without allocating weights
#[derive(Args)]
pub(crate) struct Count {
    /// SUITE/ROW, a published network such as cin256, or a TOML file
    name: String,
    /// smoke, tiny, small or paper
    #[arg(long, default_value = "paper")]
    scale: String,
    /// Change a value: key=value
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Also the stages of each expert (--json always has them)
    #[arg(long)]
    stages: bool,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

macro_rules! networks {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../presets/networks/", $name, ".toml")))),+]
    };
}

/// Published networks that are no rows: they can be counted, and their descriptions read.
const NETWORKS: &[(&str, &str)] = networks!(
    "cin256",
    "cin256-96",
    "adm-imagenet64",
    "adm-imagenet128",
    "adm-imagenet256",
    "adm-s-celeba64",
    "iu-adm-s-celeba64",
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    about: String,
    input: [usize; 3],
    architecture: Architecture,
}

/// What was counted, as `--json` shows it.
#[derive(Serialize)]
struct Counted {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<String>,
    /// Channels, height and width.
    input: [usize; 3],
    experts: Vec<CountedExpert>,
    /// What stands above the table.
    #[serde(skip)]
    title: String,
}

#[derive(Serialize)]
struct CountedExpert {
    expert: u16,
    #[serde(flatten)]
    cost: Cost,
    stages: Vec<CountedStage>,
}

#[derive(Serialize)]
struct CountedStage {
    name: String,
    #[serde(flatten)]
    cost: Cost,
}

#[derive(Serialize)]
struct Cost {
    parameters: u64,
    macs: u64,
    macs_without_attention: u64,
    weight_bytes_f32: u64,
    weight_bytes_bf16: u64,
    activation_bytes_f32: u64,
    activation_bytes_bf16: u64,
}

impl Count {
    pub(crate) fn run(&self) -> Result<()> {
        let counted = match NETWORKS.iter().find(|(name, _)| *name == self.name) {
            Some((name, text)) => self.network(name, text)?,
            None => self.experiment()?,
        };
        if self.json {
            output::json(&counted);
        } else {
            output::text(&counted.text(self.stages));
        }
        Ok(())
    }

    fn experiment(&self) -> Result<Counted> {
        let experiment = Resolver::new(&self.scale, &self.set)?.named_or_file(&self.name)?;
        let input = experiment.latent_shape()?;
        let experts = experiment
            .numbered()
            .map(|(expert, network)| CountedExpert::new(expert.number(), network, input))
            .collect::<Result<_>>()?;
        Ok(Counted {
            title: format!("{} at scale {}", experiment.title, experiment.scale),
            name: experiment.name,
            scale: Some(experiment.scale),
            input,
            experts,
        })
    }

    fn network(&self, name: &str, text: &str) -> Result<Counted> {
        if !self.set.is_empty() {
            let rule = format!("--set changes experiments; {name} is a published network");
            return Err(Error::Usage(rule));
        }
        let Network { about, input, architecture } = toml::from_str(text).map_err(|error| {
            Error::Toml { file: format!("built-in network {name}"), message: error.to_string() }
        })?;
        Ok(Counted {
            title: format!("{about}\n\n{name}"),
            name: name.to_owned(),
            scale: None,
            input,
            experts: vec![CountedExpert::new(1, &architecture, input)?],
        })
    }
}

macro_rules! cost {
    ($count:expr) => {
        Cost {
            parameters: $count.parameters,
            macs: $count.macs,
            macs_without_attention: $count.macs_without_attention,
            weight_bytes_f32: $count.weight_bytes(Kind::Float),
            weight_bytes_bf16: $count.weight_bytes(Kind::BFloat16),
            activation_bytes_f32: $count.activation_bytes(Kind::Float),
            activation_bytes_bf16: $count.activation_bytes(Kind::BFloat16),
        }
    };
}

impl CountedExpert {
    fn new(expert: u16, network: &Architecture, [_, height, width]: [usize; 3]) -> Result<Self> {
        let count = meme_blocks::count(network, height, width)?;
        let cost = cost!(count);
        let stage = |stage: StageCount| CountedStage { cost: cost!(stage), name: stage.name };
        Ok(Self { expert, cost, stages: count.stages.into_iter().map(stage).collect() })
    }
}

const MEBIBYTE: f64 = (1 << 20) as f64;

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / MEBIBYTE)
}

const HEADER: [&str; 8] = [
    "",
    "parameters",
    "MACs",
    "without attention",
    "weights f32",
    "bf16",
    "activations f32",
    "bf16",
];

const NOTE: &str = "MACs are multiply-adds, with and without the two products of attention. Memory \
    is in MiB;\nactivations are what a training step keeps of one sample until its backward pass.";

impl Cost {
    fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            thousands(self.parameters),
            thousands(self.macs),
            thousands(self.macs_without_attention),
            mebibytes(self.weight_bytes_f32),
            mebibytes(self.weight_bytes_bf16),
            mebibytes(self.activation_bytes_f32),
            mebibytes(self.activation_bytes_bf16),
        ]
    }
}

impl Counted {
    /// A line for each expert; where there is one only, or `stages` are asked for, a table for each with its stages.
    fn text(&self, stages: bool) -> String {
        let [channels, height, width] = self.input;
        let mut text = format!(
            "{}, one forward pass of one {channels} x {height} x {width} sample:\n",
            self.title
        );
        let line = |expert: &CountedExpert| expert.cost.row(&format!("expert {}", expert.expert));
        let tables: Vec<Vec<_>> = match self.experts.as_slice() {
            [only] => vec![only.with_stages(only.cost.row("all"))],
            experts if stages => experts.iter().map(|e| e.with_stages(line(e))).collect(),
            experts => vec![experts.iter().map(line).collect()],
        };
        for rows in tables {
            text.push_str(&format!("\n{}", output::table(&HEADER, &rows)));
        }
        text.push_str(&format!("\n{NOTE}\n"));
        text
    }
}

impl CountedExpert {
    /// A row for each stage, and the sum.
    fn with_stages(&self, sum: Vec<String>) -> Vec<Vec<String>> {
        self.stages.iter().map(|stage| stage.cost.row(&stage.name)).chain([sum]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str, text: &str) -> Counted {
        let verb = Count {
            name: name.to_owned(),
            scale: "paper".to_owned(),
            set: Vec::new(),
            stages: false,
            json: false,
        };
        verb.network(name, text).unwrap()
    }

    #[test]
    fn every_published_network_is_valid_and_has_its_published_size() {
        // In millions: cin256 as CompVis prints it with its class table of 1001 x 512, the others as their papers do.
        let published = [401, 104, 296, 422, 554, 90, 83];
        assert_eq!(NETWORKS.len(), published.len());
        for ((name, text), millions) in NETWORKS.iter().zip(published) {
            let parameters = network(name, text).experts[0].cost.parameters;
            assert_eq!((parameters as f64 / 1e6).round() as u64, millions, "{name}");
        }
    }

    #[test]
    fn json_begins_with_the_name_and_holds_every_stage() {
        let (name, text) = NETWORKS[0];
        let shown = serde_json::to_string(&network(name, text)).unwrap();
        let start = r#"{"name":"cin256","input":[3,64,64],"experts":[{"expert":1,"parameters":401433091,"macs":"#;
        assert!(shown.starts_with(start), "{shown}");
        assert!(shown.contains(r#""stages":[{"name":"time","parameters":"#), "{shown}");
    }
}
