//! A suite run: rows to be compared, from pictures to a report, stage by stage.

mod emit;
mod measure;
mod plan;
mod speed;
mod summary;
mod train;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use meme_data::OnCorrupt;
use meme_router::Expert;
use meme_torch::tch::Device;
use meme_trainer::Stop;
use ndarray::Array2;
use serde_json::json;

use crate::experiment::{Experiment, Resolver, Suite, suite};
use crate::first::First;
use crate::pictures::{Latents, Pictures};
use crate::progress::Progress;
use crate::run::RunFolder;
use crate::stages::Stages;
use crate::{Error, Result, report};

/// The stages in the order in which they run.
pub(crate) const STAGES: [&str; 8] =
    ["data", "train", "validate", "sample", "evaluate", "analyze", "speed", "report"];

/// Repeats of a row that a report looks for.
pub(crate) const MOST_REPEATS: u64 = 32;

/// What `meme reproduce` was asked for.
pub(crate) struct Request {
    pub(crate) suite: String,
    pub(crate) scale: String,
    pub(crate) rows: Option<Vec<String>>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) run: Option<PathBuf>,
    pub(crate) first_stage: Option<PathBuf>,
    pub(crate) settings: Vec<String>,
    /// At least one.
    pub(crate) devices: Vec<Device>,
    pub(crate) lanes: Option<usize>,
    /// One network only is going to be trained.
    pub(crate) alone: bool,
    pub(crate) repeats: u64,
    /// Rows that were trained with other numbers are set aside and trained again.
    pub(crate) redo_changed: bool,
    pub(crate) on_corrupt: OnCorrupt,
}

/// How much of a suite to run.
pub(crate) enum Part {
    /// From pictures to a report.
    All,
    /// One of [`STAGES`].
    Stage(String),
    /// Training one expert of one row, counted from 0 over [`SuiteRun::tasks`].
    Task(usize),
}

/// A suite with its folder, its rows and what runs it.
pub(crate) struct SuiteRun {
    pub(crate) folder: PathBuf,
    pub(crate) suite: Suite,
    pub(crate) resolver: Resolver,
    /// The rows to train, in the suite's order, then the same again for every repeat.
    pub(crate) rows: Vec<Experiment>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) first_stage: Option<PathBuf>,
    /// Lane k computes on device k, counted round.
    pub(crate) devices: Vec<Device>,
    pub(crate) lanes: usize,
    pub(crate) threads: usize,
    on_corrupt: OnCorrupt,
    redo_changed: bool,
}

impl SuiteRun {
    /// Resolves names; writes nothing.
    pub(crate) fn resolve(request: Request) -> Result<Self> {
        let suite = suite(&request.suite)?;
        let resolver = Resolver::new(&request.scale, &request.settings)?;
        let wanted = match request.rows {
            None => suite.default_rows.clone(),
            Some(rows) if rows == ["all"] => suite.rows.iter().map(|it| it.row.clone()).collect(),
            Some(rows) => rows,
        };
        for row in &wanted {
            resolver.row(&suite, row)?;
        }
        let rows = suite
            .rows
            .iter()
            .filter(|known| wanted.contains(&known.row))
            .map(|known| resolver.row(&suite, &known.row))
            .collect::<Result<Vec<_>>>()?;
        let rows: Vec<Experiment> = (0..request.repeats)
            .flat_map(|number| rows.iter().map(move |row| row.repeat(number)))
            .collect();
        let folder = request.run.unwrap_or_else(|| {
            PathBuf::from("runs").join(format!("{}-{}", suite.name, resolver.scale.name))
        });
        let cores = cores();
        let networks: usize = rows.iter().map(|row| row.experts.len()).sum();
        let networks = if request.alone { 1 } else { networks };
        // One thread a network wastes nothing on waiting; a GPU is one lane with all threads.
        let devices = request.devices;
        let most = if devices.len() > 1 || devices[0].is_cuda() {
            devices.len()
        } else {
            cores.min(networks).max(1)
        };
        let lanes = request.lanes.unwrap_or(most).max(1);
        Ok(Self {
            folder,
            suite,
            resolver,
            rows,
            data: request.data,
            first_stage: request.first_stage,
            devices,
            lanes,
            threads: (cores / lanes).max(1),
            on_corrupt: request.on_corrupt,
            redo_changed: request.redo_changed,
        })
    }

