//! The form for inference by libtorch's plain operators, which GPUs, float16 and float64 take: on the CPU, in float64,
//! where nothing hides behind rounding.

use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind, Tensor, no_grad};

use super::InferenceUNet;
use crate::{Architecture, Options, UNet};

/// Every kind of block, of resampling and of condition, in three networks.
const NETWORKS: [&str; 3] = [
    include_str!("tests/guided.toml"),
    include_str!("tests/mixers.toml"),
    r#"
    in_channels = 3
    out_channels = 3
    width = 16
    channel_mult = [1, 2]
    res_blocks = 1
    heads = 2
    norm_groups = 8
    encoder = ["none", "transformer"]
    middle = "transformer"
    decoder = ["none", "transformer"]
    transformer = { context = 12, depth = 2 }
    classes = 7
    class_conditioning = "context"
    "#,
];

/// [`NETWORKS`], and mixers with each element in its branch.
fn descriptions() -> Vec<String> {
    let elements = [
        ("dilated", "linear-attention"),
        ("large-kernel", "dilated"),
        ("fourier", "large-kernel"),
        ("fourier", "fourier"),
    ];
    let with = |(high, low)| {
        let words = format!("[mixer]\nhigh_element = {high:?}\nlow_element = {low:?}");
        NETWORKS[1].replace("[mixer]", &words).replace("res_blocks = 2", "res_blocks = 1")
    };
    NETWORKS.map(str::to_owned).into_iter().chain(elements.map(with)).collect()
}

/// Numbers without a pattern that a convolution could miss.
fn waves(shape: &[i64], kind: Kind, offset: f64) -> Tensor {
    let count = shape.iter().product::<i64>();
    let places = Tensor::arange(count, (Kind::Double, Device::Cpu));
    ((places * 1.7 + offset).sin()).reshape(shape).to_kind(kind)
}

fn largest_difference(kind: Kind, description: &str, (height, width): (i64, i64)) -> f64 {
    let architecture: Architecture = toml::from_str(description).unwrap();
    let mut parameters = Parameters::blank(Device::Cpu);
    let trained = UNet::new(&parameters.root(), &architecture).unwrap();
    no_grad(|| {
        for (index, (_, tensor)) in parameters.named().iter().enumerate() {
            let values = waves(&tensor.size(), Kind::Float, index as f64) * 0.2;
            tensor.shallow_clone().copy_(&values);
        }
    });
    let weights = meme_torch::into_tensors(parameters.to_data().unwrap()).unwrap();
    let network = InferenceUNet::build(&architecture, weights, Device::Cpu, kind).unwrap();
    parameters.to_kind(Kind::Double).unwrap();
    let x = waves(&[2, architecture.in_channels as i64, height, width], Kind::Double, 0.3);
    let indices = Tensor::from_slice(&[3_i64, 640]);
    let classes = Tensor::from_slice(&[6_i64, 0]);
    let classes = (architecture.classes > 0).then_some(&classes);
    let mut options = Options { classes, ..Options::default() };
    let expected = no_grad(|| trained.forward(&x, &indices, &mut options).unwrap());
    let output = network.forward(&x, &indices, classes).unwrap();
    let scale = expected.abs().max().double_value(&[]);
    (output.to_kind(Kind::Double) - expected).abs().max().double_value(&[]) / scale
}

#[test]
fn by_plain_operators_it_is_the_trained_network_to_float64s_rounding() {
    for description in descriptions() {
        for size in [(16, 16), (13, 6), (1, 1)] {
            let off = largest_difference(Kind::Double, &description, size);
            assert!(off < 1e-11, "{off:.1e} at {size:?} of {description}");
        }
    }
}

#[test]
fn by_plain_operators_float16_is_off_by_its_rounding_alone() {
    for description in descriptions() {
        let off = largest_difference(Kind::Half, &description, (16, 16));
        assert!(off < 2e-2, "{off:.1e} of {description}");
        assert!(off > 1e-5, "{off:.1e} is not float16");
    }
}
