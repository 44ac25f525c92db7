//! Other people's implementations, number by number: outputs and gradients.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod support;

use std::collections::BTreeMap;

use meme_blocks::{Architecture, InceptionMixer, MixerConfig, NameMap, Options, PoolKind, UNet};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind, Tensor};
use support::{Golden, assert_close, class_conditional, load, read};

/// Output and gradient of the sum of its squares with respect to the input.
fn both(x: &Tensor, forward: impl Fn(&Tensor) -> Tensor) -> (Tensor, Tensor) {
    let x = x.detach().set_requires_grad(true);
    let output = forward(&x);
    output.square().sum(output.kind()).backward();
    (output, x.grad())
}

fn mixer_config(golden: &Golden) -> MixerConfig {
    let (channels, heads) = (golden.number("dim"), golden.number("num_heads"));
    MixerConfig {
        channels,
        head_dim: channels / heads,
        high_heads: heads - golden.number("attention_head"),
        pool: golden.number("pool_size"),
        pool_kind: PoolKind::Average,
        high_element: golden.word("high_element"),
        low_element: golden.word("low_element"),
    }
}

fn check_mixer(file: &str) {
    let golden = Golden::read(file);
    let config = mixer_config(&golden);
    let names = [
        ("high_mixer.conv1", "high.expand"),
        ("high_mixer.proj1", "high.depthwise"),
        ("high_mixer.proj2", "high.pooled"),
        ("low_mixer.qkv", "low.qkv"),
        ("conv_fuse", "fuse"),
        ("proj", "projection"),
    ];
    let weights: BTreeMap<String, Tensor> = golden
        .weights()
        .into_iter()
        .map(|(name, tensor)| {
            let (layer, kind) = name.rsplit_once('.').unwrap();
            let (_, ours) = names.into_iter().find(|(theirs, _)| *theirs == layer).unwrap();
            (format!("{ours}.{kind}"), tensor)
        })
        .collect();
    let mut parameters = Parameters::blank(Device::Cpu);
    let mixer = InceptionMixer::new(&parameters.root(), config).unwrap();
    load(&mut parameters, &weights);
    for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-6)] {
        parameters.to_kind(kind).unwrap();
        let (output, gradient) = both(&golden.get("input").to_kind(kind), |x| {
            mixer.forward(x, &mut Options::default()).unwrap()
        });
        assert_close(&output, &golden.get("output"), tolerance, "output");
        let expected = golden.get("grad_input_of_sum_of_squares");
        assert_close(&gradient, &expected, tolerance, "gradient");
    }
}

#[test]
fn the_mixer_is_iformers_with_one_low_head_in_four_and_pooling() {
    check_mixer("inception_mixer_128_h4_low1_pool2.safetensors");
}

#[test]
fn the_mixer_is_iformers_with_three_low_heads_in_four_without_pooling() {
    check_mixer("inception_mixer_128_h4_low3_pool1.safetensors");
}

#[test]
fn the_mixer_is_iformers_with_one_low_head_in_two() {
    check_mixer("inception_mixer_64_h2_low1_pool2.safetensors");
}

/// Output and all gradients, those of the weights too.
#[test]
fn every_element_is_what_its_definition_gives_in_pytorch() {
    for kinds in [
        "dilated_linear-attention",
        "large-kernel_dilated",
        "fourier_large-kernel",
        "depthwise_fourier",
    ] {
        let golden = Golden::read(&format!("elements_{kinds}.safetensors"));
        let mut parameters = Parameters::blank(Device::Cpu);
        let mixer = InceptionMixer::new(&parameters.root(), mixer_config(&golden)).unwrap();
        load(&mut parameters, &golden.weights());
        for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-6)] {
            parameters.to_kind(kind).unwrap();
            let (output, gradient) = both(&golden.get("input").to_kind(kind), |x| {
                mixer.forward(x, &mut Options::default()).unwrap()
            });
            assert_close(&output, &golden.get("output"), tolerance, kinds);
            let expected = golden.get("grad_input_of_sum_of_squares");
            assert_close(&gradient, &expected, tolerance, kinds);
            let expected: Vec<_> = golden.gradients().collect();
            assert_eq!(expected.len(), parameters.named().len());
            for (name, expected) in expected {
                let gradient = parameters.get(name).unwrap().grad();
                assert_close(&gradient, expected, tolerance, &format!("{kinds}: {name}"));
            }
        }
    }
}

