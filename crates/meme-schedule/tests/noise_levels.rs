//! Conversions between noise levels, and positions between indices.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{assert_near, diffusers, every_kind, floats};
use meme_schedule::convert::{
    alpha_bar_of_log_snr, alpha_bar_of_sigma, alpha_bar_of_snr, edm_scale, log_snr_of_alpha_bar,
    log_snr_of_sigma, sigma_of_alpha_bar, sigma_of_log_snr, snr_of_alpha_bar,
};
use meme_schedule::{Schedule, ScheduleConfig, karras_sigmas};
use proptest::prelude::*;

#[test]
fn positions_between_indices_are_k_diffusions() {
    let (golden, schedule) = (diffusers(), Schedule::new(&ScheduleConfig::ldm()).unwrap());
    let sigma_at = |position| sigma_of_log_snr(schedule.log_snr_at(position));
    let between = &golden["between"];
    for (position, sigma) in floats(&between["position"]).into_iter().zip(floats(&between["sigma"]))
    {
        assert_near(sigma_at(position), sigma, 1e-12 * sigma.max(1.0), "t_to_sigma");
    }
    let inverse = &golden["inverse"];
    for (sigma, position) in floats(&inverse["sigma"]).into_iter().zip(floats(&inverse["position"]))
    {
        let found = schedule.position_of_log_snr(log_snr_of_sigma(sigma));
        assert_near(found, position, 1e-9, "sigma_to_t");
    }
}

#[test]
fn positions_are_exact_at_indices_and_clamped_beyond_the_ends() {
    for schedule in every_kind() {
        for index in [0, 1, 500, 998, 999] {
            assert_eq!(schedule.log_snr_at(index as f64), schedule.log_snr(index));
            let back = schedule.position_of_log_snr(schedule.log_snr(index));
            assert_eq!(back, index as f64);
            assert_eq!(schedule.nearest_index(schedule.log_snr(index)), index);
        }
        assert_eq!(schedule.log_snr_at(-3.0), schedule.log_snr(0_usize));
        assert_eq!(schedule.log_snr_at(1e9), schedule.log_snr(999_usize));
        assert_eq!(schedule.position_of_log_snr(f64::INFINITY), 0.0);
        assert_eq!(schedule.position_of_log_snr(f64::NEG_INFINITY), 999.0);
        assert!(schedule.log_snr_at(f64::NAN).is_nan());
        assert!(schedule.position_of_log_snr(f64::NAN).is_nan());
    }
}

#[test]
fn pure_noise_and_no_noise_convert_both_ways() {
    assert_eq!(snr_of_alpha_bar(0.0), 0.0);
    assert_eq!(log_snr_of_alpha_bar(0.0), f64::NEG_INFINITY);
    assert_eq!(sigma_of_alpha_bar(0.0), f64::INFINITY);
    assert_eq!(alpha_bar_of_log_snr(f64::NEG_INFINITY), 0.0);
    assert_eq!(alpha_bar_of_sigma(f64::INFINITY), 0.0);
    assert_eq!((alpha_bar_of_snr(0.0), alpha_bar_of_snr(f64::INFINITY)), (0.0, 1.0));
    assert_eq!(alpha_bar_of_log_snr(f64::INFINITY), 1.0);
    assert_eq!(alpha_bar_of_sigma(0.0), 1.0);
}

proptest! {
    #[test]
    fn every_noise_level_comes_back(log_snr in -25.0_f64..25.0) {
        let alpha_bar = alpha_bar_of_log_snr(log_snr);
        // alpha_bar near 1 keeps 16 digits of itself, not of 1 - alpha_bar.
        let tolerance = 1e-14 * (1.0 + log_snr.exp());
        prop_assert!((log_snr_of_alpha_bar(alpha_bar) - log_snr).abs() < tolerance);
        prop_assert!((alpha_bar_of_snr(snr_of_alpha_bar(alpha_bar)) - alpha_bar).abs() < 1e-15);
        prop_assert!((alpha_bar_of_sigma(sigma_of_alpha_bar(alpha_bar)) - alpha_bar).abs() < 1e-15);
        prop_assert!((log_snr_of_sigma(sigma_of_log_snr(log_snr)) - log_snr).abs() < 1e-13);
        prop_assert!((snr_of_alpha_bar(alpha_bar) / log_snr.exp() - 1.0).abs() < tolerance);
    }

    #[test]
    fn a_scaled_variance_preserving_sample_is_edms(
        alpha_bar in 1e-6_f64..0.999_999, image in -1.0_f64..1.0, noise in -4.0_f64..4.0,
    ) {
        let preserving = alpha_bar.sqrt() * image + (1.0 - alpha_bar).sqrt() * noise;
        let edm = image + sigma_of_alpha_bar(alpha_bar) * noise;
        prop_assert!((preserving * edm_scale(alpha_bar) - edm).abs() < 1e-12 * edm_scale(alpha_bar));
    }

    #[test]
    fn finding_a_position_undoes_reading_it(kind in 0_usize..14, position in 0.0_f64..999.0) {
        let schedule = &every_kind()[kind];
        let back = schedule.position_of_log_snr(schedule.log_snr_at(position));
        prop_assert!((back - position).abs() < 1e-6, "{} {}", back, position);
    }

    #[test]
    fn noise_grows_with_the_position(kind in 0_usize..14, a in 0.0_f64..999.0, b in 0.0_f64..999.0) {
        let schedule = &every_kind()[kind];
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(schedule.log_snr_at(low) >= schedule.log_snr_at(high));
        prop_assert!(schedule.alpha_bar_at(low) >= schedule.alpha_bar_at(high));
    }

    #[test]
    fn karras_levels_fall_and_are_equally_spaced_in_their_root(
        count in 2_usize..50, low in 0.001_f64..1.0, ratio in 1.5_f64..1e4, rho in 0.5_f64..10.0,
    ) {
        let sigmas = karras_sigmas(count, low, low * ratio, rho).unwrap();
        prop_assert_eq!((sigmas[0], sigmas[count - 1], sigmas.len()), (low * ratio, low, count));
        let roots: Vec<f64> = sigmas.iter().map(|sigma| sigma.powf(1.0 / rho)).collect();
        let step = (roots[0] - roots[count - 1]) / (count - 1) as f64;
        for pair in roots.windows(2) {
            prop_assert!((pair[0] - pair[1] - step).abs() < 1e-9 * roots[0]);
        }
    }
}
