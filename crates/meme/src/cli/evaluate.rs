//! `meme evaluate`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use meme_data::{Filter, HashDepth, ImageSource, RgbImage, Transform};
use meme_metrics::{
    BootstrapOptions, Compared, Evaluation, EvaluationOptions, FeatureNetwork, Gaussian,
    KidOptions, Mode, Neighbour, Npz, Provenance, Real, ReferenceStatistics, Statistics,
};
use meme_torch::tch::Device;
use ndarray::Array2;
use serde::Serialize;

use super::common::DeviceArgument;
use super::{Context, output};
use crate::error::io;
use crate::{Error, Result};

/// Pictures per forward pass of the feature network.
const BATCH: usize = 32;
/// Resamples behind the interval, and fewer where each takes seconds.
const REPLICATES: u64 = 200;
const REPLICATES_OF_MANY: u64 = 25;
const MANY_FEATURES: usize = 512;
/// Generated pictures on a sheet of neighbours, and real ones beside each.
const SUSPECTS: usize = 8;
const NEIGHBOURS: usize = 5;
/// Sides of pictures on that sheet.
const SHOWN: std::ops::RangeInclusive<usize> = 96..=256;

/// How pictures come to Inception-v3's 299 x 299 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArgument {
    /// As torch-fidelity does, and TensorFlow's original: bilinear, not antialiased
    Legacy,
    /// As clean-fid does: Pillow's bicubic, antialiased
    Clean,
    /// As pytorch-fid does: PyTorch's bilinear, not antialiased
    PytorchFid,
}

impl From<ModeArgument> for Mode {
    fn from(mode: ModeArgument) -> Self {
        match mode {
            ModeArgument::Legacy => Self::Legacy,
            ModeArgument::Clean => Self::Clean,
            ModeArgument::PytorchFid => Self::PytorchFid,
        }
    }
}

