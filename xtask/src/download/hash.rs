//! What a file is: its size and checksums, and how they compare with what was promised.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use md5::Md5; // of the package md-5
use sha2::{Digest as _, Sha256};

use super::bar::Bar;
use super::problem::{Problem, Result};
use super::source::Published;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// A file's size and checksums, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) md5: String,
}

impl Fingerprint {
    /// Reads the whole file.
    pub(crate) fn of(path: &Path, bar: &Bar) -> Result<Self> {
        let read = |source| Problem::Io { doing: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(read)?;
        let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
        let mut buffer = vec![0; CHUNK];
        let mut size = 0;
        loop {
            let count = file.read(&mut buffer).map_err(read)?;
            if count == 0 {
                break;
            }
            sha256.update(&buffer[..count]);
            md5.update(&buffer[..count]);
            size += count as u64;
            bar.still_at_work();
        }
        Ok(Fingerprint { size, sha256: digits(&sha256.finalize()), md5: digits(&md5.finalize()) })
    }

    /// How the file differs from what was published; `None` where it does not.
    pub(crate) fn difference(&self, published: &Published) -> Option<String> {
        if let Some(size) = published.size.filter(|size| *size != self.size) {
            return Some(format!("it has {} bytes, {size} were published", self.size));
        }
        let whole =
            [("MD5", &self.md5, &published.md5), ("SHA-256", &self.sha256, &published.sha256)];
        for (name, found, expected) in whole {
            if let Some(expected) = expected.as_ref().filter(|expected| *expected != found) {
                return Some(format!("its {name} is {found}, {expected} was published"));
            }
        }
        let begins = published.sha256_begins.as_ref();
        begins.filter(|begins| !self.sha256.starts_with(begins.as_str())).map(|begins| {
            format!("its SHA-256 is {}, one that begins with {begins} was published", self.sha256)
        })
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Bar, Fingerprint, Published};

    #[test]
    fn the_checksums_of_abc_are_those_of_rfc_1321_and_fips_180() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let found = Fingerprint::of(file.path(), &Bar::silent()).unwrap();
        assert_eq!(found.md5, "900150983cd24fb0d6963f7d28e17f72");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((found.size, found.sha256.as_str()), (3, sha256));
        let begins =
            |digits: &str| Published { sha256_begins: Some(digits.into()), ..Published::default() };
        assert_eq!(found.difference(&begins("ba7816bf")), None);
        assert!(found.difference(&begins("ba7816be")).unwrap().contains("ba7816be was published"));
        let size = Published { size: Some(4), ..Published::default() };
        assert_eq!(found.difference(&size).unwrap(), "it has 3 bytes, 4 were published");
    }
}
