//! Resizing against OpenCV and Pillow (tests/golden), and the rules of the transform.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use meme_data::{Crop, Error, Filter, Limits, RgbImage, Transform, decode};
use std::path::Path;

fn golden(name: &str) -> RgbImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    decode(name, &std::fs::read(path).unwrap(), [255; 3], &Limits::default()).unwrap()
}

/// The square of `side` at row `top` of a sheet.
fn cell(sheet: &RgbImage, top: usize, side: usize) -> Vec<u8> {
    let row = |y: usize| &sheet.rgb[y * sheet.width * 3..][..side * 3];
    (top..top + side).flat_map(row).copied().collect()
}

fn check(filter: Filter, sheet: &str) {
    let sheet = golden(sheet);
    let mut top = 0;
    for source in ["resize-source-wide.png", "resize-source-tall.png"] {
        for resolution in [7, 24] {
            let transform = Transform { filter, ..Transform::new(resolution) };
            let ours = transform.apply(source, &golden(source)).unwrap();
            assert_eq!(ours.rgb, cell(&sheet, top, resolution), "{source} at {resolution}");
            top += resolution;
        }
    }
}

#[test]
fn opencv_bilinear_equals_opencv_bit_for_bit() {
    check(Filter::OpencvBilinear, "resize-opencv-bilinear.png");
}

#[test]
fn pil_box_equals_pillow_bit_for_bit() {
    check(Filter::PilBox, "resize-pil-box.png");
}

#[test]
fn pil_bilinear_equals_pillow_bit_for_bit() {
    check(Filter::PilBilinear, "resize-pil-bilinear.png");
}

#[test]
fn pil_bicubic_equals_pillow_bit_for_bit() {
    check(Filter::PilBicubic, "resize-pil-bicubic.png");
}

#[test]
fn pil_lanczos_equals_pillow_bit_for_bit() {
    check(Filter::PilLanczos, "resize-pil-lanczos.png");
}

/// Column number in red, row number in green.
fn coordinates(width: usize, height: usize) -> RgbImage {
    let rgb =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
    RgbImage::new(width, height, rgb).unwrap()
}

#[test]
fn the_crop_starts_at_half_the_surplus_rounded_down() {
    let wide = Transform::new(4).apply("wide", &coordinates(9, 4)).unwrap();
    assert_eq!((wide.pixel(0, 0), wide.pixel(3, 3)), (Some([2, 0, 7]), Some([5, 3, 7])));
    let tall = Transform::new(4).apply("tall", &coordinates(4, 11)).unwrap();
    assert_eq!((tall.pixel(0, 0), tall.pixel(3, 3)), (Some([0, 3, 7]), Some([3, 6, 7])));
}

#[test]
fn a_picture_of_the_right_size_is_not_touched() {
    let picture = coordinates(5, 5);
    for filter in [Filter::OpencvBilinear, Filter::PilBicubic, Filter::PilLanczos] {
        let transform = Transform { filter, ..Transform::new(5) };
        assert_eq!(transform.apply("same", &picture).unwrap(), picture);
    }
}

#[test]
fn centre_first_keeps_the_middle_of_the_source() {
    let transform = Transform { crop: Crop::CentreFirst { side: 4 }, ..Transform::new(4) };
    let kept = transform.apply("middle", &coordinates(10, 20)).unwrap();
    assert_eq!((kept.pixel(0, 0), kept.pixel(3, 3)), (Some([3, 8, 7]), Some([6, 11, 7])));
    let error = transform.apply("small.png", &coordinates(10, 3)).unwrap_err();
    assert!(matches!(error, Error::TooSmall { minimum: 4, height: 3, .. }), "{error}");
}

#[test]
fn a_small_picture_is_enlarged_unless_a_minimum_side_forbids_it() {
    let picture = coordinates(3, 5);
    let mut transform = Transform::new(8);
    assert_eq!(transform.apply("small.png", &picture).unwrap().width, 8);
    transform.minimum_side = 4;
    let message = transform.apply("small.png", &picture).unwrap_err().to_string();
    assert!(message.contains("small.png") && message.contains("3 x 5"), "{message}");
    assert!(message.contains("at least 4"), "{message}");
}

#[test]
fn a_single_pixel_becomes_its_colour_under_every_filter() {
    let dot = RgbImage::new(1, 1, vec![9, 120, 251]).unwrap();
    let filters = ["opencv-bilinear", "pil-box", "pil-bilinear", "pil-bicubic", "pil-lanczos"];
    for name in filters {
        let filter: Filter = serde_json::from_value(name.into()).unwrap();
        let transform = Transform { filter, ..Transform::new(6) };
        let ours = transform.apply("dot", &dot).unwrap();
        assert_eq!(ours, RgbImage::filled(6, 6, [9, 120, 251]), "{name}");
    }
}

#[test]
fn a_panorama_costs_no_more_than_its_square() {
    // Whole, the result would hold 65535 * 256 x 256 pixels: more than 12 GB.
    let panorama = RgbImage::filled(65_535, 1, [1, 2, 3]);
    for filter in [Filter::OpencvBilinear, Filter::PilLanczos] {
        let transform = Transform { filter, ..Transform::new(256) };
        let ours = transform.apply("panorama", &panorama).unwrap();
        assert_eq!(ours, RgbImage::filled(256, 256, [1, 2, 3]));
    }
}

#[test]
fn impossible_resolutions_are_refused_by_name() {
    for resolution in [0, 100_000] {
        let message = Transform::new(resolution).validate().unwrap_err().to_string();
        assert!(message.contains("`resolution`"), "{message}");
    }
}

#[test]
fn misspelt_settings_are_refused() {
    let text = r#"{"resolution": 8, "filtre": "pil-box"}"#;
    let error = serde_json::from_str::<Transform>(text).unwrap_err().to_string();
    assert!(error.contains("filtre"), "{error}");
    let read: Transform = serde_json::from_str(r#"{"resolution": 8}"#).unwrap();
    assert_eq!(read, Transform::new(8));
}

#[test]
fn arrays_run_from_minus_one_to_one_and_back_without_loss() {
    let bytes: Vec<u8> = (0..=255).flat_map(|b| [b, 255 - b, b / 2]).collect();
    let picture = RgbImage::new(16, 16, bytes).unwrap();
    let mut array = vec![0.0; 3 * 256];
    picture.write_array(&mut array).unwrap();
    assert_eq!((array[0], array[255], array[256]), (-1.0, 1.0, 1.0));
    assert_eq!(array[51], 51.0 / 127.5 - 1.0);
    assert_eq!(RgbImage::from_array(&array, 16, 16).unwrap(), picture);
}
