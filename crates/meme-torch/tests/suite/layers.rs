use crate::golden::{Golden, assert_close, read};
use meme_checkpoint::{TensorData, Tensors};
use meme_torch::tch::{Device, Kind, Tensor, no_grad};
use meme_torch::{
    Conv2d, Conv2dConfig, Embedding, Error, GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig,
    Linear, LinearConfig, Parameters, Path, Result, from_f32, from_i64,
};
use std::collections::BTreeMap;

/// float32 beside the same thing in float64: a few units in the last place of the largest value.
const TOLERANCE: f64 = 2e-6;

/// Builds a layer on blank parameters, loads PyTorch's weights, compares the output.
fn agrees<L>(
    golden: &Tensors,
    name: &str,
    build: impl FnOnce(&Path<'_>) -> Result<L>,
    forward: impl FnOnce(&L, &Tensor) -> Result<Tensor>,
) {
    let mut parameters = Parameters::blank(Device::Cpu);
    let layer = build(&parameters.root()).unwrap();
    let prefix = format!("{name}/");
    let weights: BTreeMap<String, TensorData> = golden
        .iter()
        .filter_map(|(key, data)| Some((key.strip_prefix(&prefix)?, data)))
        .filter(|(key, _)| *key != "in0" && *key != "out")
        .map(|(key, data)| (key.to_owned(), data.clone()))
        .collect();
    parameters.load(&weights).unwrap();
    let out = forward(&layer, &golden.tensor(&format!("{name}/in0"))).unwrap();
    assert_close(&out, &golden.tensor(&format!("{name}/out")), TOLERANCE, name);
}

#[test]
fn layers_agree_with_pytorchs_modules_in_float64() {
    let golden = read("layers");
    let plain = Conv2dConfig::default();
    let padded = Conv2dConfig { padding: 1, ..plain };
    let strided = Conv2dConfig { stride: 2, ..padded };
    let depthwise = Conv2dConfig { groups: 6, bias: false, ..padded };
    agrees(&golden, "conv", |p| Conv2d::new(p, 6, 8, 3, padded), Conv2d::forward);
    agrees(&golden, "conv_strided", |p| Conv2d::new(p, 6, 4, 3, strided), Conv2d::forward);
    agrees(&golden, "conv_depthwise", |p| Conv2d::new(p, 6, 6, 3, depthwise), Conv2d::forward);
    agrees(&golden, "linear", |p| Linear::new(p, 5, 9, LinearConfig::default()), Linear::forward);
    let groups = GroupNormConfig { groups: 3, epsilon: 1e-6 };
    agrees(&golden, "group_norm", |p| GroupNorm::new(p, 6, groups), GroupNorm::forward);
    let layer = LayerNormConfig::default();
    agrees(&golden, "layer_norm", |p| LayerNorm::new(p, 5, layer), LayerNorm::forward);
    agrees(&golden, "embedding", |p| Embedding::new(p, 11, 4), Embedding::forward);
}

#[test]
fn operations_agree_with_pytorchs_in_float64() {
    let golden = read("layers");
    let check = |name: &str, out: Result<Tensor>| {
        let expected = golden.tensor(&format!("{name}/out"));
        assert_close(&out.unwrap(), &expected, TOLERANCE, name);
    };
    let input = |name: &str, i: usize| golden.tensor(&format!("{name}/in{i}"));
    check("silu", meme_torch::silu(&input("silu", 0)));
    check("gelu", meme_torch::gelu(&input("gelu", 0)));
    check("upsample", meme_torch::upsample_nearest(&input("upsample", 0), 2));
    check("pad", meme_torch::pad(&input("pad", 0), 0, 1, 0, 1));
    for (name, scale) in [("attention", Some(0.3)), ("attention_default", None)] {
        let [q, k, v] = [0, 1, 2].map(|i| input(name, i));
        check(name, meme_torch::attention(&q, &k, &v, scale));
    }
}

#[test]
fn timestep_embeddings_are_the_rounded_float64_formula() {
    let golden = read("layers");
    for dim in [8, 9] {
        let table = meme_torch::sinusoidal(&golden.tensor("sinusoidal/steps"), dim).unwrap();
        assert_eq!(table.kind(), Kind::Float);
        // Two libraries' sines may round to neighbouring float32 values.
        let expected = golden.tensor(&format!("sinusoidal/{dim}"));
        assert_close(&table, &expected, 6e-8, "sinusoidal");
    }
}

#[test]
fn a_layer_that_starts_as_zero_is_zero_and_still_learns() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let zero = Conv2dConfig { padding: 1, zero: true, ..Conv2dConfig::default() };
    let conv = Conv2d::new(&parameters.root(), 3, 4, 3, zero).unwrap();
    let x = Tensor::ones([1, 3, 5, 5], (Kind::Float, Device::Cpu));
    let out = conv.forward(&x).unwrap();
    assert_eq!(out.abs().max().double_value(&[]), 0.0);
    out.sum(Kind::Float).backward();
    assert!(parameters.gradients()[0].1.abs().max().double_value(&[]) > 0.0);
}

