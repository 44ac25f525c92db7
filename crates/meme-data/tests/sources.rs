//! Folders, tar and zip files: what is found, in which order, and what is refused.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests")]

use meme_data::{
    Error, HashDepth, ImageSource, Limits, NameList, RgbImage, encode_png, open, open_with,
};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

fn colour(value: u8) -> RgbImage {
    RgbImage::filled(3, 2, [value, 0, 255 - value])
}

fn png(value: u8) -> Vec<u8> {
    encode_png(&colour(value)).unwrap()
}

fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn names(source: &dyn ImageSource) -> Vec<String> {
    (0..source.len()).map(|index| source.name(index).to_owned()).collect()
}

fn refusal(path: &Path) -> Error {
    match open(path) {
        Ok(source) => panic!("{} opened with {} images", path.display(), source.len()),
        Err(error) => error,
    }
}

/// A tar file of (name, contents).
fn tar_of(path: &Path, entries: &[(&str, &[u8])]) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap().sync_all().unwrap();
}

/// A tar header whose name `Builder` would not write.
fn raw_entry(name: &str, kind: tar::EntryType, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn zip_of(path: &Path, entries: &[(&str, &[u8])]) {
    let mut writer = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
}

fn scratch() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}

#[test]
fn a_folder_is_read_recursively_in_the_order_of_relative_names() {
    let (_guard, root) = scratch();
    put(&root, "b.png", &png(2));
    put(&root, "a/z.PNG", &png(1));
    put(&root, "a.png", &png(0));
    put(&root, "notes.txt", b"no image");
    put(&root, ".hidden.png", &png(9));
    put(&root, ".cache/c.png", &png(9));
    let source = open(&root).unwrap();
    // By bytes: "." comes before "/".
    assert_eq!(names(&source), ["a.png", "a/z.PNG", "b.png"]);
    for index in 0..3 {
        assert_eq!(source.image(index, 64).unwrap(), colour(index as u8));
    }
    assert!(matches!(source.image(3, 64), Err(Error::OutOfRange { index: 3, len: 3, .. })));
    assert_eq!(source.name(3), "");
}

#[test]
fn links_are_followed_and_a_loop_is_walked_once() {
    let (_guard, root) = scratch();
    let (_other_guard, other) = scratch();
    put(&other, "far.png", &png(1));
    put(&root, "near.png", &png(0));
    symlink(&other, root.join("elsewhere")).unwrap();
    symlink(&root, root.join("loop")).unwrap();
    symlink(&root, other.join("back")).unwrap();
    assert_eq!(names(&open(&root).unwrap()), ["elsewhere/far.png", "near.png"]);
}

#[test]
fn a_dangling_link_is_an_error_when_it_is_read_and_not_before() {
    let (_guard, root) = scratch();
    put(&root, "a.png", &png(0));
    symlink(root.join("gone"), root.join("b.png")).unwrap();
    let source = open(&root).unwrap();
    assert_eq!(source.image(0, 8).unwrap(), colour(0));
    let error = source.image(1, 8).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("b.png"), "{error}");
}

#[test]
fn what_is_not_there_is_said_plainly() {
    let (_guard, root) = scratch();
    let missing = root.join("nowhere");
    assert!(matches!(refusal(&missing), Error::Missing { path } if path == missing));
    let empty = root.join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(matches!(refusal(&empty), Error::EmptyFolder { .. }));
    put(&root, "texts/a.gif", b"");
    put(&root, "texts/b.txt", b"");
    put(&root, "texts/c/d.txt", b"");
    let message = refusal(&root.join("texts")).to_string();
    assert!(message.contains("2 .txt, 1 .gif") && message.contains(".webp"), "{message}");
}