#[test]
fn the_unet_is_compvis_from_a_checkpoint_under_its_names() {
    let golden = Golden::read("ldm_unet_tiny.safetensors");
    let architecture = read(
        r#"
        in_channels = 3
        out_channels = 3
        width = 32
        channel_mult = [1, 2]
        res_blocks = 1
        head_dim = 32
        encoder = ["none", "attention"]
        middle = "attention"
        decoder = ["none", "attention"]
        "#,
    );
    let names = NameMap::compvis(&architecture).unwrap();
    let mut parameters = Parameters::blank(Device::Cpu);
    let network = UNet::new(&parameters.root(), &architecture).unwrap();
    let ours = names.to_ours(&golden.weights()).unwrap();
    load(&mut parameters, &ours);
    let output = network
        .forward(&golden.get("input"), &golden.get("timesteps"), &mut Options::default())
        .unwrap();
    assert_close(&output, &golden.get("output"), 1e-4, "output");

    let back = names.to_theirs(&ours).unwrap();
    assert_same_tensors(&back, &golden.weights());
}

fn assert_same_tensors(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, tensor) in a {
        assert_eq!(tensor.size(), b[name].size(), "{name}");
        assert!(tensor == &b[name], "{name} changed on its way there and back");
    }
}

/// Checks output and input gradient at both precisions.
fn check_unet(
    golden: &Golden,
    architecture: &Architecture,
    weights: &BTreeMap<String, Tensor>,
    tolerances: [(Kind, f64); 2],
) {
    let mut parameters = Parameters::blank(Device::Cpu);
    let network = UNet::new(&parameters.root(), architecture).unwrap();
    load(&mut parameters, weights);
    let classes = (architecture.classes > 0).then(|| golden.get("classes"));
    for (kind, tolerance) in tolerances {
        parameters.to_kind(kind).unwrap();
        let (output, gradient) = both(&golden.get("input").to_kind(kind), |x| {
            let mut options = Options { classes: classes.as_ref(), ..Options::default() };
            network.forward(x, &golden.get("timesteps"), &mut options).unwrap()
        });
        assert_close(&output, &golden.get("output"), tolerance, "output");
        let expected = golden.get("grad_input_of_sum_of_squares");
        assert_close(&gradient, &expected, tolerance, "gradient");
    }
}

fn check_diffusers(file: &str) {
    let golden = Golden::read(file);
    let architecture = golden.architecture();
    let names = NameMap::diffusers(&architecture).unwrap();
    let ours = names.to_ours(&golden.weights()).unwrap();
    // Their time embedding is float32 also in float64.
    check_unet(&golden, &architecture, &ours, [(Kind::Float, 1e-4), (Kind::Double, 1e-4)]);
    assert_same_tensors(&names.to_theirs(&ours).unwrap(), &golden.weights());
}

#[test]
fn the_latent_diffusion_form_is_diffusers() {
    check_diffusers("diffusers_ldm.safetensors");
}

#[test]
fn the_class_conditional_guided_diffusion_form_is_diffusers() {
    check_diffusers("diffusers_guided.safetensors");
}

#[test]
fn inception_unets_of_odd_and_non_square_size_are_pytorchs() {
    for file in ["inception_unet_odd.safetensors", "inception_unet_extremes.safetensors"] {
        let golden = Golden::read(file);
        let tolerances = [(Kind::Float, 1e-5), (Kind::Double, 1e-6)];
        check_unet(&golden, &golden.architecture(), &golden.weights(), tolerances);
    }
}

