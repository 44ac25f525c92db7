//! `meme analyze`.

use std::path::{Path, PathBuf};

use clap::Args;
use meme_data::{ArraySource, Filter, ImageSource, Pixels, Transform};
use meme_router::{Index, Intervals};
use meme_schedule::Schedule;
use meme_torch::tch::Device;

use super::common::{DeviceArgument, FirstStageArgument, PicturesArguments};
use super::{Context, output};
use crate::analysis::{
    Page, SPECTRUM_IMAGES, Shown, forward, latent_spectrum, maps_of, picture_spectra, similarity,
    theory, trajectory, watched_indices,
};
use crate::experiment::{Experiment, Resolver};
use crate::pictures::Latents;
use crate::run::RunFolder;
use crate::sampling::Sampling;
use crate::{Error, Result};

/// The experiment whose boundaries stand beside those that pictures suggest.
const EXPERIMENT: &str = "ffhq/meme";

/// Measures spectra: of a trained or imported run's feature maps, latents and samples, or of
/// pictures alone
///
/// Of a run: relative log amplitude of every feature map by layer, timestep and expert; power of the
/// latents along the forward process and along sampling; generated against real pictures. Of either:
/// what the spectrum suggests for boundaries and high-frequency shares. Everything is written as
/// figures (SVG and PNG) with the numbers behind them (CSV), and as analysis.md and analysis.json.
#[derive(Args)]
pub(crate) struct Analyze {
    /// A run folder; or pictures: a folder, a tar or a zip
    what: PathBuf,
    #[command(flatten)]
    pictures: PicturesArguments,
    /// Generated pictures to set beside the real ones [default: RUN/samples, where it exists]
    #[arg(long, value_name = "PATH")]
    generated: Option<PathBuf>,
    /// Latents that networks are shown, and samples that are watched
    #[arg(long, default_value_t = 64)]
    count: usize,
    /// Timesteps at which feature maps are watched, besides the middles of the experts' intervals
    #[arg(long, default_value_t = 8)]
    levels: usize,
    /// Measure how alike the loss gradients are in so many parts of the timesteps; takes the memory
    /// of one gradient for each
    #[arg(long, value_name = "PARTS", num_args = 0..=1, require_equals = true, default_missing_value = "20")]
    gradients: Option<usize>,
    /// For pictures: the side to which they are brought [default: the shorter side of the first]
    #[arg(long)]
    resolution: Option<usize>,
    /// Whose boundaries and head table stand beside the suggested ones; for pictures and for runs of
    /// one network
    #[arg(long, value_name = "SUITE/ROW|FILE", default_value = EXPERIMENT)]
    experiment: String,
    /// Where everything goes [default: RUN/analysis; for pictures it must be given]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    first_stage: FirstStageArgument,
    #[command(flatten)]
    device: DeviceArgument,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Analyze {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        if self.count == 0 || self.levels == 0 {
            return Err(Error::Usage("--count and --levels must be at least 1".into()));
        }
        let is_pictures = self.what.is_file()
            || (self.what.is_dir() && !self.what.join("experiment.toml").exists());
        let page = match is_pictures {
            true => self.of_pictures()?,
            false => self.of_run(context)?,
        };
        context.progress.finish();
        let (text, values) = page.finish()?;
        if self.json {
            output::json(&values);
        } else {
            output::text(&text);
        }
        Ok(())
    }

