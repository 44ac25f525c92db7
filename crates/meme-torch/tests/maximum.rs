//! The fused maximum of neighbours against libtorch's pooling.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use meme_torch::layers::max_pool_around;
use meme_torch::tch::{Device, Kind, Tensor};

/// Values with many ties: whole numbers from -3 to 3.
fn map(size: [i64; 4]) -> Tensor {
    let count: i64 = size.iter().product();
    ((Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.77).sin() * 3.0).round().view(size)
}

fn with_gradient(x: &Tensor, pool: impl Fn(&Tensor) -> Tensor) -> (Tensor, Tensor) {
    let x = x.detach().set_requires_grad(true);
    let y = pool(&x);
    // Whole numbers: their sums are exact in every order.
    let weight = (Tensor::arange(y.numel() as i64, (Kind::Float, Device::Cpu)) * 1.3).cos() * 5.0;
    (&y * weight.round().view_as(&y).to_kind(y.kind())).sum(Kind::Double).backward();
    (y.detach(), x.grad())
}

#[test]
fn output_and_gradient_are_libtorchs_to_the_bit_with_ties() {
    for size in [[2, 24, 7, 9], [1, 5, 1, 1], [3, 16, 1, 6], [2, 40, 16, 16]] {
        for kind in [Kind::Float, Kind::BFloat16] {
            let x = map(size).to_kind(kind);
            let ours = with_gradient(&x, |x| max_pool_around(x).unwrap());
            let theirs = with_gradient(&x.to_kind(Kind::Double), |x| {
                x.max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false)
            });
            assert!(ours.0.to_kind(Kind::Double) == theirs.0, "output at {size:?}");
            assert!(ours.1.to_kind(Kind::Double) == theirs.1, "gradient at {size:?}");
        }
    }
}

#[test]
fn what_is_not_a_number_reaches_its_neighbours() {
    let x = map([1, 3, 6, 6]);
    let _ = x.get(0).get(1).get(2).get(3).fill_(f64::NAN);
    let y = max_pool_around(&x).unwrap();
    assert_eq!(y.isnan().sum(Kind::Int64).int64_value(&[]), 9);
}
