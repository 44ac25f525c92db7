//! Classes of pictures: the folder that a picture lies in is its class.
//!
//! A class-conditional network has a table of classes; the last one stands for none. While it learns,
//! a picture's class is withheld now and then, so that the network also learns to do without; the
//! difference between its two answers is what classifier-free guidance makes stronger.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use meme_blocks::{Architecture, InferenceUNet};
use meme_data::Order;
use meme_random::{Purpose, Stream};
use meme_router::{Expert, Index};
use meme_sampler::{Denoiser as _, Guided};
use meme_torch::tch::{Device, Tensor};

use crate::error::io;
use crate::experiment::Experiment;
use crate::{Error, Result};

/// Where a run keeps the names of its classes.
const FILE: &str = "classes.json";

/// The classes of a data set, and which one each picture belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Classes {
    /// In alphabetical order; a class's number is its place.
    names: Vec<String>,
    /// Of the pictures that are learned from.
    train: Vec<i64>,
    /// Of those that are held out.
    validation: Vec<i64>,
}

impl Classes {
    /// The classes of pictures with these names.
    ///
    /// # Errors
    /// [`Error::Usage`] for a picture in no folder.
    pub(crate) fn of(train: &[&str], validation: &[&str]) -> Result<Self> {
        let mut names = train
            .iter()
            .chain(validation)
            .map(|name| class_of(name))
            .collect::<Result<Vec<_>>>()?;
        names.sort_unstable();
        names.dedup();
        let number = |picture: &&str| {
            let class = class_of(picture)?;
            Ok(names.binary_search(&class).unwrap_or_default() as i64)
        };
        let train = train.iter().map(number).collect::<Result<_>>()?;
        let validation = validation.iter().map(number).collect::<Result<_>>()?;
        Ok(Self { train, validation, names: names.into_iter().map(str::to_owned).collect() })
    }

    /// Which picture is in which class, as one short text.
    pub(crate) fn hash(&self) -> String {
        crate::stages::hash(&serde_json::json!([self.names, self.train, self.validation]))
    }

    /// Refuses more classes than the experts of `experiment` tell apart.
    pub(crate) fn check(&self, experiment: &Experiment) -> Result<()> {
        let most = experiment.experts.iter().map(|expert| expert.classes.saturating_sub(1)).min();
        match most {
            Some(most) if self.names.len() > most => Err(Error::Usage(format!(
                "the pictures lie in {} folders, and the networks tell {most} classes apart; set \
                 `classes` of the experts to one more than there are folders",
                self.names.len()
            ))),
            _ => Ok(()),
        }
    }

    /// Notes in a run's folder what its classes are called.
    pub(crate) fn record(&self, run: &Path) -> Result<()> {
        let text = serde_json::json!(self.names).to_string();
        Ok(meme_checkpoint::write_file_whole(run.join(FILE), text.as_bytes())?)
    }

    /// The classes of the first `count` held-out pictures, which a validation goes through again and
    /// again, batch by batch.
    pub(crate) fn held_out(self: &Arc<Self>, count: usize) -> HeldOut {
        HeldOut { classes: Arc::clone(self), count: count.min(self.validation.len()), next: 0 }
    }
}

/// The name of the folder that a picture lies in.
fn class_of(picture: &str) -> Result<&str> {
    let folder = picture.rsplit_once('/').map(|(folder, _)| folder);
    folder.map(|folder| folder.rsplit('/').next().unwrap_or(folder)).ok_or_else(|| {
        Error::Usage(format!(
            "{picture} lies in no folder: with data.classes the name of a picture's folder is its \
             class"
        ))
    })
}

/// See [`Classes::held_out`].
pub(crate) struct HeldOut {
    classes: Arc<Classes>,
    count: usize,
    next: usize,
}

impl HeldOut {
    /// Of the next batch.
    pub(crate) fn batch(&mut self, rows: i64, device: Device) -> Result<Tensor> {
        let end = (self.next + rows as usize).min(self.count);
        let classes = self.classes.validation.get(self.next..end).unwrap_or_default();
        self.next = if end == self.count { 0 } else { end };
        Ok(meme_torch::from_i64(classes, &[classes.len() as i64], device)?)
    }
}

/// What an expert is told about the pictures that it learns from.
pub(crate) struct Lessons {
    pub(crate) classes: Arc<Classes>,
    /// In which pictures are seen.
    pub(crate) order: Order,
    /// Share of the pictures whose class is withheld.
    pub(crate) withheld: f64,
    /// The class that stands for none.
    pub(crate) none: i64,
    pub(crate) seed: u64,
    pub(crate) expert: Expert,
}

impl Lessons {
    /// The classes of training images by their counters. Whether one is withheld is a function of
    /// the image's counter, as all else that is drawn.
    pub(crate) fn batch(&self, images: Range<u64>, device: Device) -> Result<Tensor> {
        let class = |image: u64| {
            let counter = meme_torch::name_counter(&format!("class, image {image}"));
            let draw = Stream::new(self.seed, Purpose::Dropout, self.expert.number(), counter);
            let known = self.classes.train.get(self.order.at(image).index);
            known.copied().filter(|_| draw.uniform(0) >= self.withheld).unwrap_or(self.none)
        };
        let classes: Vec<i64> = images.map(class).collect();
        Ok(meme_torch::from_i64(&classes, &[classes.len() as i64], device)?)
    }
}

