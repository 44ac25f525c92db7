//! Convolutions for inference: weights in the compute dtype and in oneDNN's own layout.

use super::Activation;
use super::ffi;
use crate::error::{Context, Error};
use crate::switches::channels_last;
use std::cell::RefCell;
use tch::{Device, Kind, Tensor};

/// What a [`PackedConv2d`] is beside its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedConv2dConfig {
    /// Step between neighbouring outputs, at least 1.
    pub stride: i64,
    /// Zeros added on all four sides.
    pub padding: i64,
    /// Where it computes.
    pub device: Device,
    /// In what it computes: float32, bfloat16, float16 on a GPU, or float64.
    pub kind: Kind,
}

/// A convolution whose weights no longer change, `[B, in, H, W]` to `[B, out, H', W']`, maps
/// channels-last.
///
/// On the CPU, in float32 and bfloat16, the weights lie in the layout that oneDNN wants for the
/// size that was seen first, so that no call rearranges them; another size has them rearranged
/// once. An activation or the sum with another map costs no pass of its own. Where libtorch has no
/// oneDNN, on a GPU and in other dtypes it is libtorch's plain convolution. No gradients.
#[derive(Debug)]
pub struct PackedConv2d {
    weight: RefCell<Weight>,
    bias: Option<Tensor>,
    config: PackedConv2dConfig,
}

#[derive(Debug)]
enum Weight {
    /// As libtorch has it.
    Plain(Tensor),
    /// To be packed when the first input is seen.
    Waiting(Tensor),
    /// Packed for inputs of that size.
    Packed(Tensor, [i64; 4]),
}

impl PackedConv2d {
    /// With `weight`, `[out, in, k, k]`, and `bias`, `[out]`, of any dtype. A weight that has the right
    /// one is shared until it is packed, and must not be written any more.
    ///
    /// # Errors
    /// [`Error::Torch`] where the copy fails.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        config: PackedConv2dConfig,
    ) -> Result<Self, Error> {
        let convert = |tensor: &Tensor, copy: bool| {
            tensor
                .detach()
                .f_to_device_(config.device, config.kind, false, copy)
                .during("convert the weights of a convolution")
        };
        let packs = config.device == Device::Cpu
            && matches!(config.kind, Kind::Float | Kind::BFloat16)
            && ffi::packed_available(config.kind == Kind::BFloat16)?;
        let weight = convert(weight, false)?;
        let weight =
            if packs { Weight::Waiting(weight) } else { Weight::Plain(channels_last(&weight)?) };
        // Copied, so that it does not keep in memory what it may be a part of.
        let bias = bias.map(|bias| convert(bias, true)).transpose()?;
        Ok(Self { weight: RefCell::new(weight), bias, config })
    }

    /// `activation(convolution(x))`.
    ///
    /// # Errors
    /// [`Error::Torch`] when channels or dtype don't agree.
    pub fn forward(&self, x: &Tensor, activation: Activation) -> Result<Tensor, Error> {
        self.run(x, activation, None)
    }

    /// `sum + convolution(x)`, written over `sum`.
    ///
    /// # Errors
    /// [`Error::Torch`] when channels, sizes or dtype don't agree.
    pub fn add_to(&self, x: &Tensor, sum: Tensor) -> Result<Tensor, Error> {
        self.run(x, Activation::None, Some(sum))
    }

    fn run(
        &self,
        x: &Tensor,
        activation: Activation,
        sum: Option<Tensor>,
    ) -> Result<Tensor, Error> {
        let PackedConv2dConfig { stride, padding, .. } = self.config;
        let Some(weight) = self.packed(x)? else {
            return self.plain(x, activation, sum);
        };
        // SAFETY: handles of live tensors; the shim writes one new handle.
        ffi::made("packed convolution", |output| unsafe {
            ffi::meme_packed_conv(
                x.as_ptr(),
                weight.as_ptr(),
                ffi::handle(self.bias.as_ref()),
                padding,
                stride,
                1,
                activation.number(),
                ffi::handle(sum.as_ref()),
                output,
            )
        })
    }

    /// The weight packed for inputs of `x`'s size, where that exists.
    fn packed(&self, x: &Tensor) -> Result<Option<Tensor>, Error> {
        let PackedConv2dConfig { stride, padding, .. } = self.config;
        let mut weight = self.weight.borrow_mut();
        let Ok(size) = <[i64; 4]>::try_from(x.size()) else {
            let rule = format!("the input must be [B, C, H, W], it is {:?}", x.size());
            return Err(Error::Invalid { what: "packed convolution".to_owned(), rule });
        };
        let from = match &*weight {
            Weight::Plain(_) => return Ok(None),
            Weight::Packed(tensor, known) if *known == size => {
                return Ok(Some(tensor.shallow_clone()));
            }
            Weight::Packed(tensor, _) | Weight::Waiting(tensor) => tensor,
        };
        // SAFETY: a live tensor and four numbers; the shim writes one new handle.
        let packed = ffi::made("pack the weights of a convolution", |output| unsafe {
            ffi::meme_pack_conv(from.as_ptr(), padding, stride, 1, size.as_ptr(), output)
        })?;
        *weight = Weight::Packed(packed.shallow_clone(), size);
        Ok(Some(packed))
    }

    fn plain(
        &self,
        x: &Tensor,
        activation: Activation,
        sum: Option<Tensor>,
    ) -> Result<Tensor, Error> {
        let PackedConv2dConfig { stride, padding, .. } = self.config;
        let weight = self.weight.borrow();
        let (Weight::Plain(weight) | Weight::Waiting(weight) | Weight::Packed(weight, _)) =
            &*weight;
        let y = x
            .f_conv2d(weight, self.bias.as_ref(), [stride; 2], [padding; 2], [1, 1], 1)
            .during("convolution")?;
        let y = activation.apply(y)?;
        match sum {
            None => Ok(y),
            Some(mut sum) => sum.f_add_(&y).during("add a convolution"),
        }
    }
}