#[test]
fn files_that_are_no_archive_are_refused_with_what_to_do() {
    let (_guard, root) = scratch();
    for (name, bytes, word) in [
        ("a.tar.gz", &[0x1F, 0x8B, 8, 0][..], "decompress"),
        ("a.png", &png(0)[..], "a single image"),
        ("a.7z", b"7z\xBC\xAF\x27\x1C", "not supported"),
        ("a.txt", b"hello", "neither a tar nor a zip"),
        ("a.tar", b"", "empty"),
    ] {
        put(&root, name, bytes);
        let error = refusal(&root.join(name));
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    put(&root, "zeros.tar", &[0; 1024]);
    assert!(matches!(refusal(&root.join("zeros.tar")), Error::NoImages { .. }));
}

#[test]
fn folder_tar_and_zip_of_the_same_files_are_the_same_source() {
    let (_guard, root) = scratch();
    let files: Vec<(String, Vec<u8>)> = (0..9).map(|n| (format!("part/{n}.png"), png(n))).collect();
    let mut entries: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    for (name, bytes) in &entries {
        put(&root.join("folder"), name, bytes);
    }
    // The order within an archive does not matter.
    entries.reverse();
    tar_of(&root.join("set.tar"), &entries);
    zip_of(&root.join("set.zip"), &entries);
    let sources: Vec<_> = ["folder", "set.tar", "set.zip"]
        .iter()
        .map(|name| open(&root.join(name)).unwrap())
        .collect();
    for source in &sources {
        assert_eq!(names(source), names(&sources[0]));
        for index in [8, 0, 5] {
            assert_eq!(source.image(index, 1).unwrap(), colour(index as u8));
        }
        for depth in [HashDepth::Names, HashDepth::Bytes] {
            assert_eq!(
                source.content_hash(depth).unwrap(),
                sources[0].content_hash(depth).unwrap()
            );
        }
    }
}

#[test]
fn the_content_hash_notices_bytes_and_names() {
    let (_guard, root) = scratch();
    put(&root, "a.png", b"one");
    let hashes = || {
        let source = open(&root).unwrap();
        [HashDepth::Names, HashDepth::Bytes].map(|depth| source.content_hash(depth).unwrap())
    };
    let before = hashes();
    put(&root, "a.png", b"two");
    let other_bytes = hashes();
    assert_eq!(before[0], other_bytes[0], "the cheap hash looks at names and sizes alone");
    assert_ne!(before[1], other_bytes[1]);
    fs::rename(root.join("a.png"), root.join("b.png")).unwrap();
    let other_name = hashes();
    assert!(other_bytes[0] != other_name[0] && other_bytes[1] != other_name[1]);
}

#[test]
fn a_webdataset_shard_gives_its_images_and_nothing_else() {
    let (_guard, root) = scratch();
    let long = format!("{}/000002.png", "deep".repeat(50));
    let entries: [(&str, &[u8]); 6] = [
        ("000001.png", &png(1)),
        ("000001.json", b"{}"),
        ("000000.png", &png(0)),
        ("000000.cls", b"7"),
        (&long, &png(2)),
        ("._000000.png", b"resource fork"),
    ];
    tar_of(&root.join("shard.tar"), &entries);
    let source = open(&root.join("shard.tar")).unwrap();
    assert_eq!(names(&source), ["000000.png", "000001.png", long.as_str()]);
    assert_eq!(source.image(2, 1).unwrap(), colour(2));
}

#[test]
fn a_folder_of_shards_is_their_concatenation() {
    let (_guard, root) = scratch();
    tar_of(&root.join("b.tar"), &[("x.png", &png(2))]);
    tar_of(&root.join("a.tar"), &[("x.png", &png(0)), ("y.png", &png(1))]);
    let source = open(&root).unwrap();
    assert_eq!(names(&source), ["a.tar/x.png", "a.tar/y.png", "b.tar/x.png"]);
    for index in 0..3 {
        assert_eq!(source.image(index, 1).unwrap(), colour(index as u8));
    }
}

#[test]
fn pax_names_are_understood() {
    let (_guard, root) = scratch();
    let name = "päth/ünicode.png";
    let mut builder = tar::Builder::new(fs::File::create(root.join("pax.tar")).unwrap());
    builder.append_pax_extensions([("path", name.as_bytes())]).unwrap();
    let mut header = tar::Header::new_ustar();
    let bytes = png(3);
    header.set_size(bytes.len() as u64);
    builder.append_data(&mut header, "short.png", bytes.as_slice()).unwrap();
    builder.finish().unwrap();
    let source = open(&root.join("pax.tar")).unwrap();
    assert_eq!(names(&source), [name]);
    assert_eq!(source.image(0, 1).unwrap(), colour(3));
}

#[test]
fn the_later_of_two_tar_entries_with_one_name_counts() {
    let (_guard, root) = scratch();
    tar_of(&root.join("twice.tar"), &[("a.png", &png(1)), ("a.png", &png(2))]);
    let source = open(&root.join("twice.tar")).unwrap();
    assert_eq!((source.len(), source.image(0, 1).unwrap()), (1, colour(2)));
}

#[test]
fn archives_with_escaping_names_are_refused() {
    let (_guard, root) = scratch();
    for name in ["../escape.png", "/usr/escape.png", "a/../../escape.png"] {
        let bytes = png(0);
        let mut block = raw_entry(name, tar::EntryType::Regular, bytes.len() as u64);
        block.extend(&bytes);
        block.resize(block.len().next_multiple_of(512) + 1024, 0);
        put(&root, "hostile.tar", &block);
        let error = refusal(&root.join("hostile.tar"));
        assert!(
            matches!(error, Error::Archive { .. }) && error.to_string().contains(name),
            "{error}"
        );
        zip_of(&root.join("hostile.zip"), &[(name, &bytes)]);
        let error = refusal(&root.join("hostile.zip"));
        assert!(
            matches!(error, Error::Archive { .. }) && error.to_string().contains(name),
            "{error}"
        );
    }
}

#[test]
fn links_in_archives_are_ignored() {
    let (_guard, root) = scratch();
    let path = root.join("links.tar");
    let mut builder = tar::Builder::new(fs::File::create(&path).unwrap());
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, "link.png", "/proc/version").unwrap();
    }
    let bytes = png(4);
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    builder.append_data(&mut header, "real.png", bytes.as_slice()).unwrap();
    builder.finish().unwrap();
    assert_eq!(names(&open(&path).unwrap()), ["real.png"]);

    let path = root.join("links.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    writer.add_symlink("link.png", "/proc/version", options).unwrap();
    writer.start_file("real.png", options).unwrap();
    writer.write_all(&bytes).unwrap();
    writer.finish().unwrap();
    assert_eq!(names(&open(&path).unwrap()), ["real.png"]);
}

