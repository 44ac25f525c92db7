use crate::golden::{Golden, assert_bits, assert_close, read};
use meme_torch::tch::{Device, no_grad};
use meme_torch::{Ema, Error, Init, Parameters, ldm_decay, to_f32_vec};

fn store(names: &[&str]) -> Parameters {
    let mut parameters = Parameters::new(Device::Cpu, 1, 0);
    for name in names {
        let _ = parameters.root().parameter(name, &[3, 2], Init::Normal { std: 1.0 }).unwrap();
    }
    parameters
}

#[test]
fn the_average_is_pytorchs_lerp_bit_for_bit_and_compvis_to_rounding() {
    let golden = read("ema");
    let mut parameters = Parameters::blank(Device::Cpu);
    let parameter = parameters.root().parameter("p", &[37], Init::Zeros).unwrap();
    no_grad(|| parameter.shallow_clone().copy_(&golden.tensor("start")));
    let mut ema = Ema::new(&parameters).unwrap();
    for n in 1..=100_i64 {
        let drift = golden.tensor("drift") * ((n % 3 - 1) as f64 / 4.0);
        no_grad(|| {
            let moved = &parameter + drift;
            parameter.shallow_clone().copy_(&moved);
        });
        ema.update(ldm_decay(n as u64)).unwrap();
    }
    let average = &ema.named()[0].1;
    assert_bits(average, &golden.tensor("lerp"), "lerp");
    assert_close(average, &golden.tensor("compvis"), 1e-5, "CompVis");
}

#[test]
fn the_warm_up_begins_at_two_elevenths_and_ends_at_its_limit() {
    assert_eq!(ldm_decay(1), 2.0 / 11.0);
    assert_eq!(ldm_decay(80), 81.0 / 90.0);
    assert_eq!(ldm_decay(89_989), 89_990.0 / 89_999.0);
    assert_eq!(ldm_decay(1_000_000), 0.9999);
}

#[test]
fn exchanging_twice_restores_both_without_copying() {
    let mut parameters = store(&["a", "b"]);
    let mut ema = Ema::new(&parameters).unwrap();
    let layer = parameters.get("a").unwrap().shallow_clone();
    let _ = no_grad(|| layer.shallow_clone().fill_(7.0));
    let (memory, average) = (layer.data_ptr(), ema.named()[0].1.data_ptr());
    let averaged = to_f32_vec(&ema.named()[0].1).unwrap();

    ema.swap().unwrap();
    assert_eq!(to_f32_vec(&layer).unwrap(), averaged);
    assert_eq!(to_f32_vec(&ema.named()[0].1).unwrap(), [7.0; 6]);
    assert_eq!((layer.data_ptr(), ema.named()[0].1.data_ptr()), (average, memory));
    assert!(layer.requires_grad() && !ema.named()[0].1.requires_grad());

    ema.swap().unwrap();
    assert_eq!(to_f32_vec(parameters.get("a").unwrap()).unwrap(), [7.0; 6]);
    assert_eq!(to_f32_vec(&ema.named()[0].1).unwrap(), averaged);
    parameters.zero_grad();
}

#[test]
fn averages_survive_a_file_and_a_strange_file_changes_nothing() {
    let parameters = store(&["a", "b"]);
    let mut ema = Ema::new(&parameters).unwrap();
    let _ = no_grad(|| parameters.get("b").unwrap().shallow_clone().fill_(3.0));
    ema.update(0.5).unwrap();
    let data = ema.to_data().unwrap();
    let mut other = Ema::new(&store(&["a", "b"])).unwrap();
    other.load(&data).unwrap();
    assert_eq!(other.to_data().unwrap(), data);

    let mut strange = data.clone();
    strange.values_mut().for_each(|data| data.bytes.fill(0));
    strange.remove("b");
    assert!(matches!(other.load(&strange), Err(Error::Mismatch { .. })));
    assert_eq!(other.to_data().unwrap(), data);
}

#[test]
fn averages_are_copied_into_a_network_of_the_same_names_only() {
    let parameters = store(&["a", "b"]);
    let ema = Ema::new(&parameters).unwrap();
    let mut twin = Parameters::blank(Device::Cpu);
    for name in ["b", "a"] {
        let _ = twin.root().parameter(name, &[3, 2], Init::Zeros).unwrap();
    }
    ema.copy_to(&mut twin).unwrap();
    assert_eq!(twin.to_data().unwrap(), parameters.to_data().unwrap());

    let mut other = store(&["a", "c"]);
    let before = other.to_data().unwrap();
    let text = ema.copy_to(&mut other).unwrap_err().to_string();
    assert!(text.contains("b is not known here") && text.contains("c is missing"), "{text}");
    assert_eq!(other.to_data().unwrap(), before);
}

#[test]
fn a_decay_outside_zero_to_one_is_refused() {
    let mut ema = Ema::new(&store(&["a"])).unwrap();
    for decay in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(ema.update(decay), Err(Error::Invalid { .. })));
    }
}
