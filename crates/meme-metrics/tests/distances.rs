//! The plain mathematics, against numpy, scipy, mpmath, prdc and closed forms.
#![allow(clippy::unwrap_used)]

mod common;

use common::{assert_close, golden, matrix, number};
use meme_metrics::{
    Error, Gaussian, KidOptions, Neighbour, Statistics, frechet_distance, kid, nearest,
    precision_recall_density_coverage, squared_mmd,
};
use ndarray::{Array1, Array2, Axis, array, s};

fn frechet(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let [a, b] = [a, b].map(|rows| Statistics::of(rows.view()).unwrap());
    frechet_distance(&a, &b).unwrap()
}

#[test]
fn frechet_distance_is_scipys() {
    let file = golden("frechet.safetensors");
    let (a, b) = (matrix(&file, "features_a"), matrix(&file, "features_b"));
    assert_close(frechet(&a, &b), number(&file, "frechet_a_b"), 1e-8);
    assert_close(frechet(&b, &a), number(&file, "frechet_a_b"), 1e-8);
    let few = a.slice(s![..20, ..]).to_owned();
    assert_close(frechet(&few, &b), number(&file, "frechet_first20_of_a_vs_b"), 1e-7);
    let file = golden("frechet_deficient.safetensors");
    let c = matrix(&file, "c");
    let halves = [s![..250, ..], s![250.., ..]].map(|rows| c.slice(rows).to_owned());
    let expected = number(&file, "frechet_halves_of_c_scipy");
    assert_close(frechet(&halves[0], &halves[1]), expected, 1e-8);
}

#[test]
fn frechet_distance_of_rank_deficient_sets_is_exact() {
    let file = golden("frechet_deficient.safetensors");
    let [a, b, c] = ["a", "b", "c"].map(|name| matrix(&file, name));
    let hundred = c.slice(s![..100, ..]).to_owned();
    assert_close(frechet(&a, &b), number(&file, "frechet_a_b"), 1e-11);
    assert_close(frechet(&hundred, &b), number(&file, "frechet_first100_of_c_vs_b"), 1e-11);
    assert_eq!(Gaussian::of(&Statistics::of(a.view()).unwrap()).unwrap().rank(), 19);
}

#[test]
fn frechet_distance_of_axis_aligned_gaussians_is_the_closed_form() {
    // |m_a - m_b|^2 + sum of (sqrt(a) - sqrt(b))^2, over nine orders of magnitude.
    let gaussian = |mean: &[f64], variances: &[f64]| {
        let covariance = Array2::from_diag(&Array1::from_vec(variances.to_vec()));
        Gaussian::new(Array1::from_vec(mean.to_vec()), covariance).unwrap()
    };
    let a = gaussian(&[0.0, 1.0, 2.0, 3.0], &[4.0, 9.0e-9, 1.0, 0.0]);
    let b = gaussian(&[0.0, 1.0, 0.0, 3.0], &[1.0, 4.0e-8, 0.25, 0.0]);
    let small = (3.0e-9_f64.sqrt() * 3.0_f64.sqrt() - 4.0e-8_f64.sqrt()).powi(2);
    assert_close(a.distance(&b).unwrap(), 4.0 + 1.0 + small + 0.25, 1e-12);
}

#[test]
fn frechet_distance_to_itself_is_zero_and_of_equal_rows_only_the_shift() {
    let file = golden("frechet.safetensors");
    let a = matrix(&file, "features_a");
    assert!(frechet(&a, &a) < 1e-9 * number(&file, "frechet_a_b"));
    let (ones, threes) = (Array2::from_elem((5, 3), 1.0), Array2::from_elem((2, 3), 3.0));
    assert_close(frechet(&ones, &threes), 12.0, 1e-15);
}

#[test]
fn statistics_are_the_same_whatever_the_blocks_and_survive_a_large_offset() {
    let file = golden("frechet.safetensors");
    let rows = matrix(&file, "features_a");
    let whole = Statistics::of(rows.view()).unwrap();
    // The textbook's two passes.
    let mean = rows.mean_axis(Axis(0)).unwrap();
    let centred = &rows - &mean;
    let covariance = centred.t().dot(&centred) / (rows.nrows() - 1) as f64;
    let worst =
        |a: &Array2<f64>, b: &Array2<f64>| (a - b).mapv(f64::abs).fold(0.0, |a, b| b.max(a));
    for blocks in [1, 7, 64, 399] {
        let mut parts = Statistics::new(rows.ncols());
        for block in rows.axis_chunks_iter(Axis(0), blocks) {
            let mut part = Statistics::new(rows.ncols());
            part.add(block).unwrap();
            parts.merge(&part).unwrap();
        }
        assert_eq!(parts.count(), whole.count());
        assert!(worst(&parts.covariance().unwrap(), &covariance) < 1e-12 * covariance[[0, 0]]);
    }
    let mut shifted = Statistics::new(rows.ncols());
    for block in (&rows + 1e6).axis_chunks_iter(Axis(0), 32) {
        shifted.add(block).unwrap();
    }
    // Adding 1e6 itself costs the features ten digits; the sums must not cost more.
    assert!(worst(&shifted.covariance().unwrap(), &covariance) < 1e-8);
}

