//! The published recipe, evaluated by others.
#![allow(clippy::unwrap_used)]

use meme_frequency::{LogAmplitude, LogAmplitudeMap, relative_log_amplitude};
use ndarray::{Array2, Array4, s};

const TOLERANCE: f64 = 1e-10;

fn golden(name: &str) -> (Vec<usize>, Vec<f64>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/fourier.safetensors");
    let file = meme_checkpoint::read_safetensors(path).unwrap();
    let tensor = file.get(name).unwrap();
    (tensor.shape.clone(), tensor.to_f64().unwrap())
}

fn maps() -> Array4<f64> {
    let (shape, values) = golden("feature_map");
    Array4::from_shape_vec((shape[0], shape[1], shape[2], shape[3]), values).unwrap()
}

fn assert_close(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < TOLERANCE, "off by {worst}");
}

#[test]
fn the_relative_log_amplitude_is_that_of_park_and_kim() {
    assert_close(&relative_log_amplitude(maps().view()).unwrap(), &golden("relative").1);
    let mut amplitude = LogAmplitude::new(16, 16).unwrap();
    amplitude.add_batch(maps().view()).unwrap();
    assert_close(&amplitude.finish().unwrap().log_amplitude, &golden("diagonal").1);
}

#[test]
fn the_whole_map_of_log_amplitudes_is_theirs_too() {
    let mut map = LogAmplitudeMap::new(16, 16).unwrap();
    map.add_batch(maps().view()).unwrap();
    let ours = map.finish().unwrap();
    assert_close(ours.as_slice().unwrap(), &golden("log_amplitude").1);
}

#[test]
fn samples_may_be_added_in_any_portions_and_merged() {
    let (maps, theirs) = (maps(), golden("relative").1);
    let mut first = LogAmplitude::new(16, 16).unwrap();
    first.add(maps.slice(s![0, .., .., ..])).unwrap();
    let mut second = LogAmplitude::new(16, 16).unwrap();
    second.add_batch(maps.slice(s![1.., ..2, .., ..])).unwrap();
    second.add_batch(maps.slice(s![1.., 2.., .., ..])).unwrap();
    first.merge(&second).unwrap();
    assert_eq!(first.count(), 15);
    assert_close(&first.finish().unwrap().relative, &theirs);
}

#[test]
fn views_with_any_strides_give_the_same() {
    let maps = maps();
    let mut wide = Array4::zeros((3, 5, 32, 32));
    wide.slice_mut(s![.., .., ..;2, ..;-2]).assign(&maps.slice(s![.., .., .., ..]));
    let strided = relative_log_amplitude(wide.slice(s![.., .., ..;2, ..;-2])).unwrap();
    assert_eq!(strided, relative_log_amplitude(maps.view()).unwrap());
}

#[test]
fn a_single_precision_map_gives_the_same_to_its_precision() {
    let single = relative_log_amplitude(maps().mapv(|value| value as f32).view()).unwrap();
    let worst = single.iter().zip(golden("relative").1).map(|(a, b)| (a - b).abs());
    assert!(worst.fold(0.0, f64::max) < 1e-6);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let maps = Array4::from_shape_fn((40, 30, 9, 9), |(b, c, y, x)| {
        ((b * 31 + c * 17 + y * y * 5 + x * 3) % 101) as f64 - 50.0
    });
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let power = meme_frequency::radial_power(maps.view()).unwrap();
            (relative_log_amplitude(maps.view()).unwrap(), power)
        })
    };
    assert_eq!(with(1), with(3));
}

/// The definition, as slow as it is: `F[u, v]` by its double sum.
fn slow_amplitude(map: &Array2<f64>, u: usize, v: usize) -> f64 {
    let (height, width) = map.dim();
    let (mut re, mut im) = (0.0, 0.0);
    for ((y, x), value) in map.indexed_iter() {
        let turns = (u * y) as f64 / height as f64 + (v * x) as f64 / width as f64;
        re += value * (std::f64::consts::TAU * turns).cos();
        im -= value * (std::f64::consts::TAU * turns).sin();
    }
    re.hypot(im)
}

#[test]
fn every_size_is_transformed_by_the_definition() {
    for (height, width) in
        [(1, 1), (1, 6), (6, 1), (2, 3), (5, 7), (7, 4), (8, 12), (9, 9), (10, 10)]
    {
        let map = Array2::from_shape_fn((height, width), |(y, x)| {
            ((y * 7 + x * 3 + y * x) % 11) as f64 - 4.5
        });
        let mut amplitudes = LogAmplitudeMap::new(height, width).unwrap();
        amplitudes.add(map.view().insert_axis(ndarray::Axis(0))).unwrap();
        let ours = amplitudes.finish().unwrap();
        for ((i, j), value) in ours.indexed_iter() {
            // Centre shift: numpy.fft.fftshift puts frequency 0 at [height / 2, width / 2].
            let u = (i + height - height / 2) % height;
            let v = (j + width - width / 2) % width;
            let theirs = (slow_amplitude(&map, u, v) + 1e-6).ln();
            // Near the floor, rounding of the sum of 120 values is seen a million times magnified.
            assert!((value - theirs).abs() < 1e-7, "{height}x{width} at {u},{v}: {value} {theirs}");
        }
        // The diagonal: its own points where they are met, the neighbours' mean where they are not.
        let map = map.insert_axis(ndarray::Axis(0)).insert_axis(ndarray::Axis(0));
        let mut diagonal = LogAmplitude::new(height, width).unwrap();
        diagonal.add_batch(map.view()).unwrap();
        let curve = diagonal.finish().unwrap();
        let side = height.min(width);
        assert_eq!(curve.relative.len(), side.div_ceil(2));
        for (k, value) in curve.log_amplitude.iter().enumerate() {
            let at = |u: usize, v: usize| ours[(u + height / 2, v + width / 2)];
            let (u, v) = (k * height / side, k * width / side);
            let (du, dv) = (k * height % side, k * width % side);
            let weight = (du + dv) as f64 / side as f64;
            let mut expected = at(u, v);
            if weight > 0.0 {
                let next = at(u + usize::from(du > 0), v + usize::from(dv > 0));
                expected = (1.0 - weight) * expected + weight * next;
            }
            assert!((value - expected).abs() < 1e-7, "{height}x{width} point {k}");
        }
    }
}