    fn of_run(&self, context: &Context) -> Result<Page> {
        let device = self.device.get()?;
        let run = RunFolder::open(&self.what)?;
        let experiment = &run.experiment;
        let indices = watched_indices(experiment, self.levels)?;
        let pictures = self.pictures.open(&experiment.data, &context.progress)?;
        let first = self.first_stage.open_for(&run, device)?;
        let folder = self.out.clone().unwrap_or_else(|| self.what.join("analysis"));
        let latents = Latents::of_validation(&pictures, &first, self.count.max(SPECTRUM_IMAGES))?;
        let schedule = Schedule::new(&experiment.schedule)?;
        let shown = Shown { latents: &latents, schedule, count: self.count, device };
        let mut page = Page::new(&folder, &experiment.title)?;
        page.value("name", &experiment.name);
        page.say(format!(
            "{} at scale {}. Feature maps, forward process and sampling are of {} latents of \
             held-out pictures ({}).",
            experiment.title,
            experiment.scale,
            self.count.min(latents.len()),
            pictures.description
        ));

        let passes = (experiment.experts.len() * indices.len()) as u64;
        let mut task = context.progress.begin("feature maps", passes, 0.0);
        let stop = &context.stop;
        maps_of(&run, &shown, &indices, &mut page, stop, &mut |done| task.at(done, String::new))?;
        drop(task);

        let transform = Transform {
            filter: experiment.data.filter,
            ..Transform::new(experiment.data.resolution)
        };
        let generated = match self.generated_of(&run) {
            Some(path) => Some(Pixels::new(meme_data::open(&path)?, transform)?),
            None => None,
        };
        let generated = generated.as_ref().map(|generated| generated as &dyn ArraySource);
        picture_spectra(&*pictures.validation, generated, &mut page)?;

        forward(&shown, &indices, &mut page)?;
        let spectrum = latent_spectrum(&latents)?;
        let [_, height, width] = latents.shape();
        let mut sampling = Sampling::new(&run, &first, &experiment.sample, device, stop)?;
        let count = self.count as u64;
        trajectory(&mut sampling, [height, width], count, &spectrum, &mut page)?;
        drop(sampling);

        let compared = self.compared(experiment)?;
        if compared.name != experiment.name {
            page.say(format!(
                "Boundaries and heads that are compared are those of {}.",
                compared.name
            ));
        }
        let mut others = Vec::new();
        if let Some(parts) = self.gradients {
            let total = experiment.experts.len() as u64 * parts as u64;
            let mut task = context.progress.begin("gradients", total, 0.0);
            let mut done = 0;
            for (expert, _) in experiment.numbered() {
                let mut one = || {
                    done += 1;
                    task.at(done, String::new);
                };
                let sizes = (parts, compared.experts.len());
                others.push(similarity(&run, expert, &shown, sizes, &mut page, stop, &mut one)?);
            }
        }
        theory(&compared, &spectrum, height.max(width), &indices, others, &mut page)?;
        Ok(page)
    }

    /// The run's own experiment where it has several experts; else another one, on the run's schedule.
    fn compared(&self, own: &Experiment) -> Result<Experiment> {
        if own.experts.len() > 1 {
            return Ok(own.clone());
        }
        let mut other = Resolver::new("paper", &[])?.named_or_file(&self.experiment)?;
        other.schedule = own.schedule.clone();
        let steps = other.schedule.steps();
        if other.intervals.steps() != steps {
            other.intervals = Intervals::uniform(other.experts.len(), steps)?;
        }
        Ok(other)
    }

    /// What lies beside a run's checkpoints, where nothing else is asked for.
    fn generated_of(&self, run: &RunFolder) -> Option<PathBuf> {
        let own = run.path.join("samples");
        self.generated.clone().or(own.is_dir().then_some(own))
    }

    fn of_pictures(&self) -> Result<Page> {
        let only_run = [
            (self.gradients.is_some(), "--gradients"),
            (self.pictures.data.is_some(), "--data"),
            (self.first_stage.first_stage.is_some(), "--first-stage"),
        ];
        if let Some((_, name)) = only_run.iter().find(|(given, _)| *given) {
            return Err(Error::Usage(format!(
                "{name} is for run folders, and {} holds no experiment.toml",
                self.what.display()
            )));
        }
        let Some(folder) = &self.out else {
            return Err(Error::Usage("say with --out DIR where the figures go".into()));
        };
        let experiment = Resolver::new("paper", &[])?.named_or_file(&self.experiment)?;
        let source = meme_data::open(&self.what)?;
        let resolution = match self.resolution {
            Some(resolution) => resolution,
            None => {
                let picture = source.image(0, 0)?;
                picture.width.min(picture.height)
            }
        };
        let transform = Transform { filter: Filter::PilBox, ..Transform::new(resolution) };
        let pixels = |source: Box<dyn ImageSource>| Pixels::new(source, transform.clone());
        let real = pixels(source)?;
        let generated = match &self.generated {
            Some(path) => Some(pixels(meme_data::open(path)?)?),
            None => None,
        };
        let generated = generated.as_ref().map(|generated| generated as &dyn ArraySource);
        let mut page = Page::new(folder, &title(&self.what))?;
        page.say(format!(
            "{} pictures, the shorter side brought to {resolution} pixels by a box filter, then \
             cut to a square; values from -1 to 1. Schedule, boundaries and heads are those of {}.",
            real.len(),
            experiment.name
        ));
        picture_spectra(&real, generated, &mut page)?;
        let schedule = Schedule::new(&experiment.schedule)?;
        let device = Device::Cpu;
        let shown = Shown { latents: &real, schedule, count: self.count, device };
        let indices: Vec<Index> = watched_indices(&experiment, self.levels)?;
        forward(&shown, &indices, &mut page)?;
        let spectrum = latent_spectrum(&real)?;
        theory(&experiment, &spectrum, resolution, &indices, Vec::new(), &mut page)?;
        Ok(page)
    }
}

fn title(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |it| it.to_string_lossy().into())
}
