//! An imported network becomes one expert of a run.

use std::path::Path;

use meme_autoencoder::FirstStageConfig;
use meme_router::{Expert, Intervals};
use serde_json::json;

use super::{FIRST_STAGE, Import, NetworkWeights, refused};
use crate::experiment::Experiment;
use crate::run::{RunFolder, expert_folder};
use crate::{Error, Result};

/// Where an import goes.
pub(crate) struct Placement<'a> {
    /// The run folder, made where it is missing.
    pub(crate) run: &'a Path,
    /// Which expert it becomes; the only one where none is named.
    pub(crate) expert: Option<Expert>,
    /// Upper ends of the experts' intervals in a folder that is new.
    pub(crate) intervals: Option<Intervals>,
    /// What a new folder's experiment has that the source does not tell.
    pub(crate) base: Experiment,
    /// What it was read from, for the record.
    pub(crate) source: &'a Path,
}

/// Puts the network into its folder, and the first stage beside the experts. What is there already must agree.
pub(crate) fn place(placement: &Placement<'_>, import: &Import) -> Result<(Experiment, Expert)> {
    let Some(network) = &import.network else {
        let reason = "it holds a first stage and no network: use --out FILE.safetensors";
        return Err(refused(placement.source, reason));
    };
    network.check()?;
    let exists = placement.run.join("experiment.toml").exists();
    let mut experiment =
        if exists { join(placement, import)? } else { begin(placement, import, network)? };
    let count = experiment.experts.len();
    let expert = match placement.expert {
        Some(expert) if expert.position() < count => expert,
        Some(expert) => {
            let number = expert.number();
            return Err(Error::Usage(format!("--expert {number}: the run has {count} experts")));
        }
        None if count == 1 => Expert::FIRST,
        None => {
            return Err(Error::Usage(format!(
                "the run has {count} experts: choose one with --expert N"
            )));
        }
    };
    let folder = expert_folder(placement.run, expert);
    if meme_trainer::newest_checkpoint(&folder)?.is_some() {
        let reason = format!(
            "expert {} has a checkpoint already; use another run folder, or remove it",
            expert.number()
        );
        return Err(refused(&folder, reason));
    }
    experiment.experts[expert.position()] = network.architecture.clone();
    let experiment = checked(placement, &experiment)?;
    write_first_stage(placement.run, import)?;
    write_expert(placement, &experiment, expert, network)?;
    // Last: a folder without it is no run yet, and the same command makes it one.
    let text = experiment.to_toml()?;
    meme_checkpoint::write_file_whole(placement.run.join("experiment.toml"), text.as_bytes())?;
    Ok((experiment, expert))
}

/// The experiment of a new run.
fn begin(
    placement: &Placement<'_>,
    import: &Import,
    network: &NetworkWeights,
) -> Result<Experiment> {
    let mut experiment = placement.base.clone();
    let name = placement
        .source
        .file_stem()
        .map_or_else(|| "network".into(), |name| name.to_string_lossy());
    experiment.name = format!("imported/{name}");
    experiment.title = name.into_owned();
    experiment.about =
        format!("Imported; what its source did not say is as in {}.", placement.base.name);
    experiment.scale = "imported".into();
    if let Some(schedule) = &import.schedule {
        experiment.schedule = schedule.clone();
    }
    if let Some(parametrisation) = import.parametrisation {
        experiment.parametrisation = parametrisation;
    }
    if let Some(stage) = &import.first_stage {
        experiment.first_stage = stage.config.clone();
    }
    if let Some(side) = import.side {
        experiment.data.resolution = side * experiment.first_stage.factor();
    }
    let steps = experiment.schedule.steps();
    experiment.intervals = match &placement.intervals {
        Some(intervals) => intervals.clone(),
        None => Intervals::uniform(1, steps)?,
    };
    experiment.intervals.check_steps(steps)?;
    // Places that are filled later have this network's description until then.
    experiment.experts = vec![network.architecture.clone(); experiment.intervals.experts()];
    Ok(experiment)
}

/// The experiment of a run that is there, if the source agrees with it.
fn join(placement: &Placement<'_>, import: &Import) -> Result<Experiment> {
    let run = RunFolder::open(placement.run)?;
    let experiment = run.experiment;
    let differs = |what: &str, theirs: String, ours: String| {
        let reason =
            format!("its {what} is {theirs}, that of {} is {ours}", placement.run.display());
        Err(refused(placement.source, reason))
    };
    if let Some(schedule) =
        import.schedule.as_ref().filter(|schedule| **schedule != experiment.schedule)
    {
        return differs(
            "noise schedule",
            format!("{schedule:?}"),
            format!("{:?}", experiment.schedule),
        );
    }
    if let Some(prediction) = import.parametrisation.filter(|it| *it != experiment.parametrisation)
    {
        return differs(
            "prediction",
            format!("{prediction:?}"),
            format!("{:?}", experiment.parametrisation),
        );
    }
    if let Some(stage) =
        import.first_stage.as_ref().filter(|stage| stage.config != experiment.first_stage)
    {
        return differs(
            "first stage",
            format!("{:?}", stage.config),
            format!("{:?}", experiment.first_stage),
        );
    }
    if placement.intervals.as_ref().is_some_and(|intervals| *intervals != experiment.intervals) {
        return Err(Error::Usage(format!(
            "--intervals: {} has the intervals {:?}",
            placement.run.display(),
            experiment.intervals.upper_ends()
        )));
    }
    Ok(experiment)
}

/// The experiment as it is read back, so that nothing is written that cannot be opened.
fn checked(placement: &Placement<'_>, experiment: &Experiment) -> Result<Experiment> {
    let file = placement.run.join("experiment.toml").display().to_string();
    Experiment::from_toml(&experiment.to_toml()?, &file)
}

/// Writes the first stage's weights beside the experts, once; another one's are refused.
fn write_first_stage(run: &Path, import: &Import) -> Result<()> {
    let Some(stage) = import.first_stage.as_ref() else { return Ok(()) };
    if matches!(stage.config, FirstStageConfig::Identity {} | FirstStageConfig::SpaceToDepth { .. })
    {
        return Ok(());
    }
    let file = run.join(FIRST_STAGE);
    if file.exists() {
        if meme_checkpoint::read_safetensors(&file)?.tensors != stage.tensors {
            return Err(refused(
                &file,
                "the run's first stage has other weights: its latents mean something else",
            ));
        }
        return Ok(());
    }
    std::fs::create_dir_all(run).map_err(crate::error::io(run))?;
    Ok(meme_checkpoint::write_safetensors(&file, &stage.tensors, &Default::default())?)
}

fn write_expert(
    placement: &Placement<'_>,
    experiment: &Experiment,
    expert: Expert,
    network: &NetworkWeights,
) -> Result<()> {
    let shelf = meme_trainer::checkpoints(&expert_folder(placement.run, expert));
    // How many images a network of somebody else's has seen is not known.
    let mut writer = shelf.begin(0)?;
    let metadata = Default::default();
    writer.tensors("weights.safetensors", &network.weights, &metadata)?;
    let average = network.average.as_ref().unwrap_or(&network.weights);
    writer.tensors("ema.safetensors", average, &metadata)?;
    writer.commit(json!({
        "images": 0,
        "imported": { "from": placement.source, "average": network.average.is_some() },
        "configuration": experiment.identity(expert, "unknown"),
    }))?;
    Ok(())
}
