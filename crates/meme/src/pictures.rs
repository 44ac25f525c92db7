//! Pictures from anywhere, split into what is learned from and what is held out, and their latents.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use meme_data::cache::{Cache, CacheSpec, CacheWriter};
use meme_data::{
    ArraySource, DrawnFaces, HashDepth, ImageSource, InMemory, Loader, LoaderOptions, OnCorrupt,
    Order, Pixels, RgbImage, Split, Subset, Transform,
};
use meme_trainer::Stop;

use crate::classes::Classes;
use crate::experiment::{DataConfig, Experiment};
use crate::first::First;
use crate::progress::Progress;
use crate::{Error, Result};

/// Images per call of the first stage.
const ENCODE_BATCH: usize = 32;

/// Of a user's pictures at most one in this many is held out.
const HELD_OUT_SHARE: usize = 8;

type Source = Arc<Pixels<Box<dyn ImageSource>>>;

/// A data set brought to size and split.
pub(crate) struct Pictures {
    /// What to learn from.
    pub(crate) train: Arc<Subset<Source>>,
    /// What to compare with.
    pub(crate) validation: Arc<Subset<Source>>,
    /// In words.
    pub(crate) description: String,
    /// Hash over names and bytes.
    pub(crate) hash: String,
    /// Sentences about pictures that were left out.
    pub(crate) skipped: Vec<String>,
    transform: Transform,
    /// Where the experiment asks for them.
    classes: Option<Arc<Classes>>,
}

impl Pictures {
    /// The user's pictures at `path`, or built-in faces where none is given.
    pub(crate) fn open(
        config: &DataConfig,
        path: Option<&Path>,
        on_corrupt: OnCorrupt,
    ) -> Result<Self> {
        let transform = Transform { filter: config.filter, ..Transform::new(config.resolution) };
        let (source, description): (Box<dyn ImageSource>, String) = match path {
            Some(path) => (meme_data::open(path)?, path.display().to_string()),
            None => (
                Box::new(match config.classes {
                    None => DrawnFaces::new(config.seed, config.faces),
                    Some(_) => DrawnFaces::by_class(config.seed, config.faces),
                }),
                format!("{} built-in faces, seed {}", config.faces, config.seed),
            ),
        };
        let hash = source.content_hash(HashDepth::Bytes)?;
        let source = Arc::new(Pixels::new(source, transform.clone())?);
        let (readable, skipped) = match on_corrupt {
            OnCorrupt::Refuse => ((0..source.len()).collect(), Vec::new()),
            OnCorrupt::SkipAndReport => {
                let survey = meme_data::survey(&source, on_corrupt)?;
                (survey.readable, survey.skipped.into_iter().map(|it| it.reason).collect())
            }
        };
        if readable.len() < 2 {
            return Err(Error::Usage(format!(
                "{description} holds {} usable picture; at least 2 are needed, one to learn from \
                 and one to compare with",
                readable.len()
            )));
        }
        let held_out = match path {
            Some(_) => config.validation.min(readable.len() / HELD_OUT_SHARE).max(1),
            None => config.validation,
        };
        let split = Split::seeded(config.seed, readable.len(), held_out)?;
        let names = |positions: &[usize]| -> Vec<&str> {
            positions.iter().map(|position| source.source().name(readable[*position])).collect()
        };
        let classes = config
            .classes
            .is_some()
            .then(|| Classes::of(&names(&split.train), &names(&split.validation)).map(Arc::new));
        let classes = classes.transpose()?;
        let part = |positions: Vec<usize>| {
            let indices = positions.into_iter().map(|position| readable[position]).collect();
            Ok::<_, Error>(Arc::new(Subset::of_arrays(Arc::clone(&source), indices)?))
        };
        let (train, validation) = (part(split.train)?, part(split.validation)?);
        Ok(Self { train, validation, description, hash, skipped, transform, classes })
    }
}

/// The latents of both parts of a data set, memory-mapped.
#[derive(Clone)]
pub(crate) struct Latents {
    /// What the networks learn from.
    pub(crate) train: Arc<Cache>,
    /// What they are validated on.
    pub(crate) validation: Arc<Cache>,
    /// The classes of both, where the experiment asks for them.
    pub(crate) classes: Option<Arc<Classes>>,
}

