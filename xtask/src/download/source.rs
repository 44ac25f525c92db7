//! The list of what can be downloaded: `sources.toml`, or a list of the user's own.

use std::path::{Component, Path};

use serde::Deserialize;

use super::problem::{Problem, Result};

/// The list that is built in.
const BUILT_IN: &str = include_str!("sources.toml");

/// Everything that can be downloaded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sources {
    #[serde(rename = "source")]
    pub(crate) all: Vec<Source>,
}

/// One thing with a name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) licence: String,
    pub(crate) licence_url: String,
    pub(crate) notice: String,
    /// What a person can do where no host answers, or where only a person may download.
    #[serde(default)]
    pub(crate) by_hand: String,
    /// A command that uses what was downloaded; `DIR` stands for the folder.
    #[serde(default)]
    pub(crate) next: String,
    pub(crate) files: Vec<SourceFile>,
}

/// One file of a source.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceFile {
    /// Where it goes, below the source's folder.
    pub(crate) path: String,
    /// Where it is, in the order in which hosts are asked. None: only a person can download it.
    #[serde(default)]
    pub(crate) urls: Vec<String>,
    /// What the publisher says of it.
    #[serde(default)]
    pub(crate) published: Published,
    /// What comes out of it.
    pub(crate) unpack: Option<Unpack>,
    /// Set where the file lists more files.
    pub(crate) index: Option<Index>,
}

/// What is known of a file before it is downloaded; hexadecimal digits in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Published {
    pub(crate) size: Option<u64>,
    pub(crate) md5: Option<String>,
    pub(crate) sha256: Option<String>,
    /// The first digits of the SHA-256, as file names of `torch.hub` carry them.
    pub(crate) sha256_begins: Option<String>,
}

impl Published {
    /// Whether two files that agree with this are the same file, so that pieces of them may be joined.
    pub(crate) fn names_one_file(&self) -> bool {
        self.md5.is_some() || self.sha256.is_some()
    }

    /// Whether there is anything to compare a file's contents with.
    pub(crate) fn has_checksum(&self) -> bool {
        self.names_one_file() || self.sha256_begins.is_some()
    }
}

/// How an archive is unpacked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unpack {
    pub(crate) kind: Archive,
    /// The folder that it becomes, below the source's folder.
    pub(crate) to: String,
    /// Only entries whose names begin so; the beginning is left out of what they become.
    #[serde(default)]
    pub(crate) only: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Archive {
    Zip,
    Tar,
}

/// The form of a file that lists more files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Index {
    /// `ffhq-dataset-v2.json`: address, size and MD5 of every picture.
    Ffhq,
}

impl Sources {
    /// The list in `file`, or the one that is built in.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self> {
        let (text, shown) = match file {
            None => (BUILT_IN.to_owned(), "sources.toml".to_owned()),
            Some(file) => (
                std::fs::read_to_string(file).map_err(Problem::io("read", file))?,
                file.display().to_string(),
            ),
        };
        let wrong = |message| Problem::Sources { file: shown.clone(), message };
        let sources: Sources = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        for source in &sources.all {
            check(source).map_err(|message| wrong(format!("{}: {message}", source.name)))?;
        }
        Ok(sources)
    }

    /// The names, for messages.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.all.iter().map(|source| source.name.as_str()).collect()
    }
}

impl Source {
    /// Whether nothing of it can be downloaded by a program.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.files.iter().all(|file| file.urls.is_empty())
    }
}

fn check(source: &Source) -> Result<(), String> {
    if !is_inside(&source.name) {
        return Err("the name cannot be a folder's".into());
    }
    for file in &source.files {
        let unpacked = file.unpack.as_ref().map(|unpack| unpack.to.as_str());
        for path in [Some(file.path.as_str()), unpacked].into_iter().flatten() {
            if !is_inside(path) {
                return Err(format!("{path} leads out of the folder"));
            }
        }
        let digits = [&file.published.md5, &file.published.sha256, &file.published.sha256_begins];
        for (digits, most) in digits.into_iter().zip([32, 64, 64]) {
            if digits.as_ref().is_some_and(|digits| !is_hexadecimal(digits, most)) {
                return Err(format!("{}: {digits:?} is no checksum", file.path));
            }
        }
    }
    Ok(())
}

/// Whether a path has only names, so that it stays below the folder that it is joined to.
pub(crate) fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some()
        && parts.all(|part| matches!(part, Component::Normal(_)))
        && !path.contains(['\\', '\0'])
}

fn is_hexadecimal(digits: &str, most: usize) -> bool {
    !digits.is_empty()
        && digits.len() <= most
        && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::{Sources, is_inside};

    #[test]
    fn the_built_in_list_is_read_and_holds_what_the_help_names() {
        let sources = Sources::read(None).unwrap();
        let expected =
            "ffhq celebahq celeba imagenet vq-f4 ldm-ffhq ldm-celebahq inception squeezenet";
        assert_eq!(sources.names().join(" "), expected);
        assert!(sources.all.iter().all(|source| !source.notice.trim().is_empty()));
        let only_by_hand = sources.all.iter().filter(|source| source.is_by_hand());
        assert_eq!(only_by_hand.map(|source| &source.name).collect::<Vec<_>>(), ["imagenet"]);
    }

    #[test]
    fn checksums_in_file_names_agree_with_the_list() {
        // torch.hub checks the digits between the last hyphen and the dot.
        for source in Sources::read(None).unwrap().all {
            for file in source.files.iter().filter(|file| file.path.ends_with(".pth")) {
                let digits = file.path.trim_end_matches(".pth").rsplit('-').next();
                assert_eq!(file.published.sha256_begins.as_deref(), digits);
                assert!(file.urls.iter().all(|url| url.ends_with(&file.path)));
            }
        }
    }

    #[test]
    fn paths_that_lead_out_are_recognised() {
        for inside in ["a", "a/b.zip", "images1024x1024/00000/00000.png", "a..b"] {
            assert!(is_inside(inside), "{inside}");
        }
        for outside in ["", "..", "a/../../b", "/a", "./a", "a\\..\\b", "a\0"] {
            assert!(!is_inside(outside), "{outside:?}");
        }
    }
}
