//! The manifest: what a folder holds, and a hash over itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Name of the manifest in a checkpoint folder.
pub const MANIFEST: &str = "manifest.json";

const FORMAT: &str = "meme-checkpoint";
const VERSION: u32 = 1;

/// Length of a BLAKE3 hash in hexadecimal digits.
const DIGITS: usize = 64;
/// The manifest ends in these, around the hash of everything before them.
const BEFORE_HASH: &str = ",\n  \"blake3\": \"";
const AFTER_HASH: &str = "\"\n}\n";

/// Size and hash of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Length in bytes.
    pub size: u64,
    /// BLAKE3 hash of the contents, 64 lower-case hexadecimal digits.
    pub blake3: String,
}

/// What a checkpoint folder holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Every file except the manifest, by name.
    pub files: BTreeMap<String, FileRecord>,
    /// Whatever the writer wanted to keep with them: configuration, counters, threads, device.
    pub extra: Value,
}

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    version: u32,
    files: &'a BTreeMap<String, FileRecord>,
    extra: &'a Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    format: String,
    version: u32,
    files: BTreeMap<String, FileRecord>,
    extra: Value,
    #[serde(rename = "blake3")]
    _blake3: String,
}

impl Manifest {
    /// The manifest as JSON, whose last member is the BLAKE3 hash of all the text before it.
    ///
    /// # Errors
    /// The serialiser's, also when `extra` is nested too deeply to be read back.
    pub fn render(&self) -> serde_json::Result<String> {
        let Manifest { files, extra } = self;
        let written = Written { format: FORMAT, version: VERSION, files, extra };
        let mut text = serde_json::to_string_pretty(&written)?;
        // Reopens the object, whose brace stands in a line of its own.
        text.truncate(text.len() - "\n}".len());
        let hash = blake3::hash(text.as_bytes()).to_hex();
        text.push_str(BEFORE_HASH);
        text.push_str(&hash);
        text.push_str(AFTER_HASH);
        serde_json::from_str::<Read>(&text)?;
        Ok(text)
    }

    /// Reads a manifest; any changed byte is noticed.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, String> {
        let unfinished = || "it does not end as a manifest does".to_owned();
        let split = bytes
            .len()
            .checked_sub(BEFORE_HASH.len() + DIGITS + AFTER_HASH.len())
            .ok_or_else(unfinished)?;
        let (body, tail) = bytes.split_at(split);
        let hash = tail
            .strip_prefix(BEFORE_HASH.as_bytes())
            .and_then(|tail| tail.strip_suffix(AFTER_HASH.as_bytes()))
            .ok_or_else(unfinished)?;
        if hash != blake3::hash(body).to_hex().as_bytes() {
            return Err("its own hash does not match".to_owned());
        }
        let read: Read = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if read.format != FORMAT {
            return Err(format!("its format is `{}`, not `{FORMAT}`", read.format));
        }
        if read.version != VERSION {
            let version = read.version;
            return Err(format!("its version is {version} and this program reads {VERSION}"));
        }
        if let Some((name, fault)) =
            read.files.keys().find_map(|name| Some((name, file_name_fault(name)?)))
        {
            return Err(format!("it lists a file `{name}`: {fault}"));
        }
        Ok(Manifest { files: read.files, extra: read.extra })
    }
}

/// Why a name cannot be a file of a checkpoint folder; a name must not lead out of it.
pub(super) fn file_name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name == MANIFEST {
        Some("the manifest is written by the commit")
    } else if name.starts_with('.') {
        Some("it begins with a dot")
    } else if name.contains(['/', '\\', '\0']) {
        Some("it is not a plain file name")
    } else {
        None
    }
}
