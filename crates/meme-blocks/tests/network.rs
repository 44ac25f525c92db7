//! What holds for every network, whatever its weights.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod support;

use meme_blocks::{
    Architecture, Error, FeatureMap, HighElement, LowElement, MixerBlock, MixerBlockConfig,
    MixerConfig, Options, PoolKind, Probe, UNet, feature_maps,
};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind, Tensor, no_grad};
use support::{
    EXPERTS, assert_close, golden_path, inception, ldm, relative_error, stir, tiny, waves,
};

fn stirred(architecture: &Architecture) -> (Parameters, UNet) {
    let mut parameters = Parameters::blank(Device::Cpu);
    let network = UNet::new(&parameters.root(), architecture).unwrap();
    stir(&parameters);
    (parameters, network)
}

fn run(network: &UNet, x: &Tensor, indices: &[i64]) -> Tensor {
    let indices = Tensor::from_slice(indices);
    no_grad(|| network.forward(x, &indices, &mut Options::default()).unwrap())
}

#[test]
fn every_row_of_a_mixed_batch_equals_that_sample_alone() {
    for architecture in [tiny(ldm(128)), tiny(inception(EXPERTS[3]))] {
        let (_parameters, network) = stirred(&architecture);
        let (x, indices) = (waves([3, 12, 16, 16]), [0, 517, 999]);
        let together = run(&network, &x, &indices);
        for (row, index) in indices.into_iter().enumerate() {
            let row = row as i64;
            let alone = run(&network, &x.narrow(0, row, 1), &[index]);
            assert_close(&together.narrow(0, row, 1), &alone, 1e-5, "row");
        }
        let other = run(&network, &x, &[1, 517, 999]);
        assert!(relative_error(&other.narrow(0, 0, 1), &together.narrow(0, 0, 1)) > 1e-4);
        assert_close(&other.narrow(0, 1, 2), &together.narrow(0, 1, 2), 1e-6, "other rows");
    }
}

#[test]
fn a_new_mixer_is_the_identity() {
    let mixer = MixerConfig {
        channels: 64,
        head_dim: 8,
        high_heads: 5,
        pool: 2,
        pool_kind: PoolKind::Average,
        high_element: HighElement::Depthwise,
        low_element: LowElement::Attention,
    };
    let mut parameters = Parameters::new(Device::Cpu, 1, 1);
    let config = MixerBlockConfig { mixer, norm_groups: 8, feed_forward: 2 };
    let block = MixerBlock::new(&parameters.root(), config).unwrap();
    let x = waves([2, 64, 8, 6]);
    assert!(block.forward(&x, &mut Options::default()).unwrap() == x);
    stir(&parameters);
    assert!(relative_error(&block.forward(&x, &mut Options::default()).unwrap(), &x) > 0.1);
}

#[test]
fn a_new_network_predicts_zero_but_learns_at_once() {
    let architecture = tiny(inception(EXPERTS[0]));
    let mut parameters = Parameters::new(Device::Cpu, 1, 1);
    let network = UNet::new(&parameters.root(), &architecture).unwrap();
    let (x, indices) = (waves([2, 12, 16, 16]), Tensor::from_slice(&[3_i64, 4]));
    let output = network.forward(&x, &indices, &mut Options::default()).unwrap();
    assert_eq!(output.abs().max().double_value(&[]), 0.0);
    (output - &x).square().mean(Kind::Float).backward();
    let gradient = parameters.get("output.conv.weight").unwrap().grad();
    assert!(gradient.abs().max().double_value(&[]) > 0.0);
}

#[test]
fn any_size_goes_in_and_comes_out_unchanged() {
    for architecture in [tiny(ldm(128)), tiny(inception(EXPERTS[1]))] {
        let (_parameters, network) = stirred(&architecture);
        for (height, width) in [(8, 24), (17, 9), (1, 1), (5, 2)] {
            let output = run(&network, &waves([1, 12, height, width]), &[10]);
            assert_eq!(output.size(), [1, 12, height, width]);
            assert!(bool::try_from(output.isfinite().all()).unwrap());
        }
    }
}

