//! AdamW over all parameters at once.

use crate::convert::{data_to_tensor, tensor_to_data};
use crate::error::{Context, Error, Mismatch};
use crate::ffi;
use crate::store::match_tensors;
use meme_checkpoint::TensorData;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tch::{Device, Tensor};

/// The numbers of AdamW (Loshchilov and Hutter, arXiv 1711.05101).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the mean of gradients, in [0, 1).
    pub beta1: f64,
    /// Decay of the mean of squared gradients, in [0, 1).
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Share of each parameter taken off per step, times the learning rate.
    pub weight_decay: f64,
    /// Which of PyTorch's implementations this is, bit for bit.
    #[serde(default)]
    pub variant: Variant,
}

impl Default for AdamWConfig {
    /// PyTorch's defaults: 1e-3, (0.9, 0.999), 1e-8, 0.01.
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            variant: Variant::Fused,
        }
    }
}

/// PyTorch has several implementations of the same formula, which differ in their last bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// `torch.optim.AdamW(fused=True)`: one kernel that reads and writes everything once.
    #[default]
    Fused,
    /// `torch.optim.AdamW(foreach=True)`: one operation after the other over all tensors; on the
    /// CPU about eight passes over memory.
    Foreach,
}

/// AdamW with its state: two moments and a step count for each parameter.
///
/// Moments have dtype, device and layout of their parameter, as in PyTorch.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    parameter: Tensor,
    first: Tensor,
    second: Tensor,
    step: i64,
}

