use meme_checkpoint::{Dtype, TensorData};
use meme_random::{Purpose, Stream};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{
    Conv2d, Conv2dConfig, Error, Init, Linear, LinearConfig, Parameters, into_tensors,
    name_counter, to_f32_vec,
};
use std::collections::BTreeMap;

fn network(parameters: &mut Parameters) -> (Conv2d, Linear) {
    let root = parameters.root();
    let conv = Conv2d::new(&(&root / "conv" / 0), 3, 4, 3, Conv2dConfig::default()).unwrap();
    let linear = Linear::new(&(&root / "linear"), 4, 5, LinearConfig::default()).unwrap();
    (conv, linear)
}

#[test]
fn names_are_dotted_paths_in_creation_order() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let _layers = network(&mut parameters);
    let names: Vec<&str> = parameters.named().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["conv.0.weight", "conv.0.bias", "linear.weight", "linear.bias"]);
    assert_eq!(parameters.count(), 4 * 3 * 9 + 4 + 20 + 5);
    assert!(parameters.tensors().all(|tensor| tensor.requires_grad() && tensor.is_leaf()));
}

#[test]
fn a_name_can_be_used_once() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let root = parameters.root();
    let _w = root.parameter("w", &[2], Init::Zeros).unwrap();
    let error = root.parameter("w", &[2], Init::Zeros).unwrap_err();
    assert!(matches!(&error, Error::Duplicate { name } if name == "w"));
    assert!(root.parameter("empty", &[2, 0], Init::Zeros).is_err());
    assert_eq!(parameters.named().len(), 1);
}

#[test]
fn an_outline_knows_what_fits_and_takes_no_memory() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let _layers = network(&mut parameters);
    let mut outline = Parameters::outline();
    let _layers = network(&mut outline);
    assert_eq!(outline.count(), parameters.count());
    assert!(outline.tensors().all(|tensor| tensor.stride().iter().all(|&step| step == 0)));

    let mut data = parameters.to_data().unwrap();
    let fits = |data: &BTreeMap<_, _>| outline.fits(&into_tensors(data.clone()).unwrap());
    fits(&data).unwrap();
    let weight = data.remove("linear.weight").unwrap();
    data.insert("linear.bias".to_owned(), weight);
    let Err(Error::Mismatch { mismatches, .. }) = fits(&data) else { panic!("it fits") };
    let found: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("linear.bias") && found[1].contains("linear.weight"), "{found:?}");
    assert!(outline.load(&parameters.to_data().unwrap()).is_err());
}

#[test]
fn first_values_depend_on_seed_expert_and_name_and_on_nothing_else() {
    let draw = |seed, expert, names: &[&str], wanted: &str| {
        let mut parameters = Parameters::new(Device::Cpu, seed, expert);
        for name in names {
            let _ = parameters.root().parameter(name, &[40], Init::Normal { std: 1.0 }).unwrap();
        }
        to_f32_vec(parameters.get(wanted).unwrap()).unwrap()
    };
    let first = draw(1, 2, &["a", "b"], "b");
    assert_eq!(draw(1, 2, &["b", "c", "a"], "b"), first);
    assert_ne!(draw(2, 2, &["b"], "b"), first);
    assert_ne!(draw(1, 3, &["b"], "b"), first);
    assert_ne!(draw(1, 2, &["a"], "a"), first);
}

