use crate::golden::{Golden, assert_bits, read};
use meme_checkpoint::{Dtype, TensorData, Tensors};
use meme_torch::adamw::{AdamW, AdamWConfig, Variant};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Error, Mismatch, from_f32, tensor_to_data};

const NAMES: [&str; 4] = ["conv.weight", "conv.bias", "linear.weight", "gain"];
const KEPT: [i64; 4] = [1, 2, 10, 100];

fn config(variant: Variant) -> AdamWConfig {
    AdamWConfig { variant, ..AdamWConfig::default() }
}

/// The golden's rate, which changes at every step.
fn learning_rate(step: i64) -> f64 {
    1e-2 * (1 + step % 7) as f64 / 7.0
}

/// The golden's gradient: elementwise, one rounding for each operation.
fn gradient(parameter: &Tensor, base: &Tensor, step: i64) -> Tensor {
    let factor = (step % 5 - 2) as f64 / 2.0;
    base * factor + parameter.detach() * 0.25
}

fn start(golden: &Tensors) -> Vec<(String, Tensor)> {
    NAMES
        .iter()
        .map(|name| {
            let tensor = golden.tensor(&format!("start/{name}")).set_requires_grad(true);
            (name.to_string(), tensor)
        })
        .collect()
}

fn walk(
    optimizer: &mut AdamW,
    parameters: &[(String, Tensor)],
    golden: &Tensors,
    steps: std::ops::RangeInclusive<i64>,
    mut seen: impl FnMut(i64),
) {
    for step in steps {
        optimizer.set_learning_rate(learning_rate(step)).unwrap();
        let gradients: Vec<Tensor> = parameters
            .iter()
            .map(|(name, tensor)| gradient(tensor, &golden.tensor(&format!("base/{name}")), step))
            .collect();
        optimizer.step_with(&gradients).unwrap();
        seen(step);
    }
}

fn follows(file: &str, variant: Variant) {
    let golden = read(file);
    let parameters = start(&golden);
    let mut optimizer = AdamW::new(config(variant), &parameters).unwrap();
    walk(&mut optimizer, &parameters, &golden, 1..=100, |step| {
        if KEPT.contains(&step) {
            for (name, tensor) in &parameters {
                let key = format!("{step}/{name}");
                assert_bits(&tensor.detach(), &golden.tensor(&key), &format!("{file}: {key}"));
            }
        }
    });
    let state = Tensors { tensors: optimizer.state().unwrap(), ..Tensors::default() };
    assert_eq!(state.len(), 3 * NAMES.len());
    for name in NAMES {
        assert_eq!(state.data(&format!("step/{name}")).to_i64().unwrap(), [100]);
        for moment in ["exp_avg", "exp_avg_sq"] {
            let key = format!("{moment}/{name}");
            assert_bits(&state.tensor(&key), &golden.tensor(&key), &format!("{file}: {key}"));
        }
    }
}

#[test]
fn fused_steps_are_pytorchs_fused_steps_bit_for_bit() {
    follows("adamw_fused_float32", Variant::Fused);
    follows("adamw_fused_float64", Variant::Fused);
    follows("adamw_fused_bfloat16", Variant::Fused);
}

#[test]
fn foreach_steps_are_pytorchs_foreach_steps_bit_for_bit() {
    follows("adamw_foreach_float32", Variant::Foreach);
    follows("adamw_foreach_float64", Variant::Foreach);
}

