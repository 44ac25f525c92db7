//! The trained experts of a run behind one denoiser, wherever there is room for them.

use std::collections::BTreeMap;
use std::str::FromStr;

use meme_blocks::{Architecture, InferenceUNet, UNet};
use meme_checkpoint::VerifiedFolder;
use meme_router::{Expert, Index};
use meme_sampler::{Denoiser, Ensemble, ExpertSource, Loaded, Loader, Paged, Resident, Room};
use meme_torch::Precision;
use meme_torch::tch::{Device, Kind, Tensor};

use crate::classes::Wanted;
use crate::run::{Network, RunFolder};
use crate::{Error, Result};

/// How many experts are in memory at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Residency {
    /// All of them.
    #[default]
    All,
    /// The one at work, and the next one while it is read.
    Next,
    /// As many as fit into so many bytes.
    Bytes(u64),
}

impl FromStr for Residency {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let bytes = || {
            let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let factor: u64 = match &text[digits.len()..] {
                "" | "B" => 1,
                "K" | "KiB" => 1 << 10,
                "M" | "MiB" => 1 << 20,
                "G" | "GiB" => 1 << 30,
                _ => return None,
            };
            digits.parse::<u64>().ok()?.checked_mul(factor)
        };
        match text {
            "all" => Ok(Self::All),
            "next" => Ok(Self::Next),
            _ => bytes().map(Self::Bytes).ok_or_else(|| {
                "it must be `all`, `next`, or a size such as 800MiB or 2GiB".to_owned()
            }),
        }
    }
}

/// Where a run's experts are put, and what they compute in.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub(crate) device: Device,
    pub(crate) residency: Residency,
    /// One for all experts, or one for each, expert 1's first.
    pub(crate) precision: Vec<Precision>,
}

impl From<Device> for Placement {
    fn from(device: Device) -> Self {
        Self { device, residency: Residency::All, precision: vec![Precision::F32] }
    }
}

/// Reads experts from the newest checkpoints of a run.
#[derive(Clone)]
pub(crate) struct Trained {
    experiment: crate::experiment::Experiment,
    /// Expert 1's first.
    checkpoints: Vec<(VerifiedFolder, u64)>,
    placement: Placement,
    /// What is to be drawn, where the networks know classes.
    wanted: Option<Wanted>,
}

impl Trained {
    /// Finds the newest checkpoint of every expert and checks it.
    pub(crate) fn open(run: &RunFolder, placement: impl Into<Placement>) -> Result<Self> {
        let placement = placement.into();
        let experiment = run.experiment.clone();
        let (given, experts) = (placement.precision.len(), experiment.experts.len());
        if given != 1 && given != experts {
            return Err(Error::Usage(format!(
                "--precision: {given} values for {experts} experts; give one for all, or one each"
            )));
        }
        let checkpoints = experiment.numbered().map(|(expert, _)| run.newest(expert));
        let checkpoints = checkpoints.collect::<Result<_>>()?;
        Ok(Self { experiment, checkpoints, placement, wanted: None })
    }

    /// The same experts, asked for the classes that are wanted.
    pub(crate) fn wanting(self, wanted: Option<Wanted>) -> Self {
        Self { wanted, ..self }
    }

    /// What the weights are: images seen by each expert, and the hashes of their files.
    pub(crate) fn identity(&self) -> serde_json::Value {
        let experts = self.checkpoints.iter().map(|(checkpoint, images)| {
            let files = checkpoint.manifest().files.iter();
            let hashes: Vec<&str> = files.map(|(_, record)| record.blake3.as_str()).collect();
            serde_json::json!({"images": images, "hashes": hashes})
        });
        let experts: Vec<serde_json::Value> = experts.collect();
        serde_json::json!({"experts": experts, "precision": self.placement.precision})
    }

    fn precision(&self, expert: Expert) -> Precision {
        let each = &self.placement.precision;
        each.get(expert.position()).or(each.first()).copied().unwrap_or_default()
    }

    fn network(&self, expert: Expert) -> Result<Drawing> {
        self.read(expert)?.build()
    }

    /// What the expert is built from, on the CPU: weights that lie in their file where that is still the one whose
    /// hash was checked.
    fn read(&self, expert: Expert) -> Result<Plans> {
        let unknown = || meme_router::Error::UnknownExpert { expert, experts: self.experts() };
        let (checkpoint, _) = self.checkpoints.get(expert.position()).ok_or_else(unknown)?;
        Ok(Plans {
            architecture: Network::architecture(&self.experiment, expert)?.clone(),
            weights: meme_trainer::map_ema(checkpoint)?,
            device: self.placement.device,
            precision: self.precision(expert),
            wanted: self.wanted.clone(),
        })
    }