#[test]
fn first_values_are_those_of_the_documented_stream() {
    // FNV-1a test vectors of the algorithm's authors (isthe.com/chongo/tech/comp/fnv).
    assert_eq!(name_counter(""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(name_counter("a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(name_counter("foobar"), 0x8594_4171_f739_67e8);

    // Large enough to be drawn by several threads.
    let count = 1 << 17;
    let mut parameters = Parameters::new(Device::Cpu, 9, 4);
    let init = Init::FanIn { fan_in: 16 };
    let tensor = (parameters.root() / "x").parameter("weight", &[count], init).unwrap();
    let stream = Stream::new(9, Purpose::Initialisation, 4, name_counter("x.weight"));
    for (i, value) in to_f32_vec(&tensor).unwrap().into_iter().enumerate() {
        assert_eq!(value, (0.25 * (2.0 * stream.uniform(i as u64) - 1.0)) as f32);
    }
}

/// Mean, standard deviation and largest absolute value.
fn moments(init: Init) -> (f64, f64, f64) {
    let mut parameters = Parameters::new(Device::Cpu, 5, 0);
    let tensor = parameters.root().parameter("w", &[40_000], init).unwrap();
    let values = meme_torch::to_f64_vec(&tensor).unwrap();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt(), values.iter().fold(0.0, |max, value| max.max(value.abs())))
}

#[test]
fn distributions_have_their_closed_form_moments() {
    // Five standard errors of the mean and of the standard deviation with 40,000 draws.
    let check = |init: Init, deviation: f64, largest: std::ops::RangeInclusive<f64>| {
        let (mean, std, max) = moments(init);
        assert!(mean.abs() < deviation * 5.0 / 200.0, "{init:?}: mean {mean}");
        assert!((std / deviation - 1.0).abs() < 5.0 / 280.0, "{init:?}: deviation {std}");
        assert!(largest.contains(&max), "{init:?}: largest {max}");
    };
    check(Init::Uniform { bound: 0.3 }, 0.3 / 3.0_f64.sqrt(), 0.2999..=0.3);
    check(Init::FanIn { fan_in: 100 }, 0.1 / 3.0_f64.sqrt(), 0.0999..=0.1);
    check(Init::Normal { std: 2.0 }, 2.0, 7.0..=10.0);
    // Variance of a normal cut at a: 1 - 2 a phi(a) / (2 Phi(a) - 1), 0.77374 at a = 2.
    check(Init::TruncatedNormal { std: 0.5 }, 0.5 * 0.773_741_f64.sqrt(), 0.999..=1.0);
    assert_eq!(moments(Init::Ones), (1.0, 0.0, 1.0));
    assert_eq!(moments(Init::Zeros), (0.0, 0.0, 0.0));
}

#[test]
fn layers_start_within_pytorchs_bounds_and_reach_them() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let root = parameters.root();
    let config = Conv2dConfig { groups: 2, ..Conv2dConfig::default() };
    let conv = Conv2d::new(&(&root / "conv"), 32, 64, 3, config).unwrap();
    let linear = Linear::new(&(&root / "linear"), 144, 500, LinearConfig::default()).unwrap();
    // Both have 144 inputs for each output.
    for tensor in [&conv.weight, &linear.weight, linear.bias.as_ref().unwrap()] {
        let largest = tensor.abs().max().double_value(&[]);
        assert!((0.99 / 12.0..=1.0 / 12.0).contains(&largest), "{largest}");
    }
}

#[test]
fn saved_values_load_back_and_a_blank_store_becomes_equal() {
    let mut first = Parameters::new(Device::Cpu, 1, 0);
    let _layers = network(&mut first);
    let mut second = Parameters::blank(Device::Cpu);
    let (conv, _linear) = network(&mut second);
    assert_eq!(to_f32_vec(&conv.weight).unwrap(), [0.0; 4 * 3 * 9]);
    second.load(&first.to_data().unwrap()).unwrap();
    assert_eq!(second.to_data().unwrap(), first.to_data().unwrap());
    // The layer sees what the store loaded.
    let weight = first.get("conv.0.weight").unwrap();
    assert_eq!(to_f32_vec(&conv.weight).unwrap(), to_f32_vec(weight).unwrap());
    assert!(conv.weight.requires_grad());
}

/// Every change that tch would let pass: refused, named, nothing copied.
#[test]
fn a_load_that_does_not_fit_names_everything_and_copies_nothing() {
    type Change = fn(&mut BTreeMap<String, TensorData>);
    let cases: [(&str, Change); 6] = [
        ("linear.weight is missing", |data| {
            data.remove("linear.weight");
        }),
        ("linear.extra is not known here", |data| {
            let one = TensorData::from_f32(&[1.0], &[1]).unwrap();
            data.insert("linear.extra".to_owned(), one);
        }),
        ("linear.weight has shape [1] where [5, 4] is needed", |data| {
            let one = TensorData::from_f32(&[1.0], &[1]).unwrap();
            data.insert("linear.weight".to_owned(), one);
        }),
        ("linear.weight has shape [4, 5] where [5, 4] is needed", |data| {
            data.get_mut("linear.weight").unwrap().shape = vec![4, 5];
        }),
        ("linear.bias has dtype F16 where F32 is needed", |data| {
            let half = TensorData::new(Dtype::F16, vec![5], vec![0; 10]).unwrap();
            data.insert("linear.bias".to_owned(), half);
        }),
        ("linear.weight holds 79 bytes where its shape needs 80", |data| {
            data.get_mut("linear.weight").unwrap().bytes.pop();
        }),
    ];
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let _layers = network(&mut parameters);
    let before = parameters.to_data().unwrap();
    for (sentence, change) in cases {
        let mut data = before.clone();
        data.values_mut().for_each(|data| data.bytes.fill(1));
        change(&mut data);
        let error = parameters.load(&data).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }));
        assert!(error.to_string().ends_with(sentence), "{error}");
        assert_eq!(parameters.to_data().unwrap(), before, "{sentence}");
    }
}

