//! Counts against the table of the method (which the published baselines fix), PyTorch, and the real modules.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod support;

use meme_blocks::{Architecture, UNet, count};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind};
use support::{EXPERTS, class_conditional, conditional, golden_path, guided, inception, ldm};

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
    for architecture in small.chain([inception(EXPERTS[0])]).chain(conditional()) {
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
        assert_eq!(count.statistics_bytes, sum(|stage| stage.statistics_bytes));
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

#[test]
fn published_conditional_networks_count_as_their_authors_code_does() {
    #[derive(serde::Deserialize)]
    struct File {
        networks: Vec<Row>,
    }
    #[derive(serde::Deserialize)]
    struct Row {
        name: String,
        parameters: u64,
        macs: u64,
        macs_without_attention: u64,
    }
    let text = std::fs::read_to_string(golden_path("conditional_counts.json")).unwrap();
    let rows = serde_json::from_str::<File>(&text).unwrap().networks;
    assert_eq!(rows.len(), 5);
    for row in rows {
        let (architecture, side) = match row.name.as_str() {
            "cin256" => (class_conditional(192), 64),
            "cin256-96" => (class_conditional(96), 64),
            "adm-64" => (guided(64), 64),
            "adm-128" => (guided(128), 128),
            "adm-256" => (guided(256), 256),
            other => panic!("{other}"),
        };
        let count = count(&architecture, side, side).unwrap();
        let found = (count.parameters, count.macs, count.macs_without_attention);
        assert_eq!(found, (row.parameters, row.macs, row.macs_without_attention), "{}", row.name);
    }
}

#[test]
fn the_class_conditional_network_is_the_published_one() {
    // CompVis' program prints "DiffusionWrapper has 400.92 M params." when it loads cin256-v2; the class table
    // stands outside of that.
    let count = count(&class_conditional(192), 64, 64).unwrap();
    assert_eq!(count.parameters - 1001 * 512, 400_920_579);
}

#[test]
fn the_64_pixel_networks_of_the_paper_have_its_printed_sizes() {
    // Printed: 90 M and 82 M.
    assert_eq!(count(&ldm(128), 64, 64).unwrap().parameters, 89_535_619);
    assert_eq!(count(&inception([2, 4, 4, 4]), 64, 64).unwrap().parameters, 82_597_251);
}

#[test]
fn bytes_follow_the_dtype() {
    let count = count(&inception(EXPERTS[0]), 64, 64).unwrap();
    assert_eq!(count.weight_bytes(Kind::Float), 4 * 82_511_235);
    assert_eq!(count.weight_bytes(Kind::BFloat16), 2 * 82_511_235);
    let (single, half) =
        (count.activation_bytes(Kind::Float), count.activation_bytes(Kind::BFloat16));
    assert_eq!(single - half, 2 * count.activations);
    assert_eq!(2 * half - single, count.statistics_bytes);
}

#[test]
fn more_context_costs_more_products_and_no_parameters() {
    let network = &conditional()[1];
    let (one, nine) = (
        count(network, 16, 16).unwrap(),
        meme_blocks::count_with_context(network, 16, 16, 9).unwrap(),
    );
    assert_eq!(one.parameters, nine.parameters);
    assert!(one.macs < nine.macs);
    let refused = meme_blocks::count_with_context(network, 16, 16, 0).unwrap_err().to_string();
    assert!(refused.contains("0 context tokens"), "{refused}");
}