    /// All experts behind one denoiser.
    pub(crate) fn ensemble(self) -> Result<Ensemble<Experts>> {
        let intervals = self.experiment.intervals.clone();
        let room = match self.placement.residency {
            Residency::All => None,
            Residency::Next => Some(Room::Next),
            Residency::Bytes(bytes) => Some(Room::Bytes(bytes)),
        };
        let source = match room {
            Some(room) => Experts::Paged(Box::new(Paged::new(self, room)?)),
            None => {
                let networks = self
                    .experiment
                    .numbered()
                    .map(|(expert, _)| Ok(Box::new(self.network(expert)?) as Box<dyn Denoiser>));
                Experts::All(Resident::new(networks.collect::<Result<_>>()?))
            }
        };
        Ok(Ensemble::new(intervals, source)?)
    }
}

impl Loader for Trained {
    fn experts(&self) -> usize {
        self.checkpoints.len()
    }

    fn bytes(&self, expert: Expert) -> meme_sampler::Result<u64> {
        let sizes = |expert: Expert| -> Result<u64> {
            let [_, height, width] = self.experiment.latent_shape()?;
            let architecture = Network::architecture(&self.experiment, expert)?;
            let values = meme_blocks::count(architecture, height, width)?.parameters;
            let each = self.precision(expert).kind().elt_size_in_bytes();
            Ok(values * each as u64)
        };
        sizes(expert).map_err(meme_sampler::Error::denoiser)
    }

    fn load(&self, expert: Expert) -> meme_sampler::Result<Loaded> {
        let mut plans = self.read(expert).map_err(meme_sampler::Error::denoiser)?;
        plans.weights = meme_torch::bring_beside(plans.weights, plans.device)?;
        Ok(Loaded::to_build(move || plans.build().map_err(meme_sampler::Error::denoiser)))
    }
}

/// All that an expert is built from.
struct Plans {
    architecture: Architecture,
    weights: BTreeMap<String, Tensor>,
    device: Device,
    precision: Precision,
    wanted: Option<Wanted>,
}

impl Plans {
    fn build(self) -> Result<Drawing> {
        let Self { architecture, weights, device, precision, wanted } = self;
        let network = UNet::for_inference(&architecture, weights, device, precision)?;
        Ok(Drawing(network, wanted))
    }
}

/// An expert in the form for sampling.
struct Drawing(InferenceUNet, Option<Wanted>);

impl Denoiser for Drawing {
    fn denoise(&mut self, x: &Tensor, indices: &[Index]) -> meme_sampler::Result<Tensor> {
        if let Some(wanted) = &self.1 {
            return wanted.answer(&self.0, x, indices);
        }
        let numbers: Vec<i64> = indices.iter().map(|index| index.get() as i64).collect();
        let answer = match numbers.first() {
            // As while sampling: one embedding for all. Filled where the tensor lies, because a copy
            // from the host would have the host wait for the GPU at every step.
            Some(first) if numbers.iter().all(|number| number == first) => {
                let index = Tensor::f_full([1], *first, (Kind::Int64, x.device()))?;
                let embedding = self.0.time_embedding(&index, None);
                embedding.and_then(|embedding| self.0.forward_with_embedding(x, &embedding, None))
            }
            _ => {
                let shape = [numbers.len() as i64];
                self.0.forward(x, &meme_torch::from_i64(&numbers, &shape, x.device())?, None)
            }
        };
        answer.map_err(meme_sampler::Error::denoiser)
    }
}

/// A run's experts, resident or paged.
pub(crate) enum Experts {
    All(Resident<'static>),
    Paged(Box<Paged>),
}

impl Experts {
    fn source(&mut self) -> &mut dyn ExpertSource {
        match self {
            Self::All(source) => source,
            Self::Paged(source) => source.as_mut(),
        }
    }
}

impl ExpertSource for Experts {
    fn denoise(
        &mut self,
        expert: Expert,
        x: &Tensor,
        indices: &[Index],
    ) -> meme_sampler::Result<Tensor> {
        self.source().denoise(expert, x, indices)
    }

    fn announce(&mut self, experts: &[Expert]) -> meme_sampler::Result<()> {
        self.source().announce(experts)
    }

    fn experts(&self) -> Option<usize> {
        match self {
            Self::All(source) => source.experts(),
            Self::Paged(source) => source.experts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Residency;

    #[test]
    fn sizes_are_read_with_binary_units_and_anything_else_is_refused() {
        assert_eq!("all".parse(), Ok(Residency::All));
        assert_eq!("next".parse(), Ok(Residency::Next));
        assert_eq!("12".parse(), Ok(Residency::Bytes(12)));
        assert_eq!("800MiB".parse(), Ok(Residency::Bytes(800 << 20)));
        assert_eq!("2G".parse(), Ok(Residency::Bytes(2 << 30)));
        for wrong in ["", "none", "1.5GiB", "-3", "9MB", "MiB", "99999999999GiB"] {
            let error = wrong.parse::<Residency>().map(|_| wrong).unwrap_or_else(|error| {
                assert!(error.contains("such as 800MiB"));
                "refused"
            });
            assert_eq!(error, "refused", "{wrong}");
        }
    }
}
