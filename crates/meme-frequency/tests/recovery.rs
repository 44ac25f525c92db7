//! What the noise leaves, in closed form.
#![allow(clippy::unwrap_used)]

use meme_frequency::{
    Bands, Error, PowerLaw, RadialPower, Spectrum, SuggestionOptions, cutoff, power_law,
    recoverable, suggest, wiener_response,
};
use std::f64::consts::{PI, TAU};

const LOWEST: f64 = TAU / 64.0;

/// A schedule whose log signal-to-noise ratio falls linearly from `top` to `-top`.
fn linear_log_snr(steps: usize, top: f64) -> Vec<f64> {
    (0..steps)
        .map(|i| top - 2.0 * top * i as f64 / (steps - 1) as f64)
        .map(|log_snr| 1.0 / (1.0 + (-log_snr).exp()))
        .collect()
}

#[test]
fn the_wiener_response_has_its_limits() {
    for power in [1e-9, 0.5, 1.0, 1e9] {
        assert_eq!(wiener_response(1.0, power), 1.0);
        assert_eq!(wiener_response(0.0, power), 0.0);
        for alpha_bar in [1e-6, 0.3, 0.999] {
            let direct = alpha_bar * power + 1.0 - alpha_bar;
            let expected = f64::sqrt(alpha_bar) * power / direct;
            assert!((wiener_response(alpha_bar, power) / expected - 1.0).abs() < 1e-12);
        }
    }
    // Power 1 is indistinguishable from the noise: the response is sqrt(alpha_bar).
    assert!((wiener_response(0.49, 1.0) - 0.7).abs() < 1e-15);
    // Infinite power: the picture is x_t / sqrt(alpha_bar).
    assert!((wiener_response(0.25, f64::INFINITY) - 2.0).abs() < 1e-15);
    assert_eq!(wiener_response(0.25, 0.0), 0.0);
    for (alpha_bar, power) in
        [(-0.1, 1.0), (1.1, 1.0), (0.5, -1.0), (f64::NAN, 1.0), (0.5, f64::NAN)]
    {
        assert!(wiener_response(alpha_bar, power).is_nan());
        assert!(recoverable(alpha_bar, power).is_nan());
    }
}

#[test]
fn no_other_factor_estimates_the_picture_better() {
    for (alpha_bar, power) in [(0.2, 3.0), (0.9, 0.05), (0.5, 1.0)] {
        // E (x0 - h x_t)^2 for a picture of this power and noise of power 1.
        let error = |h: f64| {
            let kept: f64 = 1.0 - h * f64::sqrt(alpha_bar);
            kept * kept * power + h * h * (1.0 - alpha_bar)
        };
        let h = wiener_response(alpha_bar, power);
        assert!(error(h) < error(h * 1.001) && error(h) < error(h * 0.999));
        // What is left of the power is what cannot be recovered.
        assert!((error(h) / power - (1.0 - recoverable(alpha_bar, power))).abs() < 1e-12);
    }
}

#[test]
fn the_cutoff_of_a_power_law_is_its_closed_form() {
    let law = power_law(0.7, 1.8).unwrap();
    let mut inside = 0;
    for alpha_bar in [1e-5f64, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999_999] {
        let exact = (alpha_bar * 0.7 / (1.0 - alpha_bar)).powf(1.0 / 1.8);
        let found = cutoff(alpha_bar, &law, LOWEST).unwrap();
        let expected = if exact < LOWEST { 0.0 } else { exact.min(PI) };
        inside += usize::from(exact > LOWEST && exact < PI);
        assert!((found - expected).abs() < 1e-12, "{alpha_bar}: {found} {expected}");
    }
    assert!(inside >= 3);
    assert_eq!(cutoff(0.0, &law, LOWEST), Ok(0.0));
    assert_eq!(cutoff(1.0, &law, LOWEST), Ok(PI));
    assert!(cutoff(1.5, &law, LOWEST).is_err() && cutoff(0.5, &law, 0.0).is_err());
}

#[test]
fn a_measured_spectrum_is_interpolated_along_power_laws() {
    let law = power_law(2.0, 1.5).unwrap();
    let frequency: Vec<f64> = (0..9).map(|k| PI * f64::from(k) / 8.0).collect();
    let power = frequency.iter().map(|&f| if f == 0.0 { 77.0 } else { law.power(f) }).collect();
    let measured = RadialPower { members: vec![1; 9], frequency, power };
    for f in [PI / 8.0, 0.5, 1.0, 2.2, PI] {
        assert!((measured.power(f) / law.power(f) - 1.0).abs() < 1e-12, "{f}");
    }
    assert_eq!(measured.power(0.01), law.power(PI / 8.0));
    assert_eq!(measured.power(4.0), law.power(PI));
    let found = cutoff(0.3, &measured, PI / 8.0).unwrap();
    assert!((found - cutoff(0.3, &law, PI / 8.0).unwrap()).abs() < 1e-12);
}

