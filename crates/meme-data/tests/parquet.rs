//! Parquet files that pyarrow wrote: rows in their order, images and nothing else, refusals with reasons.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use meme_data::{Error, HashDepth, ImageSource, RgbImage, open};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parquet").join(name)
}

/// What row `number` holds.
fn colour(number: usize) -> RgbImage {
    RgbImage::filled(3, 2, [number as u8, 0, 255 - number as u8])
}

fn refusal(path: &Path) -> String {
    match open(path) {
        Ok(source) => panic!("{} opened with {} images", path.display(), source.len()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_image_column_of_hugging_face_is_read_row_by_row_in_any_order() {
    let source = open(&golden("datasets.parquet")).unwrap();
    assert_eq!(source.len(), 7);
    assert_eq!((source.name(0), source.name(6)), ("000000000", "000000006"));
    for row in [6, 0, 3, 2, 5, 1, 0] {
        assert_eq!(source.image(row, 8).unwrap(), colour(row));
    }
    let missing = source.image(4, 8).unwrap_err();
    assert!(matches!(missing, Error::Decode { .. }), "{missing}");
    let missing = missing.to_string();
    assert!(
        missing.contains("datasets.parquet: row 4") && missing.contains("no image"),
        "{missing}"
    );
    assert!(matches!(source.image(7, 8), Err(Error::OutOfRange { index: 7, .. })));
}

#[test]
fn pages_dictionaries_and_other_columns_make_no_difference() {
    let source = open(&golden("pages.parquet")).unwrap();
    assert_eq!(source.len(), 40);
    for row in (0..40).rev() {
        assert_eq!(source.image(row, 8).unwrap(), colour(row));
    }
    let hash = source.content_hash(HashDepth::Bytes).unwrap();
    let again = open(&golden("pages.parquet")).unwrap().content_hash(HashDepth::Bytes).unwrap();
    assert_eq!(hash, again);
    let other = open(&golden("datasets.parquet")).unwrap();
    assert!(other.content_hash(HashDepth::Names).is_err(), "a row without an image has no size");
}

#[test]
fn a_folder_of_parquet_files_is_their_concatenation() {
    let folder = tempdir().unwrap();
    for (name, shard) in [("b-00001.parquet", "datasets"), ("a-00000.parquet", "pages")] {
        fs::copy(golden(&format!("{shard}.parquet")), folder.path().join(name)).unwrap();
    }
    let source = open(folder.path()).unwrap();
    assert_eq!(source.len(), 47);
    assert_eq!(source.name(40), "b-00001.parquet/000000000");
    assert_eq!(source.image(46, 8).unwrap(), colour(6));
}

#[test]
fn several_threads_read_the_same_images() {
    let source = open(&golden("pages.parquet")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let source = &source;
            scope.spawn(move || {
                for turn in 0..80 {
                    let row = (turn * 7 + thread * 13) % 40;
                    assert_eq!(source.image(row, 8).unwrap(), colour(row));
                }
            });
        }
    });
}

#[test]
fn what_holds_no_images_is_refused_with_what_it_holds() {
    for (file, reason) in [
        ("no-bytes.parquet", "a table without a column of bytes; its columns: name, number"),
        ("two-columns.parquet", "several columns of bytes: one, two; call the one with the images"),
        ("empty.parquet", "a table without rows"),
    ] {
        let said = refusal(&golden(file));
        assert!(said.contains(reason), "{file}: {said}");
    }
    let source = open(&golden("gzip.parquet")).unwrap();
    let said = source.image(0, 8).unwrap_err().to_string();
    assert!(said.to_lowercase().contains("gzip") && said.contains("row group 0"), "{said}");
}

/// Every byte of a file changed in turn, and the file cut off at every length: an answer, an error that names the file,
/// and nothing else.
#[test]
fn damaged_files_are_refused_or_read_and_never_more() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("damaged.parquet");
    let whole = fs::read(golden("datasets.parquet")).unwrap();
    let mut refused = 0;
    let mut look = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let said = match open(&path) {
            Ok(source) => {
                assert!(source.len() <= whole.len());
                let rows = (0..source.len().min(8)).map(|row| source.image(row, 8));
                rows.filter_map(Result::err).map(|error| error.to_string()).next()
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(said) = said {
            assert!(said.contains("damaged.parquet"), "{said}");
            refused += 1;
        }
    };
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= [1, 0x80, 0xFF][at % 3];
        look(&bytes);
        if at % 7 == 0 {
            look(&whole[..at]);
        }
    }
    // Row 4 has no image, so each of them is refused for something.
    assert!(refused > whole.len(), "{refused}");
}
