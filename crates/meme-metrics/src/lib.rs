//! How good are generated images? Numbers that others can repeat.
//!
//! An image metric is a comparison of two clouds of points: the features of generated images and
//! those of real ones. This crate has the three parts of it apart, so that each can be used alone:
//!
//! * **Features.** A [`FeatureNetwork`] turns images into rows of numbers, [`extract`] does so for
//!   many. There is a built-in network that needs no file; SqueezeNet and the Inception-v3 behind
//!   FID come from files, and a [`Mode`] says whose resizing Inception's pictures get.
//! * **Distances.** Plain float64 mathematics on `ndarray` arrays, whatever made the features:
//!   [`frechet_distance`] on streaming [`Statistics`], [`frechet_infinity`], [`kid()`],
//!   [`inception_score`], [`precision_recall_density_coverage`], [`nearest`] neighbours,
//!   [`bootstrap()`] intervals.
//! * **Reports.** [`evaluate`] puts a value together with its interval, the number of images, the
//!   distance between real images at the same number, and the hashes and seeds behind it all.
//!   [`ReferenceStatistics`] stand in for real images, [`read_npz`] reads those of others.
//!
//! ```
//! use meme_metrics::{Compared, EvaluationOptions, FeatureNetwork, evaluate, extract};
//! use meme_data::RgbImage;
//! use meme_torch::tch::Device;
//! use std::ops::ControlFlow;
//!
//! # fn main() -> Result<(), meme_metrics::Error> {
//! // Two sets of 16 x 16 pictures: stripes of some width, in two different tints.
//! let stripes = |tint: u8| {
//!     (1..41_usize).map(move |width| {
//!         let pixel = |i: usize| if (i / width).is_multiple_of(2) { [255, tint, 0] } else { [0; 3] };
//!         RgbImage::new(16, 16, (0..256).flat_map(pixel).collect())
//!     })
//! };
//! let network = FeatureNetwork::random(Device::Cpu)?;
//! let mut quiet = |_done: usize| ControlFlow::Continue(());
//! let real: ndarray::Array2<f32> = extract(&network, stripes(200), 16, &mut quiet)?;
//! let generated = extract(&network, stripes(40), 16, &mut quiet)?;
//!
//! let compared = Compared {
//!     network: network.identity().clone(),
//!     resize: "drawn at 16 x 16".into(),
//!     generated: "stripes of tint 40".into(),
//!     generated_hash: String::new(),
//!     reference: "stripes of tint 200".into(),
//!     reference_hash: String::new(),
//! };
//! let report = evaluate(generated.view(), real.view(), compared, &EvaluationOptions::default())?;
//! assert_eq!(report.metric, "Frechet distance (random-64)");
//! assert_eq!((report.generated, report.reference), (40, Some(40)));
//! assert!(report.interval.low <= report.value && report.value <= report.interval.high);
//! # Ok(()) }
//! ```
//!
//! # What a number means here
//! A Frechet distance belongs to its feature network, its resizing, its reference set and its
//! number of images; change any of them and it is another number. So each result names all four,
//! statistics made in different ways refuse to be compared, and only a distance on the features of
//! Inception-v3 with the published weights, known by their hash, is called FID.
#![deny(missing_docs)]

mod bootstrap;
mod error;
mod evaluation;
mod extract;
mod feature;
mod frechet;
mod infinity;
mod kid;
mod neighbours;
mod network;
mod npz;
mod reference;
mod score;
mod statistics;

pub use bootstrap::{BootstrapOptions, Interval, bootstrap};
pub use error::{Error, Result};
pub use evaluation::{
    Compared, Evaluation, EvaluationOptions, Floor, Real, evaluate, evaluate_against, real_floor,
};
pub use extract::{extract, extract_arrays, extract_with};
pub use feature::Feature;
pub use frechet::{Gaussian, frechet_distance};
pub use infinity::{Extrapolation, frechet_infinity};
pub use kid::{Kid, KidOptions, kid, squared_mmd};
pub use neighbours::{Manifold, Neighbour, nearest, precision_recall_density_coverage};
pub use network::{FeatureNetwork, Mode, NetworkIdentity, PillowFilter, resize_clean};
pub use npz::{Npz, read_npz, write_npz};
pub use reference::{Provenance, ReferenceStatistics};
pub use score::{InceptionScore, inception_score};
pub use statistics::Statistics;
