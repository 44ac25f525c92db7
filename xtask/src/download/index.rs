//! Files that list more files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Deserialize;

use super::bar::{Bar, size};
use super::fetch::{Client, Wanted};
use super::hash::Fingerprint;
use super::problem::{Problem, Result};
use super::source::{Published, Source, SourceFile, is_inside};
use super::space;

/// A picture's entry in `ffhq-dataset-v2.json`; the rest of it is not read.
#[derive(Deserialize)]
struct Entry {
    image: Picture,
}

#[derive(Deserialize)]
struct Picture {
    file_url: String,
    file_path: String,
    file_size: u64,
    file_md5: String,
}

/// The files that FFHQ's index lists, in the order of their paths.
pub(crate) fn ffhq(index: &Path) -> Result<Vec<SourceFile>> {
    let wrong = |difference: String| Problem::Wrong { path: index.to_owned(), difference };
    let file = File::open(index).map_err(Problem::io("read", index))?;
    let entries: BTreeMap<String, Entry> =
        serde_json::from_reader(BufReader::new(file)).map_err(|error| wrong(error.to_string()))?;
    let mut files = Vec::with_capacity(entries.len());
    for Entry { image } in entries.into_values() {
        if !is_inside(&image.file_path) {
            return Err(wrong(format!(
                "it lists {:?}, which leads out of the folder",
                image.file_path
            )));
        }
        files.push(SourceFile {
            path: image.file_path,
            urls: vec![image.file_url],
            published: Published {
                size: Some(image.file_size),
                md5: Some(image.file_md5),
                ..Published::default()
            },
            ..SourceFile::default()
        });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Downloads those of the listed files that are missing, several at once. The first one that cannot be had ends it.
pub(crate) fn fetch_all(
    client: &Client,
    source: &Source,
    folder: &Path,
    files: &[SourceFile],
    connections: usize,
    verify: bool,
) -> Result<()> {
    let total = files.iter().filter_map(|file| file.published.size).sum::<u64>();
    let mut missing = Vec::new();
    for file in files {
        if !is_there(&folder.join(&file.path), file, verify)? {
            missing.push(file);
        }
    }
    let needed = missing.iter().filter_map(|file| file.published.size).sum::<u64>();
    eprintln!("  {} files listed, {} missing ({})", files.len(), missing.len(), size(needed));
    space::check(&folder.join("any"), needed, "the listed files")?;
    let bar = Bar::new(&source.name);
    bar.begin(total - needed, Some(total));
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    let failure: Mutex<Option<Problem>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..connections.min(missing.len()) {
            scope.spawn(|| {
                while !stopped.load(Ordering::Relaxed) {
                    let Some(file) = missing.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        break;
                    };
                    let wanted = Wanted {
                        source,
                        path: &file.path,
                        target: folder.join(&file.path),
                        urls: file.urls.clone(),
                        published: &file.published,
                        record: None,
                    };
                    match client.fetch(&wanted, &Bar::silent()) {
                        Ok((found, _)) => bar.add(found.size),
                        Err(problem) => {
                            stopped.store(true, Ordering::Relaxed);
                            failure
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .get_or_insert(problem);
                        }
                    }
                }
            });
        }
    });
    bar.finish();
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Whether a listed file is there; with `verify`, whether it is still what the list says.
fn is_there(path: &Path, file: &SourceFile, verify: bool) -> Result<bool> {
    let Ok(found) = fs::metadata(path) else { return Ok(false) };
    let wrong = |difference: String| Problem::Wrong { path: path.to_owned(), difference };
    if let Some(size) = file.published.size.filter(|size| *size != found.len()) {
        return Err(wrong(format!("it has {} bytes, {size} were published", found.len())));
    }
    if verify {
        let found = Fingerprint::of(path, &Bar::silent())?;
        found.difference(&file.published).map_or(Ok(()), |difference| Err(wrong(difference)))?;
    }
    Ok(true)
}
