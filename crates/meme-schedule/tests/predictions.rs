//! Parametrisations and loss weights.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{assert_near, diffusers, floats, read};
use meme_schedule::{Error, LossWeight, Parametrisation, Schedule, ScheduleConfig};
use proptest::prelude::*;

const ALL: [Parametrisation; 3] =
    [Parametrisation::Epsilon, Parametrisation::Velocity, Parametrisation::Sample];

fn target(parametrisation: Parametrisation, alpha_bar: f64, x0: f64, eps: f64) -> f64 {
    let (a, b) = parametrisation.target_coefficients(alpha_bar);
    a * x0 + b * eps
}

#[test]
fn noising_velocity_snr_and_weights_are_those_of_diffusers() {
    let (golden, schedule) = (diffusers(), Schedule::new(&ScheduleConfig::ldm()).unwrap());
    let golden = &golden["parametrisation"];
    let values = |name: &str| floats(&golden[name]);
    let at = floats(&golden["at"]);
    assert_eq!(at, [0.0, 250.0, 500.0, 750.0, 999.0]);
    for (k, index) in at.into_iter().map(|index| index as usize).enumerate() {
        let alpha_bar = schedule.alpha_bar(index);
        let (x0, eps, noised) = (values("x0")[k], values("eps")[k], values("noised")[k]);
        let velocity = target(Parametrisation::Velocity, alpha_bar, x0, eps);
        assert_near(velocity, values("velocity")[k], 1e-12, "velocity");
        assert_near(schedule.snr(index) / values("snr")[k], 1.0, 1e-6, "float32 snr");
        for parametrisation in ALL {
            let output = target(parametrisation, alpha_bar, x0, eps);
            let (s, o) = parametrisation.x0_coefficients(alpha_bar);
            assert_near(s * noised + o * output, x0, 1e-11, "x0");
        }
        for gamma in [1.0, 5.0] {
            let of = |weight: LossWeight, parametrisation| weight.of(parametrisation, alpha_bar);
            let (min_snr, p2) = (LossWeight::MinSnr { gamma }, LossWeight::P2 { k: 1.0, gamma });
            for (found, name) in [
                (of(min_snr, Parametrisation::Epsilon), format!("min_snr_{gamma}_epsilon")),
                (of(min_snr, Parametrisation::Velocity), format!("min_snr_{gamma}_velocity")),
                (of(p2, Parametrisation::Epsilon), format!("p2_{gamma}_epsilon")),
            ] {
                assert_near(found, values(&name)[k], 1e-12, &name);
            }
        }
    }
}

#[test]
fn pure_noise_can_be_served_by_velocity_and_sample_but_not_by_epsilon() {
    let zero = read("kind = 'zero-terminal-snr'\nof = { kind = 'scaled-linear' }");
    let error = Parametrisation::Epsilon.check(&zero).unwrap_err();
    assert_eq!(error, Error::PureNoise { parametrisation: "epsilon" });
    assert!(Parametrisation::Epsilon.x0_coefficients(0.0).0.is_infinite());
    for parametrisation in [Parametrisation::Velocity, Parametrisation::Sample] {
        assert_eq!(parametrisation.check(&zero), Ok(()));
        let (s, o) = parametrisation.x0_coefficients(0.0);
        assert!(s.is_finite() && o.is_finite());
    }
    let ldm = Schedule::new(&ScheduleConfig::ldm()).unwrap();
    assert_eq!(Parametrisation::Epsilon.check(&ldm), Ok(()));
}

#[test]
fn weights_are_finite_at_pure_noise_and_min_snr_is_continuous_there() {
    for weight in [LossWeight::MinSnr { gamma: 5.0 }, LossWeight::P2 { k: 1.0, gamma: 1.0 }] {
        for parametrisation in ALL {
            let (at, near) = (weight.of(parametrisation, 0.0), weight.of(parametrisation, 1e-12));
            assert_near(at, near, 1e-10, "limit");
        }
    }
    assert_eq!(LossWeight::MinSnr { gamma: 5.0 }.of(Parametrisation::Epsilon, 0.0), 1.0);
    assert_eq!(LossWeight::Uniform.of(Parametrisation::Velocity, 0.3), 1.0);
}

