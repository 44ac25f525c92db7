//! What can be wrong with a checkpoint folder.

/// One thing that is wrong with a checkpoint folder, with the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderProblem {
    /// There is no manifest, so the folder was not made by this crate or has lost it.
    #[error("manifest.json is missing")]
    ManifestMissing,
    /// The manifest's own hash does not match, or it is not a manifest at all.
    #[error("manifest.json is damaged: {reason}")]
    ManifestDamaged {
        /// What exactly is wrong with it.
        reason: String,
    },
    /// A file that the manifest lists is not there.
    #[error("{file} is missing")]
    Missing {
        /// The file.
        file: String,
    },
    /// A file is shorter or longer than it was.
    #[error("{file} has {found} bytes and should have {expected}")]
    Size {
        /// The file.
        file: String,
        /// Its size in the manifest.
        expected: u64,
        /// Its size now.
        found: u64,
    },
    /// A file holds other bytes than it did.
    #[error("{file} has changed: its BLAKE3 hash is {found} and should be {expected}")]
    Hash {
        /// The file.
        file: String,
        /// Its hash in the manifest.
        expected: String,
        /// Its hash now.
        found: String,
    },
    /// A file cannot be read.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// The operating system's words.
        reason: String,
    },
}