#[test]
fn the_recoverable_band_of_a_power_law_is_its_integral() {
    let law = power_law(0.7, 1.8).unwrap();
    let alpha_bars = linear_log_snr(50, 8.0);
    let options =
        SuggestionOptions { experts: 4, stages: 0, bands: Bands::Octaves, lowest: LOWEST };
    let suggestion = suggest(&alpha_bars, &law, &options).unwrap();
    for (alpha_bar, band) in alpha_bars.iter().zip(&suggestion.recoverable_band) {
        // The integral of 1 / (1 + (f / c)^a) d ln f from the lowest frequency to pi.
        let crossing = (alpha_bar * 0.7 / (1.0 - alpha_bar)).powf(1.0 / 1.8);
        let part = |f: f64| (1.0 + (f / crossing).powf(-1.8)).ln() / 1.8;
        let exact = (part(LOWEST) - part(PI)) / (PI / LOWEST).ln();
        assert!((band - exact).abs() < 1e-6, "{band} {exact}");
    }
}

#[test]
fn a_symmetric_problem_has_symmetric_boundaries() {
    // With amplitude g^a, g the geometric middle of the band, the signal-to-noise ratio is 1 there at
    // alpha_bar 1/2, and high and low frequencies trade places when time is reversed.
    let middle = (LOWEST * PI).sqrt();
    let law = power_law(middle.powi(2), 2.0).unwrap();
    let options =
        SuggestionOptions { experts: 4, stages: 0, bands: Bands::Octaves, lowest: LOWEST };
    let ends = suggest(&linear_log_snr(1001, 6.0), &law, &options).unwrap().upper_ends;
    assert_eq!(ends.len(), 4);
    assert!((ends[0] + ends[2]).abs_diff(1001) <= 1, "{ends:?}");
    assert!(ends[1].abs_diff(500) <= 1, "{ends:?}");
    assert_eq!(ends[3], 1001);
    assert!(ends[0] > 100 && ends[0] < 400);
}

#[test]
fn experts_near_the_clean_picture_get_the_details() {
    let law = power_law(0.1, 2.0).unwrap();
    for bands in [Bands::Octaves, Bands::Linear] {
        let options = SuggestionOptions { experts: 4, stages: 4, bands, lowest: LOWEST };
        let suggestion = suggest(&linear_log_snr(1000, 7.0), &law, &options).unwrap();
        assert!(suggestion.upper_ends.is_sorted());
        for shares in &suggestion.high_frequency_shares {
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
            assert!(shares.windows(2).all(|pair| pair[0] > pair[1]), "{shares:?}");
        }
    }
}

#[test]
fn a_flat_spectrum_gives_every_expert_the_same_share_of_details() {
    // White pictures: every frequency is recovered at the same time. Of 6 octaves the upper one is 1/6.
    let white = PowerLaw { amplitude: 1.0, exponent: 0.0 };
    let options =
        SuggestionOptions { experts: 3, stages: 2, bands: Bands::Octaves, lowest: PI / 64.0 };
    let suggestion = suggest(&linear_log_snr(100, 5.0), &white, &options).unwrap();
    for (stage, octaves) in [(0, 6.0), (1, 5.0)] {
        for share in &suggestion.high_frequency_shares[stage] {
            assert!((share - 1.0 / octaves).abs() < 1e-3, "{share}");
        }
    }
    let linear = SuggestionOptions { bands: Bands::Linear, lowest: 1e-6, ..options };
    let suggestion = suggest(&linear_log_snr(100, 5.0), &white, &linear).unwrap();
    assert!((suggestion.high_frequency_shares[0][0] - 0.5).abs() < 1e-3);
}

#[test]
fn every_expert_gets_a_timestep_even_where_nothing_changes() {
    let law = power_law(1e-12, 0.0).unwrap();
    let options = SuggestionOptions { experts: 4, stages: 1, bands: Bands::Linear, lowest: LOWEST };
    let ends = suggest(&[0.5; 6], &law, &options).unwrap().upper_ends;
    assert_eq!(ends.last(), Some(&6));
    assert!(ends.windows(2).all(|pair| pair[0] < pair[1]) && ends[0] > 0, "{ends:?}");
}

#[test]
fn impossible_requests_are_refused_by_name() {
    let law = power_law(1.0, 2.0).unwrap();
    let options =
        SuggestionOptions { experts: 4, stages: 1, bands: Bands::Octaves, lowest: LOWEST };
    assert_eq!(
        suggest(&[0.9, 0.95, 0.1, 0.05], &law, &options),
        Err(Error::AlphaBar { index: 1, value: 0.95 })
    );
    assert_eq!(suggest(&[0.9; 3], &law, &options), Err(Error::Experts { experts: 4, steps: 3 }));
    let none = SuggestionOptions { experts: 0, ..options };
    assert!(suggest(&[0.9; 3], &law, &none).is_err());
    let negative = PowerLaw { amplitude: -1.0, exponent: 2.0 };
    let message = suggest(&[0.9; 5], &negative, &options).unwrap_err().to_string();
    assert!(message.contains("must be a number that is not negative"), "{message}");
    assert!(power_law(0.0, 2.0).is_err() && power_law(1.0, f64::NAN).is_err());
}