    /// Runs all of it or a part; returns the report's folder.
    pub(crate) fn run(&self, part: &Part, progress: &Progress, stop: &Stop) -> Result<PathBuf> {
        // Pictures come first: a folder is claimed for data that can be read.
        let pictures = Pictures::open(&self.rows[0].data, self.data.as_deref(), self.on_corrupt)?;
        self.claim_folder()?;
        let stages = Stages::open(&self.folder)?;
        let wants = |stage: &str| match part {
            Part::All => true,
            Part::Stage(only) => only == stage,
            Part::Task(_) => false,
        };
        meme_torch::set_threads(self.threads)?;
        self.announce(progress);

        for sentence in &pictures.skipped {
            progress.say(format!("left out: {sentence}"));
        }
        let first = First::open(&self.rows[0], self.first_stage.as_deref(), self.devices[0])?;
        let latents = Latents::prepare(
            &self.rows[0],
            &pictures,
            &first,
            &self.folder.join("latents"),
            progress,
            stop,
        )?;
        self.compare(&latents, progress)?;
        let work = Work {
            run: self,
            stages: &stages,
            pictures: &pictures,
            first: &first,
            latents: &latents,
            progress,
            stop,
            reference: Mutex::new(None),
        };
        if let Part::Task(number) = part {
            train::one_task(&work, *number)?;
        }
        if wants("train") {
            train::all_rows(&work)?;
        }
        if wants("validate") || wants("sample") || wants("evaluate") || wants("analyze") {
            measure::all_rows(&work, &wants)?;
        }
        if wants("speed") {
            speed::all_rows(&work)?;
        }
        progress.finish();
        let folder = self.folder.join("report");
        if wants("report") {
            let summary = summary::collect(&work)?;
            report::write(&summary, &folder)?;
        }
        Ok(folder)
    }

    /// Every expert of every row, repeats included: what can be trained without regard to anything
    /// else.
    pub(crate) fn tasks(&self) -> Vec<(&Experiment, Expert)> {
        let experts =
            |row: &'_ Experiment| row.numbered().map(|(expert, _)| expert).collect::<Vec<_>>();
        self.rows.iter().flat_map(|row| experts(row).into_iter().map(move |it| (row, it))).collect()
    }

    /// The run folder of one row.
    pub(crate) fn row_folder(&self, experiment: &Experiment) -> PathBuf {
        let row = experiment.name.rsplit('/').next().unwrap_or(&experiment.name);
        self.folder.join("rows").join(row)
    }

    /// A row's run folder, made if absent.
    pub(crate) fn row_run(&self, experiment: &Experiment) -> Result<RunFolder> {
        RunFolder::create(&self.row_folder(experiment), experiment.clone())
    }

    /// Refuses rows that were trained with other numbers, or sets them aside, before anything else
    /// is written.
    fn compare(&self, latents: &Latents, progress: &Progress) -> Result<()> {
        let mut changed = Vec::new();
        for row in &self.rows {
            let folder = self.row_folder(row);
            RunFolder::refuse_another(&folder, row)?;
            let mut lines = Vec::new();
            for (expert, changes) in RunFolder::changes(&folder, row, &latents.identity())? {
                lines.extend(
                    changes.iter().map(|change| format!("  {} {expert}: {change}", row.name)),
                );
            }
            if !lines.is_empty() {
                changed.push((folder, lines));
            }
        }
        if !changed.is_empty() && !self.redo_changed {
            let lines: Vec<String> = changed.into_iter().flat_map(|(_, lines)| lines).collect();
            let folder = self.folder.clone();
            return Err(Error::ChangedRows { folder, difference: lines.join("\n") });
        }
        for (folder, lines) in changed {
            let aside = unused(&folder.with_extension("before"));
            std::fs::rename(&folder, &aside).map_err(crate::error::io(&folder))?;
            for line in lines {
                progress.say(format!("changed: {}", line.trim_start()));
            }
            progress.say(format!("trained again; what there was is in {}", aside.display()));
        }
        Ok(())
    }

