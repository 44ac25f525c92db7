//! Power-function averages kept while training, and averages of any length made afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use meme_checkpoint::{Shelf, TensorData, VerifiedFolder};
use meme_torch::{Ema, Parameters, PowerFunction, posthoc_coefficients, weighted_sum};

use crate::resume::number;
use crate::{Error, TrainConfig};

/// Folder of the snapshots in a run folder.
pub(crate) const SNAPSHOTS: &str = "snapshots";

/// What of a network goes into one file.
pub(crate) type Data = BTreeMap<String, TensorData>;

/// Averages of one network, each with the relative standard deviation that names it.
#[derive(Debug)]
pub(crate) struct Averages(Vec<(f64, PowerFunction, Ema)>);

impl Averages {
    pub(crate) fn new(config: &TrainConfig, parameters: &Parameters) -> Result<Self, Error> {
        let average = |&deviation: &f64| {
            Ok((deviation, PowerFunction::new(deviation)?, Ema::new(parameters)?))
        };
        Ok(Self(config.power_averages.iter().map(average).collect::<Result<_, Error>>()?))
    }

    /// Takes in the weights after an update that went from `images - batch` to `images`.
    pub(crate) fn update(&mut self, images: u64, batch: u64) -> Result<(), Error> {
        for (_, shape, average) in &mut self.0 {
            average.update(shape.decay(images, batch))?;
        }
        Ok(())
    }

    /// File names and contents.
    pub(crate) fn to_data(&self) -> Result<Vec<(String, Data)>, Error> {
        let file = |(deviation, _, average): &(f64, _, Ema)| {
            Ok((file_name(*deviation), average.to_data()?))
        };
        self.0.iter().map(file).collect()
    }

    /// Goes on from a checkpoint; an average that it does not have begins with its weights.
    pub(crate) fn load(
        &mut self,
        checkpoint: &VerifiedFolder,
        weights: &Data,
    ) -> Result<(), Error> {
        for (deviation, _, average) in &mut self.0 {
            let file = file_name(*deviation);
            if checkpoint.manifest().files.contains_key(&file) {
                average.load(&checkpoint.tensors(&file)?.tensors)?;
            } else {
                average.load(weights)?;
            }
        }
        Ok(())
    }
}

fn file_name(deviation: f64) -> String {
    format!("average-{deviation}.safetensors")
}

/// The relative standard deviation that a file of [`file_name`] belongs to.
fn deviation_of(file: &str) -> Option<f64> {
    file.strip_prefix("average-")?.strip_suffix(".safetensors")?.parse().ok()
}

/// The snapshots of one network's run folder, named by images seen.
#[must_use]
pub fn snapshots(run: &Path) -> Shelf {
    Shelf::new(run.join(SNAPSHOTS))
}

/// The average of relative standard deviation `deviation` after `images` images (the newest
/// snapshot's where `None`), put together from the snapshots that the run in `run` took until then
/// (EDM2, arXiv 2312.02696, section 3).
///
/// All those snapshots are in memory at once. How close the sum comes to the average asked for
/// depends on how many there are and on how far it lies from those that were kept.
///
/// # Errors
/// [`Error::Data`] where there is no snapshot; [`Error::Torch`] for a deviation outside 0.0001 to
/// 0.2886; what reading can fail with. A damaged snapshot is an error, not passed over.
pub fn posthoc_average(
    run: &Path,
    deviation: f64,
    images: Option<u64>,
) -> Result<BTreeMap<String, TensorData>, Error> {
    let target = PowerFunction::new(deviation)?;
    let mut shapes = Vec::new();
    let mut contents = Vec::new();
    for listed in snapshots(run).list()? {
        let snapshot = listed.checked?;
        let seen = number(snapshot.path(), snapshot.extra(), "images")?;
        if images.is_some_and(|images| seen > images) {
            continue;
        }
        for file in snapshot.manifest().files.keys() {
            let Some(deviation) = deviation_of(file) else { continue };
            shapes.push((seen, PowerFunction::new(deviation)?));
            contents.push(snapshot.tensors(file)?.tensors);
        }
    }
    let newest = shapes.iter().map(|(seen, _)| *seen).max().ok_or_else(|| Error::Data {
        what: format!(
            "{} holds no snapshot to make an average of: train with power_averages and \
             snapshot_images",
            run.join(SNAPSHOTS).display()
        ),
    })?;
    let weights = posthoc_coefficients(&shapes, images.unwrap_or(newest), target)?;
    let weighted: Vec<(f64, &Data)> = weights.into_iter().zip(&contents).collect();
    Ok(weighted_sum(&weighted)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_its_deviation_to_the_last_bit() {
        for deviation in [0.05, 0.1, 1.0 / 7.0, 0.0001] {
            assert_eq!(deviation_of(&file_name(deviation)), Some(deviation));
        }
        assert_eq!(deviation_of("ema.safetensors"), None);
    }
}
