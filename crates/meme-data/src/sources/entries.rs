//! Which names count as images, and which names an archive must not contain.

use std::collections::BTreeMap;

/// The extensions that are taken for images, lower case.
const IMAGE_EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// What a name says about its entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image under this cleaned name.
    Image(String),
    /// A visible file that is no image, with its extension.
    Other(String),
    /// Hidden, or the system data of some other computer.
    Hidden,
    /// An image under a name that leads out of the archive, and why.
    Escapes(&'static str),
}

/// Reads off an archive entry's name what it is. `./` and doubled slashes are dropped.
pub(super) fn classify(raw: &str) -> Kind {
    let parts: Vec<&str> = raw.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let Some(file) = parts.last() else { return Kind::Hidden };
    let extension = extension_of(file);
    let is_image = extension.as_deref().is_some_and(|e| IMAGE_EXTENSIONS.contains(&e));
    if is_image {
        if raw.starts_with('/') || raw.starts_with('\\') || raw.get(1..3) == Some(":\\") {
            return Kind::Escapes("an absolute path");
        }
        if parts.contains(&"..") || raw.contains("..\\") {
            return Kind::Escapes("a path with `..`");
        }
        if raw.contains('\0') {
            return Kind::Escapes("a name with a zero byte");
        }
    }
    if parts.iter().any(|part| part.starts_with('.') || *part == "__MACOSX") {
        return Kind::Hidden;
    }
    if is_image { Kind::Image(parts.join("/")) } else { Kind::Other(extension.unwrap_or_default()) }
}

/// The lower-case extension of a file name, without its dot.
pub(super) fn extension_of(file: &str) -> Option<String> {
    let (stem, extension) = file.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_ascii_lowercase())
}

/// Counts of what was found that is no image, for the error that says so.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub(super) fn add(&mut self, extension: &str) {
        *self.0.entry(extension.to_owned()).or_default() += 1;
    }

    /// "12 .txt, 3 without extension", the most frequent first, eight kinds at most.
    pub(super) fn describe(&self) -> String {
        let mut counts: Vec<_> = self.0.iter().collect();
        counts.sort_by_key(|(extension, count)| (std::cmp::Reverse(**count), (*extension).clone()));
        let hidden = counts.len().saturating_sub(8);
        let mut words: Vec<String> = counts
            .iter()
            .take(8)
            .map(|(extension, count)| match extension.as_str() {
                "" => format!("{count} without extension"),
                known => format!("{count} .{}", known.escape_default()),
            })
            .collect();
        if hidden > 0 {
            words.push(format!("{hidden} more kinds"));
        }
        if words.is_empty() { "no visible files".to_owned() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_sorted_into_kinds() {
        assert_eq!(classify("./a//b.PNG"), Kind::Image("a/b.PNG".to_owned()));
        assert_eq!(classify("a/b.txt"), Kind::Other("txt".to_owned()));
        assert_eq!(classify("README"), Kind::Other(String::new()));
        assert_eq!(classify("a/.b.png"), Kind::Hidden);
        assert_eq!(classify(".cache/b.png"), Kind::Hidden);
        assert_eq!(classify("__MACOSX/b.png"), Kind::Hidden);
        assert_eq!(classify("./"), Kind::Hidden);
    }

    #[test]
    fn images_under_escaping_names_are_told_apart() {
        for name in ["/a.png", "../a.png", "a/../../b.jpg", "C:\\a.png", "..\\a.png", "a\0.png"] {
            assert!(matches!(classify(name), Kind::Escapes(_)), "{name:?}");
        }
        assert_eq!(classify("a..b.png"), Kind::Image("a..b.png".to_owned()));
    }

    #[test]
    fn the_tally_names_the_most_frequent_first() {
        let mut tally = Tally::default();
        for extension in ["gif", "txt", "txt", ""] {
            tally.add(extension);
        }
        assert_eq!(tally.describe(), "2 .txt, 1 without extension, 1 .gif");
    }
}
