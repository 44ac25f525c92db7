//! Moving averages of parameters.

use crate::convert::{data_to_tensor, tensor_to_data};
use crate::error::{Context, Error, Mismatch};
use crate::ffi;
use crate::parameters::Parameters;
use crate::store::match_tensors;
use meme_checkpoint::TensorData;
use std::collections::BTreeMap;
use tch::{Device, Tensor};

/// Highest decay of [`ldm_decay`].
const LDM_DECAY: f64 = 0.9999;

/// The decay of update `n` (the first is 1) in latent diffusion: `min(0.9999, (1 + n) / (10 + n))`
/// (CompVis, `ldm/modules/ema.py`), so that early weights are forgotten quickly.
#[must_use]
pub fn ldm_decay(update: u64) -> f64 {
    let n = update as f64;
    LDM_DECAY.min((1.0 + n) / (10.0 + n))
}

/// An exponential moving average of all parameters of a network.
#[derive(Debug)]
pub struct Ema {
    averages: Vec<(String, Tensor)>,
    sources: Vec<Tensor>,
}

impl Ema {
    /// An average that starts as a copy of the parameters.
    ///
    /// # Errors
    /// [`Error::Torch`] when memory runs out.
    pub fn new(parameters: &Parameters) -> Result<Self, Error> {
        let averages = parameters
            .named()
            .iter()
            .map(|(name, tensor)| {
                // A copy keeps the layout, which the foreach operations want to be the same.
                let copy = tensor.detach().f_zeros_like().and_then(|mut zeros| {
                    zeros.f_copy_(&tensor.detach())?;
                    Ok(zeros)
                });
                Ok((name.clone(), copy.during("allocate averages")?))
            })
            .collect::<Result<_, Error>>()?;
        let sources = parameters.tensors().map(Tensor::shallow_clone).collect();
        Ok(Self { averages, sources })
    }

    /// `average = decay average + (1 - decay) parameter`, over all parameters at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a decay outside `[0, 1]`, [`Error::Torch`] where a parameter changed
    /// its shape, dtype or device.
    pub fn update(&mut self, decay: f64) -> Result<(), Error> {
        if !(0.0..=1.0).contains(&decay) {
            return Err(Error::Invalid {
                what: "moving average".to_owned(),
                rule: format!("the decay must be in [0, 1], it is {decay}"),
            });
        }
        let averages = ffi::handles(self.tensors());
        let sources = ffi::handles(&self.sources);
        // SAFETY: two lists of one length, of tensors that live until the call returns.
        let answer = unsafe {
            ffi::meme_lerp(averages.len(), averages.as_ptr(), sources.as_ptr(), 1.0 - decay)
        };
        ffi::check("update averages", answer)
    }

    /// Names and averages, in the parameters' order.
    pub fn named(&self) -> &[(String, Tensor)] {
        &self.averages
    }

    /// Exchanges averages and parameters without copying either: the network now computes with the
    /// averages, until the next call.
    ///
    /// # Errors
    /// [`Error::Torch`] where a parameter changed its shape, dtype or device; nothing is exchanged.
    pub fn swap(&mut self) -> Result<(), Error> {
        let averages = ffi::handles(self.tensors());
        let sources = ffi::handles(&self.sources);
        // SAFETY: as above.
        let answer = unsafe { ffi::meme_swap(averages.len(), averages.as_ptr(), sources.as_ptr()) };
        ffi::check("exchange averages and parameters", answer)
    }

    /// Copies the averages into another network of the same names, shapes and dtypes, on any
    /// device.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with every difference, before anything was copied.
    pub fn copy_to(&self, parameters: &mut Parameters) -> Result<(), Error> {
        const WHAT: &str = "the moving average";
        let mut mismatches = Vec::new();
        for (name, average) in &self.averages {
            match parameters.get(name) {
                None => mismatches.push(Mismatch::Extra { name: name.clone() }),
                Some(to) if to.size() != average.size() => mismatches.push(Mismatch::Shape {
                    name: name.clone(),
                    expected: to.size(),
                    found: average.size(),
                }),
                Some(to) if to.kind() != average.kind() => mismatches.push(Mismatch::Dtype {
                    name: name.clone(),
                    expected: format!("{:?}", to.kind()),
                    found: format!("{:?}", average.kind()),
                }),
                Some(_) => {}
            }
        }
        let known: std::collections::BTreeSet<&String> =
            self.averages.iter().map(|(name, _)| name).collect();
        for (name, _) in parameters.named().iter().filter(|(name, _)| !known.contains(name)) {
            mismatches.push(Mismatch::Missing { name: name.clone() });
        }
        if !mismatches.is_empty() {
            return Err(Error::Mismatch { what: WHAT, mismatches });
        }
        let from = ffi::handles(self.tensors());
        let targets: Vec<&Tensor> =
            self.averages.iter().filter_map(|(name, _)| parameters.get(name)).collect();
        let to = ffi::handles(targets);
        // SAFETY: every average has found its target, so both lists have one length.
        ffi::check("copy averages", unsafe {
            ffi::meme_copy(from.len(), to.as_ptr(), from.as_ptr())
        })
    }

    /// Copies all averages out, by name.
    ///
    /// # Errors
    /// [`Error::Torch`] if a device cannot be read.
    pub fn to_data(&self) -> Result<BTreeMap<String, TensorData>, Error> {
        self.averages
            .iter()
            .map(|(name, tensor)| Ok((name.clone(), tensor_to_data(tensor)?)))
            .collect()
    }

    /// Takes averages over: all of them, or none.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with every difference, before anything was copied.
    pub fn load(&mut self, data: &BTreeMap<String, TensorData>) -> Result<(), Error> {
        let expected = self.averages.iter().map(|(name, tensor)| (name.as_str(), tensor));
        match_tensors("the file of averages", expected, data)?;
        for (name, average) in &mut self.averages {
            if let Some(offered) = data.get(name) {
                let from = data_to_tensor(offered, Device::Cpu)?;
                average.f_copy_(&from).during("load averages")?;
            }
        }
        Ok(())
    }

    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.averages.iter().map(|(_, tensor)| tensor)
    }
}
