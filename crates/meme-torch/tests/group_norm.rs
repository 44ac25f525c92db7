//! The fused norm against libtorch's own operators in float64.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{GroupNorm, GroupNormConfig, Parameters, silu, with_threads};

struct Case {
    channels: i64,
    groups: i64,
    size: [i64; 2],
    batch: i64,
    mean: f64,
    spread: f64,
}

const PLAIN: Case =
    Case { channels: 32, groups: 8, size: [8, 8], batch: 3, mean: 0.0, spread: 1.0 };
const EPSILON: f64 = 1e-5;

fn values(size: &[i64], step: f64) -> Tensor {
    let count: i64 = size.iter().product();
    (Tensor::arange(count, (Kind::Float, Device::Cpu)) * step).sin().view(size)
}

fn build(case: &Case) -> (Parameters, GroupNorm) {
    let mut parameters = Parameters::blank(Device::Cpu);
    let config = GroupNormConfig { groups: case.groups, epsilon: EPSILON };
    let norm = GroupNorm::new(&parameters.root(), case.channels, config).unwrap();
    norm.weight.detach().copy_(&(values(&[case.channels], 1.3) + 0.8));
    norm.bias.detach().copy_(&values(&[case.channels], 2.1));
    (parameters, norm)
}

fn input(case: &Case) -> Tensor {
    values(&[case.batch, case.channels, case.size[0], case.size[1]], 0.77) * case.spread + case.mean
}

/// Output and gradients with respect to input, weight and bias.
fn results(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    forward: impl Fn(&Tensor) -> Tensor,
) -> [Tensor; 4] {
    let x = x.detach().set_requires_grad(true);
    let y = forward(&x);
    let direction = values(&y.size(), 0.31).to_kind(Kind::BFloat16).to_kind(y.kind());
    (&y * direction).sum(Kind::Double).backward();
    [y.detach(), x.grad(), weight.grad(), bias.grad()]
}

/// Relative errors of output, dx, dweight and dbias; maps in `kind`, weights in float32.
fn errors(case: &Case, activate: bool, kind: Kind) -> [f64; 4] {
    let (_parameters, norm) = build(case);
    let x = input(case).to_kind(kind);
    let ours = results(&x, &norm.weight, &norm.bias, |x| {
        if activate { norm.forward_silu(x).unwrap() } else { norm.forward(x).unwrap() }
    });
    assert_eq!(ours[0].kind(), kind);
    let double = |x: &Tensor| x.detach().to_kind(Kind::Double).set_requires_grad(true);
    let (weight, bias) = (double(&norm.weight), double(&norm.bias));
    let theirs = results(&x.to_kind(Kind::Double), &weight, &bias, |x| {
        let y = x.group_norm(case.groups, Some(&weight), Some(&bias), EPSILON, false);
        if activate { silu(&y).unwrap() } else { y }
    });
    std::array::from_fn(|i| {
        let scale = theirs[i].abs().max().double_value(&[]);
        (ours[i].to_kind(Kind::Double) - &theirs[i]).abs().max().double_value(&[]) / scale
    })
}

fn check(case: &Case, activate: bool, tolerance: f64) {
    for (what, error) in
        ["output", "dx", "dweight", "dbias"].into_iter().zip(errors(case, activate, Kind::Float))
    {
        let (channels, size) = (case.channels, case.size);
        assert!(error <= tolerance, "{what} of {channels} channels at {size:?}: {error:.1e}");
    }
}

fn cases() -> [Case; 6] {
    [
        PLAIN,
        Case { size: [1, 1], ..PLAIN },
        Case { size: [7, 5], channels: 24, groups: 8, ..PLAIN },
        Case { size: [3, 11], channels: 5, groups: 5, ..PLAIN },
        Case { size: [4, 4], channels: 36, groups: 1, batch: 1, ..PLAIN },
        Case { size: [2, 2], channels: 128, groups: 32, batch: 5, ..PLAIN },
    ]
}

