//! Layer by layer against torch-fidelity and pytorch-fid, on weights that both sides make from the
//! same integers (tests/golden/packages.py).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use meme_checkpoint::{TensorData, Tensors, read_safetensors};
use meme_torch::tch::no_grad;
use meme_torch::{from_f32, to_f32_vec};

use super::super::mode::{PillowFilter, SIDE, resize_clean};
use super::super::{FeatureNetwork, Mode};
use super::*;

static GOLDEN: LazyLock<Tensors> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    read_safetensors(folder.join("packages.safetensors")).unwrap()
});

/// `packages.py`'s function of the same name: splitmix64 over (FNV-1a of the name, index).
fn unit(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let key = name
        .bytes()
        .fold(0x811C_9DC5_u32, |key, byte| (key ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..count as u64).map(move |index| {
        let mut z = (u64::from(key) << 32).wrapping_add(index).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / 16_777_216.0
    })
}

/// The weights of `packages.py`.
fn weights(name: &str, shape: &[usize]) -> TensorData {
    let count: usize = shape.iter().product();
    let fan_in = (count / shape[0]) as f64;
    let value = |u: f64| match name {
        _ if name.ends_with("bn.weight") => 0.75 + 0.5 * u,
        _ if name.ends_with("bn.running_var") => 0.5 + u,
        _ if shape.len() == 1 => 0.4 * u - 0.2,
        _ => (2.0 * u - 1.0) * (6.0 / fan_in).sqrt(),
    };
    let values: Vec<f32> = unit(name, count).map(|u| value(u) as f32).collect();
    TensorData::from_f32(&values, shape).unwrap()
}

static FILE: LazyLock<WeightFile> = LazyLock::new(|| {
    let shapes: BTreeMap<String, Vec<usize>> =
        serde_json::from_str(&GOLDEN.metadata["shapes"]).unwrap();
    let made = shapes.into_iter().map(|(name, shape)| {
        let data = weights(&name, &shape);
        (name, data)
    });
    WeightFile::of(made.collect())
});

/// `packages.py`'s pictures: slanted ramps with noise.
fn pictures(count: usize, height: usize, width: usize) -> Tensor {
    let total = count * 3 * height * width;
    let noise = unit(&format!("{count}x{height}x{width}"), total);
    let values: Vec<f32> = noise
        .enumerate()
        .map(|(at, noise)| {
            let (x, y) = (at % width, at / width % height);
            let (c, n) = (at / width / height % 3, at / width / height / 3);
            let ramp = (x * 3 * (c + 1) + y * (5 + n)) % 512;
            let ramp = if ramp < 256 { ramp } else { 511 - ramp };
            ((3 * ramp + (noise * 256.0) as usize) / 4) as f32
        })
        .collect();
    let shape = [count, 3, height, width].map(|side| side as i64);
    from_f32(&values, &shape, Device::Cpu).unwrap()
}

fn labelled() -> [(&'static str, Tensor); 2] {
    [("small", pictures(2, 24, 40)), ("large", pictures(1, 400, 330))]
}

/// Every (length / count)-th value in row-major order.
fn samples(tensor: &Tensor, count: usize) -> Vec<f32> {
    let all = to_f32_vec(&tensor.contiguous()).unwrap();
    all.iter().step_by(all.len() / count).take(count).copied().collect()
}

fn golden(name: &str) -> Vec<f64> {
    GOLDEN.get(name).unwrap().to_f64().unwrap()
}

/// The largest error over the largest magnitude.
fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let errors = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs());
    errors.fold(0.0, f64::max) / largest
}

#[test]
fn every_layer_gives_what_torch_fidelitys_and_pytorch_fids_give() {
    let network = Inception::new(&FILE, Device::Cpu).unwrap();
    for (package, mode, (_, images)) in [
        ("torch-fidelity", Mode::Legacy, &labelled()[0]),
        ("pytorch-fid", Mode::PytorchFid, &labelled()[0]),
    ] {
        let mut seen = 0;
        let mut check = |name: &str, map: &Tensor| {
            let error = error(&samples(map, 64), &golden(&format!("{package}.{name}")));
            println!("{package:16} {name:16} {error:.1e}");
            assert!(error < 2e-5, "{package} {name}: {error:e}");
            seen += 1;
        };
        let images = mode.prepare(images).unwrap();
        drop(no_grad(|| network.stages(&images, &mut check)).unwrap());
        assert_eq!(seen, 16);
    }
}

