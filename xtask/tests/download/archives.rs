//! Archives that become folders, and archives that must not.

use std::fs;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;

use crate::sandbox::{Sandbox, bytes};

/// A sandbox whose one file is this archive, put in its place by hand.
fn holding(archive: &[u8], kind: &str, only: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!(
        "[[source.files]]\npath = 'a.archive'\nunpack = {{ kind = '{kind}', to = 'inside', only = '{only}' }}\n"
    ));
    fs::create_dir_all(sandbox.file("")).unwrap();
    fs::write(sandbox.file("a.archive"), archive).unwrap();
    sandbox
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, body) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(body).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A tar whose names are written as they are; the writer of the tar crate refuses bad ones.
fn tar_of(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, body) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *body).unwrap();
    }
    builder.into_inner().unwrap()
}

#[track_caller]
fn refused(sandbox: &Sandbox, reason: &str) {
    sandbox.download(&[]).failed_saying(&["a.archive", reason, "Nothing of it was unpacked"]);
    assert_eq!(sandbox.names(), ["a.archive"]);
    assert!(!sandbox.path("data/escaped").exists() && !sandbox.path("escaped").exists());
}

#[test]
fn a_zip_becomes_a_folder_once() {
    let body = bytes(10_000);
    let sandbox = holding(&zip_of(&[("model.ckpt", &body), ("sub/b", b"b")]), "zip", "");
    sandbox.download(&[]).succeeded();
    assert!(sandbox.read("inside/model.ckpt") == body);
    assert_eq!(sandbox.read("inside/sub/b"), b"b");
    fs::write(sandbox.file("inside/mine"), "kept").unwrap();
    sandbox.download(&[]).succeeded();
    assert_eq!(sandbox.read("inside/mine"), b"kept");
}

#[test]
fn a_tar_becomes_a_folder() {
    let body = bytes(10_000);
    let file = tar::EntryType::Regular;
    let archive = tar_of(&[("./sub/", tar::EntryType::Directory, b""), ("./sub/b", file, &body)]);
    let sandbox = holding(&archive, "tar", "");
    sandbox.download(&[]).succeeded();
    assert!(sandbox.read("inside/sub/b") == body);
}

#[test]
fn only_what_is_wanted_is_unpacked() {
    let archive =
        zip_of(&[("set/images/1.jpg", b"1"), ("set/masks/1.png", b"2"), ("set/README", b"3")]);
    let sandbox = holding(&archive, "zip", "set/images/");
    sandbox.download(&[]).succeeded();
    let inside: Vec<_> =
        fs::read_dir(sandbox.file("inside")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(inside, ["1.jpg"]);
    refused(&holding(&archive, "zip", "set/videos/"), "no file below set/videos/");
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../escaped", "a/../../escaped", "/escaped", "a\\..\\escaped"] {
        refused(
            &holding(&zip_of(&[("good", b"1"), (name, b"2")]), "zip", ""),
            "leads out of the folder",
        );
    }
    let file = tar::EntryType::Regular;
    for name in ["../escaped", "a/../../escaped", "/escaped"] {
        let archive = tar_of(&[("good", file, b"1"), (name, file, b"2")]);
        refused(&holding(&archive, "tar", ""), "leads out of the folder");
    }
}

#[test]
fn links_and_devices_are_refused() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "../../escaped", SimpleFileOptions::default()).unwrap();
    refused(&holding(&writer.finish().unwrap().into_inner(), "zip", ""), "is a link");
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        refused(&holding(&tar_of(&[("link", kind, b"")]), "tar", ""), "is a link");
    }
    for kind in [tar::EntryType::Char, tar::EntryType::Block, tar::EntryType::Fifo] {
        refused(&holding(&tar_of(&[("dev", kind, b"")]), "tar", ""), "neither a file nor a folder");
    }
}

#[test]
fn names_that_stand_twice_are_refused() {
    let file = tar::EntryType::Regular;
    refused(&holding(&tar_of(&[("a", file, b"1"), ("a", file, b"2")]), "tar", ""), "stands twice");
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    // 64 MB of zeros in 64 kB.
    let archive = zip_of(&[("zeros", &vec![0; 64 << 20])]);
    assert!(archive.len() < 100_000);
    refused(&holding(&archive, "zip", ""), "it would grow from");
}

#[test]
fn a_damaged_archive_leaves_nothing() {
    let body = bytes(100_000);
    let mut archive = zip_of(&[("first", b"1"), ("model.ckpt", &body)]);
    // In the middle of the compressed bytes; the checksum of the entry notices.
    let middle = archive.len() / 2;
    archive[middle] ^= 0x40;
    let sandbox = holding(&archive, "zip", "");
    let ended = sandbox.download(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(sandbox.names(), ["a.archive"]);
    let whole = zip_of(&[("model.ckpt", &body)]);
    refused(&holding(&whole[..whole.len() / 2], "zip", ""), "cannot be unpacked");
}

#[test]
fn what_an_interrupted_unpacking_left_is_removed() {
    let sandbox = holding(&zip_of(&[("a", b"1")]), "zip", "");
    fs::create_dir_all(sandbox.file(".inside.unpacking")).unwrap();
    fs::write(sandbox.file(".inside.unpacking/half"), "half").unwrap();
    sandbox.download(&[]).succeeded();
    assert_eq!(sandbox.names(), ["a.archive", "inside"]);
}
