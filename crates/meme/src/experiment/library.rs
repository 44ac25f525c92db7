//! The experiments, suites and scales that are built in.

use std::path::Path;

use meme_autoencoder::FirstStageConfig;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::Experiment;
use super::merge::{overlay, set};
use super::suite::{Suite, SuiteRow};
use crate::error::io;
use crate::{Error, Result};

macro_rules! presets {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../presets/", $folder, "/", $name, ".toml")))),+]
    };
}

const SUITES: &[(&str, &str)] = presets!("suites":
    "ffhq", "celebahq", "celeba64", "imagenet", "soft-assignment", "experts", "steps", "frequency",
    "large", "mixing", "pooling", "elements", "boundaries");
const ROWS: &[(&str, &str)] = presets!("rows":
    "ldm-l", "ldm-s", "iu-ldm-s", "multi-expert", "multi-expert-soft", "meme", "class-ldm",
    "class-experts");
const SCALES: &[(&str, &str)] = presets!("scales": "smoke", "tiny", "small", "paper");

/// How far an experiment is scaled down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Its name on the command line.
    pub name: String,
    /// What it shows and what it does not.
    pub about: String,
    /// Whether its results can be compared with the paper's at all.
    pub scaled_down: bool,
    /// Portions that training is divided into; after each a row shows what it can draw so far.
    pub rounds: u64,
    /// Whether the networks of the paper's size are timed too.
    pub paper_speed: bool,
    /// How the networks shrink.
    shrink: Option<Shrink>,
    /// What it changes.
    #[serde(default)]
    experiment: Table,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shrink {
    divisor: usize,
    norm_groups: usize,
}

fn find<T: for<'de> Deserialize<'de>>(
    kind: &'static str,
    presets: &[(&str, &str)],
    name: &str,
) -> Result<T> {
    let Some((_, text)) = presets.iter().find(|(known, _)| *known == name) else {
        return Err(Error::unknown(kind, name, presets.iter().map(|(known, _)| *known)));
    };
    toml::from_str(text).map_err(|error| Error::Toml {
        file: format!("built-in {kind} {name}"),
        message: error.to_string(),
    })
}

/// Names of the built-in suites.
pub fn suites() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|(name, _)| *name)
}

/// Names of the scales, smallest first.
pub fn scales() -> impl Iterator<Item = &'static str> {
    SCALES.iter().map(|(name, _)| *name)
}

/// A built-in suite.
///
/// # Errors
/// [`Error::UnknownName`].
pub fn suite(name: &str) -> Result<Suite> {
    let mut suite: Suite = find("suite", SUITES, name)?;
    if let Some(like) = suite.like.take() {
        let mut experiment = find::<Suite>("suite", SUITES, &like)?.experiment;
        overlay(&mut experiment, &suite.experiment);
        suite.experiment = experiment;
    }
    Ok(suite)
}

/// Turns names into experiments for one scale and a list of `--set` assignments.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// The scale.
    pub scale: Scale,
    settings: Vec<String>,
}

impl Resolver {
    /// `settings` are `key=value` as `--set` takes them.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for the scale.
    pub fn new(scale: &str, settings: &[String]) -> Result<Self> {
        Ok(Self { scale: find("scale", SCALES, scale)?, settings: settings.to_vec() })
    }

    /// One row of a suite, fully resolved.
    ///
    /// # Errors
    /// [`Error::UnknownName`], [`Error::Usage`] for a setting, [`Error::Toml`] for a value.
    pub fn row(&self, suite: &Suite, row: &str) -> Result<Experiment> {
        let Some(SuiteRow { base, experiment: own, .. }) =
            suite.rows.iter().find(|known| known.row == row)
        else {
            let known = suite.rows.iter().map(|known| known.row.as_str());
            return Err(Error::unknown("row", row, known));
        };
        let mut table = suite.experiment.clone();
        overlay(&mut table, &find::<Table>("row", ROWS, base.as_deref().unwrap_or(row))?);
        overlay(&mut table, own);
        overlay(&mut table, &self.scale.experiment);
        let name = format!("{}/{row}", suite.name);
        table.insert("name".into(), name.clone().into());
        table.insert("scale".into(), self.scale.name.clone().into());
        spread_architecture(&mut table);
        if let Some(shrink) = &self.scale.shrink {
            for expert in experts_mut(&mut table) {
                shrink.apply(expert);
            }
        }
        fit_channels(&mut table, &name)?;
        parse(&table, &name)?.with(&self.settings)
    }

