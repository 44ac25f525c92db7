//! The inference form is the trained network: in float32 to rounding, in bfloat16 as closely as autocast.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod support;

use std::collections::BTreeMap;

use meme_blocks::{Architecture, InferenceUNet, Options, UNet};
use meme_torch::tch::{Device, Kind, Tensor, no_grad};
use meme_torch::{Autocast, Parameters, Precision, into_tensors, with_threads};
use support::{
    EXPERTS, Golden, assert_close, class_conditional, conditional, conditions, elements, inception,
    ldm, read, relative_error, stir, tiny, waves,
};

/// The guided-diffusion form: scale-shift norm, resampling residual blocks, classes, learned sigma.
const GUIDED: &str = include_str!("../src/inference/tests/guided.toml");

/// Mixers everywhere: all, some and no heads on the high side, means and maxima, windows of 1 to 3, feed-forward.
const MIXERS: &str = include_str!("../src/inference/tests/mixers.toml");

fn architectures() -> Vec<(String, Architecture)> {
    let list = vec![
        ("latent diffusion", tiny(ldm(128))),
        ("expert 1", tiny(inception(EXPERTS[0]))),
        ("expert 4", tiny(inception(EXPERTS[3]))),
        ("guided diffusion", read(GUIDED)),
        ("mixers", read(MIXERS)),
    ];
    let [classes, words] = conditional();
    let conditional = [("classes as context", classes), ("words", words)];
    let named = list.into_iter().chain(conditional).map(|(name, a)| (name.to_owned(), a));
    named.chain(elements()).collect()
}

struct Pair {
    trained: UNet,
    parameters: Parameters,
    architecture: Architecture,
}

impl Pair {
    fn new(architecture: Architecture) -> Self {
        let mut parameters = Parameters::blank(Device::Cpu);
        let trained = UNet::new(&parameters.root(), &architecture).unwrap();
        stir(&parameters);
        Pair { trained, parameters, architecture }
    }

    fn inference(&self, precision: Precision) -> InferenceUNet {
        let weights = into_tensors(self.parameters.to_data().unwrap()).unwrap();
        UNet::for_inference(&self.architecture, weights, Device::Cpu, precision).unwrap()
    }

    fn input(&self, size: [i64; 3]) -> Tensor {
        waves([size[0], self.architecture.in_channels as i64, size[1], size[2]])
    }

    fn trained(&self, x: &Tensor, indices: &Tensor) -> Tensor {
        let (classes, context) = conditions(&self.architecture, x.size()[0]);
        let context = context.map(|context| context.to_kind(x.kind()));
        let mut options =
            Options { classes: classes.as_ref(), context: context.as_ref(), ..Options::default() };
        no_grad(|| self.trained.forward(x, indices, &mut options).unwrap())
    }

    fn inferred(&self, network: &InferenceUNet, x: &Tensor, indices: &Tensor) -> Tensor {
        let (classes, context) = conditions(&self.architecture, x.size()[0]);
        let Some(context) = context else {
            return network.forward(x, indices, classes.as_ref()).unwrap();
        };
        let embedding = network.time_embedding(indices, classes.as_ref()).unwrap();
        network.forward_with_embedding(x, &embedding, Some(&context)).unwrap()
    }
}

#[test]
fn in_float32_it_is_the_trained_network_in_every_form_at_every_size() {
    for (name, architecture) in architectures() {
        let pair = Pair::new(architecture);
        let network = pair.inference(Precision::F32);
        let indices = Tensor::from_slice(&[3_i64, 640]);
        for size in [[2, 16, 16], [2, 13, 6], [2, 9, 24], [2, 1, 1]] {
            let x = pair.input(size);
            let expected = pair.trained(&x, &indices);
            let output = pair.inferred(&network, &x, &indices);
            assert_eq!(output.kind(), Kind::Float);
            assert_close(&output, &expected, 1e-5, &format!("{name} at {size:?}"));
        }
    }
}

#[test]
fn in_bfloat16_it_is_as_close_to_float64_as_autocast_within_a_twentieth() {
    for (name, architecture) in architectures() {
        let mut pair = Pair::new(architecture);
        let network = pair.inference(Precision::Bf16);
        let indices = Tensor::from_slice(&[3_i64, 640]);
        let x = pair.input([2, 16, 16]);
        let ours = pair.inferred(&network, &x, &indices);
        assert_eq!(ours.kind(), Kind::Float);
        let guard = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        let autocast = pair.trained(&x, &indices);
        drop(guard);
        pair.parameters.to_kind(Kind::Double).unwrap();
        let exact = pair.trained(&x.to_kind(Kind::Double), &indices);
        // Root mean squares: a single largest error is luck.
        let error = |y: &Tensor| {
            let square = |t: &Tensor| t.square().mean(Kind::Double).sqrt().double_value(&[]);
            square(&(y.to_kind(Kind::Double) - &exact)) / square(&exact)
        };
        let (ours, autocast) = (error(&ours), error(&autocast));
        eprintln!("{name}: {ours:.2e}, autocast {autocast:.2e}");
        assert!(ours <= autocast * 1.05, "{name}: {ours:.2e}, autocast {autocast:.2e}");
        assert!(ours > 1e-5, "{name}: {ours:.1e} is not bfloat16");
    }
}

