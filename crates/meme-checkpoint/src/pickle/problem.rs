//! What can be wrong with a PyTorch file.

/// One reason to refuse a PyTorch file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleProblem {
    /// It begins neither as a zip archive nor as PyTorch's older format.
    #[error("it is neither of PyTorch's formats")]
    NotTorch,
    /// The zip archive is broken.
    #[error("its archive is broken: {message}")]
    Archive {
        /// What exactly, with the entry's name.
        message: String,
    },
    /// The archive has no `data.pkl`, or several.
    #[error("its archive has {count} entries `data.pkl` where PyTorch writes one")]
    Pickles {
        /// How many.
        count: usize,
    },
    /// An entry is compressed, which PyTorch never does with data.
    #[error("entry `{entry}` is compressed or encrypted; save the file again with PyTorch")]
    Compressed {
        /// The entry.
        entry: String,
    },
    /// The file comes from a big-endian machine.
    #[error("its byte order is `{order}`; only little-endian files are read")]
    ByteOrder {
        /// What it says.
        order: String,
    },
    /// The pickle ends in the middle.
    #[error("its pickle is cut short at byte {position}")]
    Truncated {
        /// Where in the pickle.
        position: u64,
    },
    /// The pickle has an instruction that PyTorch does not use.
    #[error("its pickle has the unknown instruction {opcode:#04x} at byte {position}")]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Where in the pickle.
        position: u64,
    },
    /// An instruction cannot be followed.
    #[error("its pickle makes no sense at byte {position}: {reason}")]
    Nonsense {
        /// Why not.
        reason: &'static str,
        /// Where in the pickle.
        position: u64,
    },
    /// A storage is missing or has the wrong size.
    #[error("storage `{key}` has {found} bytes and its tensors expect {expected}")]
    Storage {
        /// The storage's key.
        key: String,
        /// Bytes the pickle speaks of.
        expected: u64,
        /// Bytes there are; 0 where it is missing.
        found: u64,
    },
    /// Something follows the last storage, or the list of storages is not that of the tensors.
    #[error("its list of storages is broken: {reason}")]
    Storages {
        /// Why.
        reason: &'static str,
    },
    /// A tensor cannot be read.
    #[error("tensor `{tensor}`: {reason}")]
    Tensor {
        /// Its path.
        tensor: String,
        /// Why not.
        reason: &'static str,
    },
    /// Two tensors have the same path.
    #[error("two tensors are called `{tensor}`")]
    Twice {
        /// The path.
        tensor: String,
    },
    /// The tensors share so much storage that together they are far larger than the file.
    #[error("its tensors would take {bytes} bytes, far more than the file has")]
    TooLarge {
        /// Bytes they would take.
        bytes: u64,
    },
    /// Containers are nested too deeply, or refer to each other too often.
    #[error("its containers are nested too deeply near `{path}`")]
    TooDeep {
        /// A path that is.
        path: String,
    },
}
