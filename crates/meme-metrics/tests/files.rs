//! Statistics at rest.
#![allow(clippy::unwrap_used)]

mod common;

use common::{golden, matrix};
use meme_metrics::{Error, NetworkIdentity, Provenance, ReferenceStatistics, Statistics};

fn example() -> ReferenceStatistics {
    let file = golden("frechet.safetensors");
    let network = NetworkIdentity {
        name: "random-64".into(),
        hash: "abc".into(),
        dimension: 24,
        resize: "64x64".into(),
    };
    ReferenceStatistics {
        statistics: Statistics::of(matrix(&file, "features_a").view()).unwrap(),
        provenance: Provenance { network, resize: "none".into(), images: "def".into() },
    }
}

#[test]
fn statistics_come_back_from_a_file_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reference.safetensors");
    let statistics = example();
    statistics.write(&path).unwrap();
    assert_eq!(ReferenceStatistics::read(&path).unwrap(), statistics);
}

#[test]
fn a_damaged_or_foreign_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reference.safetensors");
    example().write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 7, 100, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(matches!(ReferenceStatistics::read(&path), Err(Error::Checkpoint(_))));
    }
    let foreign = format!("{}/tests/golden/frechet.safetensors", env!("CARGO_MANIFEST_DIR"));
    let error = ReferenceStatistics::read(foreign.as_ref()).unwrap_err().to_string();
    assert!(error.contains("statistics_version") && error.contains("is missing"), "{error}");
}

#[test]
fn statistics_made_differently_are_not_compared() {
    let ours = example().provenance;
    ours.check_comparable(&Provenance { images: "other".into(), ..ours.clone() }).unwrap();
    let mut theirs = ours.clone();
    theirs.network.hash = "xyz".into();
    let error = ours.check_comparable(&theirs).unwrap_err().to_string();
    assert!(error.contains("network hash") && error.contains("xyz"), "{error}");
    let resized = Provenance { resize: "bicubic".into(), ..ours.clone() };
    assert!(matches!(
        ours.check_comparable(&resized),
        Err(Error::Incomparable { field: "resize", .. })
    ));
}
