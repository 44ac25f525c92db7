//! Times the inference form of a network: `inference ARCHITECTURE.json f32|bf16 BATCH SIDE THREADS`, then lines
//! `run N` on standard input, each answered by the seconds of N forward passes.
#![allow(clippy::print_stdout, reason = "an example talks")]

use std::io::BufRead;
use std::time::Instant;

use meme_blocks::{Architecture, UNet};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Parameters, Precision};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    meme_torch::keep_freed_memory();
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, precision, batch, side, threads] = arguments.as_slice() else {
        return Err("ARCHITECTURE.json f32|bf16 BATCH SIDE THREADS".into());
    };
    let architecture: Architecture = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let precision: Precision = serde_json::from_value(precision.as_str().into())?;
    let (batch, side): (i64, i64) = (batch.parse()?, side.parse()?);
    meme_torch::set_threads(threads.parse()?)?;

    let mut parameters = Parameters::new(Device::Cpu, 1, 1);
    UNet::new(&parameters.root(), &architecture)?;
    let weights = parameters.to_data()?;
    let network = UNet::for_inference(&architecture, &weights, Device::Cpu, precision)?;
    drop((parameters, weights));
    let size = [batch, architecture.in_channels as i64, side, side];
    let x = Tensor::ones(size, (Kind::Float, Device::Cpu));
    let embedding = network.time_embedding(&Tensor::from_slice(&[500_i64]), None)?;
    network.forward_with_embedding(&x, &embedding, None)?;
    println!("ready");

    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let count: usize = line.trim().trim_start_matches("run ").parse()?;
        let mut seconds = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            network.forward_with_embedding(&x, &embedding, None)?;
            seconds.push(format!("{:.6}", start.elapsed().as_secs_f64()));
        }
        println!("seconds {}", seconds.join(" "));
    }
    Ok(())
}