#[test]
fn features_in_each_mode_are_those_of_its_package() {
    for mode in Mode::ALL {
        let network = FeatureNetwork::inception_of(&FILE, mode, Device::Cpu).unwrap();
        for (label, images) in labelled() {
            let found = network.features(&(images / 127.5 - 1.0)).unwrap();
            let expected = golden(&format!("features.{}.{label}", mode.name()));
            let error = error(found.as_slice().unwrap(), &expected);
            println!("{:12} {label}: {error:.1e}", mode.name());
            assert!(error < 2e-5, "{} {label}: {error:e}", mode.name());
            if (mode, label) == (Mode::Legacy, "small") {
                let logits = network.logits(found.view()).unwrap().unwrap();
                let error = self::error(logits.as_slice().unwrap(), &golden("logits"));
                println!("logits: {error:.1e}");
                assert!(error < 2e-5, "logits: {error:e}");
            }
        }
    }
}

#[test]
fn resizing_is_clean_fids_and_tensorflows_to_a_thousandth_of_the_range() {
    for (label, images) in labelled() {
        let legacy = (Mode::Legacy.prepare(&images).unwrap() * 128.0) + 128.0;
        let bicubic = resize_clean(&images, SIDE, PillowFilter::Bicubic).unwrap();
        let lanczos = resize_clean(&images, SIDE, PillowFilter::Lanczos).unwrap();
        for (kind, found) in [("legacy", legacy), ("bicubic", bicubic), ("lanczos", lanczos)] {
            let expected = golden(&format!("resize.{kind}.{label}"));
            let found = samples(&found, 5000);
            let errors = found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs());
            let worst = errors.fold(0.0, f64::max);
            println!("{kind} {label}: {worst:.1e} of 255");
            assert!(worst < 1e-3, "{kind} {label}: {worst}");
        }
    }
}

#[test]
fn other_weights_are_named_by_their_hash_and_their_distance_is_not_called_fid() {
    let network = FeatureNetwork::inception_of(&FILE, Mode::Clean, Device::Cpu).unwrap();
    let identity = network.identity();
    assert!(!identity.is_fid());
    assert_eq!(
        identity.distance_name(),
        "Frechet distance on inception-v3 with weights sha256:made"
    );
    assert_eq!((identity.mode(), identity.dimension), (Some(Mode::Clean), 2048));
    let mut published = identity.clone();
    published.name = super::super::FID_NETWORK.to_owned();
    assert_eq!(published.distance_name(), "FID (clean)");
}

#[test]
fn a_file_of_another_network_is_refused_by_the_tensor_that_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let data = TensorData::from_f32(&[0.0; 6], &[1, 6]).unwrap();
    let name = "Conv2d_1a_3x3.conv.weight";
    let none = BTreeMap::new();
    meme_checkpoint::write_safetensors(&path, [(name, &data)], &none).unwrap();
    let error = FeatureNetwork::open(&path, Mode::Legacy, Device::Cpu).unwrap_err().to_string();
    assert!(error.contains(name) && error.contains("[32, 3, 3, 3]"), "{error}");
    meme_checkpoint::write_safetensors(&path, [("other", &data)], &none).unwrap();
    let error = FeatureNetwork::open(&path, Mode::Legacy, Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("is missing") && error.contains("weights.safetensors"), "{error}");
}

/// `packages.py` writes its weights in both of PyTorch's formats too; they are too large to keep.
#[test]
fn a_pytorch_file_of_either_format_gives_the_same_network() {
    for name in ["inception-zip.pth", "inception-legacy.pth"] {
        let folder = std::env::var_os("MEME_TEST_DATA");
        let path = folder.map(|folder| Path::new(&folder).join(name));
        let Some(path) = path.filter(|path| path.exists()) else {
            println!("skipped: MEME_TEST_DATA names no folder with {name}");
            continue;
        };
        let network = FeatureNetwork::open(&path, Mode::Clean, Device::Cpu).unwrap();
        let (label, images) = &labelled()[0];
        let found = network.features(&(images / 127.5 - 1.0)).unwrap();
        let expected = golden(&format!("features.clean.{label}"));
        assert!(error(found.as_slice().unwrap(), &expected) < 2e-5, "{name}");
        assert_eq!(network.hash().len(), 64);
    }
}
