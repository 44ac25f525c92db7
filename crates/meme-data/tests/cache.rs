//! The cache: whole or not there, resumable, faithful.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use meme_data::cache::{Cache, CacheSpec, CacheWriter, Precision};
use meme_data::{ArraySource, Error, Transform};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

const SHAPE: [usize; 3] = [2, 2, 3];
const COUNT: usize = 5;

fn spec() -> CacheSpec {
    CacheSpec {
        dataset: "d".repeat(64),
        first_stage: "identity".to_owned(),
        transform: Transform::new(8),
        count: COUNT,
        shape: SHAPE,
        precision: Precision::F32,
    }
}

fn array(index: usize) -> Vec<f32> {
    (0..12).map(|n| (index * 100 + n) as f32 / 7.0 - 3.0).collect()
}

fn fill(writer: &mut CacheWriter, until: usize) {
    for index in writer.written()..until {
        writer.push(&array(index)).unwrap();
    }
}

fn make(path: &Path) -> Cache {
    let mut writer = CacheWriter::begin(path, spec()).unwrap();
    fill(&mut writer, COUNT);
    writer.finish().unwrap()
}

fn read(cache: &Cache, index: usize) -> Vec<f32> {
    let mut out = vec![0.0; 12];
    cache.read(index, &mut out).unwrap();
    out
}

fn staging(path: &Path) -> PathBuf {
    path.with_file_name(".staging-latents.cache")
}

#[test]
fn what_goes_in_comes_out_bit_for_bit_in_any_order() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    drop(make(&path));
    let cache = Cache::open(&path).unwrap();
    assert_eq!((cache.len(), cache.shape()), (COUNT, SHAPE));
    for index in [4, 0, 2, 1, 3, 2] {
        assert_eq!(read(&cache, index), array(index));
    }
    cache.verify().unwrap();
    assert!(matches!(cache.read(5, &mut [0.0; 12]), Err(Error::OutOfRange { index: 5, .. })));
    let files: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "nothing but data and header: {files:?}");
}

#[test]
fn the_data_file_is_plain_little_endian_and_its_hash_is_blake3() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    let cache = make(&path);
    let bytes = fs::read(path.join("data.bin")).unwrap();
    let expected: Vec<u8> = (0..COUNT).flat_map(array).flat_map(f32::to_le_bytes).collect();
    assert_eq!(bytes, expected);
    assert_eq!(cache.header().blake3, blake3::hash(&expected).to_hex().as_str());
}

#[test]
fn bf16_is_the_upper_half_rounded_to_even() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    let spec = CacheSpec { precision: Precision::Bf16, count: 1, ..spec() };
    let mut writer = CacheWriter::begin(&path, spec).unwrap();
    // Exact; halfway, down to even; halfway, up to even; just above halfway; negative.
    let bits = [0x3F80_0000, 0x3F80_8000, 0x3F81_8000, 0x3F80_8001, 0xC049_0FDB_u32];
    let mut values = vec![0.0; 12];
    for (value, bits) in values.iter_mut().zip(bits) {
        *value = f32::from_bits(bits);
    }
    writer.push(&values).unwrap();
    let cache = writer.finish().unwrap();
    let read: Vec<u32> = read(&cache, 0).iter().map(|value| value.to_bits()).collect();
    assert_eq!(read[..5], [0x3F80_0000, 0x3F80_0000, 0x3F82_0000, 0x3F81_0000, 0xC049_0000]);
    assert_eq!(fs::metadata(path.join("data.bin")).unwrap().len(), 24);
}

#[test]
fn an_interrupted_cache_goes_on_where_it_was_synced() {
    let folder = tempdir().unwrap();
    let whole = make(&folder.path().join("whole"));
    for stop in 0..=COUNT {
        let path = folder.path().join("latents");
        let mut writer = CacheWriter::begin(&path, spec()).unwrap();
        fill(&mut writer, stop.min(2));
        writer.sync().unwrap();
        // What comes after the sync is what a kill may lose, in part or whole.
        fill(&mut writer, stop);
        drop(writer);
        assert!(matches!(Cache::open(&path), Err(Error::Missing { .. })), "not there until whole");
        let mut writer = CacheWriter::begin(&path, spec()).unwrap();
        assert_eq!(writer.written(), stop.min(2));
        fill(&mut writer, COUNT);
        let cache = writer.finish().unwrap();
        assert_eq!(cache.header(), whole.header());
        fs::remove_dir_all(&path).unwrap();
    }
}

/// Runs this very test again in another process, which dies in the middle of its work without
/// flushing or tidying anything.
#[test]
fn a_cache_whose_writer_died_goes_on_and_ends_the_same() {
    const PLACE: &str = "MEME_DATA_DYING_WRITER";
    if let Some(path) = std::env::var_os(PLACE) {
        let mut writer = CacheWriter::begin(Path::new(&path), spec()).unwrap();
        let next = writer.written() + 1;
        fill(&mut writer, next);
        writer.sync().unwrap();
        fill(&mut writer, COUNT);
        std::process::abort();
    }
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    let name = "a_cache_whose_writer_died_goes_on_and_ends_the_same";
    for deaths in 1..=3 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", name]).env(PLACE, &path);
        assert!(!child.output().unwrap().status.success());
        let writer = CacheWriter::begin(&path, spec()).unwrap();
        assert_eq!(writer.written(), deaths);
    }
    let mut writer = CacheWriter::begin(&path, spec()).unwrap();
    fill(&mut writer, COUNT);
    let cache = writer.finish().unwrap();
    cache.verify().unwrap();
    assert_eq!(cache.header(), make(&folder.path().join("whole")).header());
}