impl AdamW {
    /// An optimizer of those of `parameters` that want gradients.
    ///
    /// # Errors
    /// [`Error::Invalid`] for numbers outside their ranges, [`Error::Torch`] when memory runs out.
    pub fn new(config: AdamWConfig, parameters: &[(String, Tensor)]) -> Result<Self, Error> {
        config.check()?;
        let entries = parameters
            .iter()
            .filter(|(_, parameter)| parameter.requires_grad())
            .map(|(name, parameter)| {
                let zeros = || parameter.detach().f_zeros_like().during("allocate moments");
                Ok(Entry {
                    name: name.clone(),
                    parameter: parameter.shallow_clone(),
                    first: zeros()?,
                    second: zeros()?,
                    step: 0,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { config, entries })
    }

    /// The numbers in use.
    #[must_use]
    pub fn config(&self) -> &AdamWConfig {
        &self.config
    }

    /// Sets the learning rate of the steps to come.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a rate that is negative or not finite.
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        let config = AdamWConfig { learning_rate, ..self.config };
        config.check()?;
        self.config = config;
        Ok(())
    }

    /// Moves every parameter along its gradient, as backward left it.
    ///
    /// # Errors
    /// [`Error::NoGradient`] before anything was moved, if a parameter has none;
    /// [`Error::Torch`] where a gradient or moment doesn't fit its parameter, again before anything
    /// was moved.
    pub fn step(&mut self) -> Result<(), Error> {
        let gradients: Vec<Tensor> =
            self.entries.iter().map(|entry| entry.parameter.grad()).collect();
        self.step_with(&gradients)
    }

    /// Moves every parameter along the given gradients, one for each in the order in which they
    /// were handed to [`AdamW::new`].
    ///
    /// # Errors
    /// As [`AdamW::step`], and [`Error::Invalid`] for another number of gradients.
    pub fn step_with(&mut self, gradients: &[Tensor]) -> Result<(), Error> {
        if gradients.len() != self.entries.len() {
            return Err(Error::Invalid {
                what: "AdamW step".to_owned(),
                rule: format!(
                    "{} gradients for {} parameters",
                    gradients.len(),
                    self.entries.len()
                ),
            });
        }
        if let Some((entry, _)) =
            self.entries.iter().zip(gradients).find(|(_, gradient)| !gradient.defined())
        {
            return Err(Error::NoGradient { name: entry.name.clone() });
        }
        let entries = &self.entries;
        let parameters = ffi::handles(entries.iter().map(|entry| &entry.parameter));
        let first = ffi::handles(entries.iter().map(|entry| &entry.first));
        let second = ffi::handles(entries.iter().map(|entry| &entry.second));
        let gradients = ffi::handles(gradients);
        let steps: Vec<f64> = entries.iter().map(|entry| (entry.step + 1) as f64).collect();
        let config = &self.config;
        // SAFETY: five lists of one length, of tensors that live until the call returns.
        let answer = unsafe {
            ffi::meme_adamw(
                i32::from(config.variant == Variant::Fused),
                parameters.len(),
                parameters.as_ptr(),
                gradients.as_ptr(),
                first.as_ptr(),
                second.as_ptr(),
                steps.as_ptr(),
                config.learning_rate,
                config.beta1,
                config.beta2,
                config.weight_decay,
                config.epsilon,
            )
        };
        ffi::check("AdamW step", answer)?;
        for entry in &mut self.entries {
            entry.step += 1;
        }
        Ok(())
    }

    /// Steps taken: the highest count of any parameter, 0 without parameters.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.entries.iter().map(|entry| entry.step).max().unwrap_or(0) as u64
    }

    /// The whole state: for each parameter NAME the tensors `exp_avg/NAME`, `exp_avg_sq/NAME` and
    /// the count `step/NAME` (int64, no dimension).
    ///
    /// # Errors
    /// [`Error::Torch`] if a device cannot be read.
    pub fn state(&self) -> Result<BTreeMap<String, TensorData>, Error> {
        let mut state = BTreeMap::new();
        for entry in &self.entries {
            for (name, tensor) in entry.tensors() {
                state.insert(name, tensor_to_data(&tensor)?);
            }
        }
        Ok(state)
    }

    /// Takes a state over: all of it, or nothing.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with every difference in names, shapes and dtypes, before anything was
    /// copied.
    pub fn load_state(&mut self, state: &BTreeMap<String, TensorData>) -> Result<(), Error> {
        const WHAT: &str = "the state of the optimizer";
        let expected: Vec<(String, Tensor)> =
            self.entries.iter().flat_map(Entry::tensors).collect();
        match_tensors(WHAT, expected.iter().map(|(name, tensor)| (name.as_str(), tensor)), state)?;
        let offer = |name: String| match state.get(&name) {
            Some(data) => data_to_tensor(data, Device::Cpu),
            None => {
                Err(Error::Mismatch { what: WHAT, mismatches: vec![Mismatch::Missing { name }] })
            }
        };
        let steps = self
            .entries
            .iter()
            .map(|entry| offer(entry.key("step"))?.f_int64_value(&[]).during("read a step count"))
            .collect::<Result<Vec<i64>, Error>>()?;
        let negative: Vec<Mismatch> = self
            .entries
            .iter()
            .zip(&steps)
            .filter(|(_, step)| **step < 0)
            .map(|(entry, step)| Mismatch::Count { name: entry.key("step"), found: *step })
            .collect();
        if !negative.is_empty() {
            return Err(Error::Mismatch { what: WHAT, mismatches: negative });
        }
        for (entry, step) in self.entries.iter_mut().zip(steps) {
            entry.first.f_copy_(&offer(entry.key("exp_avg"))?).during("load the optimizer")?;
            entry.second.f_copy_(&offer(entry.key("exp_avg_sq"))?).during("load the optimizer")?;
            entry.step = step;
        }
        Ok(())
    }
}

impl Entry {
    fn key(&self, kind: &str) -> String {
        format!("{kind}/{}", self.name)
    }

    fn tensors(&self) -> [(String, Tensor); 3] {
        [
            (self.key("exp_avg"), self.first.shallow_clone()),
            (self.key("exp_avg_sq"), self.second.shallow_clone()),
            (self.key("step"), Tensor::from(self.step)),
        ]
    }
}

impl AdamWConfig {
    fn check(&self) -> Result<(), Error> {
        let not_negative = |value: f64| value.is_finite() && value >= 0.0;
        let decay = |value: f64| (0.0..1.0).contains(&value);
        let rules = [
            ("learning_rate", not_negative(self.learning_rate), "finite and at least 0"),
            ("beta1", decay(self.beta1), "in [0, 1)"),
            ("beta2", decay(self.beta2), "in [0, 1)"),
            ("epsilon", not_negative(self.epsilon), "finite and at least 0"),
            ("weight_decay", not_negative(self.weight_decay), "finite and at least 0"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            None => Ok(()),
            Some((field, _, rule)) => Err(Error::Invalid {
                what: format!("AdamW's {field}"),
                rule: format!("must be {rule}; the configuration is {self:?}"),
            }),
        }
    }
}