/// Measures the distance between generated and real pictures
#[derive(Args)]
pub(crate) struct Evaluate {
    /// Generated pictures: a folder, a tar or a zip
    #[arg(long, value_name = "PATH", required_unless_present = "save_reference")]
    generated: Option<PathBuf>,
    /// Real pictures: a folder, a tar or a zip; or their statistics: a file that --save-reference
    /// wrote, or an .npz of pytorch-fid or clean-fid
    #[arg(long, value_name = "PATH")]
    reference: PathBuf,
    /// `random` (built in), or a file with the weights of Inception-v3 or SqueezeNet; only the
    /// published Inception weights, known by their hash, give an FID
    #[arg(long, value_name = "random|FILE", default_value = "random")]
    features: PathBuf,
    /// How pictures come to Inception's 299 x 299 pixels [default: legacy]
    #[arg(long, value_enum)]
    mode: Option<ModeArgument>,
    /// Bring all pictures to this side first, by a box filter and a centre crop [default: the side
    /// of the first generated one; for Inception, as they are]
    #[arg(long)]
    resolution: Option<usize>,
    /// Resamples behind the interval [default: 200; 25 for more than 512 features]
    #[arg(long)]
    replicates: Option<u64>,
    /// Seed of resamples, subsets and splits
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write statistics of the real pictures, which can stand in for them (.npz: for pytorch-fid
    /// and clean-fid, which do not say what they were made of)
    #[arg(long, value_name = "FILE")]
    save_reference: Option<PathBuf>,
    /// Write a sheet of the generated pictures that lie nearest to a real one, each row one of them
    /// and its nearest real ones: are they copies?
    #[arg(long, value_name = "FILE.png")]
    neighbours: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Pictures with their features.
struct Pictures {
    source: Box<dyn ImageSource>,
    features: Array2<f32>,
    hash: String,
}

/// The real side.
enum Reference {
    Pictures(Pictures),
    Rows { features: Array2<f32>, hash: String },
    Moments { gaussian: Gaussian, count: Option<u64>, hash: String },
}

/// A generated picture and its nearest real ones.
#[derive(Serialize)]
struct Suspect {
    generated: String,
    nearest: Vec<(String, f64)>,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    evaluation: Evaluation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    neighbours: Vec<Suspect>,
}

impl Evaluate {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let network = self.network(self.device.get()?)?;
        let generated = match &self.generated {
            Some(path) => Some((path, meme_data::open(path)?)),
            None => None,
        };
        let transform =
            self.transform(&network, generated.as_ref().map(|(_, source)| &**source))?;
        let resize = match &transform {
            Some(transform) => {
                format!("shorter side to {} with pil-box, centre crop", transform.resolution)
            }
            None => "none".to_owned(),
        };
        let reader = Reader { context, network: &network, transform: &transform };
        let reference = self.reference(&reader, &resize)?;
        if let Some(path) = &self.save_reference {
            self.save(path, &network, &resize, &reference)?;
        }
        let Some((path, source)) = generated else { return Ok(()) };
        let generated = reader.read(source, path)?;
        let compared = Compared {
            network: network.identity().clone(),
            resize,
            generated: path.display().to_string(),
            generated_hash: generated.hash.clone(),
            reference: self.reference.display().to_string(),
            reference_hash: match &reference {
                Reference::Pictures(Pictures { hash, .. })
                | Reference::Rows { hash, .. }
                | Reference::Moments { hash, .. } => hash.clone(),
            },
        };
        let real = match &reference {
            Reference::Pictures(pictures) => Real::Features(pictures.features.view()),
            Reference::Rows { features, .. } => Real::Features(features.view()),
            Reference::Moments { gaussian, count, .. } => Real::Moments { gaussian, count: *count },
        };
        let logits = network.logits(generated.features.view())?;
        let evaluation = meme_metrics::evaluate_against(
            generated.features.view(),
            logits.as_ref().map(Array2::view),
            &real,
            compared,
            &self.options(network.dimension()),
        )?;
        let neighbours = match &self.neighbours {
            Some(path) => neighbours(path, &generated, &reference, &reader)?,
            None => Vec::new(),
        };
        let answer = Answer { evaluation, neighbours };
        if self.json {
            output::json(&answer);
        } else {
            output::text(&text(&answer));
        }
        Ok(())
    }

    fn network(&self, device: Device) -> Result<FeatureNetwork> {
        let network = match self.features.to_str() {
            Some("random") => FeatureNetwork::random(device)?,
            _ => {
                let mode = self.mode.map_or_else(Mode::default, Mode::from);
                FeatureNetwork::open(&self.features, mode, device)?
            }
        };
        if self.mode.is_some() && network.identity().mode().is_none() {
            let name = network.name();
            return Err(Error::Usage(format!(
                "--mode is for Inception-v3; {name} has a way of its own, see --features"
            )));
        }
        Ok(network)
    }

    /// How pictures are brought to size before the network sees them; none where they are not.
    fn transform(
        &self,
        network: &FeatureNetwork,
        generated: Option<&dyn ImageSource>,
    ) -> Result<Option<Transform>> {
        let resolution = match (self.resolution, network.identity().mode(), generated) {
            (Some(resolution), _, _) => resolution,
            (None, Some(_), _) => return Ok(None),
            (None, None, Some(generated)) => {
                let first = generated.image(0, 0)?;
                first.width.min(first.height)
            }
            (None, None, None) => {
                let name = network.name();
                return Err(Error::Usage(format!(
                    "say with --resolution to what side {name}'s pictures are brought"
                )));
            }
        };
        let transform = Transform { filter: Filter::PilBox, ..Transform::new(resolution) };
        transform.validate()?;
        Ok(Some(transform))
    }

    fn reference(&self, reader: &Reader<'_>, resize: &str) -> Result<Reference> {
        let path = &self.reference;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npz") => {
                // All that is known of such statistics is the file itself.
                let bytes = std::fs::read(path).map_err(io(path))?;
                let hash = format!("{} of the file", blake3::hash(&bytes).to_hex());
                Ok(match meme_metrics::read_npz(path)? {
                    Npz::Moments { mean, covariance } => {
                        let gaussian = Gaussian::new(mean, covariance)?;
                        Reference::Moments { gaussian, count: None, hash }
                    }
                    Npz::Features(rows) => {
                        Reference::Rows { features: rows.mapv(|value| value as f32), hash }
                    }
                })
            }
            Some("safetensors") => {
                let ReferenceStatistics { statistics, provenance } =
                    ReferenceStatistics::read(path)?;
                let ours = Provenance {
                    network: reader.network.identity().clone(),
                    resize: resize.to_owned(),
                    images: String::new(),
                };
                provenance.check_comparable(&ours)?;
                Ok(Reference::Moments {
                    gaussian: Gaussian::of(&statistics)?,
                    count: Some(statistics.count()),
                    hash: provenance.images,
                })
            }
            _ => Ok(Reference::Pictures(reader.read(meme_data::open(path)?, path)?)),
        }
    }

    fn save(
        &self,
        path: &Path,
        network: &FeatureNetwork,
        resize: &str,
        reference: &Reference,
    ) -> Result<()> {
        let Reference::Pictures(pictures) = reference else {
            let reason = "--save-reference needs real pictures as --reference";
            return Err(Error::Usage(reason.to_owned()));
        };
        let statistics = Statistics::of(pictures.features.view())?;
        if path.extension().is_some_and(|extension| extension == "npz") {
            return Ok(meme_metrics::write_npz(path, &statistics)?);
        }
        let provenance = Provenance {
            network: network.identity().clone(),
            resize: resize.to_owned(),
            images: pictures.hash.clone(),
        };
        Ok(ReferenceStatistics { statistics, provenance }.write(path)?)
    }

    fn options(&self, dimension: usize) -> EvaluationOptions {
        let few = if dimension > MANY_FEATURES { REPLICATES_OF_MANY } else { REPLICATES };
        let replicates = self.replicates.unwrap_or(few);
        let bootstrap = BootstrapOptions { replicates, seed: self.seed, ..Default::default() };
        let kid = KidOptions { seed: self.seed, ..Default::default() };
        EvaluationOptions { bootstrap, kid, ..Default::default() }
    }
}