#[test]
fn weight_parameters_outside_their_range_are_named() {
    let message = |weight: LossWeight| weight.check().unwrap_err().to_string();
    assert_eq!(
        message(LossWeight::MinSnr { gamma: 0.0 }),
        "`gamma` of the min-SNR weight is 0; it must be above 0"
    );
    assert!(message(LossWeight::P2 { k: 0.0, gamma: 1.0 }).contains("`k` of the P2 weight"));
    assert!(message(LossWeight::P2 { k: 1.0, gamma: f64::NAN }).contains("`gamma`"));
    assert_eq!(LossWeight::Uniform.check(), Ok(()));
    assert_eq!(LossWeight::P2 { k: 1.0, gamma: 0.5 }.check(), Ok(()));
}

#[test]
fn files_write_names_and_refuse_unknown_keys() {
    let weight = |text: &str| serde_json::from_str::<LossWeight>(text);
    assert_eq!(weight("\"uniform\"").unwrap(), LossWeight::Uniform);
    assert_eq!(weight("{\"min-snr\":{\"gamma\":5}}").unwrap(), LossWeight::MinSnr { gamma: 5.0 });
    assert!(weight("{\"min-snr\":{\"gamma\":5,\"k\":1}}").is_err());
    let p2 = LossWeight::P2 { k: 1.0, gamma: 0.5 };
    assert_eq!(weight(&serde_json::to_string(&p2).unwrap()).unwrap(), p2);
    for parametrisation in ALL {
        let text = serde_json::to_string(&parametrisation).unwrap();
        assert_eq!(text, format!("\"{}\"", parametrisation.name()));
        assert_eq!(serde_json::from_str::<Parametrisation>(&text).unwrap(), parametrisation);
    }
}

fn any_parametrisation() -> impl Strategy<Value = Parametrisation> {
    prop::sample::select(&ALL[..])
}

proptest! {
    #[test]
    fn any_answer_converts_into_any_other(
        from in any_parametrisation(), to in any_parametrisation(),
        alpha_bar in 0.01_f64..0.99, x0 in -1.0_f64..1.0, eps in -4.0_f64..4.0,
    ) {
        let noised = alpha_bar.sqrt() * x0 + (1.0 - alpha_bar).sqrt() * eps;
        let (s, o) = from.conversion(to, alpha_bar);
        let found = s * noised + o * target(from, alpha_bar, x0, eps);
        prop_assert!((found - target(to, alpha_bar, x0, eps)).abs() < 1e-12);
    }

    #[test]
    fn image_and_noise_of_any_answer_mix_to_the_noised_image_again(
        parametrisation in any_parametrisation(),
        alpha_bar in 0.01_f64..0.99, noised in -4.0_f64..4.0, output in -4.0_f64..4.0,
    ) {
        let ((xs, xo), (es, eo)) = (
            parametrisation.x0_coefficients(alpha_bar),
            parametrisation.epsilon_coefficients(alpha_bar),
        );
        let (x0, eps) = (xs * noised + xo * output, es * noised + eo * output);
        let again = alpha_bar.sqrt() * x0 + (1.0 - alpha_bar).sqrt() * eps;
        prop_assert!((again - noised).abs() < 1e-11);
    }

    #[test]
    fn min_snr_and_p2_are_the_same_loss_for_every_parametrisation(
        first in any_parametrisation(), second in any_parametrisation(),
        alpha_bar in 0.01_f64..0.99, noised in -4.0_f64..4.0, output in -4.0_f64..4.0,
        error in -1.0_f64..1.0, gamma in 0.1_f64..10.0, p2 in any::<bool>(),
    ) {
        let weight = if p2 { LossWeight::P2 { k: 1.0, gamma } } else { LossWeight::MinSnr { gamma } };
        // The same wrong answer, said in two ways.
        let (s, o) = first.conversion(second, alpha_bar);
        let second_error = (s * noised + o * (output + error)) - (s * noised + o * output);
        let a = weight.of(first, alpha_bar) * error * error;
        let b = weight.of(second, alpha_bar) * second_error * second_error;
        prop_assert!((a - b).abs() < 1e-9 * (1.0 + a));
    }
}