#[test]
fn a_tar_cut_off_within_an_entry_is_refused() {
    let (_guard, root) = scratch();
    tar_of(&root.join("whole.tar"), &[("a.png", &png(1)), ("b.png", &png(2))]);
    let whole = fs::read(root.join("whole.tar")).unwrap();
    let first_end = 512 + png(1).len().next_multiple_of(512);
    let second_end = first_end + 512 + png(2).len();
    for length in (1..second_end).filter(|length| *length != first_end) {
        // Padding belongs to nobody.
        if (512 + png(1).len()..first_end).contains(&length) {
            continue;
        }
        put(&root, "cut.tar", &whole[..length]);
        let error = refusal(&root.join("cut.tar"));
        let expected = matches!(error, Error::Archive { .. } | Error::Unsupported { .. });
        assert!(expected, "{length}: {error}");
    }
}

#[test]
fn a_tar_with_huge_or_contradictory_headers_is_refused() {
    let (_guard, root) = scratch();
    let long_name = raw_entry("././@LongLink", tar::EntryType::GNULongName, 1 << 33);
    put(&root, "name.tar", &long_name);
    assert!(refusal(&root.join("name.tar")).to_string().contains("8589934592 bytes"));
    let endless = raw_entry("a.png", tar::EntryType::Regular, 0o7_7777_7777);
    put(&root, "endless.tar", &endless);
    assert!(refusal(&root.join("endless.tar")).to_string().contains("cut off"));
}

