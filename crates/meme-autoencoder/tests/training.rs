//! What training a first stage rests on: the divergence, gradients, and the codebook's averages.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use meme_autoencoder::{CodebookAverage, CoderConfig, FirstStage, FirstStageConfig, divergence};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Parameters, from_f32, to_f32_vec};

fn tiny(codebook: usize) -> FirstStageConfig {
    let coder = CoderConfig {
        image_channels: 3,
        latent_channels: 2,
        width: 8,
        channel_mult: vec![1, 2],
        res_blocks: 1,
        attention_levels: vec![],
        norm_groups: 4,
    };
    FirstStageConfig::Vq { coder, codebook, embedding: 2 }
}

/// Closed form: 0.5 (mu^2 + sigma^2 - 1 - ln sigma^2), and 0 for the standard normal.
#[test]
fn the_divergence_is_that_of_two_normal_distributions() {
    let mean = from_f32(&[0.0, 0.0, 3.0, 1.0], &[2, 2, 1, 1], Device::Cpu).unwrap();
    let log_variance = from_f32(&[0.0, 0.0, 0.0, 4_f32.ln()], &[2, 2, 1, 1], Device::Cpu).unwrap();
    let found = to_f32_vec(&divergence(&mean, &log_variance).unwrap()).unwrap();
    let expected = 4.5 + 0.5 * (1.0 + 4.0 - 1.0 - 4_f64.ln());
    assert_eq!(found[0], 0.0);
    assert!((f64::from(found[1]) - expected).abs() < 1e-5, "{found:?}, {expected}");
}

/// Two batches by hand, decay 0.5: vector 0 meets (1, 0) and (3, 0), then nothing; vector 1 meets (0, 4)
/// and then (0, 2); vector 2 meets nothing.
#[test]
fn vectors_follow_the_averages_of_what_falls_to_them_and_others_stay() {
    let mut parameters = Parameters::new(Device::Cpu, 3, 0);
    let root = parameters.root();
    let stage = FirstStage::new(&root, &tiny(3)).unwrap();
    let vq = stage.as_vq().unwrap();
    let mut average = CodebookAverage::new(&(&root / "codebook_average"), vq, 0.5).unwrap();
    drop(root);
    let batch = |values: &[f32], numbers: &[i64]| {
        let count = numbers.len() as i64;
        let latents = from_f32(values, &[count, 1, 1, 2], Device::Cpu).unwrap();
        (latents.permute([0, 3, 1, 2]), Tensor::from_slice(numbers).view([count, 1, 1]))
    };
    // Three positions, three vectors: each starts on one.
    let (latents, _) = batch(&[1.0, 0.0, 0.0, 4.0, -5.0, -5.0], &[0, 1, 2]);
    average.begin(&latents).unwrap();
    let close = |expected: [f32; 6]| {
        let found = to_f32_vec(vq.codebook()).unwrap();
        let right = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(right, "{found:?} is not {expected:?}");
    };
    close([1.0, 0.0, 0.0, 4.0, -5.0, -5.0]);
    let (latents, numbers) = batch(&[1.0, 0.0, 3.0, 0.0, 0.0, 4.0], &[0, 0, 1]);
    average.update(&latents, &numbers).unwrap();
    // N_0 = (1 + 2) / 2, m_0 = ((1, 0) + (4, 0)) / 2; N_1 = 1, m_1 = (0, 4); vector 2 has half of both.
    close([5.0 / 3.0, 0.0, 0.0, 4.0, -5.0, -5.0]);
    let (latents, numbers) = batch(&[0.0, 2.0], &[1]);
    average.update(&latents, &numbers).unwrap();
    close([5.0 / 3.0, 0.0, 0.0, 3.0, -5.0, -5.0]);
    // However long it meets nothing, it stays, and is finite.
    for _ in 0..200 {
        average.update(&latents, &numbers).unwrap();
    }
    close([5.0 / 3.0, 0.0, 0.0, 2.0, -5.0, -5.0]);
    // What is saved holds them, and no gradient is asked for.
    let names: Vec<&str> = parameters.named().iter().map(|(name, _)| name.as_str()).collect();
    for name in ["quantize.embedding.weight", "codebook_average.count", "codebook_average.sum"] {
        assert!(names.contains(&name), "{name}");
        assert!(!parameters.get(name).unwrap().requires_grad());
    }
}

#[test]
fn every_weight_of_a_vq_stage_gets_a_gradient_through_the_straight_line_past_the_codebook() {
    let mut parameters = Parameters::new(Device::Cpu, 3, 0);
    let root = parameters.root();
    let stage = FirstStage::new(&root, &tiny(5)).unwrap();
    let vq = stage.as_vq().unwrap();
    let _average = CodebookAverage::new(&(&root / "codebook_average"), vq, 0.9).unwrap();
    drop(root);
    let images = Tensor::arange(2 * 3 * 64, (Kind::Float, Device::Cpu)).sin().view([2, 3, 8, 8]);
    let latents = stage.encode(&images).unwrap();
    let (quantised, _) = vq.quantise(&latents).unwrap();
    let straight = &latents + (&quantised - &latents).detach();
    let loss = (vq.reconstruct(&straight).unwrap() - &images).square().mean(Kind::Float);
    loss.backward();
    for (name, tensor) in parameters.named() {
        let gradient = tensor.grad();
        if name.starts_with("quantize") || name.starts_with("codebook_average") {
            assert!(!gradient.defined(), "{name}");
        } else {
            assert!(
                gradient.defined() && gradient.isfinite().all().int64_value(&[]) == 1,
                "{name}"
            );
        }
    }
    let encoder = parameters.get("encoder.conv_in.weight").unwrap().grad();
    assert!(encoder.abs().max().double_value(&[]) > 0.0);
    // The gradient at the latents is that at the quantised ones: checked against the numbers of a small step.
    let x = straight.detach().set_requires_grad(true);
    let again = (vq.reconstruct(&x).unwrap() - &images).square().mean(Kind::Float);
    assert_eq!(again.double_value(&[]), loss.double_value(&[]));
    again.backward();
    let step = 1e-2;
    let moved = x.detach().copy();
    let _ = moved.get(0).get(1).get(2).get(3).g_add_scalar_(step);
    let changed = (vq.reconstruct(&moved).unwrap() - &images).square().mean(Kind::Float);
    let slope = (changed.double_value(&[]) - loss.double_value(&[])) / step;
    let gradient = x.grad().double_value(&[0, 1, 2, 3]);
    assert!((slope - gradient).abs() < 0.05 * gradient.abs() + 1e-4, "{slope} {gradient}");
}
