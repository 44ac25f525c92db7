//! The U-Net as samplers run it: weights that no longer change, in the dtype in which it computes.

mod attention;
mod enlarge;
mod mixer;
mod residual;
#[cfg(test)]
mod tests;
mod transformer;
mod unet;
mod weights;

pub use unet::InferenceUNet;
