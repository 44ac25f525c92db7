//! Agreement with the packages that people measure with; `--nocapture` prints the table.
//! How the numbers were made: tests/golden/packages.py.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::path::{Path, PathBuf};

use common::{assert_close, golden, matrix, number};
use meme_metrics::{
    Gaussian, KidOptions, Npz, Statistics, frechet_infinity, inception_score, kid,
    precision_recall_density_coverage, read_npz, squared_mmd, write_npz,
};
use meme_random::{Purpose, Stream};
use ndarray::{Array1, Array2, s};

fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Prints a row of the table and checks it.
fn agrees(what: &str, found: f64, expected: f64, relative: f64) {
    println!("{what:40} {found:14.8} {expected:14.8} {:.1e}", (found / expected - 1.0).abs());
    assert_close(found, expected, relative);
}

#[test]
fn distances_are_those_of_scipy_torch_fidelity_pytorch_fid_and_prdc() {
    let file = golden("packages.safetensors");
    let (a, b) = (matrix(&file, "a"), matrix(&file, "b"));
    let of = |rows: &Array2<f64>| Gaussian::of(&Statistics::of(rows.view()).unwrap()).unwrap();
    let frechet = of(&a).distance(&of(&b)).unwrap();
    for package in ["scipy", "torch-fidelity", "pytorch-fid"] {
        agrees(
            &format!("Frechet, {package}"),
            frechet,
            number(&file, &format!("frechet.{package}")),
            1e-9,
        );
    }
    // torch-fidelity's subsets hold the same number of rows of both sets.
    let equal = squared_mmd(a.view(), b.slice(s![..150, ..])).unwrap();
    agrees("KID, torch-fidelity, all rows", equal, number(&file, "kid.all"), 1e-9);
    // Its 4,000 subsets are others than ours: the means agree to their standard errors.
    let options = KidOptions { subsets: 4000, subset_size: 50, seed: 1 };
    let subsets = kid(a.view(), b.view(), &options).unwrap();
    let expected = number(&file, "kid.subset_mean");
    println!("KID over subsets: {} and {expected}", subsets.subset_mean);
    let error = subsets.subset_deviation / 4000_f64.sqrt();
    assert!((subsets.subset_mean - expected).abs() < 5.0 * error);
    let deviation = number(&file, "kid.subset_deviation");
    agrees("KID's deviation, torch-fidelity", subsets.subset_deviation, deviation, 0.05);
    let found = precision_recall_density_coverage(a.view(), b.view(), 5).unwrap();
    for (name, value) in [
        ("precision", found.precision),
        ("recall", found.recall),
        ("density", found.density),
        ("coverage", found.coverage),
    ] {
        agrees(&format!("{name}, prdc"), value, number(&file, &format!("prdc.{name}")), 1e-12);
    }
    // torch-fidelity counts in float32.
    agrees("precision, torch-fidelity", found.precision, number(&file, "prc.precision"), 1e-6);
    agrees("recall, torch-fidelity", found.recall, number(&file, "prc.recall"), 1e-6);
}

#[test]
fn the_inception_score_is_torch_fidelitys() {
    let file = golden("packages.safetensors");
    let scores = matrix(&file, "scores");
    let found = inception_score(scores.view(), 7, None).unwrap();
    agrees("inception score, torch-fidelity", found.mean, number(&file, "isc.mean"), 1e-12);
    agrees("its deviation", found.deviation, number(&file, "isc.deviation"), 1e-10);
    // Rows of other places make other parts.
    let shuffled = inception_score(scores.view(), 7, Some(0)).unwrap();
    assert!(shuffled.mean != found.mean && (shuffled.mean / found.mean - 1.0).abs() < 0.1);
    // All images alike: one; a different class each, without doubt: the number of classes.
    let alike = Array2::from_shape_fn((20, 4), |(_, class)| class as f64);
    assert_close(inception_score(alike.view(), 2, None).unwrap().mean, 1.0, 1e-12);
    let sure = Array2::from_shape_fn(
        (20, 4),
        |(image, class)| {
            if image % 4 == class { 1000.0 } else { 0.0 }
        },
    );
    assert_close(inception_score(sure.view(), 1, None).unwrap().mean, 4.0, 1e-12);
    assert!(inception_score(sure.view(), 21, None).is_err());
}

