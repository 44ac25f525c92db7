//! Sanity of the distributions. Seeds are fixed, so a verdict never changes; limits stand five
//! standard deviations out, where a sound generator has no business being.

use meme_random::{Purpose, Stream};

const COUNT: usize = 400_000;

fn normals(image: u64) -> Vec<f64> {
    let stream = Stream::new(2024, Purpose::Test, 0, image);
    (0..COUNT as u64).map(|draw| stream.normal(draw)).collect()
}

/// Chi-square of counts that should all be equal, in standard deviations from its mean.
fn chi_square(counts: &[u64]) -> f64 {
    let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    let statistic: f64 =
        counts.iter().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    let freedom = (counts.len() - 1) as f64;
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

fn assert_even(counts: &[u64]) {
    let z = chi_square(counts);
    assert!(z.abs() < 5.0, "chi-square is {z:.1} standard deviations from its mean");
}

#[test]
fn normals_have_the_first_six_moments_of_the_normal_distribution() {
    let values = normals(0);
    // E x^k, and the variance of x^k, which is E x^2k - (E x^k)^2.
    let moments = [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (5, 0.0, 945.0)];
    for (order, mean, variance) in moments.into_iter().chain([(6, 15.0, 10_170.0)]) {
        let found = values.iter().map(|value| value.powi(order)).sum::<f64>() / COUNT as f64;
        let deviation = (variance / COUNT as f64).sqrt();
        assert!((found - mean).abs() < 5.0 * deviation, "moment {order}: {found}, not {mean}");
    }
}

#[test]
fn normals_fill_equally_likely_bins_evenly_and_have_tails() {
    let mut bins = vec![0; 200];
    let (mut beyond_three, mut beyond_four) = (0.0, 0.0);
    for value in normals(1) {
        let cumulative = 0.5 * libm::erfc(-value / 2.0_f64.sqrt());
        bins[((cumulative * 200.0) as usize).min(199)] += 1;
        beyond_three += f64::from(value.abs() > 3.0);
        beyond_four += f64::from(value.abs() > 4.0);
    }
    assert_even(&bins);
    // P(|x| > 3) = 0.0026998, P(|x| > 4) = 6.334e-5.
    for (found, probability) in [(beyond_three, 0.002_699_8), (beyond_four, 6.334e-5)] {
        let expected: f64 = probability * COUNT as f64;
        assert!((found - expected).abs() < 5.0 * expected.sqrt(), "{found}, not {expected}");
    }
}

#[test]
fn uniforms_fill_a_line_a_square_and_their_lowest_bits_evenly() {
    let stream = Stream::new(1, Purpose::Test, 3, 8);
    let (mut line, mut square, mut low) = (vec![0; 256], vec![0; 256], vec![0; 256]);
    for draw in 0..COUNT as u64 {
        let (here, next) = (stream.uniform(draw), stream.uniform(draw + 1));
        line[(here * 256.0) as usize] += 1;
        square[(here * 16.0) as usize * 16 + (next * 16.0) as usize] += 1;
        low[(stream.bits(draw) & 255) as usize] += 1;
    }
    assert_even(&line);
    assert_even(&low);
    // Overlapping pairs have the mean of independent ones and a slightly larger spread.
    assert!(chi_square(&square).abs() < 7.0);
}

#[test]
fn neighbouring_addresses_are_uncorrelated() {
    let values = |seed, purpose, expert, image, first: u64| -> Vec<f64> {
        let stream = Stream::new(seed, purpose, expert, image);
        (first..first + 100_000).map(|draw| stream.normal(draw)).collect()
    };
    let here = values(5, Purpose::Noise, 1, 10, 0);
    let others = [
        values(6, Purpose::Noise, 1, 10, 0),
        values(5, Purpose::Dropout, 1, 10, 0),
        values(5, Purpose::Noise, 2, 10, 0),
        values(5, Purpose::Noise, 1, 11, 0),
        values(5, Purpose::Noise, 1, 10, 1),
        values(5, Purpose::Noise, 1, 10, 2),
    ];
    for other in others {
        let product: f64 = here.iter().zip(&other).map(|(a, b)| a * b).sum();
        let squares: f64 = here.iter().zip(&other).map(|(a, b)| a * a * b * b).sum();
        assert!(product.abs() < 5.0 * 100_000_f64.sqrt(), "correlated: {product}");
        assert!((squares - 100_000.0).abs() < 5.0 * 800_000_f64.sqrt(), "sizes go together");
    }
}

#[test]
fn the_first_draw_of_many_images_is_even() {
    let mut bins = vec![0; 100];
    for image in 0..COUNT as u64 {
        let draw = Stream::new(0, Purpose::Timestep, 1, image).below(0, 100);
        bins[draw as usize] += 1;
    }
    assert_even(&bins);
}