impl Latents {
    /// Opens the latents in `folder`, making what is missing.
    pub(crate) fn prepare(
        experiment: &Experiment,
        pictures: &Pictures,
        first: &First,
        folder: &Path,
        progress: &Progress,
        stop: &Stop,
    ) -> Result<Self> {
        let encode = |name: &str, part: &Arc<Subset<Source>>| {
            let spec = CacheSpec {
                dataset: format!("{}/{name}", pictures.hash),
                first_stage: first.hash().to_owned(),
                transform: pictures.transform.clone(),
                count: part.len(),
                shape: experiment.latent_shape()?,
                precision: experiment.data.latents,
            };
            let path = folder.join(name);
            if path.exists() {
                let cache = Cache::open_for(&path, &spec)?;
                // A network that learned from damaged latents would show it nowhere.
                cache.verify()?;
                return Ok::<_, Error>(Arc::new(cache));
            }
            let writer = CacheWriter::begin(&path, spec)?;
            Ok(Arc::new(write(name, part, first, writer, progress, stop)?))
        };
        Ok(Self {
            train: encode("train", &pictures.train)?,
            validation: encode("validation", &pictures.validation)?,
            classes: pictures.classes.clone(),
        })
    }

    /// The latents of the first `count` held-out pictures, in memory.
    pub(crate) fn of_validation(
        pictures: &Pictures,
        first_stage: &First,
        count: usize,
    ) -> Result<InMemory> {
        let [channels, height, width] = pictures.validation.shape();
        let size = channels * height * width;
        let count = count.min(pictures.validation.len());
        let (mut all, mut shape) = (Vec::new(), [0; 3]);
        for first in (0..count).step_by(ENCODE_BATCH) {
            let rows = first..(first + ENCODE_BATCH).min(count);
            let mut pixels = vec![0.0; rows.len() * size];
            for (index, out) in rows.clone().zip(pixels.chunks_exact_mut(size)) {
                pictures.validation.read(index, out)?;
            }
            let sizes = [rows.len(), channels, height, width].map(|side| side as i64);
            let pixels = meme_torch::from_f32(&pixels, &sizes, first_stage.device())?;
            let latents = first_stage.encode(&pixels)?;
            let size = latents.size();
            shape = [size[1] as usize, size[2] as usize, size[3] as usize];
            all.extend(meme_torch::to_f32_vec(&latents)?);
        }
        Ok(InMemory::new(shape, all)?)
    }

    /// What identifies the latents in a checkpoint.
    pub(crate) fn identity(&self) -> String {
        let latents = &self.train.header().blake3;
        match &self.classes {
            None => latents.clone(),
            Some(classes) => format!("{latents}, classes {}", classes.hash()),
        }
    }
}

fn write(
    name: &str,
    part: &Arc<Subset<Source>>,
    first: &First,
    mut writer: CacheWriter,
    progress: &Progress,
    stop: &Stop,
) -> Result<Cache> {
    let total = part.len() as u64;
    let mut task = progress.begin(format!("encode {name}"), total, 0.0);
    task.found(writer.written() as u64);
    let options = LoaderOptions {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        ahead: 2 * ENCODE_BATCH,
        start: writer.written() as u64,
        end: total,
        ..LoaderOptions::default()
    };
    let order = Order::sequential(part.len())?;
    let mut loader = Loader::new(Arc::clone(part) as Arc<dyn ArraySource>, order, options)?;
    let [channels, height, width] = part.shape().map(|side| side as i64);
    loop {
        if stop.raised() {
            writer.sync()?;
            return Err(Error::Stopped);
        }
        let batch = loader.batch(ENCODE_BATCH)?;
        if batch.is_empty() {
            return Ok(writer.finish()?);
        }
        let values: Vec<f32> =
            batch.iter().flat_map(|image| image.values.iter().copied()).collect();
        let shape = [batch.len() as i64, channels, height, width];
        let pixels = meme_torch::from_f32(&values, &shape, first.device())?;
        let latents = first.encode(&pixels)?;
        let latents = meme_torch::to_f32_vec(&latents)?;
        for latent in latents.chunks_exact(latents.len() / batch.len()) {
            writer.push(latent)?;
        }
        task.at(writer.written() as u64, || "pictures to latents".into());
    }
}

/// Pixels `[B, 3, H, W]` in -1..1 as pictures; values outside are clipped.
pub(crate) fn to_pictures(pixels: &meme_torch::tch::Tensor) -> Result<Vec<RgbImage>> {
    let size = pixels.size();
    let (height, width) = (size[2] as usize, size[3] as usize);
    let values = meme_torch::to_f32_vec(pixels)?;
    values
        .chunks_exact(3 * height * width)
        .map(|image| Ok(RgbImage::from_array(image, height, width)?))
        .collect()
}

/// The first `count` pictures of a part, as pictures.
pub(crate) fn first_pictures(part: &Subset<Source>, count: usize) -> Result<Vec<RgbImage>> {
    some_pictures(part, 0..count.min(part.len()))
}

/// Some pictures of a part, as pictures.
pub(crate) fn some_pictures(part: &Subset<Source>, which: Range<usize>) -> Result<Vec<RgbImage>> {
    let [_, height, width] = part.shape();
    let mut values = vec![0.0; 3 * height * width];
    which
        .map(|index| {
            part.read(index, &mut values)?;
            Ok(RgbImage::from_array(&values, height, width)?)
        })
        .collect()
}
