//! Counts VQ-f4, then sends a picture through a small VQ stage, untrained, and through space-to-depth.
#![allow(clippy::print_stdout, reason = "an example talks")]

use meme_autoencoder::{FirstStage, FirstStageConfig};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind, Tensor, no_grad};

fn vq(width: usize) -> Result<FirstStageConfig, toml::de::Error> {
    toml::from_str(&format!(
        r#"
        kind = "vq"
        codebook = 8192
        embedding = 3
        [coder]
        image_channels = 3
        latent_channels = 3
        width = {width}
        channel_mult = [1, 2, 4]
        res_blocks = 2
        "#
    ))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let counted = vq(128)?.count(256, 256)?;
    println!("VQ-f4 has {} parameters", counted.parameters);
    println!("{} MACs to encode 256 x 256, {} to decode", counted.encode_macs, counted.decode_macs);

    let ramp = Tensor::linspace(-1.0, 1.0, 64, (Kind::Float, Device::Cpu));
    let picture = (ramp.view([1, 1, 64, 1]) * ramp.view([1, 1, 1, 64])).repeat([1, 3, 1, 1]);
    let cells: FirstStageConfig = toml::from_str("kind = 'space-to-depth'\nfactor = 2")?;
    for config in [vq(32)?, cells] {
        let mut parameters = Parameters::new(Device::Cpu, 7, 0);
        let stage = FirstStage::new(&parameters.root(), &config)?;
        let (latent, back) = no_grad(|| -> Result<_, meme_autoencoder::Error> {
            let latent = stage.encode(&picture)?;
            let back = stage.decode(&latent)?;
            Ok((latent, back))
        })?;
        let error = (back - &picture).abs().max().double_value(&[]);
        println!("{:?} -> {:?}, off by at most {error:.3}", picture.size(), latent.size());
    }
    Ok(())
}
