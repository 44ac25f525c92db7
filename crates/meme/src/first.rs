//! The first stage of an experiment, with its weights where it has any.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use meme_autoencoder::{FirstStage, Tiling};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Tensor, no_grad};
use serde_json::json;

use crate::experiment::Experiment;
use crate::{Error, Result, stages};

/// Pixels that a learned first stage codes at once. A picture of 256 x 256 takes VQ-f4's encoder some 130 MB beside
/// the weights.
const PIXELS_AT_ONCE: i64 = 4 * 256 * 256;
/// Pictures with a longer side are coded in tiles of this size, in pixels, by a learned first stage.
const TILE: usize = 512;
const OVERLAP: usize = 128;

/// Pictures to latents and back on one device.
pub(crate) struct First {
    /// One caller at a time: a tensor may move between threads but not be shared.
    stage: Mutex<FirstStage>,
    device: Device,
    hash: String,
    /// Where there is anything to compute: in which tiles.
    tiling: Option<Tiling>,
    factor: i64,
}

impl First {
    /// The first stage of `experiment`, its weights read from a safetensors file with CompVis'
    /// names. One that learns nothing takes no weights.
    pub(crate) fn open(
        experiment: &Experiment,
        weights: Option<&Path>,
        device: Device,
    ) -> Result<Self> {
        let config = &experiment.first_stage;
        let mut parameters = Parameters::blank(device);
        let stage = FirstStage::new(&parameters.root(), config)?;
        let learned = !parameters.named().is_empty();
        let weights_hash = match (learned, weights) {
            (false, None) => None,
            (false, Some(file)) => {
                return Err(Error::Usage(format!(
                    "--first-stage {}: the first stage of {} learns nothing and takes no weights",
                    file.display(),
                    experiment.name
                )));
            }
            (true, None) => {
                return Err(Error::Usage(format!(
                    "{} at scale {} works on the latents of a learned first stage: give its \
                     weights with --first-stage FILE.safetensors (CompVis' names), or use another \
                     scale",
                    experiment.name, experiment.scale
                )));
            }
            (true, Some(file)) => {
                parameters.load(&meme_checkpoint::read_safetensors(file)?.tensors)?;
                let bytes = std::fs::read(file).map_err(crate::error::io(file))?;
                Some(blake3::hash(&bytes).to_hex().to_string())
            }
        };
        parameters.set_trainable(false);
        let mut made_from = json!({"config": config, "weights": weights_hash});
        let tiling = learned.then(|| Tiling::new(TILE, OVERLAP)).transpose()?;
        if tiling.is_some() && experiment.data.resolution > TILE {
            made_from["tiles"] = json!([TILE, OVERLAP]);
        }
        let (hash, factor) = (stages::hash(&made_from), config.factor() as i64);
        Ok(Self { stage: Mutex::new(stage), device, hash, tiling, factor })
    }

    fn stage(&self) -> MutexGuard<'_, FirstStage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hash of description and weights.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// Where it computes.
    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// Pixels `[B, 3, H, W]` in -1..1, on any device, to latents. Memory is bounded whatever the number of
    /// pictures and their size.
    pub(crate) fn encode(&self, pixels: &Tensor) -> Result<Tensor> {
        self.in_portions(pixels, 1, |stage, pixels| match &self.tiling {
            Some(tiling) => stage.encode_tiled(pixels, tiling),
            None => stage.encode(pixels),
        })
    }

    /// Latents, on any device, to pixels `[B, 3, H, W]`, as [`Self::encode`].
    pub(crate) fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        self.in_portions(latents, self.factor, |stage, latents| match &self.tiling {
            Some(tiling) => stage.decode_tiled(latents, tiling),
            None => stage.decode(latents),
        })
    }

    /// `work` on as many pictures at a time as memory is meant for; `factor` pixels of a side make one
    /// position of what is given.
    fn in_portions(
        &self,
        given: &Tensor,
        factor: i64,
        work: impl Fn(&FirstStage, &Tensor) -> std::result::Result<Tensor, meme_autoencoder::Error>,
    ) -> Result<Tensor> {
        let stage = self.stage();
        let given = given.to_device(self.device);
        let size = given.size();
        let pixels = size.iter().skip(2).product::<i64>() * factor * factor;
        let portion = match self.tiling {
            Some(_) => (PIXELS_AT_ONCE / pixels.max(1)).max(1),
            None => i64::MAX,
        };
        if size.first().is_none_or(|pictures| *pictures <= portion) {
            return Ok(no_grad(|| work(&stage, &given))?);
        }
        let parts = given.split(portion, 0);
        let made = parts.iter().map(|part| no_grad(|| work(&stage, part)));
        let made = made.collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(Tensor::cat(&made, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Resolver;
    use meme_torch::tch::Kind;

    /// Ten pictures are more than are coded at once, a side of 640 is more than is coded whole.
    #[test]
    fn many_pictures_and_large_ones_are_coded_in_portions_and_tiles() {
        let folder = tempfile::tempdir().unwrap();
        let open = |resolution: usize| {
            let settings = [
                "first_stage.coder.width=8".to_owned(),
                "first_stage.coder.channel_mult=[1,1,1,1]".to_owned(),
                "first_stage.coder.res_blocks=1".to_owned(),
                "first_stage.coder.norm_groups=4".to_owned(),
                "first_stage.codebook=16".to_owned(),
                format!("data.resolution={resolution}"),
            ];
            let experiment =
                Resolver::new("paper", &settings).unwrap().named("ffhq/ldm-s").unwrap();
            let mut parameters = Parameters::new(Device::Cpu, 5, 0);
            let stage = FirstStage::new(&parameters.root(), &experiment.first_stage).unwrap();
            let file = folder.path().join("weights.safetensors");
            let data = parameters.to_data().unwrap();
            meme_checkpoint::write_safetensors(&file, &data, &Default::default()).unwrap();
            (First::open(&experiment, Some(&file), Device::Cpu).unwrap(), stage)
        };
        let picture = |count: i64, height: i64, width: i64| {
            let values = Tensor::arange(count * 3 * height * width, (Kind::Float, Device::Cpu));
            (values * 0.37).sin().view([count, 3, height, width])
        };
        let (first, stage) = open(192);
        let pixels = picture(10, 192, 192);
        let close = |found: &Tensor, wanted: &Tensor| {
            assert_eq!(found.size(), wanted.size());
            let error = (found - wanted).abs().max().double_value(&[]);
            assert!(error <= 1e-5 * wanted.abs().max().double_value(&[]), "{error}");
        };
        let latents = first.encode(&pixels).unwrap();
        no_grad(|| close(&latents, &stage.encode(&pixels).unwrap()));
        assert_eq!(first.decode(&latents).unwrap().size(), pixels.size());

        let (large, stage) = open(640);
        assert_ne!(first.hash(), large.hash());
        assert_eq!(first.hash(), open(256).0.hash(), "what is coded whole is coded in one way");
        let pixels = picture(1, 640, 64);
        let tiling = Tiling::new(TILE, OVERLAP).unwrap();
        close(&large.encode(&pixels).unwrap(), &stage.encode_tiled(&pixels, &tiling).unwrap());
    }
}
