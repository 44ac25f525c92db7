//! The closed forms of `count` against libtorch at work: every product that is computed, every byte that stays.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]
#![allow(unsafe_code, reason = "the tracer is C++")]

mod support;

use meme_blocks::{Architecture, Count, Options, UNet, count_with_context};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind, Tensor, no_grad};
use support::{
    EXPERTS, conditional, conditions, elements, golden_path, inception, ldm, stir, tiny, waves,
};

unsafe extern "C" {
    fn meme_blocks_trace_begin();
    fn meme_blocks_trace_allocated() -> i64;
    fn meme_blocks_trace_end(result: *mut i64);
}

/// What libtorch did during a call.
struct Traced {
    products: u64,
    attention: u64,
    /// Bytes that were allocated when the call was over, its result alive.
    kept: i64,
}

fn trace<T>(call: impl FnOnce() -> T) -> (T, Traced) {
    let mut numbers = [0; 4];
    // SAFETY: begin and end stand around the call on one thread; end writes four numbers.
    let (result, kept) = unsafe {
        meme_blocks_trace_begin();
        let result = call();
        let kept = meme_blocks_trace_allocated();
        meme_blocks_trace_end(numbers.as_mut_ptr());
        (result, kept)
    };
    let [products, attention, ..] = numbers.map(|number| number as u64);
    (result, Traced { products, attention, kept })
}

/// Small networks of every kind.
fn networks() -> Vec<(String, Architecture)> {
    let text = std::fs::read_to_string(golden_path("shrunk_counts.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shrunk = file["networks"].as_array().unwrap().iter().map(|network| {
        let architecture = serde_json::from_value(network["architecture"].clone()).unwrap();
        (network["name"].as_str().unwrap().to_owned(), architecture)
    });
    let own = [("LDM", tiny(ldm(128))), ("expert 1", tiny(inception(EXPERTS[0])))];
    let conditional =
        conditional().map(|a| (format!("context from {:?}", a.class_conditioning), a));
    shrunk
        .chain(own.map(|(name, a)| (name.to_owned(), a)))
        .chain(conditional)
        .chain(elements())
        .collect()
}

const BATCH: i64 = 2;

/// One forward pass of a new network, and its count.
fn forward(architecture: &Architecture, size: (i64, i64), learning: bool) -> (Traced, i64, Count) {
    let mut parameters = Parameters::blank(Device::Cpu);
    let network = UNet::new(&parameters.root(), architecture).unwrap();
    stir(&parameters);
    let (classes, context) = conditions(architecture, BATCH);
    let x = waves([BATCH, architecture.in_channels as i64, size.0, size.1]);
    let indices = Tensor::from_slice(&[3_i64, 700]);
    let run = || {
        let mut options =
            Options { classes: classes.as_ref(), context: context.as_ref(), ..Options::default() };
        network.forward(&x, &indices, &mut options).unwrap()
    };
    let (output, traced) = trace(|| if learning { run() } else { no_grad(run) });
    let tokens = context.map_or(1, |context| context.size()[1] as usize);
    let count = count_with_context(architecture, size.0 as usize, size.1 as usize, tokens).unwrap();
    assert_eq!(parameters.count(), count.parameters);
    (traced, output.numel() as i64 * 4, count)
}

#[test]
fn every_multiply_accumulate_that_libtorch_computes_is_counted() {
    for (name, architecture) in networks() {
        for size in [(16, 24), (13, 7)] {
            let (traced, _, count) = forward(&architecture, size, false);
            let batch = BATCH as u64;
            assert_eq!(traced.products, batch * count.macs_without_attention, "{name} {size:?}");
            let attention = count.macs - count.macs_without_attention;
            assert_eq!(traced.attention, batch * attention, "{name} {size:?}: attention");
        }
    }
}

#[test]
fn what_a_training_step_keeps_in_memory_is_counted() {
    for (name, architecture) in networks() {
        for size in [(16, 24), (13, 7)] {
            let (traced, output, count) = forward(&architecture, size, true);
            let once = count.shared_bytes as i64;
            let counted = BATCH * count.activation_bytes(Kind::Float) as i64 + once;
            let kept = traced.kept - output;
            assert_eq!(kept, counted, "{name} {size:?}");
        }
    }
}

#[test]
fn sampling_keeps_nothing_but_its_result() {
    let (traced, output, _) = forward(&tiny(ldm(128)), (16, 16), false);
    assert_eq!(traced.kept, output);
}
