//! Decoding against Pillow, numpy and OpenCV (tests/golden), and what is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use meme_data::{Error, Limits, RgbImage, decode};
use std::path::Path;

const WHITE: [u8; 3] = [255; 3];

fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read(folder.join(name)).unwrap()
}

fn read(name: &str) -> RgbImage {
    decode(name, &bytes(name), WHITE, &Limits::default()).unwrap()
}

/// The largest difference between a file and what it should hold.
fn difference(file: &str, expected: &str) -> u8 {
    let ours = read(file);
    let theirs = read(&format!("decode-{expected}.expected.png"));
    assert_eq!((ours.width, ours.height), (theirs.width, theirs.height), "{file}");
    ours.rgb.iter().zip(&theirs.rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn png_modes_decode_exactly() {
    for mode in ["rgb", "grey", "one-bit", "rgba", "grey-alpha", "palette", "palette-clear"] {
        assert_eq!(difference(&format!("decode-{mode}.png"), mode), 0, "{mode}");
    }
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    assert_eq!(difference("decode-rgb16.png", "rgb16"), 0);
    assert_eq!(difference("decode-grey16.png", "grey16"), 0);
}

#[test]
fn lossless_webp_with_alpha_decodes_exactly() {
    assert_eq!(difference("decode-lossless.webp", "lossless"), 0);
}

#[test]
fn lossy_files_decode_as_pillow_does_within_rounding() {
    for (file, expected, tolerance) in [
        ("decode-baseline.jpg", "baseline", 3),
        ("decode-subsampled.jpg", "subsampled", 6),
        ("decode-progressive.jpg", "progressive", 6),
        ("decode-grey.jpg", "grey-jpeg", 3),
        ("decode-cmyk.jpg", "cmyk", 3),
        ("decode-lossy.webp", "lossy", 6),
    ] {
        let difference = difference(file, expected);
        assert!(difference <= tolerance, "{file}: {difference}");
    }
}

#[test]
fn all_eight_exif_orientations_are_carried_out() {
    for orientation in 1..=8 {
        let name = format!("exif-{orientation}");
        let difference = difference(&format!("decode-{name}.jpg"), &name);
        assert!(difference <= 3, "{name}: {difference}");
    }
    assert_eq!(read("decode-exif-6.jpg").width, 8, "a quarter turn exchanges the sides");
}

#[test]
fn the_background_shows_through_transparent_pixels() {
    let on = |ground| {
        let file = bytes("decode-palette-clear.png");
        decode("clear", &file, ground, &Limits::default()).unwrap()
    };
    let white = read("decode-palette-clear.png");
    assert_eq!(on(WHITE), white);
    // Palette entry 2 is wholly transparent and stands in column 2 of row 0, entry 0 wholly opaque.
    let blue = on([0, 0, 255]);
    assert_eq!((blue.pixel(2, 0), blue.pixel(0, 0)), (Some([0, 0, 255]), white.pixel(0, 0)));
}

#[test]
fn the_kind_is_read_off_the_bytes_and_not_off_the_name() {
    let picture = decode("wrong.jpg", &bytes("decode-rgb.png"), WHITE, &Limits::default());
    assert_eq!(picture.unwrap(), read("decode-rgb.png"));
}

#[test]
fn a_file_cut_off_anywhere_is_refused_by_name() {
    for name in [
        "decode-rgb.png",
        "decode-palette-clear.png",
        "decode-baseline.jpg",
        "decode-progressive.jpg",
        "decode-lossless.webp",
        "decode-lossy.webp",
    ] {
        let whole = bytes(name);
        // What follows the last pixel may be missing: a PNG's end chunk, a padding byte of WebP.
        let needed = match name.rsplit_once('.').unwrap().1 {
            "png" => whole.len() - 16,
            _ => whole.len() - 1,
        };
        for length in 0..needed {
            match decode(name, &whole[..length], WHITE, &Limits::default()) {
                Err(error @ Error::Decode { .. }) => assert!(error.to_string().starts_with(name)),
                other => panic!("{name} cut to {length} of {} bytes: {other:?}", whole.len()),
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_panics_and_a_png_notices_it() {
    let name = "decode-rgb16.png";
    let whole = bytes(name);
    let expected = read(name);
    // From the first chunk to the last pixel's checksum.
    for at in 8..whole.len() - 12 {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(picture) = decode(name, &damaged, WHITE, &Limits::default()) {
                assert_eq!(picture, expected, "byte {at}, bit {bit}");
            }
        }
    }
    for name in
        ["decode-baseline.jpg", "decode-cmyk.jpg", "decode-lossless.webp", "decode-lossy.webp"]
    {
        let whole = bytes(name);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            let _ = decode(name, &damaged, WHITE, &Limits::default());
        }
    }
}

#[test]
fn limits_are_kept_before_memory_is_spent() {
    let file = bytes("decode-rgb.png");
    let refuse = |limits: Limits, word: &str| {
        let error = decode("big.png", &file, WHITE, &limits).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, Error::TooLarge { .. }), "{message}");
        assert!(message.contains("big.png") && message.contains(word), "{message}");
    };
    refuse(Limits { max_side: 11, ..Limits::default() }, "side is 12, over the limit of 11");
    refuse(Limits { max_pixels: 95, ..Limits::default() }, "pixels is 96");
    refuse(Limits { max_bytes: 50, ..Limits::default() }, "bytes");
}

#[test]
fn a_png_that_claims_a_billion_pixels_is_refused() {
    let mut file = bytes("decode-rgb.png");
    file[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    file[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let checksum = crc32(&file[12..29]);
    file[29..33].copy_from_slice(&checksum.to_be_bytes());
    let error = decode("bomb.png", &file, WHITE, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::TooLarge { value: 3_600_000_000, .. }), "{error}");
}

#[test]
fn other_formats_are_refused_by_name() {
    for (file, word) in [
        (&b"GIF89a\x01\0\x01\0\0\0\0;"[..], "Gif"),
        (b"hello", "not PNG, JPEG or WebP"),
        (b"", "empty"),
    ] {
        let message = decode("x.png", file, WHITE, &Limits::default()).unwrap_err().to_string();
        assert!(message.starts_with("x.png: ") && message.contains(word), "{message}");
    }
}

/// The checksum of PNG chunks (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
