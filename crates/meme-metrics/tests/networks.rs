//! Feature networks, against PyTorch, and on real pictures.
#![allow(clippy::unwrap_used)]

mod common;

use std::ops::ControlFlow;

use common::{golden, test_data};
use meme_checkpoint::TensorData;
use meme_data::{InMemory, RgbImage};
use meme_metrics::{Error, FeatureNetwork, extract, extract_arrays};
use meme_torch::data_to_tensor;
use meme_torch::tch::{Device, Kind, Tensor};
use ndarray::{Array2, s};

/// 8-bit images as the networks want them.
fn images(data: &TensorData) -> Tensor {
    data_to_tensor(data, Device::Cpu).unwrap().to_kind(Kind::Float) / 127.5 - 1.0
}

/// max |a - b| / max |b|
fn relative_error(found: &Array2<f32>, expected: &Array2<f64>) -> f64 {
    let found = found.mapv(f64::from);
    let largest = |values: Array2<f64>| values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    assert_eq!(found.dim(), expected.dim());
    largest(&found - expected) / largest(expected.clone())
}

#[test]
fn the_random_network_is_the_documented_one_at_every_size() {
    let file = golden("random_features.safetensors");
    let network = FeatureNetwork::random(Device::Cpu).unwrap();
    for size in ["16x16", "32x32", "64x64", "40x96"] {
        let found = network.features(&images(file.get(&format!("image_{size}")).unwrap())).unwrap();
        let expected = common::matrix(&file, &format!("features_{size}"));
        let error = relative_error(&found, &expected);
        assert!(error < 1e-5, "{size}: {error}");
    }
}

#[test]
fn the_random_network_has_the_same_weights_on_every_machine() {
    // Numbers made with other weights cannot be compared, so this hash must never change.
    let network = FeatureNetwork::random(Device::Cpu).unwrap();
    assert_eq!(network.hash(), "283f5a9b40bf7c348e67a5d6b4e1a59b93248bf4f4f8978cc59487a20e8ef86e");
    assert_eq!((network.name(), network.dimension()), ("random-64", 64));
    let count: i64 = network.named_weights().iter().map(|(_, weight)| weight.numel() as i64).sum();
    assert_eq!(count, 4 * 108 + 24 * 75 + 48 * 216 + 64 * 432 + 16 * 4096);
}

#[test]
fn squeezenet_is_the_golden_one() {
    let Some(path) = test_data("squeezenet1_1-features.safetensors") else { return };
    let network = FeatureNetwork::squeezenet(&path, Device::Cpu).unwrap();
    let file = golden("squeezenet_features.safetensors");
    let found = network.features(&images(file.get("image_rgb_u8").unwrap())).unwrap();
    let error = relative_error(&found, &common::matrix(&file, "features"));
    assert!(error < 1e-4, "{error}");
    assert_eq!(network.identity().distance_name(), "Frechet distance (squeezenet-1.1)");
    assert_eq!(network.named_weights().len(), 50);
    let smallest = Tensor::zeros([1, 3, 32, 32], (Kind::Float, Device::Cpu));
    assert_eq!(network.features(&smallest).unwrap().dim(), (1, 512));
}

#[test]
fn other_weights_are_refused_by_their_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    std::fs::write(&path, b"something else").unwrap();
    let error = FeatureNetwork::squeezenet(&path, Device::Cpu).unwrap_err();
    assert!(matches!(error, Error::UnknownWeights { .. }));
    // The hash is b3sum's.
    let found = "284a1dea71d98644dadaeb412d4f0494ed683d5f3da0ba2e5ba4f9765a82e7ed";
    let text = error.to_string();
    assert!(text.contains(found) && text.contains("weights.safetensors"), "{text}");
    let absent = FeatureNetwork::squeezenet(&folder.path().join("none"), Device::Cpu);
    assert!(matches!(absent, Err(Error::File { .. })));
}

#[test]
fn images_that_a_network_cannot_see_are_refused() {
    let network = FeatureNetwork::random(Device::Cpu).unwrap();
    for shape in [vec![3, 32, 32], vec![1, 1, 32, 32], vec![1, 3, 15, 64]] {
        let image = Tensor::zeros(shape.as_slice(), (Kind::Float, Device::Cpu));
        let error = network.features(&image).unwrap_err().to_string();
        assert!(error.contains("at least 16"), "{error}");
    }
}