    /// The experiment `suite/row`.
    ///
    /// # Errors
    /// As [`Resolver::row`], and [`Error::Usage`] for a name of another form.
    pub fn named(&self, name: &str) -> Result<Experiment> {
        let Some((suite_name, row)) = name.split_once('/') else {
            let known: Vec<String> = suites()
                .filter_map(|name| suite(name).ok())
                .flat_map(|suite| {
                    suite.rows.into_iter().map(move |row| format!("{}/{}", suite.name, row.row))
                })
                .collect();
            return Err(Error::unknown("experiment", name, known.iter().map(String::as_str)));
        };
        self.row(&suite(suite_name)?, row)
    }

    /// A built-in experiment by name, or a file where `name` ends in `.toml`.
    ///
    /// # Errors
    /// As [`Resolver::named`] and [`experiment_from_file`].
    pub fn named_or_file(&self, name: &str) -> Result<Experiment> {
        if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
            experiment_from_file(Path::new(name), &self.settings)
        } else {
            self.named(name)
        }
    }
}

impl Shrink {
    fn apply(&self, architecture: &mut Table) {
        for field in ["width", "head_dim"] {
            if let Some(Value::Integer(value)) = architecture.get_mut(field) {
                *value /= self.divisor as i64;
            }
        }
        architecture.insert("norm_groups".into(), Value::Integer(self.norm_groups as i64));
    }
}

/// Reads an experiment of the user's own; `[architecture]`, where given, is what `[[experts]]`
/// have in common.
///
/// # Errors
/// [`Error::Io`], [`Error::Toml`] with the line, [`Error::Usage`] for a setting.
pub fn experiment_from_file(file: &Path, settings: &[String]) -> Result<Experiment> {
    let text = std::fs::read_to_string(file).map_err(io(file))?;
    let shown = file.display().to_string();
    let mut table: Table = toml::from_str(&text)
        .map_err(|error| Error::Toml { file: shown.clone(), message: error.to_string() })?;
    if !table.contains_key("architecture") {
        return Experiment::from_toml(&text, &shown)?.with(settings);
    }
    spread_architecture(&mut table);
    fit_channels(&mut table, &shown)?;
    parse(&table, &shown)?.with(settings)
}

impl Experiment {
    /// The experiment with some values changed: `key=value`, as `--set` takes them. Every key of
    /// the complete experiment can be set, those with default values too.
    fn with(self, settings: &[String]) -> Result<Self> {
        if settings.is_empty() {
            return Ok(self);
        }
        let name = self.name.clone();
        let mut table: Table = toml::from_str(&self.to_toml()?)
            .map_err(|error| Error::Toml { file: name.clone(), message: error.to_string() })?;
        for setting in settings {
            set(&mut table, setting)?;
        }
        parse(&table, &name)
    }
}

fn parse(table: &Table, name: &str) -> Result<Experiment> {
    let text = toml::to_string(table)
        .map_err(|error| Error::Toml { file: name.into(), message: error.to_string() })?;
    Experiment::from_toml(&text, name)
}

/// Writes what `[architecture]` says into each of `[[experts]]`, one expert where none is named.
fn spread_architecture(table: &mut Table) {
    let Some(Value::Table(common)) = table.remove("architecture") else { return };
    let experts = match table.remove("experts") {
        Some(Value::Array(experts)) => experts,
        _ => {
            let count = table.get("intervals").and_then(Value::as_array).map_or(1, Vec::len);
            vec![Value::Table(Table::new()); count]
        }
    };
    let full = experts.into_iter().map(|expert| {
        let mut full = common.clone();
        if let Value::Table(own) = expert {
            overlay(&mut full, &own);
        }
        Value::Table(full)
    });
    table.insert("experts".into(), Value::Array(full.collect()));
}

fn experts_mut(table: &mut Table) -> impl Iterator<Item = &mut Table> {
    table
        .get_mut("experts")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_table_mut)
}