/// More pixels than one piece of work holds, an odd number of them.
const MANY_PIXELS: Case = Case { size: [19, 23], channels: 40, groups: 4, batch: 2, ..PLAIN };

#[test]
fn output_and_gradients_are_libtorchs_at_every_shape() {
    for case in &cases() {
        check(case, true, 5e-6);
        check(case, false, 5e-6);
    }
    check(&MANY_PIXELS, true, 2e-5);
    check(&MANY_PIXELS, false, 2e-5);
}

#[test]
fn in_bfloat16_only_the_maps_are_rounded() {
    // Half a unit in the last place of bfloat16 is up to 2^-8 of a value; sums over maps keep float32's accuracy, so
    // that only the rounded gradient of the map can be off by so much.
    for case in cases().iter().chain([&MANY_PIXELS]) {
        for activate in [true, false] {
            let [y, dx, dweight, dbias] = errors(case, activate, Kind::BFloat16);
            assert!(y <= 0.004 && dx <= 0.004, "{:?}: {y:.1e} {dx:.1e}", case.size);
            assert!(dweight <= 2e-5 && dbias <= 2e-5, "{:?}: {dweight:.1e} {dbias:.1e}", case.size);
        }
    }
}

#[test]
fn a_mean_far_above_the_spread_costs_no_accuracy_that_float32_has() {
    // Inputs near 1000 are 6e-5 apart in float32; squares summed without care would lose the variance altogether.
    check(&Case { mean: 1000.0, ..PLAIN }, true, 1e-3);
}

#[test]
fn wide_values_saturate_quietly() {
    let (_parameters, norm) = build(&PLAIN);
    norm.weight.detach().copy_(&(norm.weight.detach() * 200.0));
    let y = norm.forward_silu(&input(&PLAIN)).unwrap();
    let reference = silu(&norm.forward(&input(&PLAIN)).unwrap()).unwrap();
    assert!(reference.min().double_value(&[]) > -0.3);
    assert!((y - reference).abs().max().double_value(&[]) < 1e-3);
}

#[test]
fn what_is_not_a_number_stays_not_a_number() {
    let (_parameters, norm) = build(&PLAIN);
    for kind in [Kind::Float, Kind::BFloat16] {
        let x = input(&PLAIN).to_kind(kind);
        let _ = x.get(1).get(2).get(3).get(4).fill_(f64::NAN);
        let y = norm.forward_silu(&x).unwrap();
        let bad = y.isnan().sum(Kind::Int64).int64_value(&[]);
        assert_eq!(bad, 4 * 64, "the whole group and nothing else");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let case = Case { batch: 2, size: [32, 32], channels: 64, groups: 32, ..PLAIN };
    for kind in [Kind::Float, Kind::BFloat16] {
        let run = |threads: usize| {
            with_threads(threads, || {
                let (_parameters, norm) = build(&case);
                results(&input(&case).to_kind(kind), &norm.weight, &norm.bias, |x| {
                    norm.forward_silu(x).unwrap()
                })
            })
        };
        for (one, four) in run(1).unwrap().iter().zip(&run(4).unwrap()) {
            assert!(one == four);
        }
    }
}

#[test]
fn other_dtypes_and_shapes_take_libtorchs_own_operators() {
    let (mut parameters, norm) = build(&PLAIN);
    let line = values(&[3, 32, 7], 0.4);
    assert_eq!(norm.forward(&line).unwrap().size(), [3, 32, 7]);
    parameters.to_kind(Kind::Double).unwrap();
    let y = norm.forward_silu(&input(&PLAIN).to_kind(Kind::Double)).unwrap();
    assert_eq!(y.kind(), Kind::Double);
}

#[test]
fn a_map_that_does_not_fit_is_refused_in_words() {
    let (_parameters, norm) = build(&PLAIN);
    let message = norm.forward(&values(&[1, 24, 4, 4], 0.3)).unwrap_err().to_string();
    assert!(message.contains("8 groups and 32 channels do not fit a map of shape [1, 24, 4, 4]"));
}
