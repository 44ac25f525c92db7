//! What the tests share: a tiny generator, and checkpoints whose contents follow from their number.
#![allow(dead_code)]

use meme_checkpoint::{FolderWriter, Result, TensorData, VerifiedFolder};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Knuth's 64-bit linear congruential generator; the high bits are good enough to pick positions.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
}

/// Says how many faults were put in: on standard error and, where the variable `MEME_FIGURES` names
/// a file, as a line in it, `count<TAB>what`, which `cargo xtask test` adds up and shows at its end.
#[allow(clippy::print_stderr, reason = "a figure of a test")]
pub(crate) fn tell(what: &str, count: u64) {
    use std::io::Write as _;
    eprintln!("{count} {what}");
    if let Some(path) = std::env::var_os("MEME_FIGURES") {
        let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{count}\t{what}\n").as_bytes()).unwrap();
    }
}

/// Whether the long forms of the tests were asked for.
pub(crate) fn slow() -> bool {
    std::env::var_os("MEME_SLOW").is_some_and(|value| value != "0")
}

/// A temporary folder in memory where there is such a disk: what is tested is what is called, and
/// thousands of real syncs would take minutes.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Tensors that follow from `number`.
pub(crate) fn tensors(number: u64, values: usize) -> BTreeMap<String, TensorData> {
    let mut random = Lcg(number);
    let weights: Vec<f32> = (0..values).map(|_| random.below(1 << 20) as f32).collect();
    BTreeMap::from([
        ("stem.weight".to_owned(), TensorData::from_f32(&weights, &[values]).unwrap()),
        ("step".to_owned(), TensorData::from_i64(&[number as i64], &[]).unwrap()),
    ])
}

/// Writes everything of checkpoint `number` but the commit.
pub(crate) fn fill(writer: &mut FolderWriter, number: u64, values: usize) -> Result<()> {
    writer.tensors("weights.safetensors", &tensors(number, values), &BTreeMap::new())?;
    writer.tensors("ema.safetensors", &tensors(number + 1, values), &BTreeMap::new())?;
    writer.write("stats.jsonl", format!("{{\"images\":{number}}}\n").as_bytes())
}

/// Writes checkpoint `number` on the real disk.
pub(crate) fn save(shelf: &Path, number: u64, values: usize) -> PathBuf {
    let mut writer = FolderWriter::begin(shelf.join(format!("{number:09}"))).unwrap();
    fill(&mut writer, number, values).unwrap();
    writer.commit(extra(number)).unwrap().path
}

/// What goes into the manifest of checkpoint `number`.
pub(crate) fn extra(number: u64) -> serde_json::Value {
    serde_json::json!({ "images": number, "learning_rate": 0.1 + 0.2 })
}

/// Asserts that a folder holds exactly checkpoint `number`.
pub(crate) fn assert_is(folder: &VerifiedFolder, number: u64, values: usize) {
    assert_eq!(folder.extra(), &extra(number));
    let weights = folder.tensors("weights.safetensors").unwrap();
    assert_eq!(weights.tensors, tensors(number, values));
    assert_eq!(folder.tensors("ema.safetensors").unwrap().tensors, tensors(number + 1, values));
    let stats = format!("{{\"images\":{number}}}\n");
    assert_eq!(folder.read("stats.jsonl").unwrap(), stats.as_bytes());
}

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every file of a folder with its bytes.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    names(folder)
        .into_iter()
        .map(|name| {
            let bytes = std::fs::read(folder.join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}