#[test]
fn half_an_array_at_the_end_is_cut_off() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    let mut writer = CacheWriter::begin(&path, spec()).unwrap();
    fill(&mut writer, 3);
    writer.sync().unwrap();
    drop(writer);
    let data = staging(&path).join("data.bin");
    let mut bytes = fs::read(&data).unwrap();
    bytes.extend([7; 13]);
    fs::write(&data, bytes).unwrap();
    let mut writer = CacheWriter::begin(&path, spec()).unwrap();
    assert_eq!(writer.written(), 3);
    fill(&mut writer, COUNT);
    writer.finish().unwrap().verify().unwrap();
}

#[test]
fn a_staging_folder_that_cannot_be_trusted_is_started_anew() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    let begin = |spec| CacheWriter::begin(&path, spec).unwrap();
    let interrupted = || {
        let mut writer = begin(spec());
        fill(&mut writer, 3);
        writer.sync().unwrap();
    };
    interrupted();
    let data = staging(&path).join("data.bin");
    let mut bytes = fs::read(&data).unwrap();
    bytes[50] ^= 1;
    fs::write(&data, bytes).unwrap();
    assert_eq!(begin(spec()).written(), 0, "other bytes");
    interrupted();
    fs::write(staging(&path).join("progress.json"), "{").unwrap();
    assert_eq!(begin(spec()).written(), 0, "no progress");
    interrupted();
    let other = CacheSpec { first_stage: "vq".to_owned(), ..spec() };
    assert_eq!(begin(other).written(), 0, "another first stage");
}

#[test]
fn two_writers_of_one_cache_do_not_meet() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    let first = CacheWriter::begin(&path, spec()).unwrap();
    assert!(matches!(CacheWriter::begin(&path, spec()), Err(Error::CacheBusy { .. })));
    drop(first);
    CacheWriter::begin(&path, spec()).unwrap();
}

#[test]
fn only_a_complete_cache_can_be_finished_and_no_array_too_many_is_taken() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    let mut writer = CacheWriter::begin(&path, spec()).unwrap();
    fill(&mut writer, 4);
    let error = writer.finish().unwrap_err();
    assert!(matches!(error, Error::CacheCount { written: 4, count: 5, .. }), "{error}");
    let mut writer = CacheWriter::begin(&path, spec()).unwrap();
    fill(&mut writer, COUNT);
    assert!(matches!(writer.push(&array(5)), Err(Error::CacheCount { written: 5, .. })));
    writer.finish().unwrap();
}

#[test]
fn arrays_of_another_shape_and_values_that_are_no_numbers_are_refused() {
    let folder = tempdir().unwrap();
    let mut writer = CacheWriter::begin(&folder.path().join("latents"), spec()).unwrap();
    fill(&mut writer, 1);
    assert!(matches!(writer.push(&[0.0; 11]), Err(Error::Length { got: 11, .. })));
    let mut bad = array(1);
    bad[5] = f32::NAN;
    let error = writer.push(&bad).unwrap_err();
    assert!(matches!(error, Error::NotFinite { index: 1, position: 5, .. }), "{error}");
    assert_eq!(writer.written(), 1);
}

#[test]
fn a_cache_of_something_else_is_refused_with_the_first_difference() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    drop(make(&path));
    Cache::open_for(&path, &spec()).unwrap();
    let other = [
        (CacheSpec { dataset: "e".to_owned(), ..spec() }, "data set"),
        (CacheSpec { first_stage: "vq".to_owned(), ..spec() }, "first stage"),
        (CacheSpec { transform: Transform::new(16), ..spec() }, "transform"),
        (CacheSpec { count: 6, ..spec() }, "count"),
        (CacheSpec { precision: Precision::Bf16, ..spec() }, "precision"),
    ];
    for (wanted, field) in other {
        for error in [
            Cache::open_for(&path, &wanted).unwrap_err(),
            CacheWriter::begin(&path, wanted).unwrap_err(),
        ] {
            assert!(error.to_string().contains(&format!("another {field}:")), "{error}");
        }
    }
    let error = CacheWriter::begin(&path, spec()).unwrap_err();
    assert!(error.to_string().contains("can be opened"), "{error}");
}

#[test]
fn data_of_any_other_length_and_any_flipped_bit_are_noticed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    drop(make(&path));
    let data = path.join("data.bin");
    let whole = fs::read(&data).unwrap();
    for length in 0..whole.len() {
        fs::write(&data, &whole[..length]).unwrap();
        let error = Cache::open(&path).unwrap_err();
        assert!(matches!(error, Error::CacheDamaged { .. }), "{length}: {error}");
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&data, &damaged).unwrap();
        let error = Cache::open(&path).unwrap().verify().unwrap_err();
        assert!(error.to_string().contains("hash"), "{error}");
    }
}

#[test]
fn a_header_cut_off_or_of_another_version_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("latents");
    drop(make(&path));
    let header = path.join("header.json");
    let whole = fs::read_to_string(&header).unwrap();
    for length in 0..whole.len() {
        fs::write(&header, &whole[..length]).unwrap();
        assert!(matches!(Cache::open(&path), Err(Error::CacheDamaged { .. })), "{length}");
    }
    fs::write(&header, whole.replace("\"version\": 1", "\"version\": 2")).unwrap();
    assert!(Cache::open(&path).unwrap_err().to_string().contains("version 2"));
    fs::write(&header, whole.replace("\"count\": 5", "\"count\": 18446744073709551615")).unwrap();
    assert!(matches!(Cache::open(&path), Err(Error::CacheDamaged { .. })));
}
