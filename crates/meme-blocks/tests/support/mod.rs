//! Descriptions of the paper's networks and readers of goldens, for the tests.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;

use meme_blocks::{Architecture, ClassConditioning};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Kind, Tensor};

/// LDM's U-Net at a width.
pub fn ldm(width: usize) -> Architecture {
    read(&format!(
        r#"
        in_channels = 3
        out_channels = 3
        width = {width}
        channel_mult = [1, 2, 3, 4]
        res_blocks = 2
        head_dim = 32
        encoder = ["none", "attention", "attention", "attention"]
        middle = "attention"
        decoder = ["none", "attention", "attention", "attention"]
        "#
    ))
}

/// The inception U-Net with these high-frequency heads.
pub fn inception(high_heads: [usize; 4]) -> Architecture {
    read(&format!(
        r#"
        in_channels = 3
        out_channels = 3
        width = 128
        channel_mult = [1, 2, 3, 4]
        res_blocks = 2
        head_dim = 32
        encoder = ["mixer", "mixer", "mixer", "mixer"]
        middle = "mixer"
        decoder = ["none", "none", "none", "none"]

        [mixer]
        high_heads = {high_heads:?}
        middle_high_heads = {}
        pool = [2, 2, 1, 1]
        "#,
        high_heads[3]
    ))
}

/// LDM's class-conditional U-Net for ImageNet (`cin256-v2.yaml`) at a width: 192, or the paper's 96.
pub fn class_conditional(width: usize) -> Architecture {
    read(&format!(
        r#"
        in_channels = 3
        out_channels = 3
        width = {width}
        channel_mult = [1, 2, 3, 5]
        res_blocks = 2
        heads = 1
        encoder = ["none", "transformer", "transformer", "transformer"]
        middle = "transformer"
        decoder = ["none", "transformer", "transformer", "transformer"]
        transformer = {{ context = 512 }}
        classes = 1001
        class_conditioning = "context"
        "#
    ))
}

/// Guided diffusion's U-Net for ImageNet at 64, 128 or 256 pixels a side.
pub fn guided(side: usize) -> Architecture {
    let (width, res_blocks, channel_mult, heads) = match side {
        64 => (192, 3, vec![1, 2, 3, 4], "head_dim = 64"),
        128 => (256, 2, vec![1, 1, 2, 3, 4], "heads = 4"),
        _ => (256, 2, vec![1, 1, 2, 2, 4, 4], "head_dim = 64"),
    };
    // Attention where a map is 32, 16 or 8 pixels a side.
    let levels = channel_mult.len();
    let mixing: Vec<&str> = (0..levels)
        .map(|level| if [32, 16, 8].contains(&(side >> level)) { "attention" } else { "none" })
        .collect();
    read(&format!(
        r#"
        in_channels = 3
        out_channels = 3
        width = {width}
        channel_mult = {channel_mult:?}
        res_blocks = {res_blocks}
        {heads}
        encoder = {mixing:?}
        middle = "attention"
        decoder = {mixing:?}
        scale_shift_norm = true
        resampling = "res-block"
        learned_sigma = true
        classes = 1000
        "#
    ))
}

/// Small networks with cross-attention: classes as context with heads by number, and words with transformers beside
/// mixers and attention.
pub fn conditional() -> [Architecture; 2] {
    [
        r#"
        in_channels = 3
        out_channels = 3
        width = 16
        channel_mult = [1, 2]
        res_blocks = 1
        heads = 2
        norm_groups = 8
        encoder = ["none", "transformer"]
        middle = "transformer"
        decoder = ["none", "transformer"]
        transformer = { context = 12 }
        classes = 6
        class_conditioning = "context"
        "#,
        r#"
        in_channels = 3
        out_channels = 3
        width = 16
        channel_mult = [1, 2, 2]
        res_blocks = 1
        head_dim = 8
        norm_groups = 8
        encoder = ["mixer", "transformer", "mixer"]
        middle = "transformer"
        decoder = ["none", "transformer", "attention"]
        transformer = { context = 12, depth = 2, feed_forward = 2 }
        mixer = { high_heads = [1, 2, 2], middle_high_heads = 0, pool = [2, 1, 2], pool_kind = ["average", "average", "max"] }
        classes = 4
        scale_shift_norm = true
        resampling = "res-block"
        "#,
    ]
    .map(read)
}

/// Mixers everywhere with each element in its branch, one block a level; in the last network a transform is all that
/// reads level 2.
pub fn elements() -> Vec<(String, Architecture)> {
    let plain = include_str!("../../src/inference/tests/mixers.toml");
    let plain = plain.replace("res_blocks = 2", "res_blocks = 1");
    let pairs = [
        ("dilated", "linear-attention"),
        ("large-kernel", "dilated"),
        ("fourier", "large-kernel"),
        ("depthwise", "fourier"),
        ("fourier", "fourier"),
    ];
    let mut networks: Vec<_> = pairs
        .into_iter()
        .map(|(high, low)| {
            let words = format!("[mixer]\nhigh_element = {high:?}\nlow_element = {low:?}");
            (format!("{high} and {low}"), read(&plain.replace("[mixer]", &words)))
        })
        .collect();
    if let Some(table) = networks.last_mut().and_then(|(_, a)| a.mixer.as_mut()) {
        assert_eq!(table.high_heads[2], 0);
        table.pool[2] = 1;
    }
    networks
}