#[test]
fn extraction_keeps_the_order_across_batches_and_sizes() {
    let file = golden("random_features.safetensors");
    let network = FeatureNetwork::random(Device::Cpu).unwrap();
    let mut pictures = Vec::new();
    let mut expected = Vec::new();
    for size in ["16x16", "32x32", "40x96"] {
        let data = file.get(&format!("image_{size}")).unwrap();
        let (height, width) = (data.shape[2], data.shape[3]);
        for planes in data.bytes.chunks_exact(3 * height * width) {
            let pixel = |i: usize| (0..3).map(move |c| planes[c * height * width + i]);
            let rgb = (0..height * width).flat_map(pixel).collect();
            pictures.push(RgbImage::new(width, height, rgb).unwrap());
        }
        expected.push(common::matrix(&file, &format!("features_{size}")));
    }
    let views: Vec<_> = expected.iter().map(Array2::view).collect();
    let expected = ndarray::concatenate(ndarray::Axis(0), &views).unwrap();
    for batch in [1, 2, 5] {
        let mut heard = Vec::new();
        let items = pictures.iter().cloned().map(Ok::<_, Error>);
        let found = extract(&network, items, batch, &mut |done| {
            heard.push(done);
            ControlFlow::Continue(())
        });
        assert!(relative_error(&found.unwrap(), &expected) < 1e-5);
        assert_eq!(heard.last(), Some(&6));
        assert_eq!(heard.len(), if batch == 1 { 6 } else { 3 });
    }
    let mut stop = |_| ControlFlow::Break(());
    let stopped: Result<Array2<f32>, Error> =
        extract(&network, pictures.iter().cloned().map(Ok::<_, Error>), 1, &mut stop);
    assert!(matches!(stopped, Err(Error::Stopped { done: 1 })));
}

#[test]
fn extraction_from_arrays_is_the_same() {
    let file = golden("random_features.safetensors");
    let network = FeatureNetwork::random(Device::Cpu).unwrap();
    let data = file.get("image_32x32").unwrap();
    let values = data.bytes.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect();
    let source = InMemory::new([3, 32, 32], values).unwrap();
    let mut quiet = |_| ControlFlow::Continue(());
    let found = extract_arrays(&network, &source, 64, &mut quiet).unwrap();
    let expected = common::matrix(&file, "features_32x32");
    assert!(relative_error(&found, &expected) < 1e-5);
}

/// Frechet distances of the random network between real emoji and worse and worse copies of others.
#[test]
fn the_random_network_ranks_noise_and_blur_of_real_pictures() {
    use meme_data::{Pixels, Subset, Transform, open};
    let Some(path) = test_data("noto-emoji-128.tar") else { return };
    let source = open(&path).unwrap();
    let every_eighth: Vec<usize> = (0..source.len()).step_by(8).collect();
    let source = Subset::of_images(source, every_eighth).unwrap();
    let pixels = Pixels::new(source, Transform::new(64)).unwrap();
    let memory = InMemory::from_source(&pixels).unwrap();
    let count = memory.values().len() / (3 * 64 * 64);
    let all = Tensor::from_slice(memory.values()).view([count as i64, 3, 64, 64]);
    let network = FeatureNetwork::random(Device::Cpu).unwrap();
    let features = |images: &Tensor| network.features(images).unwrap();
    let real = features(&all);
    let statistics =
        |rows: ndarray::ArrayView2<'_, f32>| meme_metrics::Statistics::of(rows).unwrap();
    // Even rows against odd ones, which alone are spoilt.
    let even = statistics(real.slice(s![..;2, ..]));
    let odd = all.slice(0, 1, None, 2);
    let distance = |images: &Tensor| {
        meme_metrics::frechet_distance(&even, &statistics(features(images).view())).unwrap()
    };
    let floor = distance(&odd);
    let stream = meme_random::Stream::new(0, meme_random::Purpose::Test, 0, 0);
    let mut noise = vec![0.0_f32; odd.numel()];
    stream.fill_normal(&mut noise);
    let noise = Tensor::from_slice(&noise).view_as(&odd);
    let noisy = |deviation: f64| distance(&(&odd + deviation * &noise).clamp(-1.0, 1.0));
    let blurred = |factor: i64| {
        let small = odd.avg_pool2d([factor; 2], [factor; 2], [0, 0], false, true, None::<i64>);
        distance(&small.upsample_bilinear2d([64, 64], false, None, None))
    };
    let noises = [0.05, 0.1, 0.2, 0.5].map(noisy);
    let blurs = [2, 4, 8].map(blurred);
    let shift = distance(&odd.roll([1], [3]));
    println!("floor {floor:.3}, noise {noises:.2?}, blur {blurs:.2?}, shift by one {shift:.3}");
    assert!(noises[0] > 1.3 * floor && blurs[0] > 1.3 * floor);
    for pair in noises.windows(2).chain(blurs.windows(2)) {
        assert!(pair[1] > 1.5 * pair[0], "noise {noises:?}, blur {blurs:?}");
    }
    assert!(shift < 0.5 * noises[1] && shift < 0.5 * blurs[1]);
}
