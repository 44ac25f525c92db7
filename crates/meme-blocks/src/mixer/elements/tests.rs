//! The elements against closed forms, in float64.

use meme_torch::tch::{Device, Kind, Tensor};

use super::{Depthwise, Element, Filter, Fourier, linear_attention};

const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

/// Numbers without a pattern.
fn waves(shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>();
    (Tensor::arange(count, DOUBLE) * 1.7).sin().reshape(shape)
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

fn filter(real: Tensor, imaginary: Tensor) -> Fourier {
    Fourier { real, imaginary }
}

#[test]
fn a_filter_of_ones_changes_nothing_at_any_size() {
    let ones = Tensor::ones(Fourier::shape(3), DOUBLE);
    let identity = filter(ones.shallow_clone(), ones.zeros_like());
    for size in [[2, 3, 16, 16], [1, 3, 13, 6], [1, 3, 1, 1], [1, 3, 5, 2], [1, 3, 33, 40]] {
        let x = waves(&size);
        assert!(largest(&(identity.forward(&x).unwrap() - &x)) < 1e-13, "{size:?}");
    }
}

#[test]
fn a_new_filter_changes_nothing() {
    let element = Element::with(Filter::Fourier, 2, |_, shape, init| {
        let value = if init == meme_torch::Init::Ones { 1.0 } else { 0.0 };
        assert!(init == meme_torch::Init::Ones || init == meme_torch::Init::Zeros);
        Ok(Tensor::full(shape, value, DOUBLE))
    });
    let x = waves(&[1, 2, 9, 7]);
    assert!(largest(&(element.unwrap().forward(&x).unwrap() - &x)) < 1e-13);
}

#[test]
fn the_transform_of_a_kernel_is_its_circular_convolution() {
    let (kernel, x) = (waves(&[3, 16, 16]), waves(&[2, 3, 16, 16]) + 0.3);
    let spectrum = kernel.fft_rfft2(None::<&[i64]>, [-2, -1], "backward");
    let y = filter(spectrum.real(), spectrum.imag()).forward(&x).unwrap();
    let mut expected = x.zeros_like();
    for down in 0..16 {
        for right in 0..16 {
            let tap = kernel.select(1, down).select(1, right).view([1, 3, 1, 1]);
            expected += x.roll([down, right], [2, 3]) * tap;
        }
    }
    assert!(largest(&(y - &expected)) < 1e-12 * largest(&expected));
}

#[test]
fn at_another_size_a_filter_is_the_same_function_of_cycles_per_pixel() {
    // Straight lines from 1 at no cycles to 0 at half a cycle, which is what a filter can say exactly.
    let line = |count: i64, side: i64| -> Tensor {
        let cycles = Tensor::arange(count, DOUBLE) / side as f64;
        1.0 - cycles.minimum(&(1.0 - &cycles)) * 2.0
    };
    let product = |down: &Tensor, right: &Tensor| down.unsqueeze(-1) * right.unsqueeze(0);
    let own = product(&line(16, 16), &line(9, 16)).unsqueeze(0);
    let lines = filter(own.shallow_clone(), own.zeros_like());
    for (height, width) in [(16, 16), (4, 8), (13, 6), (24, 9), (1, 1), (2, 5), (40, 64)] {
        let pulse = Tensor::zeros([1, 1, height, width], DOUBLE);
        let _ = pulse.get(0).get(0).get(0).get(0).fill_(1.0);
        let answer = lines.forward(&pulse).unwrap();
        let found =
            answer.fft_rfft2(None::<&[i64]>, [-2, -1], "backward").squeeze_dim(0).squeeze_dim(0);
        let expected = product(&line(height, height), &line(width / 2 + 1, width));
        assert!(largest(&(found.real() - expected)) < 1e-13, "{height} x {width}");
        assert!(largest(&found.imag()) < 1e-13, "{height} x {width}");
    }
}

#[test]
fn a_dilated_convolution_is_a_larger_one_with_zeros_between_its_taps() {
    let (weight, x) = (waves(&[4, 1, 3, 3]), waves(&[2, 4, 9, 6]));
    let spread = Tensor::zeros([4, 1, 5, 5], DOUBLE);
    spread.slice(2, 0, 5, 2).slice(3, 0, 5, 2).copy_(&weight);
    let dilated = Depthwise { weight, step: 2 }.forward(&x).unwrap();
    let dense = Depthwise { weight: spread, step: 1 }.forward(&x).unwrap();
    assert!(largest(&(dilated - dense)) < 1e-14);
}

#[test]
fn a_map_smaller_than_the_kernel_meets_the_taps_that_reach_it() {
    let (weight, x) = (waves(&[2, 1, 7, 7]), waves(&[1, 2, 1, 2]));
    let y = Depthwise { weight: weight.shallow_clone(), step: 1 }.forward(&x).unwrap();
    // The left pixel stands under the middle of the kernel, the right one beside it.
    let tap = |column: i64| weight.select(1, 0).select(1, 3).select(1, column);
    let pixel = |column: i64| x.select(0, 0).select(1, 0).select(1, column);
    let left = tap(3) * pixel(0) + tap(4) * pixel(1);
    assert!(largest(&(y.select(0, 0).select(1, 0).select(1, 0) - left)) < 1e-15);
}

#[test]
fn linear_attention_is_the_product_with_its_matrix_of_weights() {
    let [q, k, v] = [0.0, 1.0, 2.0].map(|shift| (waves(&[2, 3, 11, 4]) + shift).cos() * 3.0);
    let features = q.softmax(-1, Kind::Double);
    let weights = features.matmul(&k.softmax(-2, Kind::Double).transpose(-2, -1)); // [2, 3, 11, 11]
    assert!(largest(&(weights.sum_dim_intlist([-1_i64].as_slice(), false, None) - 1.0)) < 1e-14);
    assert!(weights.min().double_value(&[]) > 0.0);
    let y = linear_attention(&q, &k, &v).unwrap();
    assert!(largest(&(y - weights.matmul(&v))) < 1e-14);
}