/// Networks take and give as many channels as the first stage makes.
fn fit_channels(table: &mut Table, name: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Shape {
        data: Resolution,
        first_stage: FirstStageConfig,
    }
    #[derive(Deserialize)]
    struct Resolution {
        resolution: usize,
    }
    let shape: Shape =
        Value::Table(table.clone()).try_into().map_err(|error: toml::de::Error| Error::Toml {
            file: name.into(),
            message: error.to_string(),
        })?;
    let side = shape.data.resolution;
    let [channels, ..] = shape.first_stage.latent_shape([3, side, side])?;
    for expert in experts_mut(table) {
        for field in ["in_channels", "out_channels"] {
            expert.entry(field).or_insert(Value::Integer(channels as i64));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::suite::ClaimKind;
    use super::*;
    use meme_router::{ClusterCost, Intervals};

    #[test]
    fn every_row_resolves_at_every_scale_and_survives_toml() {
        for scale in scales() {
            let resolver = Resolver::new(scale, &[]).unwrap();
            for name in suites() {
                let suite = suite(name).unwrap();
                for row in &suite.rows {
                    let experiment = resolver.row(&suite, &row.row).unwrap();
                    let text = experiment.to_toml().unwrap();
                    assert_eq!(Experiment::from_toml(&text, "again").unwrap(), experiment);
                }
            }
        }
    }

    #[test]
    fn the_row_in_the_documents_resolves_at_every_scale() {
        #[derive(Deserialize)]
        struct Addition {
            rows: Vec<SuiteRow>,
        }
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/adding/expert.md");
        let page = std::fs::read_to_string(page).unwrap();
        let block = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let mut experts = suite("experts").unwrap();
        experts.rows.extend(toml::from_str::<Addition>(block).unwrap().rows);
        for scale in scales() {
            let row = Resolver::new(scale, &[]).unwrap().row(&experts, "three").unwrap();
            assert_eq!((row.experts.len(), row.intervals.experts()), (3, 3));
        }
    }

    #[test]
    fn the_boundaries_suite_holds_what_the_router_computes() {
        let resolver = Resolver::new("paper", &[]).unwrap();
        let ends = |row| resolver.named(&format!("boundaries/{row}")).unwrap().intervals;
        let config = resolver.named("boundaries/uniform").unwrap().schedule;
        let schedule = meme_schedule::Schedule::new(&config).unwrap();
        let log_snr: Vec<f64> =
            (0..schedule.steps()).map(|index| schedule.log_snr(index)).collect();
        assert_eq!(ends("log-snr"), Intervals::equal_log_snr(4, &log_snr).unwrap());
        let cost = ClusterCost::Values(&log_snr);
        assert_eq!(ends("clustered"), Intervals::cluster(4, cost).unwrap());
    }

    #[test]
    fn claims_name_rows_of_their_suite() {
        for name in suites() {
            let suite = suite(name).unwrap();
            let known = |row: &String| suite.rows.iter().any(|known| known.row == *row);
            assert!(known(&suite.reference) && suite.default_rows.iter().all(known), "{name}");
            for claim in &suite.claims {
                assert!(known(&claim.row) && known(&claim.than), "{name}: {}", claim.text);
                assert_eq!(claim.times.is_some(), claim.kind == ClaimKind::Faster);
            }
        }
    }

    #[test]
    fn a_repeat_differs_in_its_seeds_and_its_name_only() {
        let first = Resolver::new("tiny", &[]).unwrap().named("ffhq/meme").unwrap();
        assert_eq!(first.repeat(0), first);
        let third = first.repeat(2);
        assert_eq!((third.train.seed, third.sample.seed), (2, 2));
        assert_eq!(third.name, "ffhq/meme-repeat-2");
        assert_eq!((third.experts, third.data), (first.experts, first.data));
    }

    #[test]
    fn tiny_is_a_quarter_as_wide_and_keeps_the_head_table() {
        let tiny = Resolver::new("tiny", &[]).unwrap();
        let meme = tiny.named("ffhq/meme").unwrap();
        assert_eq!(meme.latent_shape().unwrap(), [12, 16, 16]);
        let expert = &meme.experts[3];
        assert_eq!((expert.width, expert.head_dim, expert.norm_groups), (32, 8, 8));
        assert_eq!(expert.mixer.as_ref().unwrap().high_heads, [2, 2, 3, 1]);
        assert_eq!(tiny.named("ffhq/ldm-l").unwrap().experts[0].width, 56);
    }

    #[test]
    fn a_setting_reaches_the_experiment() {
        let resolver = Resolver::new("tiny", &["train.images=64".into()]).unwrap();
        assert_eq!(resolver.named("ffhq/ldm-s").unwrap().train.images, 64);
    }

    #[test]
    fn a_misspelt_key_shows_its_line() {
        let mut text =
            Resolver::new("tiny", &[]).unwrap().named("ffhq/ldm-s").unwrap().to_toml().unwrap();
        text = text.replace("learning_rate", "learning_rat");
        let message = Experiment::from_toml(&text, "mine.toml").unwrap_err().to_string();
        assert!(message.starts_with("mine.toml: "), "{message}");
        assert!(message.contains("learning_rat = 0.001"), "{message}");
        assert!(message.contains("unknown field `learning_rat`"), "{message}");
    }
}