#[test]
fn a_zip_bomb_is_refused_before_it_is_inflated() {
    let (_guard, root) = scratch();
    let zeros = vec![0; 1 << 20];
    zip_of(&root.join("bomb.zip"), &[("bomb.png", &zeros)]);
    assert!(fs::metadata(root.join("bomb.zip")).unwrap().len() < 4096);
    let limits = Limits { max_bytes: 1 << 16, ..Limits::default() };
    let error = open_with(&root.join("bomb.zip"), limits).unwrap().image(0, 1).unwrap_err();
    assert!(matches!(error, Error::TooLarge { value: 1_048_576, .. }), "{error}");
    // The same with a directory that lies about the size.
    let mut bytes = fs::read(root.join("bomb.zip")).unwrap();
    let claimed = (1_u32 << 20).to_le_bytes();
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == claimed {
            bytes[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
        }
    }
    put(&root, "liar.zip", &bytes);
    let error = open_with(&root.join("liar.zip"), limits).unwrap().image(0, 1).unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
    assert!(error.to_string().contains("liar.zip: bomb.png"), "{error}");
}

#[test]
fn a_flipped_bit_in_a_zip_is_noticed_or_harmless() {
    let (_guard, root) = scratch();
    zip_of(&root.join("good.zip"), &[("a.png", &png(1))]);
    let whole = fs::read(root.join("good.zip")).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        put(&root, "bad.zip", &damaged);
        if let Ok(picture) = open(&root.join("bad.zip")).and_then(|source| source.image(0, 1)) {
            assert_eq!(picture, colour(1), "byte {at}");
        }
    }
}

#[test]
fn corrupt_images_are_named_with_their_archive() {
    let (_guard, root) = scratch();
    put(&root, "folder/bad.png", b"not a png");
    tar_of(&root.join("set.tar"), &[("in/bad.png", b"not a png")]);
    for (path, name) in [("folder", "folder/bad.png"), ("set.tar", "set.tar: in/bad.png")] {
        let error = open(&root.join(path)).unwrap().image(0, 1).unwrap_err();
        assert!(
            matches!(error, Error::Decode { .. }) && error.to_string().contains(name),
            "{error}"
        );
    }
}

#[test]
fn name_lists_select_by_name_then_by_file_name_then_by_stem() {
    let (_guard, root) = scratch();
    for (name, value) in [("00000/00001.png", 1), ("00000/00002.png", 2), ("x/other.jpg", 3)] {
        put(&root.join("set"), name, &png(value));
    }
    let source = open(&root.join("set")).unwrap();
    let list = |text: &str| {
        put(&root, "list.txt", text.as_bytes());
        NameList::read(&root.join("list.txt")).and_then(|list| list.select(&source))
    };
    assert_eq!(list("00002.png\n\n  00000/00001.png \r\nother.npy\n").unwrap(), [1, 0, 2]);
    let message = list("00001.png\n00009.png\n").unwrap_err().to_string();
    assert!(message.contains("`00009.png`") && message.contains("1 of 2"), "{message}");
    assert!(matches!(list("\n\n"), Err(Error::Names { .. })));
    put(&root.join("set"), "y/00001.png", &png(4));
    let source = open(&root.join("set")).unwrap();
    put(&root, "list.txt", b"00001.png");
    let error = NameList::read(&root.join("list.txt")).unwrap().select(&source).unwrap_err();
    assert!(error.to_string().contains("could be several"), "{error}");
}

#[test]
fn every_emoji_of_the_real_archive_decodes() {
    let Some(folder) = std::env::var_os("MEME_TEST_DATA") else {
        eprintln!("skipped: MEME_TEST_DATA is not set");
        return;
    };
    let source = open(&Path::new(&folder).join("noto-emoji-128.tar")).unwrap();
    // What `tar t` counts.
    assert_eq!(source.len(), 3583);
    assert_eq!(source.name(0), "png/128/emoji_u0023.png");
    let corners_white = (0..source.len())
        .map(|index| source.image(index, 128).unwrap())
        .inspect(|picture| assert_eq!((picture.width, picture.height), (128, 128)))
        .filter(|picture| picture.pixel(0, 0) == Some([255; 3]))
        .count();
    assert!(corners_white > 3000, "{corners_white} of 3583 have a transparent corner");
}
