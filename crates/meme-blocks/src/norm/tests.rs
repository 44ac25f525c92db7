//! The fused norm against libtorch's own operators in float64.

use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Parameters, silu, with_threads};

use super::Norm;

struct Case {
    channels: usize,
    groups: usize,
    size: [i64; 2],
    batch: i64,
    mean: f64,
    spread: f64,
}

const PLAIN: Case =
    Case { channels: 32, groups: 8, size: [8, 8], batch: 3, mean: 0.0, spread: 1.0 };

fn values(size: &[i64], step: f64) -> Tensor {
    let count: i64 = size.iter().product();
    (Tensor::arange(count, (Kind::Float, Device::Cpu)) * step).sin().view(size)
}

fn build(case: &Case) -> (Parameters, Norm) {
    let mut parameters = Parameters::blank(Device::Cpu);
    let norm = Norm::new(&parameters.root(), case.channels, case.groups).unwrap();
    let channels = [case.channels as i64];
    norm.layer.weight.detach().copy_(&(values(&channels, 1.3) + 0.8));
    norm.layer.bias.detach().copy_(&values(&channels, 2.1));
    (parameters, norm)
}

fn input(case: &Case) -> Tensor {
    let size = [case.batch, case.channels as i64, case.size[0], case.size[1]];
    values(&size, 0.77) * case.spread + case.mean
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
    let direction = values(&y.size(), 0.31).to_kind(y.kind());
    (&y * direction).sum(y.kind()).backward();
    [y.detach(), x.grad(), weight.grad(), bias.grad()]
}

fn check(case: &Case, activate: bool, tolerance: f64) {
    let (_parameters, norm) = build(case);
    let x = input(case);
    let ours = results(&x, &norm.layer.weight, &norm.layer.bias, |x| {
        assert!(norm.fused(x, activate).unwrap().is_some(), "the fused kernel applies");
        if activate { norm.forward_silu(x).unwrap() } else { norm.forward(x).unwrap() }
    });
    let double = |x: &Tensor| x.detach().to_kind(Kind::Double).set_requires_grad(true);
    let (weight, bias) = (double(&norm.layer.weight), double(&norm.layer.bias));
    let theirs = results(&x.to_kind(Kind::Double), &weight, &bias, |x| {
        let y = x.group_norm(norm.groups, Some(&weight), Some(&bias), super::EPSILON, false);
        if activate { silu(&y).unwrap() } else { y }
    });
    for (what, (a, b)) in
        ["output", "dx", "dweight", "dbias"].into_iter().zip(ours.iter().zip(&theirs))
    {
        let scale = b.abs().max().double_value(&[]);
        let error = (a.to_kind(Kind::Double) - b).abs().max().double_value(&[]) / scale;
        assert!(
            error <= tolerance,
            "{what} of {} channels at {:?}: {error:.1e}",
            case.channels,
            case.size
        );
    }
}

#[test]
fn output_and_gradients_are_libtorchs_at_every_shape() {
    let cases = [
        PLAIN,
        Case { size: [1, 1], ..PLAIN },
        Case { size: [7, 5], channels: 24, groups: 8, ..PLAIN },
        Case { size: [3, 11], channels: 5, groups: 5, ..PLAIN },
        Case { size: [4, 4], channels: 36, groups: 1, batch: 1, ..PLAIN },
        Case { size: [2, 2], channels: 128, groups: 32, batch: 5, ..PLAIN },
    ];
    for case in &cases {
        check(case, true, 5e-6);
        check(case, false, 5e-6);
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
    norm.layer.weight.detach().copy_(&(norm.layer.weight.detach() * 200.0));
    let y = norm.forward_silu(&input(&PLAIN)).unwrap();
    let reference = silu(&norm.layer.forward(&input(&PLAIN)).unwrap()).unwrap();
    assert!(reference.min().double_value(&[]) > -0.3);
    assert!((y - reference).abs().max().double_value(&[]) < 1e-3);
}

#[test]
fn what_is_not_a_number_stays_not_a_number() {
    let (_parameters, norm) = build(&PLAIN);
    let x = input(&PLAIN);
    let _ = x.get(1).get(2).get(3).get(4).fill_(f64::NAN);
    let y = norm.forward_silu(&x).unwrap();
    let bad = y.isnan().sum(Kind::Int64).int64_value(&[]);
    assert_eq!(bad, 4 * 64, "the whole group and nothing else");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let case = Case { batch: 2, size: [16, 16], channels: 64, groups: 32, ..PLAIN };
    let run = |threads: usize| {
        with_threads(threads, || {
            let (_parameters, norm) = build(&case);
            results(&input(&case), &norm.layer.weight, &norm.layer.bias, |x| {
                norm.forward_silu(x).unwrap()
            })
        })
    };
    for (one, four) in run(1).iter().zip(&run(4)) {
        assert!(one == four);
    }
}

#[test]
fn other_dtypes_take_libtorchs_own_operators() {
    let (mut parameters, norm) = build(&PLAIN);
    assert!(norm.fused(&input(&PLAIN).to_kind(Kind::Double), true).unwrap().is_none());
    parameters.to_kind(Kind::Double).unwrap();
    let y = norm.forward_silu(&input(&PLAIN).to_kind(Kind::Double)).unwrap();
    assert_eq!(y.kind(), Kind::Double);
}
