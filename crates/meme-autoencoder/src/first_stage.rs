//! Any first stage behind two functions.

use meme_torch::Path;
use meme_torch::tch::Tensor;

use crate::error::Result;
use crate::{Error, FirstStageConfig, KlAutoencoder, VqAutoencoder};

/// A first stage: images to latents and back.
///
/// Images are [B, C, H, W] in [-1, 1]. Nothing here draws random numbers: the same image has the same latent.
#[derive(Debug)]
pub struct FirstStage {
    config: FirstStageConfig,
    coder: Coder,
}

#[derive(Debug)]
enum Coder {
    Identity,
    SpaceToDepth(i64),
    Vq(Box<VqAutoencoder>),
    Kl(Box<KlAutoencoder>),
}

impl FirstStage {
    /// Builds the parameters, if there are any, on `root`, under CompVis' names.
    ///
    /// # Errors
    /// [`Error::Config`] where the description breaks a rule, [`Error::Layer`] where a name is taken.
    pub fn new(root: &Path<'_>, config: &FirstStageConfig) -> Result<Self> {
        config.validate()?;
        let coder = match config {
            FirstStageConfig::Identity {} => Coder::Identity,
            FirstStageConfig::SpaceToDepth { factor } => Coder::SpaceToDepth(*factor as i64),
            FirstStageConfig::Vq { coder, codebook, embedding } => {
                Coder::Vq(Box::new(VqAutoencoder::new(root, coder, *codebook, *embedding)?))
            }
            FirstStageConfig::Kl { coder, embedding, scale } => {
                Coder::Kl(Box::new(KlAutoencoder::new(root, coder, *embedding, *scale)?))
            }
        };
        Ok(FirstStage { config: config.clone(), coder })
    }

    /// What it was built from.
    pub fn config(&self) -> &FirstStageConfig {
        &self.config
    }

    /// The latent's [C, H, W] for an image's [C, H, W].
    ///
    /// # Errors
    /// [`Error::Shape`] where the image does not fit.
    pub fn latent_shape(&self, image: [usize; 3]) -> Result<[usize; 3]> {
        self.config.latent_shape(image)
    }

    /// Images [B, C, H, W] to latents [B, C', H / f, W / f]: a VQ stage's before quantisation, a KL stage's mean.
    ///
    /// # Errors
    /// [`Error::Shape`] where the sides are not multiples of the factor or the channels do not fit.
    pub fn encode(&self, images: &Tensor) -> Result<Tensor> {
        self.check(images)?;
        match &self.coder {
            Coder::Identity => Ok(images.shallow_clone()),
            Coder::SpaceToDepth(factor) => Ok(images.f_pixel_unshuffle(*factor)?),
            Coder::Vq(vq) => vq.encode(images),
            Coder::Kl(kl) => kl.encode(images),
        }
    }

    /// Latents [B, C', h, w] to images [B, C, f h, f w]. A VQ stage quantises first, without a gradient.
    ///
    /// # Errors
    /// [`Error::Shape`] where the channels do not fit.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        match &self.coder {
            Coder::Identity => Ok(latents.shallow_clone()),
            Coder::SpaceToDepth(factor) => {
                self.check_latents(latents, |channels| channels % (factor * factor) == 0)?;
                Ok(latents.f_pixel_shuffle(*factor)?)
            }
            Coder::Vq(vq) => {
                self.check_latents(latents, |channels| self.is_embedding(channels))?;
                vq.decode(latents)
            }
            Coder::Kl(kl) => {
                self.check_latents(latents, |channels| self.is_embedding(channels))?;
                kl.decode(latents)
            }
        }
    }

    /// The VQ autoencoder inside, if it is one.
    pub fn as_vq(&self) -> Option<&VqAutoencoder> {
        match &self.coder {
            Coder::Vq(vq) => Some(vq),
            _ => None,
        }
    }

    /// The KL autoencoder inside, if it is one.
    pub fn as_kl(&self) -> Option<&KlAutoencoder> {
        match &self.coder {
            Coder::Kl(kl) => Some(kl),
            _ => None,
        }
    }

    fn is_embedding(&self, channels: i64) -> bool {
        match &self.config {
            FirstStageConfig::Vq { embedding, .. } | FirstStageConfig::Kl { embedding, .. } => {
                channels == *embedding as i64
            }
            _ => true,
        }
    }

    pub(crate) fn check(&self, images: &Tensor) -> Result<()> {
        let size = images.size();
        let sides = |n: &i64| usize::try_from(*n).unwrap_or(0);
        let fits = match size.as_slice() {
            [_, c, h, w] => self.latent_shape([sides(c), sides(h), sides(w)]).is_ok(),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let needed = self.config.needed_image().replacen('[', "[B, ", 1);
        Err(Error::Shape { what: "the batch of images", found: size, needed })
    }

    fn check_latents(&self, latents: &Tensor, fits: impl Fn(i64) -> bool) -> Result<()> {
        let size = latents.size();
        match size.as_slice() {
            &[_, channels, height, width] if height > 0 && width > 0 && fits(channels) => Ok(()),
            _ => {
                let needed = match &self.config {
                    FirstStageConfig::SpaceToDepth { factor } => {
                        format!("[B, C, h, w] with C a multiple of {}", factor * factor)
                    }
                    FirstStageConfig::Vq { embedding, .. }
                    | FirstStageConfig::Kl { embedding, .. } => format!("[B, {embedding}, h, w]"),
                    FirstStageConfig::Identity {} => "[B, C, H, W]".into(),
                };
                Err(Error::Shape { what: "the batch of latents", found: size, needed })
            }
        }
    }
}
