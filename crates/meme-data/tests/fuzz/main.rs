//! Pictures and archives as an enemy would write them.
//!
//! Each reader is run for a second among the ordinary tests, and for half a minute by
//! `cargo xtask test --slow`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
#![allow(clippy::ptr_arg, reason = "other repairs change a file's length")]

#[path = "../../../meme-checkpoint/tests/fuzz/engine.rs"]
mod engine;

use std::io::{Cursor, Write as _};
use std::path::Path;

use engine::{Target, as_it_is};
use meme_data::{Limits, RgbImage, decode, encode_png, open_with};

/// Address space of a process, in MiB.
const MEMORY: u64 = 512;
/// What a picture may cost here: 16 bytes a pixel are 16 MiB.
const LIMITS: Limits = Limits { max_side: 4096, max_pixels: 1 << 20, max_bytes: 1 << 20 };

macro_rules! fuzz {
    ($($brief:ident $long:ident $run:ident;)+) => {$(
        #[test]
        fn $brief() {
            $run(stringify!($brief), 1);
        }

        #[test]
        #[ignore = "slow: reads hostile files for half a minute"]
        fn $long() {
            $run(stringify!($long), 30);
        }
    )+};
}

fuzz! {
    hostile_pngs_are_refused_or_read hostile_pngs_are_refused_or_read_for_long pngs;
    hostile_jpegs_are_refused_or_read hostile_jpegs_are_refused_or_read_for_long jpegs;
    hostile_webps_are_refused_or_read hostile_webps_are_refused_or_read_for_long webps;
    hostile_tars_are_refused_or_read hostile_tars_are_refused_or_read_for_long tars;
    hostile_zips_are_refused_or_read hostile_zips_are_refused_or_read_for_long zips;
}

#[cfg(feature = "parquet")]
fuzz! {
    hostile_parquets_are_refused_or_read hostile_parquets_are_refused_or_read_for_long parquets;
}

/// The golden pictures of one kind.
fn golden(extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let chosen = paths.iter().filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("decode-") && name.ends_with(extension) && !name.contains("expected")
    });
    chosen.map(|path| std::fs::read(path).unwrap()).collect()
}

fn pictures(test: &str, seconds: u64, extension: &str, words: &[&[u8]], repair: fn(&mut Vec<u8>)) {
    let (seeds, name) = (golden(extension), "hostile");
    assert!(!seeds.is_empty());
    Target { test, seeds, words, repair, memory: MEMORY, name }.run(seconds, |bytes| {
        let picture = decode("hostile", bytes, [255; 3], &LIMITS).map_err(|it| it.to_string())?;
        assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height);
        assert!((picture.width * picture.height) as u64 <= LIMITS.max_pixels);
        Ok(())
    });
}

fn pngs(test: &str, seconds: u64) {
    let words: &[&[u8]] =
        &[b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"iCCP", b"zTXt", b"eXIf"];
    pictures(test, seconds, ".png", words, png_checksums);
}

/// Makes the checksum of every chunk right, as far as their lengths make sense.
fn png_checksums(file: &mut Vec<u8>) {
    let mut at = 8;
    while let Some(head) = file.get(at..at + 4) {
        let length = u32::from_be_bytes(head.try_into().unwrap()) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        if end.saturating_add(4) > file.len() {
            return;
        }
        let sum = !crc32(&file[at + 4..end]);
        file[end..end + 4].copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
}

/// The checksum of PNG, before the last inversion.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn jpegs(test: &str, seconds: u64) {
    let words: &[&[u8]] = &[
        b"\xff\xd8",
        b"\xff\xc0",
        b"\xff\xc2",
        b"\xff\xc4",
        b"\xff\xda",
        b"\xff\xdb",
        b"\xff\xdd",
        b"\xff\xd9",
        b"\xff\xe1",
        b"\xff\xee",
        b"Exif\0\0",
        b"Adobe",
    ];
    pictures(test, seconds, ".jpg", words, as_it_is);
}

