//! Switches of the whole process, in a process of their own.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{
    Autocast, channels_last, deterministic, set_cudnn_benchmark, set_deterministic, set_tf32, tf32,
};

fn product() -> Kind {
    let x = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
    x.matmul(&x).kind()
}

#[test]
fn autocast_computes_products_in_its_dtype_until_it_ends() {
    assert_eq!(product(), Kind::Float);
    {
        let _outer = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        assert_eq!(product(), Kind::BFloat16);
        {
            let _inner = Autocast::enter(Device::Cpu, Kind::Half).unwrap();
            assert_eq!(product(), Kind::Half);
        }
        assert_eq!(product(), Kind::BFloat16);
        // Other threads are not touched.
        assert_eq!(std::thread::spawn(product).join().unwrap(), Kind::Float);
    }
    assert_eq!(product(), Kind::Float);
}

#[test]
fn autocast_leaves_weights_and_their_gradients_in_float32() {
    let weight = Tensor::ones([4, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let x = Tensor::ones([2, 4], (Kind::Float, Device::Cpu));
    let loss = {
        let _guard = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        let out = x.matmul(&weight);
        assert_eq!(out.kind(), Kind::BFloat16);
        meme_torch::mean_squared_error(&out, &x).unwrap()
    };
    assert_eq!(loss.kind(), Kind::Float);
    loss.backward();
    assert_eq!(weight.grad().kind(), Kind::Float);
}

#[test]
fn autocast_refuses_what_it_cannot_do() {
    assert!(Autocast::enter(Device::Cpu, Kind::Float).is_err());
    assert!(Autocast::enter(Device::Mps, Kind::BFloat16).is_err());
}

#[test]
fn switches_stay_as_they_are_set() {
    for on in [true, false] {
        set_deterministic(on, false).unwrap();
        assert_eq!(deterministic().unwrap(), on);
        set_tf32(on).unwrap();
        assert_eq!(tf32().unwrap(), on);
        set_cudnn_benchmark(on).unwrap();
    }
}

#[test]
fn channels_last_keeps_values_and_changes_strides() {
    let x = Tensor::arange(2 * 3 * 4 * 5, (Kind::Float, Device::Cpu)).view([2, 3, 4, 5]);
    let y = channels_last(&x).unwrap();
    assert_eq!(y.stride(), [60, 1, 15, 3]);
    assert!(x == y);
    assert_eq!(channels_last(&y).unwrap().data_ptr(), y.data_ptr());
    let error = channels_last(&x.view([6, 20])).unwrap_err().to_string();
    assert!(error.starts_with("channels last: ") && !error.contains("frame #"), "{error}");
}