#[test]
fn an_optimizer_resumed_from_its_state_ends_in_the_same_bits() {
    let golden = read("adamw_fused_float32");
    let parameters = start(&golden);
    let mut first = AdamW::new(config(Variant::Fused), &parameters).unwrap();
    walk(&mut first, &parameters, &golden, 1..=37, |_| ());
    let state = first.state().unwrap();
    drop(first);

    let mut second = AdamW::new(config(Variant::Fused), &parameters).unwrap();
    second.load_state(&state).unwrap();
    assert_eq!(second.steps(), 37);
    walk(&mut second, &parameters, &golden, 38..=100, |_| ());
    for (name, tensor) in &parameters {
        assert_bits(&tensor.detach(), &golden.tensor(&format!("100/{name}")), name);
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_whole() {
    let golden = read("adamw_fused_float32");
    let parameters = start(&golden);
    let mut optimizer = AdamW::new(config(Variant::Fused), &parameters).unwrap();
    walk(&mut optimizer, &parameters, &golden, 1..=3, |_| ());
    let before = optimizer.state().unwrap();

    let mut state = before.clone();
    for data in state.values_mut().filter(|data| data.dtype == Dtype::F32) {
        data.bytes.fill(0);
    }
    state.remove("exp_avg/gain");
    state.insert("exp_avg/other".to_owned(), TensorData::from_f32(&[0.0], &[1]).unwrap());
    state.insert("step/conv.bias".to_owned(), TensorData::from_f32(&[3.0], &[]).unwrap());
    state.insert("exp_avg_sq/gain".to_owned(), TensorData::from_f32(&[0.0], &[]).unwrap());
    let Error::Mismatch { mismatches, .. } = optimizer.load_state(&state).unwrap_err() else {
        panic!("another error");
    };
    let named: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    assert_eq!(
        named,
        [
            "exp_avg/gain is missing",
            "exp_avg/other is not known here",
            "exp_avg_sq/gain has shape [] where [1] is needed",
            "step/conv.bias has dtype F32 where I64 is needed",
        ]
    );
    assert_eq!(optimizer.state().unwrap(), before);

    let mut state = before.clone();
    for data in state.values_mut().filter(|data| data.dtype == Dtype::F32) {
        data.bytes.fill(0);
    }
    state.insert("step/gain".to_owned(), TensorData::from_i64(&[-1], &[]).unwrap());
    let Error::Mismatch { mismatches, .. } = optimizer.load_state(&state).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(mismatches, [Mismatch::Count { name: "step/gain".to_owned(), found: -1 }]);
    assert_eq!(optimizer.state().unwrap(), before);
}

#[test]
fn a_parameter_without_a_gradient_is_named_and_nothing_moves() {
    let parameters: Vec<(String, Tensor)> = ["a", "b"]
        .iter()
        .map(|name| {
            let tensor = from_f32(&[1.0, 2.0], &[2], Device::Cpu).unwrap();
            (name.to_string(), tensor.set_requires_grad(true))
        })
        .collect();
    let mut optimizer = AdamW::new(AdamWConfig::default(), &parameters).unwrap();
    parameters[0].1.sum(Kind::Float).backward();
    let error = optimizer.step().unwrap_err();
    assert!(matches!(&error, Error::NoGradient { name } if name == "b"), "{error}");
    assert_eq!(tensor_to_data(&parameters[0].1).unwrap().to_f32().unwrap(), [1.0, 2.0]);
    assert_eq!(optimizer.steps(), 0);
}

#[test]
fn a_frozen_parameter_is_left_alone() {
    let moving = from_f32(&[1.0], &[1], Device::Cpu).unwrap().set_requires_grad(true);
    let frozen = from_f32(&[1.0], &[1], Device::Cpu).unwrap();
    let parameters = [("moving".to_owned(), moving.shallow_clone()), ("frozen".to_owned(), frozen)];
    let mut optimizer = AdamW::new(AdamWConfig::default(), &parameters).unwrap();
    moving.sum(Kind::Float).backward();
    optimizer.step().unwrap();
    assert_eq!(tensor_to_data(&parameters[1].1).unwrap().to_f32().unwrap(), [1.0]);
    assert!(tensor_to_data(&parameters[0].1).unwrap().to_f32().unwrap()[0] < 1.0);
    let keys: Vec<String> = optimizer.state().unwrap().into_keys().collect();
    assert_eq!(keys, ["exp_avg/moving", "exp_avg_sq/moving", "step/moving"]);
}

#[test]
fn a_gradient_in_another_layout_moves_the_same_elements() {
    let values: Vec<f32> = (0..2 * 3 * 4 * 5).map(|i| i as f32 / 7.0 - 4.0).collect();
    let steps = [false, true].map(|channels_last| {
        let parameter = from_f32(&values, &[2, 3, 4, 5], Device::Cpu).unwrap();
        let parameter = parameter.set_requires_grad(true);
        let mut gradient = from_f32(&values, &[2, 3, 4, 5], Device::Cpu).unwrap().square();
        if channels_last {
            gradient = meme_torch::channels_last(&gradient).unwrap();
            assert_ne!(gradient.stride(), parameter.stride());
        }
        let named = [("p".to_owned(), parameter.shallow_clone())];
        let mut optimizer = AdamW::new(AdamWConfig::default(), &named).unwrap();
        optimizer.step_with(&[gradient]).unwrap();
        tensor_to_data(&parameter).unwrap()
    });
    assert_eq!(steps[0], steps[1]);
}

#[test]
fn impossible_numbers_are_refused_by_name() {
    let refused = |config: AdamWConfig| AdamW::new(config, &[]).unwrap_err().to_string();
    let good = AdamWConfig::default();
    assert!(refused(AdamWConfig { beta1: 1.0, ..good }).contains("beta1"));
    assert!(refused(AdamWConfig { beta2: -0.1, ..good }).contains("beta2"));
    assert!(refused(AdamWConfig { epsilon: f64::NAN, ..good }).contains("epsilon"));
    assert!(refused(AdamWConfig { weight_decay: -1.0, ..good }).contains("weight_decay"));
    let mut optimizer = AdamW::new(good, &[]).unwrap();
    assert!(optimizer.set_learning_rate(f64::INFINITY).is_err());
    assert_eq!(optimizer.config(), &good);
    assert!(optimizer.step_with(&[from_f32(&[1.0], &[1], Device::Cpu).unwrap()]).is_err());
}