    /// Writes `suite.toml`, or refuses a folder of another suite, scale or data.
    fn claim_folder(&self) -> Result<()> {
        let file = self.folder.join("suite.toml");
        let data = self.data.as_ref().map(|path| absolute(path).display().to_string());
        let mut table = toml::Table::new();
        table.insert("suite".into(), self.suite.name.clone().into());
        table.insert("scale".into(), self.resolver.scale.name.clone().into());
        table.insert("data".into(), data.unwrap_or_else(|| "built-in faces".into()).into());
        if let Ok(text) = std::fs::read_to_string(&file) {
            let before: toml::Table = toml::from_str(&text).map_err(|error| Error::Malformed {
                path: file.clone(),
                message: error.to_string(),
            })?;
            let difference: Vec<String> = table
                .iter()
                .filter(|(key, now)| before.get(*key) != Some(*now))
                .map(|(key, now)| {
                    let was = before.get(key).map_or("absent".into(), ToString::to_string);
                    format!("  {key}: was {was}, now {now}")
                })
                .collect();
            if !difference.is_empty() {
                let difference = difference.join("\n");
                return Err(Error::OtherRun { folder: self.folder.clone(), difference });
            }
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder).map_err(crate::error::io(&self.folder))?;
        Ok(meme_checkpoint::write_file_whole(&file, table.to_string().as_bytes())?)
    }

    fn announce(&self, progress: &Progress) {
        let scale = &self.resolver.scale;
        let mark = if scale.scaled_down { "SCALED DOWN: " } else { "" };
        progress.say(format!("scale {}: {mark}{}", scale.name, scale.about));
        let titles: Vec<&str> = self.rows.iter().map(|row| row.title.as_str()).collect();
        progress.say(format!(
            "{}: {}; {} at a time on {} each; results in {}",
            self.suite.title,
            titles.join(", "),
            plural(self.lanes, "network"),
            plural(self.threads, "thread"),
            self.folder.display()
        ));
    }
}

/// Everything a stage needs.
pub(crate) struct Work<'a> {
    pub(crate) run: &'a SuiteRun,
    pub(crate) stages: &'a Stages,
    pub(crate) pictures: &'a Pictures,
    pub(crate) first: &'a First,
    pub(crate) latents: &'a Latents,
    pub(crate) progress: &'a Progress,
    pub(crate) stop: &'a Stop,
    /// Features of the held-out pictures, once somebody has needed them.
    reference: Mutex<Option<Arc<Array2<f64>>>>,
}

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(0) };
}

impl Work<'_> {
    /// The device of the lane that asks.
    pub(crate) fn device(&self) -> Device {
        let devices = &self.run.devices;
        devices[LANE.get() % devices.len()]
    }

    /// What the weights of a row depend on.
    pub(crate) fn training_inputs(&self, experiment: &Experiment) -> serde_json::Value {
        let identities: Vec<_> = experiment
            .numbered()
            .map(|(expert, _)| experiment.identity(expert, &self.latents.identity()))
            .collect();
        json!({"experts": identities, "train": experiment.train})
    }

    /// Called first by every thread that computes.
    pub(crate) fn enter_lane(&self, lane: usize) {
        LANE.set(lane);
        if let Err(error) = meme_torch::init_thread(self.run.threads) {
            self.progress.say(format!("threads: {error}"));
        }
    }
}

/// Cores that this process may use: those that it is bound to, and within a job of Slurm no more than
/// the job's, which not every cluster binds it to.
fn cores() -> usize {
    let bound = std::thread::available_parallelism().map_or(1, usize::from);
    let of_the_job = std::env::var("SLURM_CPUS_ON_NODE").ok().and_then(|cores| cores.parse().ok());
    bound.min(of_the_job.unwrap_or(bound)).max(1)
}

/// The first of `path`, `path-2`, `path-3`, ... that does not exist.
fn unused(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (1u32..)
        .map(|number| match number {
            1 => path.to_path_buf(),
            _ => path.with_file_name(format!("{name}-{number}")),
        })
        .find(|path| !path.exists())
        .unwrap_or_else(|| path.to_path_buf())
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
