//! Measures the pictures of one folder, tar or zip file against those of another, and prints the
//! report as JSON: `cargo run -p meme-metrics --example compare_folders -- GENERATED REFERENCE`
//!
//! Without arguments two sets of built-in faces are compared, which should be close.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::ops::ControlFlow;
use std::path::Path;

use meme_data::{DrawnFaces, HashDepth, ImageSource, Pixels, Transform, open};
use meme_metrics::{Compared, EvaluationOptions, FeatureNetwork, evaluate, extract_arrays};
use meme_torch::tch::Device;

/// Every picture is brought to this size first, by its shorter side and a centre crop.
const RESOLUTION: usize = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (generated, reference): (Box<dyn ImageSource>, Box<dyn ImageSource>) = match &arguments[..]
    {
        [] => (Box::new(DrawnFaces::new(1, 128)), Box::new(DrawnFaces::new(2, 128))),
        [generated, reference] => (open(Path::new(generated))?, open(Path::new(reference))?),
        _ => return Err("usage: compare_folders [GENERATED REFERENCE]".into()),
    };
    let network = FeatureNetwork::random(Device::Cpu)?;
    let measure = |images: Box<dyn ImageSource>| -> Result<_, Box<dyn std::error::Error>> {
        let pixels = Pixels::new(images, Transform::new(RESOLUTION))?;
        let total = pixels.source().len();
        let features: ndarray::Array2<f32> = extract_arrays(&network, &pixels, 32, &mut |done| {
            eprint!("\r{done} of {total}");
            ControlFlow::Continue(())
        })?;
        eprintln!();
        Ok((features, pixels.source().content_hash(HashDepth::Bytes)?))
    };
    let (ours, generated_hash) = measure(generated)?;
    let (real, reference_hash) = measure(reference)?;
    let compared = Compared {
        network: network.identity().clone(),
        resize: format!("{:?}", Transform::new(RESOLUTION)),
        generated: arguments.first().map_or("faces of seed 1", String::as_str).to_owned(),
        generated_hash,
        reference: arguments.last().map_or("faces of seed 2", String::as_str).to_owned(),
        reference_hash,
    };
    let report = evaluate(ours.view(), real.view(), compared, &EvaluationOptions::default())?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
