use crate::golden::{Golden, read};
use meme_checkpoint::{Dtype, TensorData};
use meme_torch::tch::{Device, Tensor, no_grad};
use meme_torch::{
    Ema, Init, Parameters, PowerFunction, noise, posthoc_coefficients, to_f64_vec, weighted_sum,
};
use std::collections::BTreeMap;

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{found} is not {expected}");
}

/// The shape of that exponent, found through its standard deviation.
fn shape(gamma: f64) -> PowerFunction {
    let relative_std = ((gamma + 1.0) / (gamma + 3.0)).sqrt() / (gamma + 2.0);
    PowerFunction::new(relative_std).unwrap()
}

#[test]
fn exponents_and_deviations_agree_with_numerical_integrals() {
    let golden = read("power");
    let gammas = golden.data("gammas").to_f64().unwrap();
    for (gamma, std) in gammas.iter().zip(golden.data("relative_stds").to_f64().unwrap()) {
        let found = PowerFunction::new(std).unwrap();
        close(found.gamma(), *gamma, 1e-8);
        close(found.relative_std(), std, 1e-12);
    }
    // EDM2, section 3: 0.05 and 0.10 are gamma = 16.97 and 6.94.
    close(PowerFunction::new(0.05).unwrap().gamma(), 16.97, 1e-3);
    close(PowerFunction::new(0.10).unwrap().gamma(), 6.94, 1e-3);
    for std in [0.0, 0.3, f64::NAN] {
        assert!(PowerFunction::new(std).is_err());
    }
}

#[test]
fn posthoc_weights_agree_with_numerical_integrals() {
    let golden = read("power");
    let pairs = |name: &str| -> Vec<(u64, PowerFunction)> {
        let values = golden.data(name).to_f64().unwrap();
        values.chunks_exact(2).map(|pair| (pair[1] as u64, shape(pair[0]))).collect()
    };
    let snapshots = pairs("snapshots");
    let expected = golden.data("coefficients").to_f64().unwrap();
    for ((images, target), expected) in pairs("targets").into_iter().zip(expected.chunks(6)) {
        let found = posthoc_coefficients(&snapshots, images, target).unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }
}

#[test]
fn a_snapshot_reconstructs_itself_and_twins_are_refused() {
    let snapshots = [(500, shape(6.94)), (1000, shape(6.94)), (1000, shape(16.97))];
    let found = posthoc_coefficients(&snapshots, 1000, shape(6.94)).unwrap();
    for (found, expected) in found.iter().zip([0.0, 1.0, 0.0]) {
        assert!((found - expected).abs() < 1e-9, "{found}");
    }
    let twins = [snapshots[0], snapshots[0]];
    assert!(posthoc_coefficients(&twins, 1000, shape(6.94)).is_err());
    assert!(posthoc_coefficients(&[], 1000, shape(6.94)).is_err());
    assert!(posthoc_coefficients(&snapshots, 0, shape(6.94)).is_err());
}

/// A random walk averaged with three lengths; the third is put together from snapshots of two.
#[test]
fn an_average_that_was_never_tracked_is_put_together_from_two_that_were() {
    const STEPS: u64 = 1000;
    const BATCH: u64 = 10;
    let mut parameters = Parameters::blank(Device::Cpu);
    let walker = parameters.root().parameter("p", &[64], Init::Zeros).unwrap();
    let tracked = [0.05, 0.10].map(|std| PowerFunction::new(std).unwrap());
    let target = PowerFunction::new(0.075).unwrap();
    let mut averages = [(); 3].map(|()| Ema::new(&parameters).unwrap());
    let mut kept = Vec::new();
    for step in 1..=STEPS {
        let stream = meme_random::Stream::new(1, meme_random::Purpose::Test, 0, step);
        let change = noise(&[stream], &[64], Device::Cpu).unwrap().squeeze_dim(0);
        let _: Tensor = no_grad(|| walker.shallow_clone().g_add_(&change));
        for (average, shape) in averages.iter_mut().zip([tracked[0], tracked[1], target]) {
            average.update(shape.decay(step * BATCH, BATCH)).unwrap();
        }
        if step % 125 == 0 {
            for (average, shape) in averages.iter().zip(tracked) {
                kept.push((step * BATCH, shape, average.to_data().unwrap()));
            }
        }
    }
    let shapes: Vec<_> = kept.iter().map(|(images, shape, _)| (*images, *shape)).collect();
    let weights = posthoc_coefficients(&shapes, STEPS * BATCH, target).unwrap();
    let parts: Vec<_> =
        weights.into_iter().zip(&kept).map(|(weight, (_, _, data))| (weight, data)).collect();
    let found = weighted_sum(&parts).unwrap()["p"].to_f64().unwrap();
    let expected = to_f64_vec(&averages[2].named()[0].1).unwrap();
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let error = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
    let size = norm(&mut expected.iter().copied());
    // Either snapshot alone is off by more than a tenth of the walk's size.
    let nearest = &kept[kept.len() - 1].2["p"].to_f64().unwrap();
    let alone = norm(&mut nearest.iter().zip(&expected).map(|(a, b)| a - b));
    assert!(error < 0.01 * size, "{error} of {size}");
    assert!(alone > 5.0 * error, "{alone} and {error}");
}

#[test]
fn the_first_update_forgets_the_starting_values() {
    let shape = PowerFunction::new(0.05).unwrap();
    assert_eq!(shape.decay(32, 32), 0.0);
    close(shape.decay(64, 32), 0.5_f64.powf(17.97), 1e-2);
}

#[test]
fn sums_are_taken_of_equal_snapshots_only() {
    let snapshot = |value: f32, name: &str| {
        BTreeMap::from([(name.to_owned(), TensorData::from_f32(&[value, 1.0], &[2]).unwrap())])
    };
    let (a, b) = (snapshot(2.0, "p"), snapshot(4.0, "p"));
    let sum = weighted_sum(&[(0.75, &a), (0.25, &b)]).unwrap();
    assert_eq!(sum["p"].to_f32().unwrap(), [2.5, 1.0]);
    assert!(weighted_sum(&[]).is_err());
    assert!(weighted_sum(&[(0.5, &a), (0.5, &snapshot(1.0, "q"))]).is_err());
    let half = TensorData::new(Dtype::F16, vec![2], vec![0; 4]).unwrap();
    let other = BTreeMap::from([("p".to_owned(), half)]);
    assert!(weighted_sum(&[(0.5, &a), (0.5, &other)]).unwrap_err().to_string().contains("of p"));
}