/// The class that stands for none, once for each row; nothing for a network without classes.
pub(crate) fn none(
    architecture: &Architecture,
    rows: i64,
    device: Device,
) -> Result<Option<Tensor>> {
    let Some(none) = none_of(architecture) else { return Ok(None) };
    Ok(Some(meme_torch::from_i64(&vec![none; rows as usize], &[rows], device)?))
}

/// Its number.
pub(crate) fn none_of(architecture: &Architecture) -> Option<i64> {
    architecture.classes.checked_sub(1).map(|last| last as i64)
}

/// What the pictures of a run are to show; the experts that draw them share it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    names: Arc<Vec<String>>,
    guidance: f64,
    none: i64,
    /// Of the batch under way.
    rows: Arc<Mutex<Vec<i64>>>,
}

impl Wanted {
    /// Of a run; none where its networks know no classes.
    pub(crate) fn open(run: &Path, experiment: &Experiment, guidance: f64) -> Result<Option<Self>> {
        let Some(none) = experiment.experts.first().and_then(none_of) else { return Ok(None) };
        let file = run.join(FILE);
        let text = std::fs::read_to_string(&file).map_err(io(&file))?;
        let names: Vec<String> = serde_json::from_str(&text)
            .map_err(|error| Error::Malformed { path: file, message: error.to_string() })?;
        let rows = Arc::new(Mutex::new(Vec::new()));
        Ok(Some(Self { names: Arc::new(names), guidance, none, rows }))
    }

    /// The number of the class of that name.
    pub(crate) fn named(&self, name: &str) -> Result<i64> {
        let place = self.names.iter().position(|known| known == name);
        let known = self.names.iter().map(String::as_str);
        place.map(|place| place as i64).ok_or_else(|| Error::unknown("class", name, known))
    }

    /// From now on the pictures with these numbers are drawn: of `only`, or of each class in turn.
    pub(crate) fn begin(&self, numbers: Range<u64>, only: Option<i64>) {
        let classes = self.names.len().max(1) as u64;
        let class = |number: u64| only.unwrap_or((number % classes) as i64);
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = numbers.map(class).collect();
    }

    /// What `network` says to a batch, guided towards the classes that are wanted.
    pub(crate) fn answer(
        &self,
        network: &InferenceUNet,
        x: &Tensor,
        indices: &[Index],
    ) -> meme_sampler::Result<Tensor> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let none = vec![self.none; indices.len()];
        let ask = |classes: &[i64], x: &Tensor, indices: &[Index]| {
            let numbers: Vec<i64> = indices.iter().map(|index| index.get() as i64).collect();
            let shape = [numbers.len() as i64];
            let indices = meme_torch::from_i64(&numbers, &shape, x.device())?;
            let classes = meme_torch::from_i64(classes, &[classes.len() as i64], x.device())?;
            network.forward(x, &indices, Some(&classes)).map_err(meme_sampler::Error::denoiser)
        };
        let with = |x: &Tensor, indices: &[Index]| ask(&rows, x, indices);
        let without = |x: &Tensor, indices: &[Index]| ask(&none, x, indices);
        Guided::new(with, without, self.guidance)?.denoise(x, indices)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn classes() -> Arc<Classes> {
        let train = ["b/1.png", "a/2.png", "deep/b/3.png"];
        Arc::new(Classes::of(&train, &["a/4.png", "b/5.png", "a/6.png"]).unwrap())
    }

    fn numbers(classes: &Tensor) -> Vec<i64> {
        Vec::try_from(classes).unwrap()
    }

    #[test]
    fn the_nearest_folder_is_the_class_and_a_picture_in_none_is_named() {
        let classes = classes();
        assert_eq!(classes.names, ["a", "b"]);
        assert_eq!((&classes.train[..], &classes.validation[..]), (&[1, 0, 1][..], &[0, 1, 0][..]));
        let said = Classes::of(&["a/1.png", "2.png"], &[]).unwrap_err().to_string();
        assert!(said.starts_with("2.png lies in no folder"), "{said}");
        assert_ne!(classes.hash(), Classes::of(&["b/1.png"], &[]).unwrap().hash());
    }

    #[test]
    fn held_out_classes_come_in_the_order_of_the_pictures_again_and_again() {
        let mut held_out = classes().held_out(3);
        let mut next = |rows| numbers(&held_out.batch(rows, Device::Cpu).unwrap());
        assert_eq!(
            [next(2), next(2), next(2), next(2)],
            [vec![0, 1], vec![0], vec![0, 1], vec![0]]
        );
    }

    #[test]
    fn a_class_is_that_of_the_picture_seen_and_is_withheld_as_often_as_asked() {
        let order = Order::shuffled(3, 3).unwrap();
        let lessons = |withheld| Lessons {
            classes: classes(),
            order,
            withheld,
            none: 9,
            seed: 3,
            expert: Expert::new(2).unwrap(),
        };
        let batch =
            |withheld, images| numbers(&lessons(withheld).batch(images, Device::Cpu).unwrap());
        let all = batch(0.0, 0..2000);
        let train = [1, 0, 1];
        assert!((0..2000).all(|image| all[image as usize] == train[order.at(image).index]));
        let some = batch(0.1, 0..2000);
        assert!(all.iter().zip(&some).all(|(all, some)| some == all || *some == 9));
        let withheld = some.iter().filter(|class| **class == 9).count();
        assert!((150..250).contains(&withheld), "{withheld} of 2000");
        assert_eq!(batch(0.1, 700..710), some[700..710]);
    }
}
