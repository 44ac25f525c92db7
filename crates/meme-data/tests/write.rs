//! Pictures out: whole files and contact sheets.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use meme_data::{Limits, RgbImage, decode, encode_png, grid, write_png};
use std::fs;
use tempfile::tempdir;

fn chequers(side: usize, colour: [u8; 3]) -> RgbImage {
    let mut picture = RgbImage::filled(side, side, colour);
    picture.rgb[0] = 77;
    picture
}

#[test]
fn a_written_png_reads_back_equal() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("picture.png");
    for colour in [[1, 2, 3], [200, 100, 0]] {
        let picture = chequers(9, colour);
        write_png(&path, &picture).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(decode("p", &bytes, [255; 3], &Limits::default()).unwrap(), picture);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn a_failed_write_leaves_the_old_file_and_no_other() {
    let folder = tempdir().unwrap();
    // A folder stands where the file should go: the rename fails after everything was written.
    let path = folder.path().join("picture.png");
    fs::create_dir_all(path.join("inside")).unwrap();
    let error = write_png(&path, &chequers(3, [0; 3])).unwrap_err().to_string();
    assert!(error.contains("picture.png"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = folder.path().join("missing/picture.png");
    assert!(write_png(&nowhere, &chequers(3, [0; 3])).is_err());
}

#[test]
fn pictures_that_contradict_themselves_are_refused() {
    assert!(RgbImage::new(2, 2, vec![0; 11]).is_err());
    assert!(encode_png(&RgbImage { width: 2, height: 2, rgb: vec![0; 11] }).is_err());
    assert!(encode_png(&RgbImage { width: 0, height: 2, rgb: vec![] }).is_err());
}

#[test]
fn a_grid_puts_pictures_in_rows_with_gaps_between_and_around() {
    let pictures: Vec<RgbImage> = (0..5).map(|n| RgbImage::filled(4, 4, [n; 3])).collect();
    let sheet = grid(&pictures, 3, 2).unwrap();
    assert_eq!((sheet.width, sheet.height), (3 * 6 + 2, 2 * 6 + 2));
    assert_eq!(sheet.pixel(0, 0), Some([255; 3]));
    for (n, (x, y)) in [(2, 2), (8, 2), (14, 2), (2, 8), (8, 8)].into_iter().enumerate() {
        assert_eq!(sheet.pixel(x, y), Some([n as u8; 3]));
        assert_eq!(sheet.pixel(x + 3, y + 3), Some([n as u8; 3]));
        assert_eq!(sheet.pixel(x + 4, y), Some([255; 3]), "the gap after picture {n}");
    }
    assert_eq!(sheet.pixel(14, 8), Some([255; 3]), "the last row is short");
}

#[test]
fn smaller_pictures_stand_in_the_middle_of_their_cell() {
    let pictures = [RgbImage::filled(6, 4, [1; 3]), RgbImage::filled(2, 2, [9; 3])];
    let sheet = grid(&pictures, 2, 0).unwrap();
    assert_eq!((sheet.width, sheet.height), (12, 4));
    assert_eq!(sheet.pixel(8, 1), Some([9; 3]));
    assert_eq!(sheet.pixel(7, 1), Some([255; 3]));
    assert_eq!(sheet.pixel(9, 3), Some([255; 3]));
}

#[test]
fn impossible_grids_are_refused() {
    let one = [RgbImage::filled(1, 1, [0; 3])];
    assert!(grid(&[], 3, 1).is_err());
    assert!(grid(&one, 0, 1).is_err());
    assert!(grid(&one, 1, usize::MAX).is_err());
    assert!(grid(&one, 1, 1 << 40).is_err());
}
