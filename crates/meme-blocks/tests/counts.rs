//! Counts against the table of the method (which the published baselines fix), PyTorch, and the real modules.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod support;

use meme_blocks::{Architecture, UNet, count};
use meme_torch::Parameters;
use meme_torch::tch::Device;
use support::{EXPERTS, golden_path, inception, ldm};

#[test]
fn every_network_of_the_paper_counts_exactly() {
    let table = [
        ("LDM-L", ldm(224), 274_056_163, 101_200_031_744, 96_017_969_152),
        ("LDM-S", ldm(128), 89_535_619, 34_326_118_400, 31_364_939_776),
        ("expert 1", inception(EXPERTS[0]), 82_511_235, 30_064_459_776, 29_845_307_392),
        ("expert 2", inception(EXPERTS[1]), 82_708_355, 30_074_408_960, 29_837_692_928),
        ("expert 3", inception(EXPERTS[2]), 82_961_795, 30_170_341_376, 29_781_843_968),
        ("expert 4", inception(EXPERTS[3]), 83_273_603, 30_206_504_960, 29_800_443_904),
        ("iU-LDM-S", inception([2, 4, 4, 4]), 82_597_251, 30_157_062_144, 29_778_526_208),
    ];
    for (name, architecture, parameters, macs, without) in table {
        let count = count(&architecture, 64, 64).unwrap();
        assert_eq!(count.parameters, parameters, "{name}: parameters");
        assert_eq!(count.macs, macs, "{name}: MACs");
        assert_eq!(count.macs_without_attention, without, "{name}: MACs without attention");
    }
}

#[derive(serde::Deserialize)]
struct Shrunk {
    networks: Vec<ShrunkNetwork>,
}

#[derive(serde::Deserialize)]
struct ShrunkNetwork {
    name: String,
    architecture: Architecture,
    height: usize,
    width: usize,
    parameters: u64,
    macs: u64,
    macs_without_attention: u64,
}

fn shrunk() -> Vec<ShrunkNetwork> {
    let text = std::fs::read_to_string(golden_path("shrunk_counts.json")).unwrap();
    serde_json::from_str::<Shrunk>(&text).unwrap().networks
}

#[test]
fn networks_of_every_kind_count_as_pytorch_does() {
    for network in shrunk() {
        let count = count(&network.architecture, network.height, network.width).unwrap();
        let found = (count.parameters, count.macs, count.macs_without_attention);
        let expected = (network.parameters, network.macs, network.macs_without_attention);
        assert_eq!(found, expected, "{}", network.name);
    }
}

#[test]
fn the_real_modules_hold_as_many_parameters_as_are_counted() {
    let small = shrunk().into_iter().map(|network| network.architecture);
    for architecture in small.chain([inception(EXPERTS[0])]) {
        let mut parameters = Parameters::blank(Device::Cpu);
        UNet::new(&parameters.root(), &architecture).unwrap();
        assert_eq!(parameters.count(), count(&architecture, 64, 64).unwrap().parameters);
    }
}

#[test]
fn stages_add_up_to_the_whole() {
    for network in shrunk() {
        let count = count(&network.architecture, network.height, network.width).unwrap();
        let sum =
            |part: fn(&meme_blocks::StageCount) -> u64| count.stages.iter().map(part).sum::<u64>();
        assert_eq!(count.parameters, sum(|stage| stage.parameters));
        assert_eq!(count.macs, sum(|stage| stage.macs));
        assert_eq!(count.macs_without_attention, sum(|stage| stage.macs_without_attention));
        assert_eq!(count.activations, sum(|stage| stage.activations));
    }
}

#[test]
fn sizes_that_cannot_be_counted_are_refused() {
    let network = ldm(128);
    let message = count(&network, 0, 64).unwrap_err().to_string();
    assert!(message.contains("0 x 64"), "{message}");
    assert!(count(&network, 64, 65537).is_err());
    let message = count(&network, 65536, 65536).unwrap_err().to_string();
    assert!(message.contains("does not fit 64 bits"), "{message}");
}