/// Output and gradients with respect to input, context and the weights whose gradients the golden holds.
fn check_conditional(file: &str, names: impl Fn(&Architecture) -> NameMap, tolerance: f64) {
    let golden = Golden::read(file);
    let architecture = golden.architecture();
    let names = names(&architecture);
    let weights = golden.weights();
    let ours = names.to_ours(&weights).unwrap();
    assert_same_tensors(&names.to_theirs(&ours).unwrap(), &weights);

    let mut parameters = Parameters::blank(Device::Cpu);
    let network = UNet::new(&parameters.root(), &architecture).unwrap();
    load(&mut parameters, &ours);
    let context = golden.find("context").map(|context| context.set_requires_grad(true));
    let x = golden.get("input").set_requires_grad(true);
    let classes = golden.get("classes");
    let mut options =
        Options { classes: Some(&classes), context: context.as_ref(), ..Options::default() };
    let output = network.forward(&x, &golden.get("timesteps"), &mut options).unwrap();
    assert_close(&output, &golden.get("output"), tolerance, "output");
    output.square().sum(Kind::Float).backward();
    let expected = golden.get("grad_input_of_sum_of_squares");
    assert_close(&x.grad(), &expected, tolerance, "gradient of the input");
    if let Some(context) = context {
        let expected = golden.get("grad_context_of_sum_of_squares");
        assert_close(&context.grad(), &expected, tolerance, "gradient of the context");
    }
    let gradients: BTreeMap<String, Tensor> =
        parameters.named().iter().map(|(name, tensor)| (name.clone(), tensor.grad())).collect();
    let gradients = names.to_theirs(&gradients).unwrap();
    let expected: Vec<_> = golden.gradients().collect();
    assert!(expected.len() > 8, "{} gradients", expected.len());
    let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    let overall = expected.iter().map(|(_, tensor)| largest(tensor)).fold(0.0, f64::max);
    for (name, expected) in expected {
        // Some are zero but for rounding: a bias in front of a norm, queries that meet one token only.
        let scale = largest(expected).max(1e-2 * overall);
        let error = largest(&(&gradients[name] - expected)) / scale;
        assert!(error <= tolerance, "{name}: {error:.2e} is above {tolerance:.0e}");
    }
}

#[test]
fn classes_as_context_are_compvis_with_all_gradients() {
    let names = |a: &Architecture| NameMap::compvis(a).unwrap();
    check_conditional("compvis_class_context.safetensors", names, 1e-4);
}

#[test]
fn cross_attention_to_words_at_an_odd_size_is_diffusers_with_all_gradients() {
    let names = |a: &Architecture| NameMap::diffusers(a).unwrap();
    check_conditional("diffusers_cross_attention.safetensors", names, 1e-4);
}

#[test]
fn the_class_conditional_guided_diffusion_form_is_openais_with_all_gradients() {
    let names = |a: &Architecture| NameMap::guided_diffusion(a).unwrap();
    check_conditional("guided_diffusion.safetensors", names, 1e-4);
}

#[test]
fn names_of_the_published_class_conditional_network_are_those_of_its_checkpoint() {
    let architecture = class_conditional(192);
    let names = NameMap::compvis(&architecture).unwrap();
    let block = "input_blocks.4.1.transformer_blocks.0";
    assert_eq!(
        names.theirs("encoder.1.0.transformer.0.cross.key_value.weight"),
        [format!("{block}.attn2.to_k.weight"), format!("{block}.attn2.to_v.weight")]
    );
    assert_eq!(
        names.theirs("middle.transformer.0.feed_forward.expand.bias"),
        ["middle_block.1.transformer_blocks.0.ff.net.0.proj.bias"]
    );
    assert_eq!(names.theirs("classes.weight"), ["cond_stage_model.embedding.weight"]);
    let refused = NameMap::diffusers(&architecture).unwrap_err().to_string();
    assert!(refused.contains("diffusers has no place for `classes`"), "{refused}");
}