#[test]
fn goldens_of_other_projects_come_out() {
    for file in ["inception_unet_odd.safetensors", "inception_unet_extremes.safetensors"] {
        let golden = Golden::read(file);
        let weights = golden.weights();
        let architecture = golden.architecture();
        let device = Device::Cpu;
        let network = UNet::for_inference(&architecture, weights, device, Precision::F32).unwrap();
        let output = network
            .forward(&golden.get("input").to_kind(Kind::Float), &golden.get("timesteps"), None)
            .unwrap();
        assert_close(&output, &golden.get("output"), 1e-5, file);
    }
}

#[test]
fn one_embedding_serves_all_samples_and_all_steps_are_made_at_once() {
    let pair = Pair::new(tiny(inception(EXPERTS[1])));
    let network = pair.inference(Precision::F32);
    let x = pair.input([3, 8, 8]);
    let steps = network.time_embedding(&Tensor::from_slice(&[999_i64, 77, 0]), None).unwrap();
    let shared = network.forward_with_embedding(&x, &steps.narrow(0, 1, 1), None).unwrap();
    let each = network.forward(&x, &Tensor::from_slice(&[77_i64; 3]), None).unwrap();
    assert_close(&shared, &each, 1e-6, "one row for all");
    let other = network.forward_with_embedding(&x, &steps.narrow(0, 2, 1), None).unwrap();
    assert!(relative_error(&other, &each) > 1e-4);
}

#[test]
fn sizes_may_change_from_call_to_call() {
    let pair = Pair::new(tiny(ldm(128)));
    let network = pair.inference(Precision::Bf16);
    let indices = Tensor::from_slice(&[5_i64]);
    let (small, large) = (pair.input([1, 8, 8]), pair.input([1, 24, 16]));
    let first = network.forward(&small, &indices, None).unwrap();
    let _ = network.forward(&large, &indices, None).unwrap();
    assert!(network.forward(&small, &indices, None).unwrap() == first);
}

#[test]
fn the_input_is_left_as_it_was() {
    let pair = Pair::new(tiny(inception(EXPERTS[0])));
    let network = pair.inference(Precision::F32);
    let x = meme_torch::channels_last(&pair.input([1, 8, 8])).unwrap();
    let before = x.copy();
    let _ = network.forward(&x, &Tensor::from_slice(&[5_i64]), None).unwrap();
    assert!(x == before);
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let pair = Pair::new(tiny(ldm(128)));
    let mut weights = pair.parameters.to_data().unwrap();
    let refused = |weights: &BTreeMap<_, _>, precision| {
        let weights = into_tensors(weights.clone()).unwrap();
        UNet::for_inference(&pair.architecture, weights, Device::Cpu, precision)
            .unwrap_err()
            .to_string()
    };
    let half = refused(&weights, Precision::F16);
    assert!(half.contains("f16: it is for GPUs"), "{half}");
    weights.remove("stem.weight");
    assert!(refused(&weights, Precision::F32).contains("stem.weight"));

    let network = pair.inference(Precision::F32);
    let embedding = pair.trained.time_embedding(&Tensor::from_slice(&[1_i64]), None).unwrap();
    let x = pair.input([1, 8, 8]);
    let wrong = network.forward_with_embedding(&x, &embedding, None).unwrap_err().to_string();
    assert!(wrong.contains("as `time_embedding` of this form gives"), "{wrong}");
    let words = network.time_embedding(&Tensor::from_slice(&[1_i64]), None).unwrap();
    let context = waves([1, 2, 8, 1]).squeeze_dim(-1);
    let wrong = network.forward_with_embedding(&x, &words, Some(&context)).unwrap_err().to_string();
    assert!(wrong.contains("no cross-attention"), "{wrong}");
}

#[test]
fn the_class_conditional_form_is_the_trained_one() {
    let mut architecture = class_conditional(96);
    architecture.width = 16;
    architecture.norm_groups = 8;
    let pair = Pair::new(architecture);
    let network = pair.inference(Precision::F32);
    let indices = Tensor::from_slice(&[3_i64, 640]);
    let x = pair.input([2, 16, 8]);
    let output = pair.inferred(&network, &x, &indices);
    assert_close(&output, &pair.trained(&x, &indices), 1e-5, "class-conditional");
}

#[test]
fn between_convolutions_the_number_of_threads_changes_no_bit() {
    use meme_torch::layers::{Channels, Steering, depthwise, max_around, norm_affine};
    let x = meme_torch::channels_last(&waves([2, 48, 40, 36])).unwrap();
    let run = |threads: usize| {
        with_threads(threads, || {
            let (one, zero) =
                (Tensor::ones([48], (Kind::Float, Device::Cpu)), waves([1, 48, 1, 1]));
            let bias = zero.view([48]);
            let none = Steering::default();
            let lines = norm_affine(&[&x], &one, &bias, (8, 1e-5), none).unwrap();
            let all = Channels { first: 0, count: 48 };
            let y = max_around(&x, &lines, all).unwrap();
            let taps = waves([9, 48, 1, 1]).view([9, 48]);
            let gelu = meme_torch::layers::Activation::Gelu;
            depthwise(&[(&y, 1)], (40, 36), &taps, gelu).unwrap()
        })
    };
    assert!(run(1).unwrap() == run(3).unwrap());
}
