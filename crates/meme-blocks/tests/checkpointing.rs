//! A network whose blocks are computed again in the backward pass.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use meme_blocks::{Architecture, Error, Options, UNet};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Parameters, init_thread, to_f32_vec};

fn architecture(more: &str, elements: &str) -> Architecture {
    let text = format!(
        "in_channels = 3\nout_channels = 3\nwidth = 16\nchannel_mult = [1, 2]\nres_blocks = 2\n\
         head_dim = 8\nnorm_groups = 8\nencoder = [\"mixer\", \"mixer\"]\nmiddle = \"mixer\"\n\
         decoder = [\"none\", \"attention\"]\n{more}\n\
         mixer = {{ high_heads = [1, 2], middle_high_heads = 1, pool = [2, 1]{elements} }}\n"
    );
    toml::from_str(&text).unwrap()
}

/// The loss, every gradient, and how many masks were drawn.
fn gradients(architecture: &Architecture, checkpointing: bool) -> (f64, Vec<Vec<f32>>, usize) {
    init_thread(1).unwrap();
    let mut parameters = Parameters::new(Device::Cpu, 7, 1);
    let network = UNet::new(&parameters.root(), architecture).unwrap();
    // Layers that start as zero would hide what comes before them.
    for tensor in parameters.tensors() {
        let mut tensor = tensor.detach();
        let _ = tensor.f_add_scalar_(0.02).unwrap();
    }
    let x = (Tensor::arange(2 * 3 * 16 * 16, (Kind::Float, Device::Cpu)) * 0.37).sin();
    let x = x.view([2, 3, 16, 16]);
    let indices = Tensor::from_slice(&[3_i64, 700]);
    let mut drawn = 0;
    // Half of the values, another half in every block.
    let mut masks = |block: &str, map: &Tensor, _: f64| -> Result<Tensor, Error> {
        drawn += 1;
        let count = map.numel() as i64;
        let wave = Tensor::arange(count, (Kind::Float, Device::Cpu)) * (block.len() as f64 + 0.7);
        let mask = wave.sin().gt(0.0).to_kind(Kind::Float) * 2.0;
        Ok(meme_torch::channels_last(&mask.view(map.size().as_slice()))?)
    };
    let mut options = Options { checkpointing, dropout: Some(&mut masks), ..Options::default() };
    let loss = network.forward(&x, &indices, &mut options).unwrap().square().mean(Kind::Float);
    loss.backward();
    let gradients = parameters.gradients();
    assert_eq!(gradients.len(), parameters.named().len());
    let gradients = gradients.iter().map(|(_, it)| to_f32_vec(it).unwrap()).collect();
    (loss.double_value(&[]), gradients, drawn)
}

#[test]
fn gradients_are_those_without_it_to_the_last_bit_with_and_without_dropout() {
    let others = ", high_element = \"fourier\", low_element = \"linear-attention\"";
    for (more, elements) in [("", ""), ("dropout = 0.2", ""), ("", others)] {
        let architecture = architecture(more, elements);
        let (plain, checkpointed) =
            (gradients(&architecture, false), gradients(&architecture, true));
        assert_eq!(plain, checkpointed, "{more}");
        assert_eq!(plain.2 > 0, !more.is_empty(), "masks are drawn once, in the first pass");
        assert!(plain.1.iter().flatten().any(|it| *it != 0.0));
    }
}
