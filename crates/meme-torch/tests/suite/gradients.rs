use crate::golden::{Golden, assert_bits, read};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Error, clip_and_check, from_f32, to_f32_vec};

fn gradients(file: &meme_checkpoint::Tensors, case: &str) -> Vec<(String, Tensor)> {
    (0..4).map(|i| (format!("p{i}"), file.tensor(&format!("{case}/before/{i}")))).collect()
}

#[test]
fn clipping_is_pytorchs_bit_for_bit() {
    let golden = read("clip");
    for (case, limit) in [("above", 1.0), ("below", 100.0)] {
        let gradients = gradients(&golden, case);
        let norm = clip_and_check(&gradients, limit).unwrap();
        assert_bits(
            &Tensor::from(norm as f32),
            &golden.tensor(&format!("{case}/norm")),
            &format!("{case}: norm"),
        );
        for (i, (_, gradient)) in gradients.iter().enumerate() {
            assert_bits(gradient, &golden.tensor(&format!("{case}/after/{i}")), case);
        }
    }
}

#[test]
fn one_value_that_is_not_finite_is_found_and_nothing_is_scaled() {
    let golden = read("clip");
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut gradients = gradients(&golden, "above");
        let mut values = to_f32_vec(&gradients[2].1).unwrap();
        values[100] = bad;
        gradients[2].1 = from_f32(&values, &[13, 17], Device::Cpu).unwrap();
        let before = to_f32_vec(&gradients[0].1).unwrap();
        let error = clip_and_check(&gradients, 1.0).unwrap_err();
        let Error::NotFinite { tensors, norm } = &error else { panic!("{error}") };
        assert_eq!(tensors, &["p2"]);
        assert!(!norm.is_finite());
        assert_eq!(to_f32_vec(&gradients[0].1).unwrap(), before);
    }
}

#[test]
fn a_sum_of_squares_that_overflows_is_not_finite_either() {
    let large = from_f32(&[3e38, 3e38], &[2], Device::Cpu).unwrap();
    let error = clip_and_check(&[("p".to_owned(), large)], 1.0).unwrap_err();
    assert!(matches!(&error, Error::NotFinite { tensors, .. } if tensors.is_empty()), "{error}");
}

#[test]
fn an_infinite_limit_only_measures() {
    let gradient = from_f32(&[3.0, 4.0], &[2], Device::Cpu).unwrap();
    let named = [("p".to_owned(), gradient.shallow_clone())];
    assert_eq!(clip_and_check(&named, f64::INFINITY).unwrap(), 5.0);
    assert_eq!(to_f32_vec(&gradient).unwrap(), [3.0, 4.0]);
    assert_eq!(clip_and_check(&[], 1.0).unwrap(), 0.0);
    assert!(clip_and_check(&named, 0.0).is_err());
    assert!(clip_and_check(&named, f64::NAN).is_err());
}

#[test]
fn float64_gradients_have_a_float64_norm() {
    let tiny = Tensor::from_slice(&[1e-200_f64, 0.0]);
    let norm = clip_and_check(&[("p".to_owned(), tiny)], 1.0).unwrap();
    assert!((0.0..1e-150).contains(&norm));
    let gradient = Tensor::from_slice(&[3e100_f64, 4e100]);
    let named = [("p".to_owned(), gradient.shallow_clone())];
    assert_eq!(clip_and_check(&named, 1.0).unwrap(), 5e100);
    let clipped = gradient.square().sum(Kind::Double).sqrt().double_value(&[]);
    assert!((clipped - 1.0).abs() < 1e-12);
}
