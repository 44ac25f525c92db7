//! Checkpoint folders: what is promised about them, on a disk that works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use common::{Lcg, assert_is, contents, names, save};
use meme_checkpoint::{
    Error, FolderProblem, FolderWriter, RealStorage, Shelf, Storage as _, latest_good, list,
    open_folder, prune, remove_leftovers, write_file_whole,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn problems(folder: &Path) -> Vec<FolderProblem> {
    match open_folder(folder) {
        Err(Error::Damaged { problems, .. }) => problems,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_committed_folder_gives_back_what_went_in() {
    let scratch = common::scratch();
    let folder = save(&scratch.path().join("deep/down"), 7, 100);
    assert_is(&open_folder(&folder).unwrap(), 7, 100);
    assert_eq!(names(folder.parent().unwrap()), ["000000007"]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["files"]["stats.jsonl"]["size"], 13);
    // Computed by the blake3 package for Python.
    let hash = "6b67217be2546fc4ed133cb6e10e0d695b23fa1b3ec2ecf204ce3309536c72f2";
    assert_eq!(manifest["files"]["stats.jsonl"]["blake3"], hash);
}

#[test]
fn nothing_stands_at_the_final_place_before_the_commit() {
    let scratch = common::scratch();
    let mut writer = FolderWriter::begin(scratch.path().join("1")).unwrap();
    common::fill(&mut writer, 1, 10).unwrap();
    assert!(!scratch.path().join("1").exists());
    drop(writer);
    assert_eq!(names(scratch.path()), [""; 0]);
}

#[test]
fn a_good_checkpoint_is_never_overwritten() {
    let scratch = common::scratch();
    let folder = save(scratch.path(), 1, 10);
    let before = contents(&folder);
    assert!(
        matches!(FolderWriter::begin(&folder), Err(Error::AlreadyThere(path)) if path == folder)
    );

    // Two writers at once: the first to commit wins, the second is told.
    let target = scratch.path().join("000000002");
    let mut first = FolderWriter::begin(&target).unwrap();
    let mut second = FolderWriter::begin(&target).unwrap();
    common::fill(&mut first, 2, 10).unwrap();
    common::fill(&mut second, 3, 10).unwrap();
    first.commit(common::extra(2)).unwrap();
    assert!(matches!(second.commit(common::extra(3)), Err(Error::AlreadyThere(_))));
    assert_is(&open_folder(&target).unwrap(), 2, 10);
    assert_eq!(contents(&folder), before);
    assert_eq!(names(scratch.path()), ["000000001", "000000002"]);
}

#[test]
fn a_damaged_checkpoint_is_set_aside_and_other_folders_are_left_alone() {
    let scratch = common::scratch();
    let folder = save(scratch.path(), 1, 10);
    fs::write(folder.join("ema.safetensors"), b"gone").unwrap();
    let mut writer = FolderWriter::begin(&folder).unwrap();
    common::fill(&mut writer, 1, 10).unwrap();
    let committed = writer.commit(common::extra(1)).unwrap();
    let aside = scratch.path().join("000000001.damaged-0");
    assert_eq!(committed.set_aside.as_deref(), Some(&*aside));
    assert_eq!(fs::read(aside.join("ema.safetensors")).unwrap(), b"gone");
    assert_is(&latest_good(scratch.path()).unwrap().good.unwrap(), 1, 10);
    assert_eq!(list(scratch.path()).unwrap().len(), 1);

    let pictures = scratch.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    fs::write(pictures.join("cat.png"), b"cat").unwrap();
    assert!(matches!(FolderWriter::begin(&pictures), Err(Error::Occupied(_))));
    let file = pictures.join("cat.png");
    assert!(matches!(FolderWriter::begin(&file), Err(Error::Occupied(_))));

    let empty = scratch.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let committed = FolderWriter::begin(&empty).unwrap().commit(serde_json::Value::Null).unwrap();
    assert!(open_folder(committed.path).unwrap().extra().is_null());
}

#[test]
fn every_problem_is_reported_with_its_file() {
    let scratch = common::scratch();
    let folder = save(scratch.path(), 1, 10);
    fs::remove_file(folder.join("ema.safetensors")).unwrap();
    fs::write(folder.join("stats.jsonl"), b"short").unwrap();
    let mut weights = fs::read(folder.join("weights.safetensors")).unwrap();
    *weights.last_mut().unwrap() ^= 4;
    fs::write(folder.join("weights.safetensors"), weights).unwrap();
    let found = problems(&folder);
    assert_eq!(found.len(), 3);
    assert_eq!(found[0], FolderProblem::Missing { file: "ema.safetensors".to_owned() });
    let file = "stats.jsonl".to_owned();
    assert_eq!(found[1], FolderProblem::Size { file, expected: 13, found: 5 });
    assert!(matches!(&found[2], FolderProblem::Hash { file, .. } if file == "weights.safetensors"));
    let message = open_folder(&folder).unwrap_err().to_string();
    for part in ["000000001 is damaged", "ema.safetensors is missing", "stats.jsonl has 5 bytes"] {
        assert!(message.contains(part), "{message}");
    }
    fs::remove_file(folder.join("manifest.json")).unwrap();
    assert_eq!(problems(&folder), [FolderProblem::ManifestMissing]);
    assert!(matches!(open_folder(scratch.path().join("none")), Err(Error::Io { .. })));
}

#[test]
fn files_that_the_manifest_does_not_list_are_no_fault_and_never_read() {
    let scratch = common::scratch();
    let folder = save(scratch.path(), 1, 10);
    fs::write(folder.join("notes.txt"), b"the good one").unwrap();
    let opened = open_folder(&folder).unwrap();
    assert_eq!(opened.unlisted(), ["notes.txt"]);
    let refused = opened.read("notes.txt").unwrap_err().to_string();
    assert!(
        refused.contains("it has ema.safetensors, stats.jsonl, weights.safetensors"),
        "{refused}"
    );
}

#[test]
fn a_file_that_changes_after_opening_is_noticed_when_it_is_read() {
    let scratch = common::scratch();
    let folder = save(scratch.path(), 1, 10);
    let opened = open_folder(&folder).unwrap();
    fs::write(folder.join("stats.jsonl"), b"{\"images\":2}\n").unwrap();
    assert!(matches!(opened.read("stats.jsonl"), Err(Error::Damaged { .. })));
    let path = folder.join("weights.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(opened.tensors("weights.safetensors"), Err(Error::Damaged { .. })));
    assert_eq!(opened.untouched("weights.safetensors"), None);
}

#[test]
fn a_disk_tells_states_of_a_file_apart_unless_they_are_too_recent() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let identity = RealStorage.identity(&old).unwrap().unwrap();
    assert_eq!(identity.length, fs::metadata(&old).unwrap().len());
    assert_eq!(RealStorage.identity(&old).unwrap(), Some(identity));
    let other = RealStorage.identity(&old.with_file_name("src/lib.rs")).unwrap().unwrap();
    assert_ne!(identity.file, other.file);
    let scratch = common::scratch();
    let new = scratch.path().join("new");
    fs::write(&new, b"just now").unwrap();
    assert_eq!(RealStorage.identity(&new).unwrap(), None);
    assert!(RealStorage.identity(&scratch.path().join("absent")).is_err());
}

/// Damages one file at a time and asserts that the folder is refused with that file named.
fn assert_refused(folder: &Path, file: &str, damaged: &[u8]) {
    let path = folder.join(file);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, damaged).unwrap();
    let error = open_folder(folder).expect_err("a damaged folder was opened").to_string();
    assert!(error.contains(&format!(" {file} ")), "{error}");
    fs::write(&path, whole).unwrap();
}

#[test]
fn a_folder_truncated_at_any_length_is_refused_and_the_file_named() {
    let scratch = common::scratch();
    let folder = save(scratch.path(), 1, 10);
    let mut cuts = 0;
    for (file, whole) in contents(&folder) {
        for length in 0..whole.len() {
            assert_refused(&folder, &file, &whole[..length]);
            cuts += 1;
        }
        assert_refused(&folder, &file, &[&whole[..], b"\n"].concat());
    }
    common::tell("truncations of a checkpoint refused (one for every length of every file)", cuts);
    assert_is(&open_folder(&folder).unwrap(), 1, 10);
}

#[test]
fn every_flipped_bit_is_refused_and_the_file_named() {
    let scratch = common::scratch();
    let folder = save(scratch.path(), 1, 10);
    let mut flips = 0;
    for (file, whole) in contents(&folder) {
        for bit in 0..8 * whole.len() {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_refused(&folder, &file, &damaged);
            flips += 1;
        }
    }
    common::tell("flipped bits of a checkpoint refused", flips);
}

#[test]
fn bits_flipped_at_random_in_a_larger_checkpoint_are_refused() {
    let scratch = common::scratch();
    let folder = save(scratch.path(), 1, 3000);
    let files: Vec<_> = contents(&folder).into_iter().collect();
    let mut random = Lcg(2);
    let rounds = if common::slow() { 100_000 } else { 10_000 };
    for _ in 0..rounds {
        let (file, whole) = &files[random.below(files.len() as u64) as usize];
        let mut damaged = whole.clone();
        damaged[random.below(whole.len() as u64) as usize] ^= 1 << random.below(8);
        assert_refused(&folder, file, &damaged);
    }
    common::tell("flipped bits of a checkpoint refused", rounds);
}

#[test]
fn the_newest_good_one_is_found_and_damaged_ones_are_named() {
    let scratch = common::scratch();
    for number in [9, 10, 999_999_999, 1_000_000_000] {
        save(scratch.path(), number, 10);
    }
    fs::create_dir(scratch.path().join("best")).unwrap();
    fs::write(scratch.path().join("readme.txt"), b"hello").unwrap();
    let order: Vec<String> = list(scratch.path())
        .unwrap()
        .into_iter()
        .map(|listed| listed.path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(order, ["1000000000", "999999999", "000000010", "000000009", "best"]);

    fs::write(scratch.path().join("1000000000/stats.jsonl"), b"").unwrap();
    fs::remove_file(scratch.path().join("999999999/manifest.json")).unwrap();
    let latest = latest_good(scratch.path()).unwrap();
    assert_is(&latest.good.unwrap(), 10, 10);
    let skipped: Vec<String> = latest.skipped.iter().map(|it| it.error.to_string()).collect();
    assert!(skipped[0].contains("1000000000") && skipped[0].contains("stats.jsonl has 0 bytes"));
    assert!(skipped[1].contains("999999999") && skipped[1].contains("manifest.json is missing"));

    let none = latest_good(scratch.path().join("not yet")).unwrap();
    assert!(none.good.is_none() && none.skipped.is_empty());
}

#[test]
fn pruning_keeps_two_good_ones_at_least_and_nothing_unknown_is_removed() {
    let scratch = common::scratch();
    for number in 1..=6 {
        save(scratch.path(), number, 10);
    }
    save(scratch.path(), 99, 10);
    fs::rename(scratch.path().join("000000099"), scratch.path().join("best")).unwrap();
    fs::write(scratch.path().join("000000005/stats.jsonl"), b"").unwrap();
    fs::remove_file(scratch.path().join("000000002/manifest.json")).unwrap();

    let pruned = prune(scratch.path(), 0).unwrap();
    let last = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let kept: Vec<_> = pruned.kept.iter().map(|path| last(path)).collect();
    let removed: Vec<_> = pruned.removed.iter().map(|path| last(path)).collect();
    let damaged: Vec<_> = pruned.damaged.iter().map(|it| last(&it.path)).collect();
    assert_eq!(kept, ["000000006", "000000004"]);
    assert_eq!(removed, ["000000003", "000000001"]);
    assert_eq!(damaged, ["000000005", "000000002"]);
    assert_eq!(names(scratch.path()), ["000000002", "000000004", "000000005", "000000006", "best"]);
}

#[test]
fn leftovers_go_when_their_writers_are_gone_and_not_before() {
    let scratch = common::scratch();
    let mut writer = FolderWriter::begin(scratch.path().join("1")).unwrap();
    common::fill(&mut writer, 1, 10).unwrap();
    let dead = scratch.path().join(".staging-2-1-0");
    fs::create_dir_all(dead.join("deeper")).unwrap();
    fs::write(dead.join("deeper/weights"), b"half").unwrap();
    fs::write(scratch.path().join(".staging-settings.toml-1-0"), b"half").unwrap();
    fs::write(scratch.path().join(".hidden"), b"mine").unwrap();
    let outside = common::scratch();
    fs::write(outside.path().join("kept"), b"kept").unwrap();
    std::os::unix::fs::symlink(outside.path(), dead.join("link")).unwrap();

    let leftovers = remove_leftovers(scratch.path()).unwrap();
    assert_eq!(leftovers.removed.len(), 2);
    assert_eq!(leftovers.in_use.len(), 1);
    assert!(outside.path().join("kept").exists(), "a link was followed");
    writer.commit(common::extra(1)).unwrap();
    assert_is(&open_folder(scratch.path().join("1")).unwrap(), 1, 10);
    assert_eq!(names(scratch.path()), [".hidden", "1"]);
    assert!(remove_leftovers(scratch.path().join("none")).unwrap().removed.is_empty());
}

#[test]
fn names_that_lead_elsewhere_are_refused_in_writers_and_in_manifests() {
    let scratch = common::scratch();
    let mut writer = FolderWriter::begin(scratch.path().join("1")).unwrap();
    for name in ["", "..", "../x", "a/b", "a\\b", ".hidden", "manifest.json", "nul\0"] {
        assert!(matches!(writer.write(name, b""), Err(Error::FileName { .. })), "{name:?}");
    }
    writer.write("twice", b"").unwrap();
    assert!(matches!(writer.write("twice", b""), Err(Error::FileName { .. })));

    let manifest = meme_checkpoint::Manifest {
        files: BTreeMap::from([(
            "../secret".to_owned(),
            meme_checkpoint::FileRecord { size: 0, blake3: blake3::hash(b"").to_string() },
        )]),
        extra: serde_json::Value::Null,
    };
    let text = manifest.render().unwrap();
    assert!(meme_checkpoint::Manifest::parse(text.as_bytes()).unwrap_err().contains("../secret"));
}

#[test]
fn numbers_in_the_manifest_come_back_to_the_last_bit() {
    let scratch = common::scratch();
    let mut random = Lcg(5);
    let rates: Vec<f64> = (0..1000)
        .map(|_| f64::from_bits(random.below(1 << 31) << 32 | random.below(1 << 31)))
        .filter(|value| value.is_finite())
        .collect();
    let path = scratch.path().join("1");
    let extra = serde_json::json!({ "rates": rates });
    let committed = FolderWriter::begin(path).unwrap().commit(extra.clone()).unwrap();
    assert_eq!(open_folder(committed.path).unwrap().extra(), &extra);
}

#[test]
fn an_extra_that_could_not_be_read_back_is_not_written() {
    let scratch = common::scratch();
    let nested = (0..200).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
    let outcome = FolderWriter::begin(scratch.path().join("1")).unwrap().commit(nested);
    assert!(matches!(outcome, Err(Error::Manifest { .. })));
    assert_eq!(names(scratch.path()), [""; 0]);
}

#[test]
fn a_shelf_numbers_its_checkpoints() {
    let scratch = common::scratch();
    let shelf = Shelf::new(scratch.path());
    let writer = shelf.begin(320_000).unwrap();
    assert_eq!(writer.target(), scratch.path().join("000320000"));
}

#[test]
fn a_file_written_whole_replaces_the_old_one_and_leaves_nothing_beside_it() {
    let scratch = common::scratch();
    let path = scratch.path().join("settings.toml");
    write_file_whole(&path, b"one").unwrap();
    write_file_whole(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(names(scratch.path()), ["settings.toml"]);
    assert!(matches!(write_file_whole("..", b""), Err(Error::Path(_))));
    let folder = scratch.path().join("folder");
    fs::create_dir(&folder).unwrap();
    assert!(write_file_whole(&folder, b"").unwrap_err().to_string().contains("folder"));
    let absent = scratch.path().join("absent/file");
    assert!(matches!(write_file_whole(absent, b""), Err(Error::Io { action: "create", .. })));
    assert_eq!(names(scratch.path()), ["folder", "settings.toml"]);
}
