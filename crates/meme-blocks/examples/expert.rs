//! Counts a small expert stage by stage, builds it, and watches one of its mixers during a forward pass.
#![allow(clippy::print_stdout, reason = "an example talks")]

use meme_blocks::{Architecture, Options, Probe, UNet, count, feature_maps};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind, Tensor, no_grad};

const EXPERT: &str = r#"
    in_channels = 12
    out_channels = 12
    width = 32
    channel_mult = [1, 2, 3, 4]
    res_blocks = 2
    head_dim = 8
    norm_groups = 8
    encoder = ["mixer", "mixer", "mixer", "mixer"]
    middle = "mixer"
    decoder = ["none", "none", "none", "none"]
    mixer = { high_heads = [3, 5, 6, 4], middle_high_heads = 4, pool = [2, 2, 1, 1] }
"#;

struct Branches;

impl Probe for Branches {
    fn wants(&self, name: &str) -> bool {
        name.ends_with("mixer.branches")
    }

    fn see(&mut self, name: &str, map: &Tensor) {
        let deviation = map.std(true).double_value(&[]);
        println!("{name:28} {:?} deviation {deviation:.3}", map.size());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let expert: Architecture = toml::from_str(EXPERT)?;
    let counted = count(&expert, 16, 16)?;
    for stage in &counted.stages {
        println!("{:12} {:>10} parameters {:>12} MACs", stage.name, stage.parameters, stage.macs);
    }
    println!("{:12} {:>10} parameters {:>12} MACs", "all", counted.parameters, counted.macs);
    println!("{} feature maps can be watched", feature_maps(&expert)?.len());

    let mut parameters = Parameters::new(Device::Cpu, 2024, 1);
    let network = UNet::new(&parameters.root(), &expert)?;
    let x = Tensor::ones([1, 12, 16, 16], (Kind::Float, Device::Cpu));
    let mut options = Options { probe: Some(&mut Branches), ..Options::default() };
    let output = no_grad(|| network.forward(&x, &Tensor::from_slice(&[249_i64]), &mut options))?;
    let largest = output.abs().max().double_value(&[]);
    println!("{:28} {:?}: a new network predicts {largest}", "output", output.size());
    Ok(())
}