/// Reads pictures and makes their features.
struct Reader<'a> {
    context: &'a Context,
    network: &'a FeatureNetwork,
    transform: &'a Option<Transform>,
}

impl Reader<'_> {
    fn read(&self, source: Box<dyn ImageSource>, path: &Path) -> Result<Pictures> {
        let total = source.len();
        let label = path.display().to_string();
        let mut task = self.context.progress.begin(label, total as u64, 0.0);
        let pictures = (0..total).map(|index| self.picture(&*source, index));
        let stop = &self.context.stop;
        let mut watch = |done: usize| {
            task.at(done as u64, || "features".into());
            if stop.raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let features = match meme_metrics::extract(self.network, pictures, BATCH, &mut watch) {
            Err(meme_metrics::Error::Stopped { .. }) => return Err(Error::Stopped),
            features => features?,
        };
        let hash = source.content_hash(HashDepth::Bytes)?;
        Ok(Pictures { source, features, hash })
    }

    fn picture(&self, source: &dyn ImageSource, index: usize) -> meme_data::Result<RgbImage> {
        match self.transform {
            Some(transform) => {
                transform.apply(source.name(index), &source.image(index, transform.resolution)?)
            }
            None => source.image(index, 0),
        }
    }
}

/// Draws the generated pictures that are nearest to a real one beside their nearest ones.
fn neighbours(
    path: &Path,
    generated: &Pictures,
    reference: &Reference,
    reader: &Reader<'_>,
) -> Result<Vec<Suspect>> {
    let Reference::Pictures(real) = reference else {
        let reason = "--neighbours needs real pictures as --reference, not their statistics";
        return Err(Error::Usage(reason.to_owned()));
    };
    let count = NEIGHBOURS.min(real.features.nrows());
    let nearest = meme_metrics::nearest(generated.features.view(), real.features.view(), count)?;
    let mut rows: Vec<(usize, Vec<Neighbour>)> = nearest.into_iter().enumerate().collect();
    let distance = |row: &(usize, Vec<Neighbour>)| row.1.first().map_or(0.0, |n| n.distance);
    rows.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    rows.truncate(SUSPECTS);
    let first = reader.picture(&*generated.source, 0)?;
    let side = first.width.min(first.height).clamp(*SHOWN.start(), *SHOWN.end());
    let filter = if first.width < side { Filter::PilBox } else { Filter::PilBicubic };
    let shown = Transform { filter, ..Transform::new(side) };
    let show = |pictures: &Pictures, index: usize| -> Result<RgbImage> {
        let picture = reader.picture(&*pictures.source, index)?;
        Ok(shown.apply(pictures.source.name(index), &picture)?)
    };
    let (mut sheet, mut suspects) = (Vec::new(), Vec::new());
    for (index, nearest) in rows {
        sheet.push(show(generated, index)?);
        for neighbour in &nearest {
            sheet.push(show(real, neighbour.row)?);
        }
        let name = |n: Neighbour| (real.source.name(n.row).to_owned(), n.distance);
        suspects.push(Suspect {
            generated: generated.source.name(index).to_owned(),
            nearest: nearest.into_iter().map(name).collect(),
        });
    }
    meme_data::write_png(path, &meme_data::grid(&sheet, 1 + count, 4)?)?;
    Ok(suspects)
}