#[test]
fn single_precision_rows_measure_as_their_float64_copies_do() {
    let file = golden("packages.safetensors");
    let (a, b) = (matrix(&file, "a"), matrix(&file, "b"));
    // The golden rows are float32 to begin with.
    let narrow = |rows: &Array2<f64>| rows.mapv(|value| value as f32);
    let (c, d) = (narrow(&a), narrow(&b));
    let of = |rows: &Array2<f64>| Statistics::of(rows.view()).unwrap();
    assert_eq!(Statistics::of(c.view()).unwrap(), of(&a));
    assert_eq!(squared_mmd(c.view(), d.view()).unwrap(), squared_mmd(a.view(), b.view()).unwrap());
    assert_eq!(
        precision_recall_density_coverage(c.view(), d.view(), 3).unwrap(),
        precision_recall_density_coverage(a.view(), b.view(), 3).unwrap()
    );
}

#[test]
fn extrapolation_takes_away_the_bias_of_a_finite_number_of_images() {
    // Images from the very distribution that they are compared with, which is known exactly: the
    // distance to it is all bias.
    let (count, width) = (2000, 16);
    let stream = Stream::new(5, Purpose::Test, 0, 0);
    let rows = Array2::from_shape_fn((count, width), |(row, column)| {
        stream.normal((row * width + column) as u64)
    });
    let real = Gaussian::new(Array1::zeros(width), Array2::eye(width)).unwrap();
    let plain = Gaussian::of(&Statistics::of(rows.view()).unwrap()).unwrap();
    let plain = plain.distance(&real).unwrap();
    let found = frechet_infinity(rows.view(), &real, 15, 0).unwrap();
    assert_eq!((found.points[0].0, found.points[14].0), (200, 2000));
    assert_close(found.points[14].1, plain, 1e-9);
    println!("{plain} at {count}, {} +- {} at infinity", found.value, found.error);
    assert!(found.value.abs() < plain / 2.0, "{} of {plain}", found.value);
    // width / n for the means and about width (width + 1) / (4 n) for the covariance.
    let slope = (width + width * (width + 1) / 4) as f64;
    assert!((found.slope / slope - 1.0).abs() < 0.3, "{} {slope}", found.slope);
    assert!(frechet_infinity(rows.slice(s![..19, ..]), &real, 15, 0).is_err());
    assert!(frechet_infinity(rows.view(), &real, 2, 0).is_err());
}

#[test]
fn statistics_of_pytorch_fid_and_clean_fid_are_read() {
    let file = golden("packages.safetensors");
    let a = matrix(&file, "a");
    let ours = Statistics::of(a.view()).unwrap();
    for (name, tolerance) in [("pytorch_fid.npz", 1e-12), ("stored_fortran_float32.npz", 1e-6)] {
        let Npz::Moments { mean, covariance } = read_npz(&golden_path(name)).unwrap() else {
            panic!("{name} holds moments")
        };
        let worst = |a: &Array2<f64>, b: &Array2<f64>| {
            (a - b).iter().fold(0.0_f64, |most, value| most.max(value.abs()))
        };
        assert!(worst(&covariance, &ours.covariance().unwrap()) < tolerance, "{name}");
        assert!((&mean - &ours.mean()).iter().all(|error| error.abs() < tolerance), "{name}");
    }
    assert_eq!(read_npz(&golden_path("feats.npz")).unwrap(), Npz::Features(a));
}

#[test]
fn statistics_written_for_them_come_back_and_damaged_files_are_refused() {
    let ours = Statistics::of(matrix(&golden("packages.safetensors"), "a").view()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("real.npz");
    write_npz(&path, &ours).unwrap();
    let Npz::Moments { mean, covariance } = read_npz(&path).unwrap() else { panic!() };
    assert_eq!((mean, covariance), (ours.mean().to_owned(), ours.covariance().unwrap()));
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = read_npz(&path).unwrap_err().to_string();
        assert!(error.contains("real.npz"), "{error}");
    }
    let foreign = read_npz(&golden_path("packages.py")).unwrap_err().to_string();
    assert!(foreign.contains("packages.py: is no .npz file"), "{foreign}");
}