#[test]
fn impossible_layers_are_refused_and_say_where() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let root = parameters.root();
    let path = &root / "middle" / 3;
    let plain = Conv2dConfig::default();
    let messages = [
        Conv2d::new(&path, 6, 8, 3, Conv2dConfig { groups: 4, ..plain }).unwrap_err(),
        Conv2d::new(&path, 6, 8, 3, Conv2dConfig { stride: 0, ..plain }).unwrap_err(),
        Conv2d::new(&path, 0, 8, 3, plain).unwrap_err(),
        Linear::new(&path, 4, 0, LinearConfig::default()).unwrap_err(),
        GroupNorm::new(&path, 48, GroupNormConfig::default()).unwrap_err(),
        LayerNorm::new(&path, 0, LayerNormConfig::default()).unwrap_err(),
        Embedding::new(&path, 0, 3).unwrap_err(),
    ];
    for error in messages {
        assert!(matches!(error, Error::Invalid { .. }));
        assert!(error.to_string().contains("at middle.3: "), "{error}");
    }
    assert!(parameters.named().is_empty());
}

#[test]
fn wrong_shapes_are_errors_that_name_the_operation_without_a_backtrace() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let linear = Linear::new(&parameters.root(), 4, 5, LinearConfig::default()).unwrap();
    let x = from_f32(&[0.0; 6], &[2, 3], Device::Cpu).unwrap();
    let error = linear.forward(&x).unwrap_err();
    assert!(matches!(&error, Error::Torch { operation: "linear layer", .. }), "{error:?}");
    assert!(error.to_string().contains("2x3") && !error.to_string().contains("frame #"), "{error}");

    let square = from_f32(&[0.0; 16], &[1, 1, 4, 4], Device::Cpu).unwrap();
    assert!(meme_torch::upsample_nearest(&x, 2).is_err());
    assert!(meme_torch::upsample_nearest(&square, 0).is_err());
    assert!(meme_torch::attention(&square, &square, &x, None).is_err());
    assert!(meme_torch::sinusoidal(&x, 8).is_err());
    assert!(meme_torch::mean_squared_error(&square, &x).is_err());
    let beyond = from_i64(&[11], &[1], Device::Cpu).unwrap();
    let mut table = Parameters::new(Device::Cpu, 1, 0);
    let embedding = Embedding::new(&table.root(), 11, 4).unwrap();
    assert!(embedding.forward(&beyond).is_err());
}

#[test]
fn attention_passes_gradients_to_all_three() {
    let golden = read("layers");
    let [q, k, v] =
        [0, 1, 2].map(|i| golden.tensor(&format!("attention/in{i}")).set_requires_grad(true));
    let fused = meme_torch::attention(&q, &k, &v, 0.3).unwrap();
    fused.square().sum(Kind::Float).backward();
    let fused = [&q, &k, &v].map(|tensor| tensor.grad().copy());

    let [p, l, w] = [&q, &k, &v].map(|x| x.detach().to_kind(Kind::Double).set_requires_grad(true));
    let plain = (p.matmul(&l.transpose(-1, -2)) * 0.3).softmax(-1, Kind::Double).matmul(&w);
    plain.square().sum(Kind::Double).backward();
    for (fused, plain) in fused.iter().zip([&p, &l, &w]) {
        assert_close(fused, &plain.grad(), 1e-5, "gradient");
    }
}

#[test]
fn the_mean_squared_error_is_computed_in_float32() {
    let ones = |kind| Tensor::ones([3, 1000], (kind, Device::Cpu));
    let loss = meme_torch::mean_squared_error(&ones(Kind::BFloat16), &(ones(Kind::Float) * 1.001));
    let loss = no_grad(|| loss.unwrap());
    assert_eq!(loss.kind(), Kind::Float);
    assert!((loss.double_value(&[]) / 1e-6 - 1.0).abs() < 1e-3);
}
