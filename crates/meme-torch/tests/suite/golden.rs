//! Numbers from PyTorch (`tests/golden/README.md`).

use meme_checkpoint::{TensorData, Tensors, read_safetensors};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{data_to_tensor, to_f64_vec};

pub(crate) fn read(name: &str) -> Tensors {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    read_safetensors(folder.join(format!("{name}.safetensors"))).unwrap()
}

pub(crate) trait Golden {
    fn data(&self, name: &str) -> TensorData;
    fn tensor(&self, name: &str) -> Tensor;
}

impl Golden for Tensors {
    fn data(&self, name: &str) -> TensorData {
        self.get(name).unwrap().clone()
    }

    fn tensor(&self, name: &str) -> Tensor {
        data_to_tensor(&self.data(name), Device::Cpu).unwrap()
    }
}

/// Whether this machine's kernels round as the golden's did: AVX2 and AVX512 agree bit for bit in
/// all operations of these files, kernels without fused multiply-add do not.
pub(crate) fn rounds_alike() -> bool {
    let here = meme_torch::device::cpu_capability().unwrap();
    let alike = ["AVX2", "AVX512"].contains(&here.as_str());
    if !alike {
        eprintln!("capability {here}: compared to rounding, not bit for bit");
    }
    alike
}

/// The same bits, or values that differ by rounding where the machine rounds differently.
pub(crate) fn assert_bits(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.kind(), expected.kind(), "{what}");
    assert_eq!(found.size(), expected.size(), "{what}");
    if rounds_alike() {
        let (found, expected) = (to_f64_vec(found).unwrap(), to_f64_vec(expected).unwrap());
        assert_eq!(found, expected, "{what}");
    } else {
        let tolerance = if found.kind() == Kind::Double { 1e-13 } else { 1e-5 };
        assert_close(found, expected, tolerance, what);
    }
}

/// Values that differ by at most `tolerance`, relative to the largest.
pub(crate) fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let (found, expected) = (to_f64_vec(found).unwrap(), to_f64_vec(expected).unwrap());
    let scale = expected.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= tolerance * scale, "{what}[{index}]: {found} is not {expected}");
    }
}
