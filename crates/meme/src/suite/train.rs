//! Training all rows in rounds, so that every row has something to show early.

use std::path::PathBuf;

use meme_router::Expert;

use super::{Work, measure};
use crate::experiment::Experiment;
use crate::lanes::{self, Job};
use crate::progress::thousands;
use crate::run::expert_folder;
use crate::training::{Training, train_expert};
use crate::{Error, Result, stages};

/// A pass over an image costs about three forward passes: one forward, two backward.
const PASSES: f64 = 3.0;

/// Trains every row that is not done.
pub(crate) fn all_rows(work: &Work<'_>) -> Result<()> {
    let open: Vec<&Experiment> = work.run.rows.iter().filter(|row| !is_done(work, row)).collect();
    for row in &open {
        for (_, cost) in costs(row)? {
            work.progress.add_work(cost);
        }
        work.progress.add_work(measure::cost(row)?);
    }
    let rounds = work.run.resolver.scale.rounds.max(1);
    let mut jobs = Vec::new();
    // For each row and expert the job that trains it in the round before.
    let mut before: Vec<Vec<Option<usize>>> =
        open.iter().map(|row| vec![None; row.experts.len()]).collect();
    for round in 1..=rounds {
        for (row, before) in open.iter().zip(&mut before) {
            let images = |round: u64| row.train.images * round / rounds;
            let (from, until) = (images(round - 1), images(round));
            for ((expert, cost), before) in costs(row)?.into_iter().zip(before.iter_mut()) {
                let after = before.iter().copied().collect();
                *before = Some(jobs.len());
                let share = cost * (until - from) as f64 / row.train.images as f64;
                let portion = Portion { expert, from, until, work: share };
                jobs.push(portion_job(work, row, portion, after)?);
            }
            let after: Vec<usize> = before.iter().flatten().copied().collect();
            jobs.push(end_of_round(work, row, round == rounds, until, after));
        }
    }
    lanes::run(jobs, work.run.lanes, work.stop, &|lane| work.enter_lane(lane))
}

/// Trains one expert of one row to its end and writes nothing that another task writes too.
pub(super) fn one_task(work: &Work<'_>, number: usize) -> Result<()> {
    let tasks = work.run.tasks();
    let Some(&(row, expert)) = tasks.get(number) else {
        let last = tasks.len().saturating_sub(1);
        return Err(Error::Usage(format!("--task {number}: there are tasks 0 to {last}")));
    };
    let cost = costs(row)?.iter().find(|known| known.0 == expert).map_or(0.0, |known| known.1);
    work.progress.add_work(cost);
    let portion = Portion { expert, from: 0, until: row.train.images, work: cost };
    (portion_job(work, row, portion, Vec::new())?.work)()
}

fn stage(row: &Experiment) -> String {
    format!("train {}", row.name)
}

pub(crate) fn is_done(work: &Work<'_>, row: &Experiment) -> bool {
    let outputs: Vec<PathBuf> = row
        .numbered()
        .map(|(expert, _)| expert_folder(&work.run.row_folder(row), expert).join("checkpoints"))
        .collect();
    work.stages.is_done(&stage(row), &work.training_inputs(row), &outputs)
}

/// Every expert with the work of training it, in multiply-adds.
fn costs(row: &Experiment) -> Result<Vec<(Expert, f64)>> {
    let [_, height, width] = row.latent_shape()?;
    row.numbered()
        .map(|(expert, architecture)| {
            let macs = meme_blocks::count(architecture, height, width)?.macs as f64;
            Ok((expert, PASSES * macs * row.train.images as f64))
        })
        .collect()
}

/// One expert's share of one round.
#[derive(Clone, Copy)]
struct Portion {
    expert: Expert,
    from: u64,
    until: u64,
    work: f64,
}

fn portion_job<'a>(
    work: &'a Work<'a>,
    row: &'a Experiment,
    portion: Portion,
    after: Vec<usize>,
) -> Result<Job<'a>> {
    let Portion { expert, from, until, work: share } = portion;
    let label =
        if row.experts.len() == 1 { row.name.clone() } else { format!("{} {expert}", row.name) };
    let name = format!("training {label}");
    let run = work.run.row_run(row)?;
    let body = move || {
        let task = work.progress.begin_at(label, from, until, share);
        let training = Training {
            run: &run,
            latents: work.latents,
            device: work.device(),
            progress: work.progress,
            stop: work.stop,
        };
        train_expert(&training, expert, until, task)
    };
    Ok(Job { name, after, work: Box::new(body) })
}

/// Shows what a row can draw so far; after the last round notes that its training is done.
fn end_of_round<'a>(
    work: &'a Work<'a>,
    row: &'a Experiment,
    last: bool,
    until: u64,
    after: Vec<usize>,
) -> Job<'a> {
    let body = move || {
        if last {
            let seconds = measure::training_seconds(work, row)?;
            work.stages.record(&stage(row), &work.training_inputs(row), seconds)?;
        }
        if let Some(sheet) = measure::preview(work, row, until)? {
            crate::training::show_sheet(&work.run.row_folder(row), until, &sheet)?;
            work.progress.say(format!(
                "{} after {} images a network: {}",
                row.title,
                thousands(until),
                sheet.display()
            ));
        }
        Ok(())
    };
    Job { name: format!("preview of {}", row.name), after, work: Box::new(body) }
}

/// Hash of everything a row's weights depend on.
pub(crate) fn weights_hash(work: &Work<'_>, row: &Experiment) -> String {
    stages::hash(&work.training_inputs(row))
}
