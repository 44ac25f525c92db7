//! Parameters by name: created on paths, loaded whole or not at all.

use crate::convert::{data_to_tensor, tensor_to_data};
use crate::error::{Context, Error};
use crate::ffi;
use crate::init::Init;
use crate::store::match_tensors;
use meme_checkpoint::TensorData;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::Div;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// The parameters of one network, in the order in which its layers were built.
///
/// Layers are built on a [`Path`] borrowed from the store; afterwards the store owns the list and
/// the layers hold handles of the same tensors.
#[derive(Debug)]
pub struct Parameters {
    entries: Vec<(String, Tensor)>,
    names: BTreeSet<String>,
    device: Device,
    origin: Origin,
}

/// What the values are when they are created.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// As [`Init`] says for this (seed, expert).
    Drawn(u64, u16),
    /// Zeros.
    Blank,
    /// A zero that is seen at every place.
    Outline,
}

impl Parameters {
    /// An empty store on `device` whose parameters start as [`Init`] says for (seed, expert);
    /// `expert` is 0 for a network that belongs to none.
    #[must_use]
    pub fn new(device: Device, seed: u64, expert: u16) -> Self {
        Self::empty(device, Origin::Drawn(seed, expert))
    }

    /// An empty store whose parameters all start as 0, for networks that are loaded at once: it
    /// saves the time of drawing values that nobody sees.
    #[must_use]
    pub fn blank(device: Device) -> Self {
        Self::empty(device, Origin::Blank)
    }

    /// An empty store on the CPU whose parameters have names and shapes and take no memory: all their
    /// elements are one zero. For asking what a network needs ([`Parameters::fits`]); nothing can be
    /// written into them.
    #[must_use]
    pub fn outline() -> Self {
        Self::empty(Device::Cpu, Origin::Outline)
    }

    fn empty(device: Device, origin: Origin) -> Self {
        Self { entries: Vec::new(), names: BTreeSet::new(), device, origin }
    }