#[test]
fn gradients_are_found_and_forgotten() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let (_conv, linear) = network(&mut parameters);
    assert!(parameters.gradients().is_empty());
    let x = Tensor::ones([2, 4], (Kind::Float, Device::Cpu));
    linear.forward(&x).unwrap().sum(Kind::Float).backward();
    let gradients = parameters.gradients();
    let names: Vec<&str> = gradients.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["linear.weight", "linear.bias"]);
    assert_eq!(to_f32_vec(&gradients[1].1).unwrap(), [2.0; 5]);
    parameters.zero_grad();
    assert!(parameters.gradients().is_empty());
    // Gradients of a second backward are its own, not a sum.
    linear.forward(&x).unwrap().sum(Kind::Float).backward();
    assert_eq!(to_f32_vec(&parameters.gradients()[1].1).unwrap(), [2.0; 5]);
}

#[test]
fn conversions_reach_the_layers_that_hold_the_parameters() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let (conv, linear) = network(&mut parameters);
    let before = to_f32_vec(&conv.weight).unwrap();
    parameters.channels_last().unwrap();
    assert_eq!(conv.weight.stride(), [27, 1, 9, 3]);
    assert_eq!(to_f32_vec(&conv.weight).unwrap(), before);
    parameters.to_kind(Kind::BFloat16).unwrap();
    assert_eq!(conv.weight.kind(), Kind::BFloat16);
    assert_eq!(linear.bias.as_ref().unwrap().kind(), Kind::BFloat16);
    assert!(conv.weight.requires_grad() && conv.weight.is_leaf());
    let x = Tensor::ones([1, 4], (Kind::BFloat16, Device::Cpu));
    linear.forward(&x).unwrap().sum(Kind::BFloat16).backward();
    assert_eq!(parameters.gradients()[0].1.kind(), Kind::BFloat16);
}

#[test]
fn frozen_parameters_get_no_gradient() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let (_conv, linear) = network(&mut parameters);
    parameters.set_trainable(false);
    let x = Tensor::ones([2, 4], (Kind::Float, Device::Cpu));
    assert!(!linear.forward(&x).unwrap().requires_grad());
    parameters.set_trainable(true);
    assert!(linear.forward(&x).unwrap().requires_grad());
}

#[test]
fn a_store_can_move_to_another_thread() {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    let layers = network(&mut parameters);
    let count = std::thread::spawn(move || (layers, parameters).1.count()).join().unwrap();
    assert_eq!(count, 137);
}