#[test]
fn an_embedding_made_before_gives_the_same_bits() {
    let (_parameters, network) = stirred(&tiny(inception(EXPERTS[2])));
    let x = waves([2, 12, 8, 8]);
    let indices = Tensor::from_slice(&[77_i64, 77]);
    let embedding = network.time_embedding(&indices, None).unwrap();
    let forward = |embedding: &Tensor| {
        network.forward_with_embedding(&x, embedding, &mut Options::default()).unwrap()
    };
    assert!(forward(&embedding) == run(&network, &x, &[77, 77]));
    assert_close(&forward(&embedding.narrow(0, 0, 1)), &forward(&embedding), 1e-6, "one for all");
}

#[test]
fn layouts_in_memory_do_not_change_the_result() {
    for architecture in [tiny(ldm(128)), tiny(inception(EXPERTS[1]))] {
        let (mut parameters, network) = stirred(&architecture);
        let x = waves([2, 12, 16, 12]);
        let plain = run(&network, &x, &[5, 6]);
        parameters.channels_last().unwrap();
        let last = run(&network, &meme_torch::channels_last(&x).unwrap(), &[5, 6]);
        assert_close(&last, &plain, 1e-5, "channels last");
    }
}

/// Keeps the names and sizes of what it sees.
#[derive(Default)]
struct Watch {
    only: Option<&'static str>,
    seen: Vec<(String, Vec<i64>)>,
}

impl Probe for Watch {
    fn wants(&self, name: &str) -> bool {
        self.only.is_none_or(|only| only == name)
    }

    fn see(&mut self, name: &str, map: &Tensor) {
        self.seen.push((name.to_owned(), map.size()));
    }
}

fn watch(architecture: &Architecture, mut watch: Watch) -> Vec<(String, Vec<i64>)> {
    let (_parameters, network) = stirred(architecture);
    let classes = (architecture.classes > 0).then(|| Tensor::from_slice(&[0_i64]));
    let x = waves([1, architecture.in_channels as i64, 13, 6]);
    let mut options =
        Options { probe: Some(&mut watch), classes: classes.as_ref(), ..Options::default() };
    let _ = network.forward(&x, &Tensor::from_slice(&[9_i64]), &mut options).unwrap();
    watch.seen
}

#[test]
fn a_probe_sees_exactly_the_listed_feature_maps_in_order() {
    let text = std::fs::read_to_string(golden_path("shrunk_counts.json")).unwrap();
    let networks: serde_json::Value = serde_json::from_str(&text).unwrap();
    for network in networks["networks"].as_array().unwrap() {
        let architecture: Architecture =
            serde_json::from_value(network["architecture"].clone()).unwrap();
        let sizes = [(13, 6), (7, 3), (4, 2), (2, 1)];
        let listed: Vec<(String, Vec<i64>)> = feature_maps(&architecture)
            .unwrap()
            .into_iter()
            .map(|FeatureMap { name, channels, level }| {
                (name, vec![1, channels as i64, sizes[level].0, sizes[level].1])
            })
            .collect();
        assert_eq!(watch(&architecture, Watch::default()), listed);
    }
}

#[test]
fn a_probe_sees_only_what_it_wants() {
    let seen = watch(
        &tiny(inception(EXPERTS[0])),
        Watch { only: Some("encoder.1.0.mixer"), ..Watch::default() },
    );
    assert_eq!(seen, [("encoder.1.0.mixer".to_owned(), vec![1, 64, 7, 3])]);
}