fn webps(test: &str, seconds: u64) {
    let words: &[&[u8]] =
        &[b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP"];
    pictures(test, seconds, ".webp", words, riff_length);
}

/// Makes the length of a RIFF file right.
fn riff_length(file: &mut Vec<u8>) {
    let length = (file.len() as u32).saturating_sub(8).to_le_bytes();
    if let Some(place) = file.get_mut(4..8) {
        place.copy_from_slice(&length);
    }
}

fn png(value: u8) -> Vec<u8> {
    encode_png(&RgbImage::filled(3, 2, [value, 0, 255 - value])).unwrap()
}

fn archives(
    test: &str,
    seconds: u64,
    seeds: Vec<Vec<u8>>,
    words: &[&[u8]],
    repair: fn(&mut Vec<u8>),
) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("hostile");
    let name = "hostile";
    Target { test, seeds, words, repair, memory: MEMORY, name }.run(seconds, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        let source = open_with(&path, LIMITS).map_err(|error| error.to_string())?;
        let mut answer = Ok(());
        for index in 0..source.len() {
            let name = source.name(index);
            assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."), "{name}");
            answer = source.image(index, 1).map(|_| ()).map_err(|it| it.to_string()).and(answer);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was unpacked");
        answer
    });
}

fn tars(test: &str, seconds: u64) {
    let tar = |names: &[&str]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (number, name) in names.iter().enumerate() {
            let bytes = png(number as u8);
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let long = format!("{}/a.png", "folder".repeat(30));
    let seeds = vec![tar(&["a.png", "b/c.png"]), tar(&[&long, "d.png"])];
    let words: &[&[u8]] = &[
        b"../",
        b"/usr/",
        b"ustar",
        b"././@LongLink",
        b"77777777777",
        b"\x80\0\0\0\0\0\0\0",
        b"L",
        b"x",
        b"2",
        b"19 path=../up.png\n",
        b"GNU.sparse.size=9",
        b"\x1b[31m.png",
    ];
    archives(test, seconds, seeds, words, tar_checksums);
}

/// Makes the checksum of every block right that could be a header.
fn tar_checksums(file: &mut Vec<u8>) {
    for block in file.chunks_exact_mut(512) {
        if block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

fn zips(test: &str, seconds: u64) {
    let zip = |entries: &[(&str, &[u8])], method| {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        for (name, bytes) in entries {
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let (first, second) = (png(1), png(2));
    let entries: [(&str, &[u8]); 2] = [("a.png", &first), ("b/c.png", &second)];
    let seeds = vec![
        zip(&entries, zip::CompressionMethod::Stored),
        zip(&entries, zip::CompressionMethod::Deflated),
    ];
    let words: &[&[u8]] = &[
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"PK\x06\x07",
        b"../",
        b"/",
        b"\x1b[31m.png",
        b".png",
        b"\x08\0",
        b"\x63\0",
    ];
    archives(test, seconds, seeds, words, as_it_is);
}

#[cfg(feature = "parquet")]
fn parquets(test: &str, seconds: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parquet");
    let seeds = ["snappy", "pages"].map(|name| folder.join(format!("{name}.parquet")));
    let seeds = seeds.iter().map(|path| std::fs::read(path).unwrap()).collect();
    // Ends of a file, and sizes as the format writes them: i32 and i64 fields of 1 GiB, 2 GiB and -1.
    let words: &[&[u8]] = &[
        b"PAR1",
        b"PARE",
        b"\x15\x80\x80\x80\x80\x08",
        b"\x15\xfe\xff\xff\xff\x0f",
        b"\x16\x80\x80\x80\x80\x08",
        b"\x16\x01",
        b"\xff\xff\xff\xff\x0f",
        b"bytes",
        b"image",
    ];
    archives(test, seconds, seeds, words, as_it_is);
}