/// What a network of this architecture needs besides input and indices: classes and context for a batch.
pub fn conditions(architecture: &Architecture, batch: i64) -> (Option<Tensor>, Option<Tensor>) {
    let classes = (architecture.classes > 0).then(|| {
        Tensor::arange(batch, (Kind::Int64, Device::Cpu)).remainder(architecture.classes as i64)
    });
    let width = architecture.context_channels() as i64;
    let given = width > 0 && architecture.class_conditioning == ClassConditioning::Embedding;
    (classes, given.then(|| (waves([batch, 4, width, 1]) * 2.0).squeeze_dim(-1)))
}

/// The head tables of experts 1 to 4.
pub const EXPERTS: [[usize; 4]; 4] = [[3, 5, 6, 4], [3, 4, 5, 3], [2, 3, 4, 2], [2, 2, 3, 1]];

/// The same network for 16 x 16 x 12 inputs, a quarter as wide.
pub fn tiny(mut architecture: Architecture) -> Architecture {
    architecture.in_channels = 12;
    architecture.out_channels = 12;
    architecture.width /= 4;
    architecture.head_dim = 8;
    architecture.norm_groups = 8;
    architecture.validate().expect("a tiny form of a valid description");
    architecture
}

/// A description from TOML.
pub fn read(text: &str) -> Architecture {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A file of `tests/golden`.
pub struct Golden {
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

impl Golden {
    pub fn read(name: &str) -> Self {
        let path = golden_path(name);
        let file = meme_checkpoint::read_safetensors(&path).unwrap();
        let tensor = |(name, data): (&String, _)| {
            (name.clone(), meme_torch::data_to_tensor(data, Device::Cpu).unwrap())
        };
        Golden {
            tensors: file.tensors.iter().map(tensor).collect(),
            metadata: file.metadata.clone(),
        }
    }

    pub fn get(&self, name: &str) -> Tensor {
        self.tensors[name].shallow_clone()
    }

    pub fn find(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).map(Tensor::shallow_clone)
    }

    /// The parameters, without the `weights.` in front of their names.
    pub fn weights(&self) -> BTreeMap<String, Tensor> {
        let weights = self.tensors.iter();
        weights
            .filter_map(|(name, tensor)| {
                name.strip_prefix("weights.")
                    .map(|name| (name.to_owned(), tensor.to_kind(Kind::Float)))
            })
            .collect()
    }

    /// Gradients of some parameters, without the `gradients.` in front of their names.
    pub fn gradients(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        let tensors = self.tensors.iter();
        tensors.filter_map(|(name, tensor)| Some((name.strip_prefix("gradients.")?, tensor)))
    }

    pub fn number(&self, key: &str) -> usize {
        self.metadata[key].parse().unwrap()
    }

    /// A word of a description; the default where the file has none.
    pub fn word<T: Default + serde::de::DeserializeOwned>(&self, key: &str) -> T {
        let word = self.metadata.get(key).map(|word| serde_json::Value::String(word.clone()));
        word.map_or_else(T::default, |word| serde_json::from_value(word).unwrap())
    }

    pub fn architecture(&self) -> Architecture {
        serde_json::from_str(&self.metadata["architecture"]).unwrap()
    }
}

pub fn golden_path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Loads all of a network's parameters, or panics.
pub fn load(parameters: &mut Parameters, tensors: &BTreeMap<String, Tensor>) {
    let data = tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), meme_torch::tensor_to_data(tensor).unwrap()))
        .collect();
    parameters.load(&data).unwrap();
}

/// Gives every parameter values that are neither zero nor alike, so that no part of the network is without effect.
pub fn stir(parameters: &Parameters) {
    let mut state = 1_u64;
    for tensor in parameters.tensors() {
        let fan_in = tensor.size().iter().skip(1).product::<i64>() as f64;
        let (scale, shift) =
            if tensor.dim() == 1 { (0.4, 0.5) } else { (1.7 / fan_in.sqrt(), 0.0) };
        let values: Vec<f32> = (0..tensor.numel())
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (((state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0) * scale + shift) as f32
            })
            .collect();
        let filled = Tensor::from_slice(&values).view(tensor.size().as_slice());
        tensor.detach().copy_(&filled);
    }
}

/// A smooth map with no symmetry, [B, C, H, W].
pub fn waves(size: [i64; 4]) -> Tensor {
    let count: i64 = size.iter().product();
    (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.37).sin().view(size)
}

/// max|a-b| / max|b|.
pub fn relative_error(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    let (a, b) = (a.detach().to_kind(Kind::Double), b.detach().to_kind(Kind::Double));
    let difference = (&a - &b).abs().max().double_value(&[]);
    let error = difference / b.abs().max().double_value(&[]);
    assert!(error.is_finite(), "not finite");
    error
}

#[track_caller]
pub fn assert_close(a: &Tensor, b: &Tensor, tolerance: f64, what: &str) {
    let error = relative_error(a, b);
    assert!(error <= tolerance, "{what}: relative error {error:.2e} is above {tolerance:.0e}");
}