#[test]
fn dropout_acts_only_where_it_is_described_and_drawn() {
    let mut architecture = tiny(ldm(128));
    architecture.dropout = 0.5;
    let (_parameters, network) = stirred(&architecture);
    let x = waves([1, 12, 8, 8]);
    let indices = Tensor::from_slice(&[9_i64]);
    let plain = run(&network, &x, &[9]);
    let mut blocks = Vec::new();
    let mut nothing = |block: &str, map: &Tensor, probability: f64| -> Result<Tensor, Error> {
        assert_eq!(probability, 0.5);
        blocks.push(block.to_owned());
        Ok(map.ones_like())
    };
    let mut options = Options { dropout: Some(&mut nothing), ..Options::default() };
    assert!(network.forward(&x, &indices, &mut options).unwrap() == plain, "all kept");
    assert_eq!(blocks.len(), 22, "every residual block: 8 down, 2 in the middle, 12 up");
    let mut half = |_: &str, map: &Tensor, _: f64| -> Result<Tensor, Error> {
        Ok(map.detach().gt(0.0).to_kind(Kind::Float) * 2.0)
    };
    let mut options = Options { dropout: Some(&mut half), ..Options::default() };
    let dropped = network.forward(&x, &indices, &mut options).unwrap();
    assert!(relative_error(&dropped, &plain) > 1e-3);
}

#[test]
fn inputs_that_do_not_fit_are_refused_in_words() {
    let (_parameters, network) = stirred(&tiny(ldm(128)));
    let message = |x: &Tensor, indices: &Tensor, classes: Option<&Tensor>| {
        let mut options = Options { classes, ..Options::default() };
        network.forward(x, indices, &mut options).unwrap_err().to_string()
    };
    let (x, one) = (waves([2, 12, 8, 8]), Tensor::from_slice(&[1_i64, 2]));
    let wrong = message(&waves([2, 3, 8, 8]), &one, None);
    assert!(wrong.contains("the input has shape [2, 3, 8, 8], the network needs [B, 12, H, W]"));
    let wrong = message(&x, &Tensor::from_slice(&[1_i64, 2, 3]), None);
    assert!(wrong.contains("one row for each of the 2 samples"), "{wrong}");
    let wrong = message(&x, &Tensor::from_slice(&[1_f32, 2.0]), None);
    assert!(wrong.contains("int64 numbers [B], not Float"), "{wrong}");
    let wrong = message(&x, &one, Some(&one));
    assert!(wrong.contains("the network has 0 classes: leave `Options::classes` empty"), "{wrong}");
}

#[test]
fn exactly_the_last_layers_of_residual_branches_start_as_zero() {
    let mut architecture = tiny(inception(EXPERTS[0]));
    architecture.decoder = vec![meme_blocks::Mixing::Attention; 4];
    architecture.mixer.as_mut().unwrap().feed_forward = 1;
    let mut parameters = Parameters::new(Device::Cpu, 1, 1);
    UNet::new(&parameters.root(), &architecture).unwrap();
    for (name, tensor) in parameters.named() {
        let zero = tensor.abs().max().double_value(&[]) == 0.0;
        let layer = name.rsplit_once('.').unwrap().0;
        let last = ["conv_out", "projection", "feed_forward.contract", "output.conv"];
        let ends_a_branch = last.iter().any(|part| layer.ends_with(part));
        let shift_of_a_norm = tensor.dim() == 1 && layer.contains("norm") && name.ends_with("bias");
        assert_eq!(zero, ends_a_branch || shift_of_a_norm, "{name}");
    }
}

#[test]
fn under_autocast_a_network_computes_in_bfloat16_and_agrees_with_float32() {
    for architecture in [tiny(ldm(128)), tiny(inception(EXPERTS[1]))] {
        let (_parameters, network) = stirred(&architecture);
        let x = waves([2, 12, 16, 16]);
        let single = run(&network, &x, &[5, 600]);
        let guard = meme_torch::Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        let half = run(&network, &x, &[5, 600]);
        drop(guard);
        assert_eq!(half.kind(), Kind::BFloat16);
        let error = relative_error(&half, &single);
        assert!(error < 0.05, "{error:.3}");
        assert!(error > 1e-4, "{error:.1e} is not bfloat16");
    }
}