fn text(answer: &Answer) -> String {
    let Answer { evaluation, neighbours } = answer;
    let Evaluation { interval, compared, .. } = evaluation;
    let real = evaluation.reference.map_or("an unknown number of".to_owned(), |n| n.to_string());
    let mut lines = vec![
        format!(
            "{}: {:.4}, {:.0} % interval {:.4} to {:.4} ({} resamples)",
            evaluation.metric,
            evaluation.value,
            100.0 * interval.level,
            interval.low,
            interval.high,
            interval.replicates
        ),
        format!("{} generated against {real} real pictures", evaluation.generated),
    ];
    match &evaluation.floor {
        Some(floor) => lines.push(format!(
            "real against real, {} each: {:.4} +- {:.4} over {} splits",
            floor.images, floor.value, floor.deviation, floor.splits
        )),
        None => lines.push("real against real: unknown without real pictures".to_owned()),
    }
    if let Some(line) = &evaluation.extrapolation {
        let name = "extrapolated to infinitely many generated pictures";
        lines.push(format!("{name}: {:.4} +- {:.4}", line.value, line.error));
    }
    let fid = compared.network.is_fid();
    if let Some(kid) = &evaluation.kid {
        let name = if fid { "KID" } else { "kernel distance" };
        lines.push(format!(
            "{name}: {:.6}; {} subsets of {}: {:.6} +- {:.6}",
            kid.value, kid.subsets, kid.subset_size, kid.subset_mean, kid.subset_deviation
        ));
    }
    if let Some(score) = &evaluation.inception_score {
        let name = if fid { "inception score" } else { "score by the classes of these weights" };
        let splits = score.splits;
        lines.push(format!(
            "{name}: {:.4} +- {:.4} over {splits} parts",
            score.mean, score.deviation
        ));
    }
    if let Some(manifold) = &evaluation.manifold {
        lines.push(format!(
            "precision {:.3}, recall {:.3}, density {:.3}, coverage {:.3} (k = {})",
            manifold.precision, manifold.recall, manifold.density, manifold.coverage, manifold.k
        ));
    }
    for suspect in neighbours {
        if let Some((name, distance)) = suspect.nearest.first() {
            lines.push(format!("{} is {distance:.4} from {name}", suspect.generated));
        }
    }
    lines.push(format!("features {}, weights {}", compared.network.name, compared.network.hash));
    lines.push(format!("network's resize: {}", compared.network.resize));
    lines.push(format!("resize before it: {}", compared.resize));
    lines.push(format!("generated {}, hash {}", compared.generated, compared.generated_hash));
    lines.push(format!("reference {}, hash {}", compared.reference, compared.reference_hash));
    lines.push(format!("seed {}, meme-metrics {}", evaluation.seed, evaluation.version));
    lines.join("\n")
}