    /// The place where a network is built. While any path lives the store itself is out of reach.
    pub fn root(&mut self) -> Path<'_> {
        Path { store: Rc::new(RefCell::new(self)), prefix: String::new() }
    }

    /// Where the parameters lie.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// Names and tensors in creation order.
    pub fn named(&self) -> &[(String, Tensor)] {
        &self.entries
    }

    /// The tensors in creation order.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &Tensor> {
        self.entries.iter().map(|(_, tensor)| tensor)
    }

    /// The parameter of that full name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.entries.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor)
    }

    /// Number of values in all parameters together.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.tensors().map(|tensor| tensor.numel() as u64).sum()
    }

    /// Copies all values out, by name.
    ///
    /// # Errors
    /// [`Error::Torch`] if a device cannot be read.
    pub fn to_data(&self) -> Result<BTreeMap<String, TensorData>, Error> {
        self.entries
            .iter()
            .map(|(name, tensor)| Ok((name.clone(), tensor_to_data(tensor)?)))
            .collect()
    }

    /// Copies values in: all of them, or none.
    ///
    /// Names, shapes and dtypes must agree exactly; nothing is broadcast, cast or left out.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with every difference, before anything was copied.
    pub fn load(&mut self, data: &BTreeMap<String, TensorData>) -> Result<(), Error> {
        match_tensors("the file of parameters", self.expected(), data)?;
        for (name, tensor) in &self.entries {
            if let Some(offered) = data.get(name) {
                let mut to = tensor.detach();
                let from = data_to_tensor(offered, Device::Cpu)?;
                to.f_copy_(&from).during("load parameters")?;
            }
        }
        Ok(())
    }

    /// Compares tensors with the parameters as [`Parameters::load`] does, and copies nothing.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with every difference.
    pub fn fits(&self, tensors: &BTreeMap<String, Tensor>) -> Result<(), Error> {
        match_tensors("the file of parameters", self.expected(), tensors)
    }

    fn expected(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Names and gradients of the parameters that have one, in creation order. The tensors are the
    /// gradients themselves: changing them changes what an optimizer sees.
    #[must_use]
    pub fn gradients(&self) -> Vec<(String, Tensor)> {
        self.entries
            .iter()
            .map(|(name, tensor)| (name, tensor.grad()))
            .filter(|(_, gradient)| gradient.defined())
            .map(|(name, gradient)| (name.clone(), gradient))
            .collect()
    }

    /// Forgets all gradients and frees their memory; the next backward allocates them anew. This is
    /// PyTorch's `zero_grad(set_to_none=True)`, and cheaper than writing zeros and adding to them.
    pub fn zero_grad(&mut self) {
        let handles = ffi::handles(self.tensors());
        // SAFETY: the handles are those of live tensors of this store.
        let answer = unsafe { ffi::meme_set_gradient_to_none(handles.len(), handles.as_ptr()) };
        // Dropping a reference cannot fail; the shim's guard is for what cannot happen.
        let _ = ffi::check("forget gradients", answer);
    }

    /// Sets whether backward computes gradients for these parameters.
    pub fn set_trainable(&mut self, trainable: bool) {
        for (_, tensor) in &self.entries {
            let _ = tensor.set_requires_grad(trainable);
        }
    }

    /// Converts every floating-point parameter to `kind`, in place for all layers that hold it.
    /// Gradients are forgotten; optimizers and averages must be made afterwards.
    ///
    /// # Errors
    /// [`Error::Torch`], for example when memory runs out; parameters before the failing one have
    /// been converted.
    pub fn to_kind(&mut self, kind: Kind) -> Result<(), Error> {
        self.replace("convert parameters", |tensor| tensor.f_to_kind(kind))
    }

    /// Moves every parameter to `device`, in place for all layers that hold it. Gradients are
    /// forgotten; optimizers and averages must be made afterwards.
    ///
    /// # Errors
    /// As [`Parameters::to_kind`].
    pub fn to_device(&mut self, device: Device) -> Result<(), Error> {
        self.replace("move parameters", |tensor| tensor.f_to_device(device))?;
        self.device = device;
        Ok(())
    }

    /// Lays the weights of convolutions (four dimensions) out as channels-last, in place for all
    /// layers that hold them; values stay the same. Gradients are forgotten; optimizers and
    /// averages must be made afterwards.
    ///
    /// # Errors
    /// As [`Parameters::to_kind`].
    pub fn channels_last(&mut self) -> Result<(), Error> {
        self.zero_grad();
        for (_, tensor) in &self.entries {
            if tensor.dim() == 4 {
                let laid_out = crate::switches::channels_last(&tensor.detach())?;
                tensor.shallow_clone().set_data(&laid_out);
            }
        }
        Ok(())
    }

    fn replace(
        &mut self,
        operation: &'static str,
        change: impl Fn(&Tensor) -> Result<Tensor, tch::TchError>,
    ) -> Result<(), Error> {
        self.zero_grad();
        for (_, tensor) in &self.entries {
            let changed = change(&tensor.detach()).during(operation)?;
            tensor.shallow_clone().set_data(&changed);
        }
        Ok(())
    }

    fn add(&mut self, name: String, shape: &[i64], init: Init) -> Result<Tensor, Error> {
        if self.names.contains(&name) {
            return Err(Error::Duplicate { name });
        }
        if shape.iter().any(|&length| length < 1) {
            return Err(Error::Invalid {
                what: name,
                rule: format!("every length must be at least 1, the shape is {shape:?}"),
            });
        }
        let filled = |length: &[i64], value: f64| {
            Tensor::f_full(length, value, (Kind::Float, self.device)).during("allocate parameter")
        };
        let tensor = match (self.origin, init.constant()) {
            (Origin::Drawn(seed, expert), None) => {
                let count = shape.iter().product::<i64>() as usize;
                let mut values = vec![0.0_f32; count];
                init.fill(seed, expert, &name, &mut values);
                crate::convert::from_f32(&values, shape, self.device)?
            }
            (Origin::Drawn(..), Some(value)) => filled(shape, value)?,
            (Origin::Blank, _) => filled(shape, 0.0)?,
            (Origin::Outline, _) => {
                filled(&[], 0.0)?.f_expand(shape, false).during("outline a parameter")?
            }
        };
        let tensor = tensor.set_requires_grad(true);
        self.names.insert(name.clone());
        self.entries.push((name, tensor.shallow_clone()));
        Ok(tensor)
    }
}

/// A place in the tree of names: `&path / "encoder" / 0` is `encoder.0`.
#[derive(Debug, Clone)]
pub struct Path<'a> {
    store: Rc<RefCell<&'a mut Parameters>>,
    prefix: String,
}

impl Path<'_> {
    /// Creates the parameter `name` here, a float32 tensor that wants gradients.
    ///
    /// # Errors
    /// [`Error::Duplicate`] for a name that exists, [`Error::Invalid`] for an empty shape.
    pub fn parameter(&self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, Error> {
        let name = self.join(name);
        self.store.borrow_mut().add(name, shape, init)
    }

    /// Where parameters created here lie.
    #[must_use]
    pub fn device(&self) -> Device {
        self.store.borrow().device
    }

    /// The full, dotted name of this place; empty at the root.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.prefix
    }

    /// The full, dotted name of `name` at this place.
    #[must_use]
    pub fn join(&self, name: impl Display) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }
}

impl<'a, T: Display> Div<T> for &Path<'a> {
    type Output = Path<'a>;

    fn div(self, name: T) -> Path<'a> {
        Path { store: Rc::clone(&self.store), prefix: self.join(name) }
    }
}

impl<'a, T: Display> Div<T> for Path<'a> {
    type Output = Path<'a>;

    fn div(self, name: T) -> Path<'a> {
        &self / name
    }
}