#[test]
fn kernel_distance_is_the_golden_one_and_its_subsets_scatter_around_it() {
    let file = golden("frechet.safetensors");
    let (a, b) = (matrix(&file, "features_a"), matrix(&file, "features_b"));
    let expected = number(&file, "kid_a_b");
    assert_close(squared_mmd(a.view(), b.view()).unwrap(), expected, 1e-10);
    let options = KidOptions { subsets: 200, subset_size: 100, seed: 3 };
    let found = kid(a.view(), b.view(), &options).unwrap();
    assert_close(found.value, expected, 1e-10);
    let error = found.subset_deviation / (options.subsets as f64).sqrt();
    assert!((found.subset_mean - expected).abs() < 4.0 * error);
    assert!(found.subset_deviation > 0.0);
    assert_eq!(found, kid(a.view(), b.view(), &options).unwrap());
    let other = KidOptions { seed: 4, ..options };
    assert_ne!(found.subset_mean, kid(a.view(), b.view(), &other).unwrap().subset_mean);
}

#[test]
fn kernel_distance_subsets_are_at_most_half_a_set() {
    let file = golden("frechet.safetensors");
    let (a, b) = (matrix(&file, "features_a"), matrix(&file, "features_b"));
    let found = kid(a.view(), b.view(), &KidOptions { subsets: 2, ..Default::default() }).unwrap();
    assert_eq!(found.subset_size, 150);
}

#[test]
fn precision_recall_density_coverage_are_the_golden_ones() {
    let file = golden("frechet.safetensors");
    let (real, fake) = (matrix(&file, "features_a"), matrix(&file, "features_b"));
    let found = precision_recall_density_coverage(real.view(), fake.view(), 5).unwrap();
    let expected = &file.metadata["prdc_real_a_fake_b_k5"];
    let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
    for (value, name) in [
        (found.precision, "precision"),
        (found.recall, "recall"),
        (found.density, "density"),
        (found.coverage, "coverage"),
    ] {
        assert_close(value, expected[name].as_f64().unwrap(), 1e-12);
    }
}

#[test]
fn precision_and_recall_of_points_on_a_line_are_counted_by_hand() {
    // Real at 0, 1, 3 with radii (k = 1) 1, 1, 2; generated at 0.5, 10 with radii 9.5 each.
    let (real, generated) = (array![[0.0], [1.0], [3.0]], array![[0.5], [10.0]]);
    let found = precision_recall_density_coverage(real.view(), generated.view(), 1).unwrap();
    // 0.5 lies in the balls of 0 and 1, not of 3 (2.5 away); 10 in none. Real points all lie
    // within 9.5 of a generated one. The balls of 0 and 1 hold a generated point.
    assert_eq!((found.precision, found.recall), (0.5, 1.0));
    assert_eq!((found.density, found.coverage), (1.0, 2.0 / 3.0));
    // A generated point on the border of a ball is outside: |2 - 1| = radius of 1.
    let border = array![[2.0], [2.0]];
    let found = precision_recall_density_coverage(real.view(), border.view(), 1).unwrap();
    assert_eq!((found.precision, found.density), (1.0, 1.0));
}

#[test]
fn nearest_neighbours_come_in_order_and_copies_are_at_distance_zero() {
    let reference = array![[0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [3.0, 4.0]];
    let query = array![[3.0, 4.0], [0.0, 0.0]];
    let found = nearest(query.view(), reference.view(), 3).unwrap();
    let rows = |neighbours: &[Neighbour]| neighbours.iter().map(|n| n.row).collect::<Vec<_>>();
    assert_eq!(rows(&found[0]), [1, 3, 2]);
    assert_eq!(rows(&found[1]), [0, 2, 1]);
    assert_eq!((found[0][0].distance, found[1][2].distance), (0.0, 5.0));
}

#[test]
fn what_cannot_be_compared_is_refused_by_name() {
    let (two, three) = (array![[0.0, 1.0], [1.0, 0.0]], Array2::<f64>::zeros((4, 3)));
    let mut statistics = Statistics::new(3);
    assert!(matches!(
        statistics.add(two.view()),
        Err(Error::Dimension { expected: 3, found: 2, .. })
    ));
    let error = squared_mmd(two.view(), three.view()).unwrap_err().to_string();
    assert!(error.contains("has 3 features where 2 are expected"), "{error}");
    let mut bad = three.clone();
    bad[[2, 1]] = f64::NAN;
    let error = statistics.add(bad.view()).unwrap_err().to_string();
    assert!(error.contains("row 2, column 1 of the features is NaN"), "{error}");
    assert_eq!(statistics.count(), 0);
    assert!(matches!(statistics.covariance(), Err(Error::TooFew { needed: 2, found: 0, .. })));
    let few = precision_recall_density_coverage(three.view(), three.view(), 4);
    assert!(matches!(few, Err(Error::TooFew { needed: 5, found: 4, .. })));
    let zero = precision_recall_density_coverage(three.view(), three.view(), 0);
    assert!(matches!(zero, Err(Error::Setting { name: "k", .. })));
}
