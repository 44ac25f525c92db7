//! Intervals, floors and reports.
#![allow(clippy::unwrap_used)]

mod common;

use common::{golden, matrix};
use meme_metrics::{
    BootstrapOptions, Compared, Error, EvaluationOptions, NetworkIdentity, bootstrap, evaluate,
    real_floor,
};
use meme_random::{Purpose, Stream};
use ndarray::{Array2, s};

fn normals(rows: usize, columns: usize, image: u64) -> Array2<f64> {
    let stream = Stream::new(1, Purpose::Test, 0, image);
    Array2::from_shape_fn((rows, columns), |(r, c)| stream.normal((r * columns + c) as u64))
}

fn mean_of(values: &Array2<f64>) -> impl Fn(&[usize]) -> meme_metrics::Result<f64> + Sync {
    |rows| Ok(rows.iter().map(|row| values[[*row, 0]]).sum::<f64>() / rows.len() as f64)
}

#[test]
fn the_interval_of_a_mean_has_the_textbooks_width() {
    let values = normals(400, 1, 0);
    let mean = values.mean().unwrap();
    let deviation = values.std(0.0);
    let options = BootstrapOptions { replicates: 4000, level: 0.95, seed: 9 };
    let interval = bootstrap(mean, 400, &options, mean_of(&values)).unwrap();
    // 1.96 standard errors on either side; 4000 resamples know the ends to about 3 %.
    let half = 1.959_964 * deviation / 20.0;
    assert!((interval.low - (mean - half)).abs() < 0.08 * half, "{interval:?}");
    assert!((interval.high - (mean + half)).abs() < 0.08 * half, "{interval:?}");
    assert!(interval.shift.abs() < 0.1 * half);
}

#[test]
fn the_interval_is_the_same_on_one_thread_and_on_many() {
    let values = normals(50, 1, 1);
    let options = BootstrapOptions { replicates: 101, ..Default::default() };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bootstrap(0.0, 50, &options, mean_of(&values)).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn options_out_of_range_and_failing_statistics_are_reported() {
    let values = normals(5, 1, 2);
    for (replicates, level) in [(1, 0.9), (10, 0.0), (10, 1.0), (10, f64::NAN)] {
        let options = BootstrapOptions { replicates, level, seed: 0 };
        let answer = bootstrap(0.0, 5, &options, mean_of(&values));
        assert!(matches!(answer, Err(Error::Setting { .. })));
    }
    let options = BootstrapOptions::default();
    let none = bootstrap(0.0, 0, &options, mean_of(&values));
    assert!(matches!(none, Err(Error::TooFew { .. })));
    let failing = bootstrap(0.0, 5, &options, |_| Err(Error::Stopped { done: 3 }));
    assert!(matches!(failing, Err(Error::Stopped { done: 3 })));
}

#[test]
fn the_floor_of_gaussian_features_falls_as_one_over_n() {
    // For equal distributions the distance is all bias, which is proportional to 1 / n (Chong and
    // Forsyth 2020): four times the images, a quarter of the floor.
    let rows = normals(4000, 8, 3);
    let few = real_floor(rows.view(), 250, 8, 0).unwrap();
    let many = real_floor(rows.view(), 1000, 8, 0).unwrap();
    let ratio = few.value / many.value;
    assert!((3.4..4.7).contains(&ratio), "{few:?} {many:?}");
    assert!(matches!(real_floor(rows.view(), 2001, 1, 0), Err(Error::TooFew { .. })));
}

fn compared(dimension: usize) -> Compared {
    let network = NetworkIdentity {
        name: "golden".into(),
        hash: "00".into(),
        dimension,
        resize: "none".into(),
    };
    Compared {
        network,
        resize: "none".into(),
        generated: "seeds 0..300".into(),
        generated_hash: "11".into(),
        reference: "four hundred rows".into(),
        reference_hash: "22".into(),
    }
}

#[test]
fn a_report_holds_the_value_and_everything_it_depends_on() {
    let file = golden("frechet.safetensors");
    let (real, fake) = (matrix(&file, "features_a"), matrix(&file, "features_b"));
    let options = EvaluationOptions {
        bootstrap: BootstrapOptions { replicates: 50, ..Default::default() },
        ..Default::default()
    };
    let report = evaluate(fake.view(), real.view(), compared(24), &options).unwrap();
    assert!((report.value - common::number(&file, "frechet_a_b")).abs() < 1e-6);
    assert!(report.interval.low < report.value && report.value < report.interval.high);
    // Fewer distinct rows make the distance larger.
    assert!(report.interval.shift > 0.0);
    let floor = report.floor.unwrap();
    assert_eq!(floor.images, 200);
    assert!(floor.value < report.value / 10.0, "{floor:?}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["metric"], "Frechet distance (golden)");
    assert_eq!(json["generated"], 300);
    assert_eq!(json["compared"]["network"]["hash"], "00");
    assert_eq!(json["compared"]["reference_hash"], "22");
    assert!((json["manifold"]["recall"].as_f64().unwrap() - 0.44).abs() < 1e-12);
    let again = evaluate(fake.view(), real.view(), compared(24), &options).unwrap();
    assert_eq!(again, report);
}

#[test]
fn tiny_sets_give_what_they_can_and_no_more() {
    let file = golden("frechet.safetensors");
    let (real, fake) = (matrix(&file, "features_a"), matrix(&file, "features_b"));
    let (real, fake) = (real.slice(s![..3, ..]), fake.slice(s![..2, ..]));
    let report = evaluate(fake, real, compared(24), &EvaluationOptions::default()).unwrap();
    assert!(report.value.is_finite());
    assert_eq!((report.floor, report.kid, report.manifold), (None, None, None));
    let one = evaluate(fake.slice(s![..1, ..]), real, compared(24), &EvaluationOptions::default());
    assert!(matches!(one, Err(Error::TooFew { .. })));
    let wrong = evaluate(fake, real, compared(64), &EvaluationOptions::default());
    assert!(matches!(wrong, Err(Error::Dimension { expected: 64, found: 24, .. })));
}
