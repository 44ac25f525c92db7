//! Spectra whose form is known.
#![allow(clippy::unwrap_used)]

use meme_frequency::{
    Error, LogAmplitude, LogAmplitudeMap, PowerLaw, PowerSpectrum, Window, power_law, radial_power,
    relative_log_amplitude,
};
use ndarray::{Array3, Array4, Axis};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use std::f64::consts::{PI, TAU};

/// Knuth's linear congruential generator; sums of twelve of its uniforms are close to normal.
struct Lcg(u64);

impl Lcg {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

fn noise(samples: usize, side: usize, deviation: f64) -> Array4<f64> {
    let mut random = Lcg(7);
    Array4::from_shape_simple_fn((samples, 1, side, side), || deviation * random.normal())
}

/// A periodic field with the spectrum `1 / f^exponent`: white noise, filtered in the frequency plane.
fn field(random: &mut Lcg, side: usize, exponent: f64) -> Array3<f64> {
    let mut plane: Vec<Complex<f64>> =
        (0..side * side).map(|_| Complex::new(random.normal(), 0.0)).collect();
    let mut planner = FftPlanner::new();
    let mut both_ways = |plane: &mut Vec<Complex<f64>>, inverse: bool| {
        let fft =
            if inverse { planner.plan_fft_inverse(side) } else { planner.plan_fft_forward(side) };
        for _ in 0..2 {
            fft.process(plane);
            *plane = (0..side * side).map(|at| plane[at % side * side + at / side]).collect();
        }
    };
    both_ways(&mut plane, false);
    let omega = |k: usize| {
        TAU * (if k > side / 2 { k as f64 - side as f64 } else { k as f64 }) / side as f64
    };
    for (at, value) in plane.iter_mut().enumerate() {
        let frequency = omega(at / side).hypot(omega(at % side));
        *value *= if at == 0 { 0.0 } else { frequency.powf(-exponent / 2.0) };
    }
    both_ways(&mut plane, true);
    let scale = 1.0 / (side * side) as f64;
    Array3::from_shape_fn((1, side, side), |(_, y, x)| plane[y * side + x].re * scale)
}

#[test]
fn white_noise_is_flat_at_its_variance() {
    let power = radial_power(noise(200, 32, 3.0).view()).unwrap();
    for ((frequency, power), members) in
        power.frequency.iter().zip(&power.power).zip(&power.members)
    {
        // The mean of n / 2 independent exponentials, times 200 samples, to five deviations.
        let tolerance = 5.0 * 9.0 / (200.0 * (*members as f64 / 2.0).max(0.5)).sqrt();
        assert!((power - 9.0).abs() < tolerance, "{power} at {frequency}");
    }
    let curve = relative_log_amplitude(noise(2000, 16, 1.0).view()).unwrap();
    // Frequency 0 is real and has one degree of freedom, the others have two: E ln |F| differs by half
    // of digamma(1) - digamma(1/2) - ln 2, which is ln(2) / 2.
    for value in &curve[1..] {
        assert!((value - 2f64.ln() / 2.0).abs() < 0.1, "{value}");
    }
}

#[test]
fn the_mean_power_is_the_mean_square() {
    for (height, width) in [(16, 16), (15, 15), (12, 20), (7, 3), (1, 9)] {
        let mut random = Lcg(3);
        let map = Array3::from_shape_simple_fn((2, height, width), || random.normal() + 0.5);
        let mut spectrum = PowerSpectrum::new(height, width, Window::None).unwrap();
        spectrum.add(map.view()).unwrap();
        let mean_square = map.mapv(|value| value * value).mean().unwrap();
        let mean_power = spectrum.plane().unwrap().mean().unwrap();
        assert!((mean_power / mean_square - 1.0).abs() < 1e-13, "{height}x{width}");
    }
}

#[test]
fn a_wave_has_its_power_at_its_frequency_and_nowhere_else() {
    let (height, width) = (20, 30);
    let map = Array3::from_shape_fn((1, height, width), |(_, y, x)| {
        2.0 * (TAU * (3.0 * y as f64 / 20.0 + 7.0 * x as f64 / 30.0) + 0.4).cos()
    });
    let mut spectrum = PowerSpectrum::new(height, width, Window::None).unwrap();
    spectrum.add(map.view()).unwrap();
    for ((i, j), &power) in spectrum.plane().unwrap().indexed_iter() {
        let at = (i as i64 - 10, j as i64 - 15);
        // |F| = amplitude * pixels / 2, and the power is |F|^2 / pixels.
        let expected = if at == (3, 7) || at == (-3, -7) { 600.0 } else { 0.0 };
        assert!((power - expected).abs() < 1e-9, "{power} at {at:?}");
    }
    let radial = spectrum.radial().unwrap();
    let ring = radial.power.iter().position(|&power| power > 1.0).unwrap();
    let frequency = (TAU * 3.0 / 20.0).hypot(TAU * 7.0 / 30.0);
    assert!((radial.frequency[ring] - frequency).abs() < TAU / 20.0);
    let total = radial.power[ring] * radial.members[ring] as f64;
    assert!((total - 1200.0).abs() < 1e-9);
    assert!((radial.share_above(frequency - 0.2) - 1.0).abs() < 1e-12);
    assert!(radial.share_above(frequency + 0.4) < 1e-12);
}

#[test]
fn rings_hold_the_frequencies_within_pi() {
    let radial = radial_power(noise(1, 8, 1.0).view()).unwrap();
    // Integer points by rounded radius 0..=4 with radius at most 4, of a centred 8 x 8 grid: of +-4
    // only -4 is there.
    assert_eq!(radial.members, [1, 8, 12, 16, 10]);
    assert_eq!(radial.frequency[0], 0.0);
    assert!(radial.frequency.iter().all(|&frequency| frequency <= PI));
}

#[test]
fn a_power_law_field_has_its_exponent_back() {
    for exponent in [1.0, 2.0, 3.0] {
        let mut random = Lcg(11);
        let mut spectrum = PowerSpectrum::new(64, 64, Window::None).unwrap();
        for _ in 0..60 {
            spectrum.add(field(&mut random, 64, exponent).view()).unwrap();
        }
        let fit = PowerLaw::fit(&spectrum.radial().unwrap(), 0.2, PI).unwrap();
        assert!((fit.law.exponent - exponent).abs() < 0.03, "{fit:?}");
        assert!((fit.law.amplitude - 1.0).abs() < 0.03, "{fit:?}");
        assert!(fit.r_squared > 0.99);
    }
}

#[test]
fn an_exact_power_law_is_fitted_exactly() {
    let frequency: Vec<f64> = (0..33).map(|k| PI * f64::from(k) / 32.0).collect();
    let law = power_law(0.3, 1.7).unwrap();
    let power = frequency.iter().map(|&f| meme_frequency::Spectrum::power(&law, f)).collect();
    let spectrum = meme_frequency::RadialPower { members: vec![1; 33], frequency, power };
    let fit = PowerLaw::fit(&spectrum, 0.0, PI).unwrap();
    assert!((fit.law.exponent - 1.7).abs() < 1e-12 && (fit.law.amplitude - 0.3).abs() < 1e-12);
    assert_eq!(fit.rings, 32);
    assert!((fit.r_squared - 1.0).abs() < 1e-12);
    assert_eq!(PowerLaw::fit(&spectrum, 3.1, PI), Err(Error::Points { count: 1 }));
}

#[test]
fn a_window_takes_the_edges_away_and_leaves_noise_as_it_is() {
    // A ramp is smooth but for its jump from the last pixel to the first.
    let ramp = Array4::from_shape_fn((1, 1, 64, 64), |(_, _, y, x)| (y + x) as f64 / 64.0);
    let share = |window| {
        let mut spectrum = PowerSpectrum::new(64, 64, window).unwrap();
        spectrum.add_batch(ramp.view()).unwrap();
        spectrum.radial().unwrap().share_above(PI / 2.0)
    };
    assert!(share(Window::Hann) < 1e-4 * share(Window::None), "{}", share(Window::Hann));
    let mut spectrum = PowerSpectrum::new(32, 32, Window::Hann).unwrap();
    spectrum.add_batch(noise(400, 32, 1.0).view()).unwrap();
    let radial = spectrum.radial().unwrap();
    assert!(radial.power[2..].iter().all(|power| (power - 1.0).abs() < 0.1), "{radial:?}");
}

#[test]
fn wrong_sizes_and_values_are_refused_and_nothing_is_added() {
    let mut amplitude = LogAmplitude::new(4, 4).unwrap();
    assert_eq!(amplitude.finish(), Err(Error::NothingAdded));
    let message = amplitude.add(Array3::<f32>::zeros((1, 4, 5)).view()).unwrap_err().to_string();
    assert_eq!(message, "a map of 4 x 5 cannot join maps of 4 x 4");
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut maps = Array4::<f32>::zeros((20, 3, 4, 4));
        maps[(19, 2, 0, 0)] = f32::NAN;
        maps[(9, 1, 3, 2)] = bad;
        let error = amplitude.add_batch(maps.view()).unwrap_err().to_string();
        assert!(error.starts_with("map 28 holds") && error.contains("row 3, column 2"), "{error}");
        assert!(PowerSpectrum::new(4, 4, Window::None).unwrap().add_batch(maps.view()).is_err());
        assert!(LogAmplitudeMap::new(4, 4).unwrap().add_batch(maps.view()).is_err());
    }
    assert_eq!(amplitude.count(), 0);
    assert!(matches!(LogAmplitude::new(0, 4), Err(Error::NoPixels { .. })));
    assert!(relative_log_amplitude(Array4::<f32>::zeros((0, 3, 4, 4)).view()).is_err());
    let a = PowerSpectrum::new(4, 4, Window::Hann).unwrap();
    let mut b = PowerSpectrum::new(4, 4, Window::None).unwrap();
    assert_eq!(
        b.merge(&a).unwrap_err().to_string(),
        "spectra measured with no and with Hann windows cannot be merged"
    );
}

#[test]
fn a_map_of_zeros_lies_on_the_floor() {
    let zeros = Array3::<f32>::zeros((2, 8, 8));
    let mut amplitude = LogAmplitude::new(8, 8).unwrap();
    amplitude.add(zeros.view()).unwrap();
    let curve = amplitude.finish().unwrap();
    assert!(curve.log_amplitude.iter().all(|value| (value - 1e-6f64.ln()).abs() < 1e-12));
    assert_eq!(radial_power(zeros.insert_axis(Axis(0)).view()).unwrap().share_above(0.0), 0.0);
}
